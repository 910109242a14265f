/*
 * engine/engine.h: the contract between the API and an engine (Pinecone, ...).
 *
 * An engine translates. For each operation it makes a machine without any input or output of its own: the operation's
 * begin function checks the input and gives the first step; then the machine is told what came of the step (a reply, or
 * that the wait is over) and gives the next, until DONE. Failed calls do not reach the machine: they end the operation.
 * A machine is stepped by one thread at a time.
 */
#ifndef VMX_ENGINE_ENGINE_H
#define VMX_ENGINE_ENGINE_H

#include <vecmux/index.h>

#include "core/arena.h"
#include "core/config.h"
#include "engine/result.h"
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
    vmx_str name_space; /* in the arena, ends in NUL */
    void *state;        /* the operation's own, in the arena */
    vmx_block *lender;  /* of an upsert's values; NULL: they are copied. Borrowed from the API */
    vmx_message kept;   /* a reply that the result points into; owned, lives as long as the op */
    /* A call succeeded. `message` may be moved out; `reply` is borrowed. */
    void (*on_reply)(vmx_machine *machine, vmx_message *message, const vmx_reply *reply, vmx_step *next);
    void (*on_timer)(vmx_machine *machine, vmx_step *next);
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
    vmx_classify classify;
    /* Checks a collection's name against the endpoint's. */
    vmx_status (*check_collection)(const vmx_engine *engine, vmx_str collection, vmx_error *error);
    /* What the bulk writer sends its batches with (UpsertRequest as in wire/vector_encoder.h); NULL: it cannot. */
    const char *write_method;
    /* How many records a reply to it says are stored; false if it is no such reply. */
    bool (*read_written)(const vmx_message *reply, uint64_t *stored);
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
} vmx_engine_vtable;

#define VMX_ENGINE_MAX_HEADERS 4

/* The engine as one client has it configured. Immutable after init: any thread may read it. */
struct vmx_engine {
    const vmx_engine_vtable *vtable;
    vmx_limits limits;
    vmx_header headers[VMX_ENGINE_MAX_HEADERS]; /* sent with every call; borrowed from the client's configuration */
    size_t header_count;
    const char *host; /* of the endpoint; borrowed from the client */
};

/* Sets up the engine that the property `engine` names. `config` and `host` must outlive it. */
void
vmx_engine_init(vmx_engine *engine, const vmx_config *config, const char *host);

#endif
