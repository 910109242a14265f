/*
 * tests/core/certificate.h: a self-signed certificate as PEM, made on the spot.
 */
#ifndef VMX_TESTS_CERTIFICATE_H
#define VMX_TESTS_CERTIFICATE_H

#include <check.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <string.h>

#define CERTIFICATE_SIZE 2048

static inline void
certificate_make(char pem[CERTIFICATE_SIZE])
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_set_pubkey(certificate, key);
    X509_NAME *name = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"test", -1, -1, 0);
    X509_set_issuer_name(certificate, name);
    ck_assert_int_gt(X509_sign(certificate, key, EVP_sha256()), 0);

    BIO *bio = BIO_new(BIO_s_mem());
    ck_assert_int_eq(PEM_write_bio_X509(bio, certificate), 1);
    int len = BIO_read(bio, pem, CERTIFICATE_SIZE - 1);
    ck_assert_int_gt(len, 0);
    pem[len] = '\0';
    BIO_free(bio);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

#endif
