#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>

#include "core/error.h"
#include "mock/connection.h"

static BIO *
bio_of(vmx_str text)
{
    return BIO_new_mem_buf(text.ptr, (int)text.len);
}

static bool
use_certificate(SSL_CTX *context, vmx_str pem)
{
    BIO *bio = bio_of(pem);
    X509 *certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    bool used = certificate != NULL && SSL_CTX_use_certificate(context, certificate) == 1;
    X509_free(certificate);
    for (X509 *link; used && (link = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL;)
        used = SSL_CTX_add0_chain_cert(context, link) == 1;
    BIO_free(bio);
    ERR_clear_error(); /* the end of the file is one */
    return used;
}

static bool
use_key(SSL_CTX *context, vmx_str pem)
{
    BIO *bio = bio_of(pem);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
    bool used = key != NULL && SSL_CTX_use_PrivateKey(context, key) == 1 && SSL_CTX_check_private_key(context) == 1;
    EVP_PKEY_free(key);
    BIO_free(bio);
    ERR_clear_error();
    return used;
}

/* gRPC asks for "h2" (RFC 9113, 3.3); another protocol is no protocol of ours. */
static int
choose_protocol(SSL *tls, const unsigned char **out, unsigned char *out_len, const unsigned char *in, unsigned in_len,
                void *arg)
{
    (void)tls, (void)arg;
    for (unsigned at = 0; at < in_len; at += in[at] + 1u)
        if (in[at] == 2 && at + 2 < in_len && memcmp(&in[at + 1], "h2", 2) == 0) {
            *out = &in[at + 1];
            *out_len = 2;
            return SSL_TLSEXT_ERR_OK;
        }
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

SSL_CTX *
vmx_mock_tls_context(vmx_str certificate, vmx_str key, vmx_error *error)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    const char *fault = context == NULL                          ? "TLS cannot be used"
                        : !use_certificate(context, certificate) ? "tls_certificate is no PEM certificate"
                        : !use_key(context, key)                 ? "tls_key is no PEM key, or not the certificate's"
                                                                 : NULL;
    if (fault != NULL) {
        vmx_error_set(error, VMX_ERR_INVALID, "mock: %s", fault);
        SSL_CTX_free(context);
        return NULL;
    }
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_alpn_select_cb(context, choose_protocol, NULL);
    return context;
}

static ssize_t
result_of(SSL *tls, int result)
{
    if (result > 0)
        return result;
    int reason = SSL_get_error(tls, result);
    ERR_clear_error();
    if (reason == SSL_ERROR_ZERO_RETURN)
        return 0;
    errno = reason == SSL_ERROR_WANT_READ || reason == SSL_ERROR_WANT_WRITE ? EAGAIN : ECONNRESET;
    return -1;
}

ssize_t
vmx_mock_tls_read(SSL *tls, void *data, size_t len)
{
    return result_of(tls, SSL_read(tls, data, (int)len));
}

ssize_t
vmx_mock_tls_write(SSL *tls, const void *data, size_t len)
{
    return result_of(tls, SSL_write(tls, data, (int)len));
}
