#include "transport/suites.h"
TCase *
tls_cases(void)
{
    return tcase_create("tls");
}
