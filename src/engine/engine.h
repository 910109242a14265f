/*
 * engine/engine.h: the contract between the API and an engine (Pinecone, Milvus, Qdrant).
 *
 * An engine translates. For each operation it makes a machine without any input or output of its own: the operation's
 * begin function checks the input and gives the first step; then the machine is told what came of the step (a reply, or
 * that the wait is over) and gives the next, until DONE. Failed calls do not reach the machine: they end the operation,
unless it has an on_failure.
 * A machine is stepped by one thread at a time.
 */
#ifndef VMX_ENGINE_ENGINE_H
#define VMX_ENGINE_ENGINE_H

#include <vecmux/index.h>

#include "core/arena.h"
#include "core/config.h"
#include "engine/capability.h"
#include "engine/result.h"
#include "engine/row.h"
#include "rpc/request.h"

typedef struct vmx_engine vmx_engine;
typedef struct vmx_machine vmx_machine;

typedef enum vmx_step_kind {
    VMX_STEP_CALL = 0, /* make `request` (the step owns its message), then on_reply */
    VMX_STEP_WAIT = 1, /* let `wait_ms` pass, then on_timer */
    VMX_STEP_DONE = 2  /* the operation has ended; machine->error says how */
} vmx_step_kind;

typedef struct vmx_step {
    vmx_step_kind kind;
    vmx_request request;
    int64_t wait_ms;
} vmx_step;

struct vmx_machine {
    const vmx_engine *engine;
    vmx_arena *arena;   /* the op's: replies, results, the machine's own state */
    vmx_error *error;   /* of DONE; VMX_OK on success */
    vmx_result *result; /* filled as replies come */
    vmx_str collection; /* the index's name; in the arena, ends in NUL */
    vmx_str name_space; /* likewise */
    void *state;        /* the operation's own, in the arena */
    vmx_block *lender;  /* of an upsert's values; NULL: they are copied. Borrowed from the API */
    vmx_block *spare;   /* of vmx_block_reuse, for requests; owned by the API */
    vmx_message kept;   /* a reply that the result points into; owned, lives as long as the op */
    /* A call succeeded. `message` may be moved out; `reply` is borrowed. */
    void (*on_reply)(vmx_machine *machine, vmx_message *message, const vmx_reply *reply, vmx_step *next);
    void (*on_timer)(vmx_machine *machine, vmx_step *next);
    /*
     * A call failed, and machine->error says how. True: the machine takes it up, has cleared the error and given the next
     * step ("exists already" is no failure of an ensure). NULL, or false: the operation ends with the error.
     */
    bool (*on_failure)(vmx_machine *machine, vmx_step *next);
};

/* What one request may hold; from the engine and the properties. */
typedef struct vmx_limits {
    size_t upsert_vectors;
    size_t upsert_bytes; /* encoded */
    size_t metadata_bytes;
    size_t reply_bytes; /* bound of what a reply may become when it is unpacked */
} vmx_limits;

/*
 * Begin functions: fill `machine` and `*first`. On failure nothing was sent and machine->error names the thing, the
 * value and the remedy; it is also returned. An operation that the engine cannot do is NULL.
 */
