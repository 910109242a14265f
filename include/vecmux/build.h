/*
 * vecmux/build.h: building a vector index on a server, from vectors that are here, into a file that is here.
 *
 * vmx_client_build uploads the vectors and their ids to the server's repository, triggers a build, waits for it and
 * downloads the result, all in one operation (vecmux/op.h) and in the memory that the client may use. What breaks is gone
 * on with: parts from their last confirmed byte, waits by asking again, downloads range by range. With an idempotency key
 * that also holds over restarts of this program: start the same build again, and it goes on.
 *
 * Where the server does not or cannot do it, the operation ends with VMX_ERR_FALLBACK: build the index locally, then. It
 * comes once, like every completion; the message says why, and vmx_op_build tells phase and cause.
 */
#ifndef VECMUX_BUILD_H
#define VECMUX_BUILD_H

#include <vecmux/index.h>
#include <vecmux/op.h>
#include <vecmux/source.h>
#include <vecmux/types.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum vmx_data_type {
    VMX_DATA_FLOAT32 = 0,
    VMX_DATA_FLOAT16 = 1, /* vectors are rounded to half precision on the way: half the upload */
    VMX_DATA_BYTE = 2,    /* VMX_ERR_UNSUPPORTED: FAISS 1.7.3 cannot */
    VMX_DATA_BINARY = 3   /* VMX_ERR_UNSUPPORTED */
} vmx_data_type;

typedef enum vmx_space {
    VMX_SPACE_L2 = 0,
    VMX_SPACE_INNER_PRODUCT = 1,
    VMX_SPACE_COSINE = 2 /* vectors are scaled to length 1 on the way, and built with the inner product */
} vmx_space;

/* A switch that may be left to the client's property. */
typedef enum vmx_switch { VMX_SWITCH_DEFAULT = 0, VMX_SWITCH_ON = 1, VMX_SWITCH_OFF = -1 } vmx_switch;

typedef enum vmx_footer {
    VMX_FOOTER_DEFAULT = 0, /* property build.footer */
    VMX_FOOTER_NONE = 1,
    VMX_FOOTER_LUCENE = 2 /* 16 bytes: magic, algorithm 0, CRC-32 of all before it, as Lucene's CodecUtil writes them */
} vmx_footer;

/* What to build. All zero but `output`: the defaults. Texts are copied. */
typedef struct vmx_build_spec {
    size_t size;
    vmx_str output; /* the file; it appears, or is replaced, when all of it is there and checked */
    vmx_str
        idempotency_key; /* up to 100 letters, digits, '.', '-', '_'; the same one goes on with the same build. Empty:
                                a new build, which a restart of this program does not find again */
    vmx_str repository;  /* folder of the blobs; empty: property build.repository */
    vmx_str tenant;      /* empty: property build.tenant */
    vmx_data_type data_type;
    vmx_space space;
    uint32_t m;               /* 0: 16 */
    uint32_t ef_construction; /* 0: 100 */
    uint32_t ef_search;       /* 0: 100 */
    bool deterministic;       /* one thread builds: the same vectors give the same file */
    bool
        graph_only; /* downloads the graph alone and puts the vectors back from the source: the same file, with a fraction
                        of the bytes. Not for an iterator */
    vmx_switch remote;    /* off: fall back at once. Default: property build.enabled */
    vmx_switch limits;    /* off: whatever build.size.min.bytes and build.size.max.bytes say */
    vmx_switch clean_up;  /* deletes the blobs after success; default: on */
    bool clean_up_failed; /* ... also after a failure or a cancellation; they could have been gone on with */
    vmx_footer footer;
    uint64_t expected_memory_bytes; /* of the build, on the server; 0: the server estimates */
    vmx_str index; /* whom statistics count it for, up to 64 bytes of UTF-8; empty: in place, the namespace */
} vmx_build_spec;

VMX_API void
vmx_build_spec_init(vmx_build_spec *spec, size_t size);

/*
 * Builds an index of the source's vectors. The source must not be changed meanwhile and serves one build at a time; the
 * handle may be freed at once. The call's timeout is for all phases together; 0: property build.timeout.ms.
 * A cancelled or timed-out operation cancels the server's build; what is left of the file is OUTPUT.part, kept to go on
 * from if there is an idempotency key, else removed.
 * Start errors: VMX_ERR_INVALID, VMX_ERR_UNSUPPORTED, VMX_ERR_CLOSED, VMX_ERR_FORKED, VMX_ERR_NO_MEMORY. The operation
 * ends with VMX_OK, VMX_ERR_CANCELLED or VMX_ERR_FALLBACK. Result: vmx_op_build, vmx_op_job (one).
 */
VMX_API vmx_status
vmx_client_build(vmx_client *client, vmx_source *source, const vmx_build_spec *spec, const vmx_call_options *options,
                 vmx_op **op, vmx_error *error);

/*
 * Builds a graph on the server, vecmuxd, over the vectors that the handle's namespace holds; queries are answered from it
 * when the operation has ended with VMX_OK. Of `spec` (may be NULL) output, repository, data_type, space, graph_only,
 * limits, clean_up and footer mean nothing here. Errors and result as above, but no fallback: the server's own error.
 */
VMX_API vmx_status
vmx_index_trigger_build(vmx_index *index, const vmx_build_spec *spec, const vmx_call_options *options, vmx_op **op,
                        vmx_error *error);

