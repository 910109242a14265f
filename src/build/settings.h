/*
 * build/settings.h: what one build is to do: its spec and the client's properties, checked and resolved.
 */
#ifndef VMX_BUILD_SETTINGS_H
#define VMX_BUILD_SETTINGS_H

#include "build/build.h"
#include "core/digest.h"
#include "source/blob.h"

/* The spec and the properties, resolved. Texts are in the op's arena. */
typedef struct vmx_build_settings {
    vmx_build_spec spec;
    char *output, *part_path, *state_path;
    char *vector_blob, *doc_id_blob, *result_blob;
    char *tenant;
    char *base_key;   /* the user's, or random; names blobs and files */
    char *key;        /* of the server's build: base_key, or with a number behind it once that build's result is gone */
    bool keyed;       /* the user gave it */
    char *name_space; /* in place; NULL: a remote build */
    bool lucene_footer;
    bool clean_up;
    vmx_digest_algorithm digest;
    size_t streams_up, streams_down;
    uint64_t part_bytes;
    size_t chunk_bytes;
    int64_t idle_timeout_ms, poll_ms, lease_ms;
    vmx_call_settings call; /* of one unary call */
    uint64_t deadline_us;   /* of the whole */
    int64_t total_timeout_ms;
} vmx_build_settings;

/* Checks and resolves. Errors: VMX_ERR_INVALID, VMX_ERR_UNSUPPORTED, VMX_ERR_NO_MEMORY. */
vmx_status
vmx_build_settings_make(vmx_build *build, const vmx_build_spec *spec, vmx_error *error);

/* The result of the build with this key is gone: takes the next key; false when memory is out. */
bool
vmx_build_next_key(vmx_build *build);

/* Why the properties or the source's size say that this build is no remote one; "" if they do not. */
void
vmx_build_decline(const vmx_build *build, char *why, size_t size);

/* The part size of a blob: whole rows, not too many parts, and for an iterator few bytes, which are kept meanwhile. */
uint64_t
vmx_build_part_bytes(const vmx_build *build, const vmx_blob *blob);

#endif
