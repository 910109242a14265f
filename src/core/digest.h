/*
 * core/digest.h: digests of parts and blobs: CRC-32C (Castagnoli, RFC 3720) by ISA-L, SHA-256 by OpenSSL. Not thread safe.
 */
#ifndef VMX_CORE_DIGEST_H
#define VMX_CORE_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VMX_DIGEST_MAX_BYTES 32

/* The numbers are those of vecmux.repository.v1.DigestAlgorithm. */
typedef enum vmx_digest_algorithm {
    VMX_DIGEST_CRC32C = 1, /* 4 bytes, big endian */
    VMX_DIGEST_SHA256 = 2  /* 32 bytes */
} vmx_digest_algorithm;

/* "crc32c", "sha256" */
const char *
vmx_digest_name(vmx_digest_algorithm algorithm);

size_t
vmx_digest_bytes(vmx_digest_algorithm algorithm);

/* A digest that grows with its bytes. Zero-initialised it may be freed. */
typedef struct vmx_digest {
    vmx_digest_algorithm algorithm;
    uint32_t crc32c; /* of what has come so far; kept with CRC-32C only */
    void *context;   /* of SHA-256 */
} vmx_digest;

/* Begins, or begins again; false when memory is out. */
bool
vmx_digest_begin(vmx_digest *digest, vmx_digest_algorithm algorithm);

void
vmx_digest_update(vmx_digest *digest, const void *data, size_t len);

/* The digest of what has come so far, into `out`; more may follow. Its length, or 0 when memory is out. */
size_t
vmx_digest_peek(const vmx_digest *digest, uint8_t out[VMX_DIGEST_MAX_BYTES]);

void
vmx_digest_free(vmx_digest *digest);

/* The CRC-32C of some bytes (`crc` of them so far, 0 at first) and these behind them. */
uint32_t
vmx_crc32c(uint32_t crc, const void *data, size_t len);

#endif
