#include "mock/base64.h"

#include <openssl/evp.h>
#include <string.h>

vmx_str
vmx_mock_base64_encode(vmx_arena *arena, vmx_str bytes)
{
    unsigned char *text = vmx_arena_alloc(arena, (bytes.len + 2) / 3 * 4 + 1);
    if (text == NULL)
        return (vmx_str){0};
    int len = EVP_EncodeBlock(text, (const unsigned char *)bytes.ptr, (int)bytes.len);
    while (len > 0 && text[len - 1] == '=')
        len--;
    return (vmx_str){(const char *)text, (size_t)len};
}

vmx_str
vmx_mock_base64_decode(vmx_arena *arena, vmx_str text)
{
    while (text.len > 0 && text.ptr[text.len - 1] == '=')
        text.len--;
    size_t padded = (text.len + 3) / 4 * 4;
    unsigned char *in = vmx_arena_alloc(arena, padded + 1);
    unsigned char *out = vmx_arena_alloc(arena, padded + 1);
    if (in == NULL || out == NULL || text.len % 4 == 1)
        return (vmx_str){0};
    memcpy(in, text.ptr, text.len);
    memset(in + text.len, '=', padded - text.len);
    int len = EVP_DecodeBlock(out, in, (int)padded);
    if (len < 0)
        return (vmx_str){0};
    return (vmx_str){(const char *)out, (size_t)len - (padded - text.len)};
}

bool
vmx_mock_is_binary(vmx_str key)
{
    return key.len > 4 && memcmp(key.ptr + key.len - 4, "-bin", 4) == 0;
}
