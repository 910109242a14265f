/*
 * build/internal.h: one remote build as it runs.
 *
 * The way of a build: check (build.c) asks whether the server can; upload (upload.c) begins the blobs and hands their
 * parts to senders (sender.c), each with a stream; trigger and await (await.c) have the index built; download
 * (download.c) hands the ranges of the result to fetchers (fetcher.c), and for a graph-only result puts the vectors back
 * (splice.c); clean-up (clean.c) deletes blobs, and cancels what a failed build has left.
 *
 * Everything lives on the op's strand, but for chores: they run on the worker thread and touch only what is theirs.
 * What is under way is an actor; a build that fails or is cancelled stops its actors, and goes on when all have ended.
 */
#ifndef VMX_BUILD_INTERNAL_H
#define VMX_BUILD_INTERNAL_H

#include <stdatomic.h>

#include "build/buffers.h"
#include "build/build.h"
#include "core/digest.h"
#include "rpc/flow.h"
#include "source/blob.h"
#include "source/source.h"
#include "vecmux/build.pb-c.h"
#include "vecmux/repository.pb-c.h"

#define VMX_OWNER(type, member, pointer) ((type *)((char *)(pointer)-offsetof(type, member)))

typedef Repository__Blob vmx_pb_blob;
typedef Repository__BlobForm vmx_pb_form;
typedef Build__Build vmx_pb_build;

#define VMX_BUILD_STREAMS   16 /* senders or fetchers, at most */
#define VMX_BUILD_NAME_SIZE 512

/* --- actors and chores --------------------------------------------------------------------------------------------- */

/* Something under way that can be asked to end soon. */
typedef struct vmx_actor {
    struct vmx_actor *prev, *next;
    void (*stop)(struct vmx_actor *actor); /* once; it may end inside */
    bool active, stopped;
} vmx_actor;

void
vmx_actor_begin(vmx_build *build, vmx_actor *actor, void (*stop)(vmx_actor *actor));
void
vmx_actor_end(vmx_build *build, vmx_actor *actor);

/* Work for the worker thread; part of an actor, which does not end before it. */
typedef struct vmx_chore {
    vmx_build *build;
    void (*run)(struct vmx_chore *chore);   /* on the worker's thread; a failure goes into `error` */
    void (*after)(struct vmx_chore *chore); /* on the strand */
    bool busy;
    vmx_error error;
    vmx_task work_task, done_task;
} vmx_chore;

void
vmx_chore_start(vmx_chore *chore, vmx_build *build, void (*run)(vmx_chore *), void (*after)(vmx_chore *));

/* --- unary calls --------------------------------------------------------------------------------------------------- */

typedef struct vmx_ask {
    vmx_actor actor;
    vmx_build *build;
    vmx_call call;
    bool begun; /* `call` has been set up */
    vmx_error error;
    const ProtobufCMessageDescriptor *descriptor; /* of the reply */
    void *reply;                                  /* in `arena`; NULL after a failure */
    vmx_arena arena;
    void (*answered)(struct vmx_ask *ask);
} vmx_ask;

/* Calls `method` (static); `answered` follows, never inside. Without memory the build fails. */
void
vmx_ask_start(vmx_ask *ask, vmx_build *build, const char *method, const ProtobufCMessage *request,
              const ProtobufCMessageDescriptor *reply, void (*answered)(vmx_ask *ask));
void
vmx_ask_clear(vmx_ask *ask);

/* A message in one block of memory; false when memory is out. */
bool
vmx_pack(const ProtobufCMessage *from, vmx_message *message);

/* The other way, through the guard, into `arena`; NULL on failure. */
void *
vmx_unpack(const ProtobufCMessageDescriptor *descriptor, const vmx_message *message, vmx_arena *arena,
           vmx_error *error);

/* --- settings ------------------------------------------------------------------------------------------------------ */

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

/* --- upload -------------------------------------------------------------------------------------------------------- */

