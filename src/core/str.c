#include <string.h>
#include <vecmux/types.h>

vmx_str
vmx_str_from(const char *text)
{
    return (vmx_str){text, text ? strlen(text) : 0};
}
