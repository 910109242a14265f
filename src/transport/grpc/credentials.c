#include <grpc/grpc_security.h>

#include "core/alloc.h"
#include "core/error.h"
#include "core/file.h"
#include "core/pem.h"
#include "transport/grpc/internal.h"

enum { MAX_BUNDLE_BYTES = 16 << 20 };

/* Where distributions keep the roots: Debian, Fedora, openSUSE, newer Fedora, Alpine and the BSDs. */
static const char *const bundles[] = {"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt",
                                      "/etc/ssl/ca-bundle.pem", "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
                                      "/etc/ssl/cert.pem"};

/* With transport->lock held: the text of the first bundle there is, read once; NULL when there is none. */
static const char *
find_system_roots(vmx_grpc_transport *transport)
{
    vmx_buffer *roots = &transport->system_roots;
    for (size_t i = 0; roots->len == 0 && i < sizeof bundles / sizeof *bundles; i++) {
        if (vmx_file_read(vmx_str_from(bundles[i]), MAX_BUNDLE_BYTES, roots, NULL) == VMX_OK)
            vmx_buffer_append_byte(roots, '\0');
        if (roots->failed || roots->len <= 1)
            vmx_buffer_free(roots);
    }
    return (const char *)roots->data;
}

static grpc_channel_credentials *
trust_system(vmx_grpc_transport *transport, vmx_error *error)
{
    pthread_mutex_lock(&transport->lock);
    const char *roots = find_system_roots(transport);
    grpc_channel_credentials *credentials =
        roots != NULL ? grpc_ssl_credentials_create_ex(roots, NULL, NULL, NULL) : NULL;
    pthread_mutex_unlock(&transport->lock);
    if (credentials == NULL)
        vmx_error_set(error, VMX_ERR_INVALID,
                      "TLS: the system has no certificates (%s and others); install ca-certificates or give a CA file",
                      bundles[0]);
    return credentials;
}

/* The core would find fault only at the first connection, and not say why. */
static grpc_channel_credentials *
trust_given(vmx_str pem, vmx_error *error)
{
    char reason[64];
    const char *fault = vmx_pem_check_certificates(pem, reason);
    if (fault != NULL) {
        vmx_error_set(error, VMX_ERR_INVALID, "TLS: the CA text (%zu bytes): %s; give PEM certificates", pem.len,
                      fault);
        return NULL;
    }
    char *roots = vmx_str_copy(pem);
    if (roots == NULL) {
        vmx_error_no_memory(error);
        return NULL;
    }
    grpc_channel_credentials *credentials = grpc_ssl_credentials_create_ex(roots, NULL, NULL, NULL);
    vmx_dealloc(roots);
    return credentials;
}

grpc_channel_credentials *
vmx_grpc_credentials_new(vmx_grpc_transport *transport, const vmx_channel_options *options, vmx_error *error)
{
    if (!options->tls)
        return grpc_insecure_credentials_create();
    /* Always explicit: left alone, the core reads an environment variable. */
    return options->ca_pem.len > 0 ? trust_given(options->ca_pem, error) : trust_system(transport, error);
}