typedef struct vmx_part {
    uint64_t confirmed_bytes;
    bool complete;
    bool taken;                           /* a sender has it, or had it */
    uint8_t digest[VMX_DIGEST_MAX_BYTES]; /* of the confirmed bytes */
} vmx_part;

/* One blob on its way. */
typedef struct vmx_upload {
    vmx_build *build;
    const char *name;
    vmx_blob blob;
    char id[64];
    uint64_t part_bytes;
    uint32_t part_count, parts_left; /* not complete */
    vmx_part *parts;                 /* of vmx_alloc; kept for the splice */
    bool wanted, begun, done;        /* done: the blob is there */
    uint64_t started_us;
    vmx_ask ask;
} vmx_upload;

/* A stream that writes parts, one after the other. */
typedef struct vmx_sender {
    vmx_actor actor;
    vmx_build *build;
    vmx_flow flow;
    vmx_upload *upload; /* NULL: it has nothing to do */
    uint32_t part;
    uint64_t offset, size_bytes; /* of the part, in the blob */
    uint64_t at;                 /* prepared up to here, inside the part */
    uint64_t sent;               /* handed to the stream */
    uint64_t prefix;             /* confirmed bytes that are being digested again */
    bool flow_begun, streaming, sending, ended, answered;
    bool begin_due; /* once the chore has ended */
    vmx_digest digest;
    uint32_t crc;
    uint32_t restarts; /* of this part from its beginning, because a digest was wrong */
    vmx_block *buffer; /* being filled, or `prepared`'s */
    uint8_t *data;     /* of `buffer`, or lent */
    size_t piece;      /* bytes there */
    vmx_message prepared;
    vmx_chore chore;
    vmx_ask ask; /* what is confirmed */
} vmx_sender;

/* From `begin` on: vmx_upload_done or a failure. */
void
vmx_upload_begin(vmx_build *build);
/* A part is complete. */
void
vmx_upload_part_done(vmx_upload *upload, uint32_t part);
/* The next part of any blob, taken; NULL: none is left. */
vmx_upload *
vmx_upload_take(vmx_build *build, uint32_t *part);
void
vmx_upload_note(vmx_upload *upload, const Repository__Upload *status);

void
vmx_sender_start(vmx_sender *sender, vmx_build *build);
/* Buffers may be free again. */
void
vmx_sender_pump(vmx_sender *sender);
void
vmx_sender_clear(vmx_sender *sender);

/* --- await --------------------------------------------------------------------------------------------------------- */

typedef struct vmx_watch {
    vmx_actor actor;
    vmx_flow flow;
    bool flow_begun;
    bool ended; /* the build has */
    vmx_ask ask;
    vmx_timer timer;
    vmx_task timer_task;
    bool timed;
    uint32_t resubmits;
    uint64_t started_us;
    vmx_arena arena; /* of the message being looked at */
} vmx_watch;

void
vmx_trigger_begin(vmx_build *build);
/* The job exists already: goes on with it, whatever its state. */
void
vmx_await_begin(vmx_build *build);

/* --- download ------------------------------------------------------------------------------------------------------ */

/* Where the bytes of a form go in the file. */
typedef struct vmx_placement {
    bool graph_only;
    uint64_t total_bytes; /* of the form */
    uint64_t file_bytes;  /* of the file, without footer */
    uint64_t splice;      /* where "null" stands in the form, and the storage block in the file */
    uint8_t head[96];     /* of the block */
    size_t head_bytes;
    uint64_t vector_bytes;
} vmx_placement;

/* A stream that reads ranges, one after the other. */
typedef struct vmx_fetcher {
    vmx_actor actor;
    vmx_build *build;
    vmx_flow flow;
    bool flow_begun, open, over; /* over: the stream has ended and its chores are to follow */
    uint32_t part;
    uint64_t offset, size_bytes; /* of the part, in the form */
    uint64_t at;                 /* written up to here, inside the part */
    vmx_digest digest;
    uint32_t restarts;
    bool verifying;   /* what an earlier run has written is being looked at */
    vmx_message held; /* the next one to be written */
    vmx_message writing;
    vmx_block *buffer;
    uint8_t *data;
    vmx_chore chore;
} vmx_fetcher;