typedef struct vmx_engine_vtable {
    const char *name;
    const char *manual;               /* of docs/engines.md: Markdown, ends with a line break */
    uint64_t features;                /* bits (VMX_FEATURE) of the capabilities that are no operations */
    const vmx_capability_note *notes; /* what docs/engines.md says beside yes and no; ends with a NULL text */
    /* Sets the engine up: limits, headers, `state`. Errors: VMX_ERR_INVALID, VMX_ERR_NO_MEMORY. */
    vmx_status (*init)(vmx_engine *engine, const vmx_config *config, vmx_error *error);
    /* Gives back what init made; also after a failed init. NULL: nothing. */
    void (*fini)(vmx_engine *engine);
    vmx_classify classify;
    /* Checks the names of a handle, of which either may be empty. */
    vmx_status (*check_names)(const vmx_engine *engine, vmx_str collection, vmx_str name_space, vmx_error *error);
    const vmx_row_codec *rows; /* of the bulk writer; NULL: it cannot */
    vmx_status (*upsert)(vmx_machine *machine, const vmx_vectors *vectors, vmx_step *first);
    vmx_status (*query)(vmx_machine *machine, const vmx_query *query, vmx_step *first);
    vmx_status (*fetch)(vmx_machine *machine, const vmx_fetch *fetch, vmx_step *first);
    vmx_status (*list)(vmx_machine *machine, const vmx_list *list, vmx_step *first);
    vmx_status (*update)(vmx_machine *machine, const vmx_update *update, vmx_step *first);
    vmx_status (*del)(vmx_machine *machine, const vmx_delete *del, vmx_step *first);
    vmx_status (*stats)(vmx_machine *machine, vmx_step *first);
    vmx_status (*wait_visible)(vmx_machine *machine, uint64_t lsn, vmx_step *first);
    vmx_status (*create_namespace)(vmx_machine *machine, const vmx_strs *filterable, vmx_step *first);
    vmx_status (*describe_namespace)(vmx_machine *machine, vmx_step *first);
    vmx_status (*delete_namespace)(vmx_machine *machine, vmx_step *first);
    vmx_status (*list_namespaces)(vmx_machine *machine, const vmx_list *list, vmx_step *first);
    vmx_status (*ensure)(vmx_machine *machine, const vmx_index_spec *spec, vmx_step *first);
    vmx_status (*describe)(vmx_machine *machine, vmx_step *first);
    vmx_status (*drop)(vmx_machine *machine, vmx_step *first);
    vmx_status (*list_indexes)(vmx_machine *machine, vmx_step *first);
    vmx_status (*batch_query)(vmx_machine *machine, const vmx_queries *queries, vmx_step *first);
    vmx_status (*count)(vmx_machine *machine, vmx_str filter, vmx_step *first);
    vmx_status (*flush)(vmx_machine *machine, vmx_step *first);
    vmx_status (*build)(vmx_machine *machine, const vmx_index_build_options *options, vmx_step *first);
} vmx_engine_vtable;

#define VMX_ENGINE_MAX_HEADERS 4

/* The engine as one client has it configured. Immutable after init, but for `state`: any thread may read it. */
struct vmx_engine {
    const vmx_engine_vtable *vtable;
    vmx_limits limits;
    vmx_header headers[VMX_ENGINE_MAX_HEADERS]; /* sent with every call; borrowed from the client's configuration */
    size_t header_count;
    const char *host; /* of the endpoint; borrowed from the client */
    void *state;      /* the engine's own; it guards what changes in it */
};

/* The engines there are, by number from 0; NULL behind the last. */
const vmx_engine_vtable *
vmx_engine_vtable_at(size_t i);

/*
 * Sets up the engine that the property `engine` names. `config` and `host` must outlive it. vmx_engine_fini is due in
 * every case; a zeroed engine needs none. Errors: VMX_ERR_INVALID, VMX_ERR_NO_MEMORY.
 */
vmx_status
vmx_engine_init(vmx_engine *engine, const vmx_config *config, const char *host, vmx_error *error);
void
vmx_engine_fini(vmx_engine *engine);

/* The property's value, or the engine's own limit where it is 0. */
size_t
vmx_engine_limit(const vmx_config *config, const char *property, size_t own);

/* Adds a header to every call; nothing for an empty value. Both are borrowed. */
void
vmx_engine_add_header(vmx_engine *engine, const char *key, const char *value);

/* VMX_ERR_UNSUPPORTED, naming engine and capability, unless the engine has it. */
vmx_status
vmx_engine_check(const vmx_engine *engine, vmx_capability capability, vmx_error *error);

#endif
