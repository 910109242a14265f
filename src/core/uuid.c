#include "core/uuid.h"

#include <openssl/evp.h>
#include <string.h>

#define DIGEST_BYTES 20 /* SHA-1 */

/* Both as one digest, without a copy of the name. */
static bool
digest(const uint8_t space[16], vmx_str name, uint8_t out[DIGEST_BYTES])
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool good = context != NULL && EVP_DigestInit_ex(context, EVP_sha1(), NULL) == 1 &&
                EVP_DigestUpdate(context, space, 16) == 1 && EVP_DigestUpdate(context, name.ptr, name.len) == 1 &&
                EVP_DigestFinal_ex(context, out, NULL) == 1;
    EVP_MD_CTX_free(context);
    return good;
}

static bool
is_dash(size_t position)
{
    return position == 8 || position == 13 || position == 18 || position == 23;
}

bool
vmx_uuid_of_name(const uint8_t space[16], vmx_str name, char text[VMX_UUID_TEXT_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    uint8_t bytes[DIGEST_BYTES];
    if (!digest(space, name, bytes))
        return false;
    bytes[6] = (uint8_t)((bytes[6] & 0x0f) | 0x50); /* version 5, */
    bytes[8] = (uint8_t)((bytes[8] & 0x3f) | 0x80); /* variant of RFC 9562 */
    size_t at = 0;
    for (size_t i = 0; i < 16; i++) {
        if (is_dash(at))
            text[at++] = '-';
        text[at++] = digits[bytes[i] >> 4];
        text[at++] = digits[bytes[i] & 0x0f];
    }
    text[at] = '\0';
    return true;
}

bool
vmx_uuid_is_canonical(vmx_str text)
{
    if (text.len != VMX_UUID_TEXT_SIZE - 1)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
        if (is_dash(i) ? c != '-' : !hex)
            return false;
    }
    return true;
}