typedef enum vmx_build_phase {
    VMX_BUILD_CHECK = 0,  /* is the server able and willing */
    VMX_BUILD_UPLOAD = 1, /* bytes and vectors of the blobs */
    VMX_BUILD_TRIGGER = 2,
    VMX_BUILD_AWAIT = 3,    /* vectors that the server has built in */
    VMX_BUILD_DOWNLOAD = 4, /* bytes of the file */
    VMX_BUILD_CLEAN_UP = 5,
    VMX_BUILD_DONE = 6
} vmx_build_phase;

/* "check", "upload", ... Static; never NULL. */
VMX_API const char *
vmx_build_phase_name(vmx_build_phase phase);

/* How a running build stands. */
typedef struct vmx_progress {
    size_t size;
    vmx_build_phase phase;
    uint64_t bytes_done; /* in this phase, resumed ones included */
    uint64_t bytes_total;
    uint64_t vectors_done;
    uint64_t vectors_total;
    double bytes_per_second; /* in this phase */
    uint32_t queue_position; /* 1 is next; 0: not in the server's queue */
} vmx_progress;

VMX_API void
vmx_progress_init(vmx_progress *progress, size_t size);

/* Any thread, while the operation runs and after it. False of an operation that is no build. */
VMX_API bool
vmx_op_progress(const vmx_op *op, vmx_progress *progress);

/* What a finished build has done. */
typedef struct vmx_build_info {
    size_t size;
    vmx_build_phase phase;     /* where it ended */
    vmx_status cause;          /* of a fallback: the code of what went wrong; else VMX_OK */
    uint64_t uploaded_bytes;   /* that were sent, repetitions included */
    uint64_t downloaded_bytes; /* that came */
    uint64_t result_bytes;     /* of the file, without a footer */
    uint64_t retries;          /* of parts and ranges */
    uint64_t rows_read;        /* vectors loaded from the source */
    bool graph_only;           /* the graph alone was downloaded */
    uint32_t blobs_left;       /* that should have been deleted and may still be there: the server could not be asked */
} vmx_build_info;

VMX_API void
vmx_build_info_init(vmx_build_info *info, size_t size);

/* Of a finished build; false for any other operation. */
VMX_API bool
vmx_op_build(const vmx_op *op, vmx_build_info *info);

/* --- builds on the server ------------------------------------------------------------------------------------------- */

typedef enum vmx_job_state {
    VMX_JOB_QUEUED = 1,
    VMX_JOB_RUNNING = 2,
    VMX_JOB_COMPLETED = 3,
    VMX_JOB_FAILED = 4,
    VMX_JOB_CANCELLED = 5
} vmx_job_state;

/* "queued", "running", ... Static; never NULL. */
VMX_API const char *
vmx_job_state_name(vmx_job_state state);

/* A build as the server tells of it. Texts are borrowed from the op. */
typedef struct vmx_job {
    size_t size;
    vmx_str id;
    vmx_job_state state;
    uint32_t queue_position; /* of a queued one: 1 is next */
    uint64_t vectors_done;
    uint64_t vectors_total;
    bool cancelling;
    vmx_str error; /* of a failed one: "DEADLINE: ..." */
    bool error_retriable;
    vmx_str tenant;
    vmx_str idempotency_key;
    vmx_str result; /* the result's blob; empty: none */
    bool in_place;
    vmx_str name_space; /* of one in place */
    uint64_t memory_bytes;
    uint64_t created_ms, started_ms, finished_ms; /* since 1970; 0: not yet */
    uint32_t attempt;
} vmx_job;

VMX_API void
vmx_job_init(vmx_job *job, size_t size);

/* How a build stands. Result: vmx_op_job (one). */
VMX_API vmx_status
vmx_client_describe_build(vmx_client *client, vmx_str id, const vmx_call_options *options, vmx_op **op,
                          vmx_error *error);

/* Cancels a build; one that has ended stays as it is. Result: vmx_op_job (one). */
VMX_API vmx_status
vmx_client_cancel_build(vmx_client *client, vmx_str id, const vmx_call_options *options, vmx_op **op, vmx_error *error);

/* Which builds to list. */
typedef struct vmx_build_list {
    size_t size;
    vmx_str tenant; /* empty: all */
    uint32_t limit; /* 1 to 1000; 0: 100 */
    vmx_str token;  /* vmx_op_build_next_token of the page before; empty: the first */
} vmx_build_list;

VMX_API void
vmx_build_list_init(vmx_build_list *list, size_t size);

/* Builds, the newest first. `list` may be NULL. Result: vmx_op_job_count, vmx_op_job, vmx_op_build_next_token. */
VMX_API vmx_status
vmx_client_list_builds(vmx_client *client, const vmx_build_list *list, const vmx_call_options *options, vmx_op **op,
                       vmx_error *error);

VMX_API size_t
vmx_op_job_count(const vmx_op *op);

/* False when there is none, or the operation still runs. */
VMX_API bool
vmx_op_job(const vmx_op *op, size_t i, vmx_job *job);

/* Empty on the last page. */
VMX_API vmx_str
vmx_op_build_next_token(const vmx_op *op);

#ifdef __cplusplus
}
#endif

#endif /* VECMUX_BUILD_H */
