#include <grpc/grpc_security.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>

#include "core/alloc.h"
#include "core/error.h"
#include "transport/grpc/internal.h"

enum { MAX_BUNDLE_BYTES = 16 << 20 };

/* Where distributions keep the roots: Debian, Fedora, openSUSE, newer Fedora, Alpine and the BSDs. */
static const char *const bundles[] = {"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt",
                                      "/etc/ssl/ca-bundle.pem", "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
                                      "/etc/ssl/cert.pem"};

/* The whole file as text, for vmx_dealloc; NULL when there is none, or memory is out. */
static char *
read_file(const char *path)
{
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return NULL;
    char *text = NULL;
    long size = fseek(file, 0, SEEK_END) == 0 ? ftell(file) : -1;
    if (size > 0 && size <= MAX_BUNDLE_BYTES && fseek(file, 0, SEEK_SET) == 0)
        text = vmx_alloc((size_t)size + 1);
    if (text != NULL)
        text[fread(text, 1, (size_t)size, file)] = '\0';
    fclose(file);
    return text;
}

/* With transport->lock held. */
static void
find_system_roots(vmx_grpc_transport *transport)
{
    for (size_t i = 0; transport->system_roots == NULL && i < sizeof bundles / sizeof *bundles; i++)
        transport->system_roots = read_file(bundles[i]);
}

static char *
copy_system_roots(vmx_grpc_transport *transport, vmx_error *error)
{
    pthread_mutex_lock(&transport->lock);
    find_system_roots(transport);
    char *copy = transport->system_roots != NULL ? vmx_str_copy(vmx_str_from(transport->system_roots)) : NULL;
    bool found = transport->system_roots != NULL;
    pthread_mutex_unlock(&transport->lock);
    if (!found)
        vmx_error_set(error, VMX_ERR_INVALID,
                      "TLS: no system certificates found (%s and others); install ca-certificates or give a CA file",
                      bundles[0]);
    else if (copy == NULL)
        vmx_error_no_memory(error);
    return copy;
}

/* The core would only say "handshake failed", at the first connection. */
static bool
has_certificate(vmx_str pem)
{
    BIO *bio = pem.len <= INT_MAX ? BIO_new_mem_buf(pem.ptr, (int)pem.len) : NULL;
    X509 *certificate = bio != NULL ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
    bool found = certificate != NULL;
    X509_free(certificate);
    BIO_free(bio);
    ERR_clear_error();
    return found;
}

static char *
copy_given_roots(vmx_str pem, vmx_error *error)
{
    if (!has_certificate(pem)) {
        vmx_error_set(
            error, VMX_ERR_INVALID,
            "TLS: the CA text (%zu bytes) holds no certificate; give PEM, \"-----BEGIN CERTIFICATE-----\" ...",
            pem.len);
        return NULL;
    }
    char *copy = vmx_str_copy(pem);
    if (copy == NULL)
        vmx_error_no_memory(error);
    return copy;
}

grpc_channel_credentials *
vmx_grpc_credentials_new(vmx_grpc_transport *transport, const vmx_channel_options *options, vmx_error *error)
{
    if (!options->tls)
        return grpc_insecure_credentials_create();
    /* Always explicit: left alone, the core reads an environment variable. */
    char *roots =
        options->ca_pem.len > 0 ? copy_given_roots(options->ca_pem, error) : copy_system_roots(transport, error);
    if (roots == NULL)
        return NULL;
    grpc_channel_credentials *credentials = grpc_ssl_credentials_create_ex(roots, NULL, NULL, NULL);
    vmx_dealloc(roots);
    return credentials;
}
