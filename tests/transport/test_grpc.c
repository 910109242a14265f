#include "transport/suites.h"
TCase *
grpc_cases(void)
{
    return tcase_create("grpc");
}
