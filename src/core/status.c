#include <vecmux/types.h>

const char *
vmx_status_name(vmx_status status)
{
    static const struct {
        vmx_status code;
        const char *name;
    } names[] = {
#define NAME(code) {code, #code}
        NAME(VMX_OK),
        NAME(VMX_ERR_INVALID),
        NAME(VMX_ERR_NO_MEMORY),
        NAME(VMX_ERR_TOO_LARGE),
        NAME(VMX_ERR_WOULD_BLOCK),
        NAME(VMX_ERR_TIMEOUT),
        NAME(VMX_ERR_CLOSED),
        NAME(VMX_ERR_FORKED),
        NAME(VMX_ERR_WOULD_DEADLOCK),
        NAME(VMX_ERR_UNSUPPORTED),
        NAME(VMX_ERR_IO),
        NAME(VMX_ERR_NOT_DONE),
        NAME(VMX_ERR_CANCELLED),
        NAME(VMX_ERR_DEADLINE),
        NAME(VMX_ERR_UNAVAILABLE),
        NAME(VMX_ERR_UNAUTHENTICATED),
        NAME(VMX_ERR_PERMISSION_DENIED),
        NAME(VMX_ERR_NOT_FOUND),
        NAME(VMX_ERR_ALREADY_EXISTS),
        NAME(VMX_ERR_RESOURCE_EXHAUSTED),
        NAME(VMX_ERR_REJECTED),
        NAME(VMX_ERR_SERVER),
        NAME(VMX_ERR_PROTOCOL),
        NAME(VMX_ERR_FALLBACK),
#undef NAME
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (names[i].code == status)
            return names[i].name;
    return "VMX_ERR_?";
}
