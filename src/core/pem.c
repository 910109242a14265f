#include "core/pem.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>

/* OpenSSL's own callback would ask for the password of an encrypted block on the terminal. */
static int
no_password(char *buffer, int size, int writing, void *user)
{
    (void)buffer, (void)size, (void)writing, (void)user;
    return -1;
}

/* Reads certificates until one is damaged or none is left; `*end` tells the two apart. */
static int
count_certificates(BIO *bio, bool *end)
{
    int count = 0;
    X509 *certificate;
    while ((certificate = PEM_read_bio_X509(bio, NULL, no_password, NULL))) {
        X509_free(certificate);
        count++;
    }
    unsigned long code = ERR_peek_last_error();
    *end = ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE;
    return count;
}

const char *
vmx_pem_check_certificates(vmx_str pem, char reason[64])
{
    if (pem.len == 0)
        return "no certificate in it";
    if (pem.len > INT_MAX)
        return "too large";
    ERR_set_mark(); /* the thread's error queue is the host's */
    BIO *bio = BIO_new_mem_buf(pem.ptr, (int)pem.len);
    bool end = false;
    int count = bio ? count_certificates(bio, &end) : 0;
    BIO_free(bio);
    ERR_pop_to_mark();
    if (!bio)
        return "out of memory";
    if (end)
        return count ? NULL : "no certificate in it";
    snprintf(reason, 64, "certificate %d is damaged", count + 1);
    return reason;
}