typedef struct vmx_splicer {
    vmx_actor actor;
    vmx_build *build;
    vmx_block *buffer;
    uint8_t *data;
    uint64_t at; /* of the vectors */
    vmx_digest digest;
    vmx_chore chore;
} vmx_splicer;

/* The file as it grows. */
typedef struct vmx_output {
    int fd, state_fd; /* -1: closed */
    bool existed;     /* a .part of the same result was found */
    char *done;       /* for each part, 1: an earlier run or this one has written it */
    uint32_t crc32;   /* of the footer */
} vmx_output;

typedef struct vmx_download {
    vmx_placement placement;
    uint64_t part_bytes;
    uint32_t part_count, next, parts_left;
    vmx_digest_algorithm digest;
    uint8_t *part_digests; /* of vmx_alloc */
    uint8_t form_digest[VMX_DIGEST_MAX_BYTES];
    size_t digest_bytes;
    const char *blob; /* in the op's arena */
    bool spliced;
    vmx_output output;
    vmx_chore chore;
    vmx_actor actor; /* of the chore */
    vmx_ask ask;
    uint64_t started_us;
} vmx_download;

/* What of the result is downloaded, and where it goes; false: the build has failed. Copies what it needs. */
bool
vmx_download_plan(vmx_build *build, const vmx_pb_blob *blob);
void
vmx_download_begin(vmx_build *build);
/* Buffers may be free again. */
void
vmx_download_pump(vmx_build *build);
void
vmx_download_part_done(vmx_build *build, uint32_t part);
void
vmx_download_spliced(vmx_build *build);
/* Blocks: opens OUTPUT.part, finds out what of it is there. */
vmx_status
vmx_output_open(vmx_build *build, vmx_error *error);
vmx_status
vmx_output_write(const vmx_build *build, const uint8_t *data, size_t len, uint64_t offset, vmx_error *error);
vmx_status
vmx_output_read(const vmx_build *build, uint8_t *data, size_t len, uint64_t offset, vmx_error *error);
vmx_status
vmx_output_note_part(const vmx_build *build, uint32_t part, vmx_error *error);
/* Checks, appends the footer, syncs, renames. */
vmx_status
vmx_output_finish(vmx_build *build, vmx_error *error);
/* An earlier run with the same key has come this far, and left only the clean-up. */
bool
vmx_output_is_finished(const vmx_build *build);
void
vmx_output_close(vmx_build *build);
void
vmx_output_remove(const vmx_build *build, bool state_only);

void
vmx_fetcher_start(vmx_fetcher *fetcher, vmx_build *build);
void
vmx_fetcher_pump(vmx_fetcher *fetcher);
void
vmx_fetcher_clear(vmx_fetcher *fetcher);
void
vmx_splicer_start(vmx_splicer *splicer, vmx_build *build);
void
vmx_splicer_pump(vmx_splicer *splicer);

/* --- clean-up ------------------------------------------------------------------------------------------------------ */

/* Deletes and cancels what has to be, then completes the op with what build->op.error says. */
void
vmx_clean_begin(vmx_build *build);

/* --- the build ----------------------------------------------------------------------------------------------------- */

typedef enum vmx_build_kind {
    VMX_BUILD_REMOTE,
    VMX_BUILD_IN_PLACE,
    VMX_BUILD_DESCRIBE,
    VMX_BUILD_CANCEL,
    VMX_BUILD_LIST
} vmx_build_kind;

typedef enum vmx_build_stage {
    VMX_STAGE_RUNNING,
    VMX_STAGE_STOPPING, /* failed or cancelled: actors end */
    VMX_STAGE_WINDING   /* the clean-up runs; nothing stops it but its own timeouts */
} vmx_build_stage;

