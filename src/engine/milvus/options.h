/*
 * engine/milvus/options.h: the engine's own words in vmx_index_spec.options and vmx_index_build_options.options, which
 * docs/engines.md describes. Everything is in an arena; NULL where a word was not given.
 */
#ifndef VMX_ENGINE_MILVUS_OPTIONS_H
#define VMX_ENGINE_MILVUS_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <vecmux/types.h>

#include "core/arena.h"

typedef struct vmx_milvus_options {
    const char *index_type;  /* "HNSW" */
    const char *params;      /* of the index, as JSON: "{\"M\":16,\"efConstruction\":200}" */
    const char *metric_type; /* of a build of an index that is not there yet */
    /* of a new collection */
    const char *id_field, *vector_field, *sparse_field, *metadata_field;
    uint32_t id_bytes; /* 0: not given */
    uint32_t shards;
    bool given; /* some word was */
} vmx_milvus_options;

/* `spec`: the words of a new collection are allowed. `what` begins the messages. Errors: VMX_ERR_INVALID,
 * VMX_ERR_NO_MEMORY. */
vmx_status
vmx_milvus_options_parse(vmx_arena *arena, vmx_str json, bool spec, const char *what, vmx_milvus_options *options,
                         vmx_error *error);

#endif
