#include <vecmux/types.h>

/* The VMX_VERSION_* texts come from CMake: core includes neither gRPC nor protobuf-c. */

const char *
vmx_version(void)
{
    return VMX_VERSION_TEXT;
}

uint32_t
vmx_version_number(void)
{
    return VMX_VERSION_MAJOR * 10000 + VMX_VERSION_MINOR * 100 + VMX_VERSION_PATCH;
}

const char *
vmx_version_details(void)
{
    return "grpc-core " VMX_VERSION_GRPC ", protobuf-c " VMX_VERSION_PROTOBUF_C ", jansson " VMX_VERSION_JANSSON
           ", OpenSSL " VMX_VERSION_OPENSSL;
}