struct vmx_build {
    vmx_op op; /* first */
    vmx_build_parts parts;
    vmx_build_kind kind;
    vmx_build_stage stage;
    vmx_actor *actors;
    vmx_build_settings settings;
    vmx_source *source; /* NULL: none */
    bool source_taken, counted;
    vmx_worker *worker;
    vmx_block *lender; /* holds the source while its memory is on its way */
    vmx_task start_task, post_task, stop_task, memory_task, deadline_task;
    vmx_task buffers_task, buffers_post, memory_post; /* the _post ones run on the loop */
    bool stop_submitted, ended;
    vmx_timer deadline_timer;
    bool deadline_timed;

    vmx_reservation reservation;
    vmx_memory_listener listener;
    _Atomic bool memory_told; /* memory_task is on its way */
    bool listening;
    vmx_actor memory_actor; /* in line */
    size_t reserved_bytes;
    vmx_buffers *buffers;
    uint8_t *scratch;
    vmx_rows *window, *ids_rows;

    vmx_upload vectors, ids;
    vmx_sender senders[VMX_BUILD_STREAMS];
    size_t sender_count;
    vmx_watch watch;
    vmx_download download;
    vmx_fetcher fetchers[VMX_BUILD_STREAMS];
    size_t fetcher_count;
    vmx_splicer splicer;
    vmx_ask ask; /* of phases that ask one thing after the other */
    vmx_ask clean_ask;
    unsigned clean_step;
    const char *id_asked; /* of describe and cancel */
    vmx_build_list list;

    char build_id[64]; /* "": none yet */
    bool job_ended;
    const vmx_pb_build *found; /* of an earlier run, while its result is looked for */
    unsigned generation;       /* of the key; 0: base_key */
    bool adopted;              /* an earlier run has triggered it */
    bool finished_before;      /* an earlier run has left only the clean-up */
    bool retried;              /* the retry of an earlier build is wanted */
    vmx_job *jobs;             /* of the result; in the op's arena */
    size_t job_count;
    vmx_str next_token;

    /* progress: written on the strand or by chores, read by anybody */
    _Atomic int phase;
    _Atomic uint64_t phase_started_us, bytes_done, bytes_total, vectors_done, vectors_total;
    _Atomic uint32_t queue_position;
    _Atomic uint64_t uploaded, downloaded, retries;
    vmx_status cause;
};

uint64_t
vmx_build_now(const vmx_build *build);

/* Enters a phase; the totals are of it. */
void
vmx_build_enter(vmx_build *build, vmx_build_phase phase, uint64_t bytes_total, uint64_t vectors_total);

/* The build has failed; the first reason stands. Stops everything that runs, then the clean-up comes. */
void
vmx_build_fail(vmx_build *build, const vmx_error *why);

/* If it stops, and nothing runs any more, the clean-up comes. */
void
vmx_build_wind_up(vmx_build *build);

/* Fails with a message of its own. */
void
vmx_build_fail_with(vmx_build *build, vmx_status status, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* What is in flight may not go on. */
static inline bool
vmx_build_halted(const vmx_build *build)
{
    return build->stage != VMX_STAGE_RUNNING;
}

/* The blobs are there. */
void
vmx_build_uploaded(vmx_build *build);
/* The server's build has ended well; `job` is its result. */
void
vmx_build_built(vmx_build *build, const vmx_pb_build *job);
/* The file is there. */
void
vmx_build_downloaded(vmx_build *build);

/* An earlier run has triggered the build: waits for it, or downloads. */
void
vmx_build_adopt(vmx_build *build);

/* Completes the op. */
void
vmx_build_finish(vmx_build *build);

/* Describe, cancel, list: one call. */
void
vmx_describe_begin(vmx_build *build);

/* Takes down what the server says of builds as the op's result; false when memory is out. */
bool
vmx_build_keep_jobs(vmx_build *build, vmx_pb_build *const *jobs, size_t count);

/* A buffer of chunk_bytes with VMX_CHUNK_HEAD bytes before it, or NULL: then vmx_build pumps its actors again when one
 * is free. */
vmx_block *
vmx_build_take_buffer(vmx_build *build, uint8_t **data);

#endif
