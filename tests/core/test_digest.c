#include "core/digest.h"

#include <stdio.h>
#include <string.h>

#include "core/suite.h"

static void
expect(vmx_digest_algorithm algorithm, const char *text, const char *hex)
{
    vmx_digest digest = {0};
    uint8_t out[VMX_DIGEST_MAX_BYTES];
    char found[2 * VMX_DIGEST_MAX_BYTES + 1] = "";
    ck_assert(vmx_digest_begin(&digest, algorithm));
    for (size_t i = 0; i < strlen(text); i++) { /* a byte at a time, and looked at on the way */
        vmx_digest_update(&digest, text + i, 1);
        ck_assert_uint_eq(vmx_digest_peek(&digest, out), vmx_digest_bytes(algorithm));
    }
    size_t len = vmx_digest_peek(&digest, out);
    for (size_t i = 0; i < len; i++)
        sprintf(found + 2 * i, "%02x", out[i]);
    ck_assert_str_eq(found, hex);
    vmx_digest_free(&digest);
}

/* RFC 3720, B.4, and the check value of the CRC catalogues. */
START_TEST(test_crc32c_is_the_published_one)
{
    expect(VMX_DIGEST_CRC32C, "123456789", "e3069283");
    uint8_t zeros[32] = {0};
    ck_assert_uint_eq(vmx_crc32c(0, zeros, sizeof zeros), 0x8a9136aau);
    ck_assert_uint_eq(vmx_crc32c(vmx_crc32c(0, zeros, 11), zeros, 21), 0x8a9136aau);
}
END_TEST

/* FIPS 180-2, B.1 */
START_TEST(test_sha256_is_the_published_one)
{
    expect(VMX_DIGEST_SHA256, "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}
END_TEST

START_TEST(test_a_digest_begins_again)
{
    for (vmx_digest_algorithm algorithm = VMX_DIGEST_CRC32C; algorithm <= VMX_DIGEST_SHA256; algorithm++) {
        vmx_digest digest = {0};
        uint8_t first[VMX_DIGEST_MAX_BYTES], second[VMX_DIGEST_MAX_BYTES];
        ck_assert(vmx_digest_begin(&digest, algorithm));
        vmx_digest_update(&digest, "abc", 3);
        size_t len = vmx_digest_peek(&digest, first);
        vmx_digest_update(&digest, "more", 4);
        ck_assert(vmx_digest_begin(&digest, algorithm));
        vmx_digest_update(&digest, "abc", 3);
        ck_assert_uint_eq(vmx_digest_peek(&digest, second), len);
        ck_assert_mem_eq(first, second, len);
        vmx_digest_free(&digest);
    }
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {test_crc32c_is_the_published_one, test_sha256_is_the_published_one,
                                  test_a_digest_begins_again, NULL};
    return run_suite("core/digest", tests);
}
