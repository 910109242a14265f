#include "core/digest.h"

#include <isa-l/crc.h>
#include <openssl/evp.h>

#define MAX_CRC_BYTES (1 << 30) /* ISA-L counts in int */

const char *
vmx_digest_name(vmx_digest_algorithm algorithm)
{
    return algorithm == VMX_DIGEST_SHA256 ? "sha256" : "crc32c";
}

size_t
vmx_digest_bytes(vmx_digest_algorithm algorithm)
{
    return algorithm == VMX_DIGEST_SHA256 ? 32 : 4;
}

uint32_t
vmx_crc32c(uint32_t crc, const void *data, size_t len)
{
    unsigned char *at = (unsigned char *)data; /* only read */
    crc = ~crc;
    while (len > 0) {
        size_t piece = len < MAX_CRC_BYTES ? len : MAX_CRC_BYTES;
        crc = crc32_iscsi(at, (int)piece, crc);
        at += piece;
        len -= piece;
    }
    return ~crc;
}

bool
vmx_digest_begin(vmx_digest *digest, vmx_digest_algorithm algorithm)
{
    digest->algorithm = algorithm;
    digest->crc32c = 0;
    if (algorithm != VMX_DIGEST_SHA256)
        return true;
    if (!digest->context)
        digest->context = EVP_MD_CTX_new();
    return digest->context && EVP_DigestInit_ex(digest->context, EVP_sha256(), NULL) == 1;
}

void
vmx_digest_update(vmx_digest *digest, const void *data, size_t len)
{
    if (digest->algorithm == VMX_DIGEST_SHA256)
        EVP_DigestUpdate(digest->context, data, len);
    else
        digest->crc32c = vmx_crc32c(digest->crc32c, data, len);
}

static size_t
peek_sha256(const vmx_digest *digest, uint8_t out[VMX_DIGEST_MAX_BYTES])
{
    EVP_MD_CTX *copy = EVP_MD_CTX_new();
    unsigned len = 0;
    if (!copy || EVP_MD_CTX_copy_ex(copy, digest->context) != 1 || EVP_DigestFinal_ex(copy, out, &len) != 1)
        len = 0;
    EVP_MD_CTX_free(copy);
    return len;
}

size_t
vmx_digest_peek(const vmx_digest *digest, uint8_t out[VMX_DIGEST_MAX_BYTES])
{
    if (digest->algorithm == VMX_DIGEST_SHA256)
        return peek_sha256(digest, out);
    for (int i = 0; i < 4; i++)
        out[i] = (uint8_t)(digest->crc32c >> (24 - 8 * i));
    return 4;
}

void
vmx_digest_free(vmx_digest *digest)
{
    EVP_MD_CTX_free(digest->context);
    *digest = (vmx_digest){0};
}
