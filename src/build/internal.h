/*
 * build/internal.h: one remote build as it runs.
 *
 * The way of a build, and the file of each phase; build.c goes from one to the next:
 *
 *   check.c     do switches and limits want it, and can the server?
 *   resume.c    has an earlier call with the same key left something to go on with?
 *   memory.c    all that the build holds, reserved before the first byte
 *   upload.c    blobs, whose parts are written by senders (sender.c)                  upload.h
 *   trigger.c   the build is put into the server's queue                              await.h
 *   await.c     the server's build is waited for                                      await.h
 *   download.c  the result, whose parts are read by fetchers (fetcher.c); splice.c    download.h
 *   clean.c     blobs are deleted, and what a failed build has left is cancelled
 *   stop.c      failure, cancel, deadline, and the one thing that the caller hears
 *
 * Everything lives on the op's strand, but for chores: they run on the worker thread and touch only what is theirs.
 * What is under way is an actor (actor.h); a build that fails or is cancelled stops its actors, and goes on when all
 * have ended.
 */
#ifndef VMX_BUILD_INTERNAL_H
#define VMX_BUILD_INTERNAL_H

#include <stdatomic.h>

#include "build/ask.h"
#include "build/await.h"
#include "build/buffers.h"
#include "build/build.h"
#include "build/download.h"
#include "build/settings.h"
#include "build/upload.h"
#include "source/source.h"
#include "vecmux/build.pb-c.h"

typedef Build__Build vmx_pb_build;

#define VMX_BUILD_STREAMS 16 /* senders or fetchers, at most */

/* --- the build -------------------------------------------------------------------------------------------------------- */

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
    VMX_STAGE_WINDING,  /* the clean-up runs; nothing stops it but its own timeouts */
    VMX_STAGE_ENDING    /* it has run; a stream that was cancelled may still be ending */
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
    uint64_t launched_us;
    vmx_worker *worker;
    vmx_block *lender; /* holds the source while its memory is on its way */
    vmx_task start_task, post_task, stop_task, memory_task, deadline_task;
    vmx_task buffers_task, buffers_post, memory_post; /* the _post ones run on the loop */
    bool stop_submitted, ended;
    bool called_off; /* by its caller */
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
    vmx_status unreachable;  /* why no more is asked of the server; VMX_OK: it is asked */
    vmx_status blob_failure; /* why the blob that is being deleted may stay; VMX_OK: it goes */
    unsigned blobs_left;     /* that may have stayed */
    const char *id_asked;    /* of describe and cancel */
    vmx_build_list list;

    char build_id[64]; /* "": none yet */
    bool job_ended;
    bool triggered;            /* it was asked for, and may be there even if no answer came */
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

/* --- from phase to phase (build.c) --------------------------------------------------------------------------------- */

uint64_t
vmx_build_now(const vmx_build *build);

/* Enters a phase; the totals are of it. */
void
vmx_build_enter(vmx_build *build, vmx_build_phase phase, uint64_t bytes_total, uint64_t vectors_total);

/* What is in flight may not go on. */
static inline bool
vmx_build_halted(const vmx_build *build)
{
    return build->stage != VMX_STAGE_RUNNING;
}

/* The memory is there: uploads, or goes on with the build that an earlier call has triggered. */
void
vmx_build_has_memory(vmx_build *build);
/* The blobs are there. */
void
vmx_build_uploaded(vmx_build *build);
/* The server's build has ended well; `job` is its result. */
void
vmx_build_built(vmx_build *build, const vmx_pb_build *job);
/* The file is there. */
void
vmx_build_downloaded(vmx_build *build);
/* Completes the op. */
void
vmx_build_finish(vmx_build *build);

/* --- phases without a header of their own -------------------------------------------------------------------------- */

/* check.c: ends with vmx_resume_begin or a failure. */
void
vmx_check_begin(vmx_build *build);

/* resume.c: ends with vmx_build_reserve, vmx_clean_begin or a failure. */
void
vmx_resume_begin(vmx_build *build);

/* clean.c: deletes and cancels what has to be, then completes the op with what build->op.error says. */
void
vmx_clean_begin(vmx_build *build);

/* --- memory (memory.c) --------------------------------------------------------------------------------------------- */

/* Ends with vmx_build_has_memory or a failure. */
void
vmx_build_reserve(vmx_build *build);
/* Gives all of it back; also before it was granted, and twice. */
void
vmx_build_unreserve(vmx_build *build);

/* A buffer of chunk_bytes with VMX_CHUNK_HEAD bytes before it, or NULL: then vmx_build pumps its actors again when one
 * is free, or has failed because none will be. */
vmx_block *
vmx_build_take_buffer(vmx_build *build, uint8_t **data);

/* --- stopping (stop.c) --------------------------------------------------------------------------------------------- */

/* The build has failed; the first reason stands. Stops everything that runs, then the clean-up comes. */
void
vmx_build_fail(vmx_build *build, const vmx_error *why);
/* Fails with a message of its own. */
void
vmx_build_fail_with(vmx_build *build, vmx_status status, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* The user's cancel. */
void
vmx_build_cancel(vmx_op *op);
/* Nothing runs any more? Then the clean-up comes, of a build that stops, or the end, of one that was cleaned up. */
void
vmx_build_wind_up(vmx_build *build);
/* At the end: makes the reason that a remote build failed for VMX_ERR_FALLBACK, and counts it. */
void
vmx_build_make_fallback(vmx_build *build);

void
vmx_deadline_arm(vmx_build *build);
/* false: it is firing, and calls vmx_build_finish once more. */
bool
vmx_deadline_disarm(vmx_build *build);

/* --- builds as a result (describe.c) ------------------------------------------------------------------------------- */

/* Describe, cancel, list: one call. */
void
vmx_describe_begin(vmx_build *build);

/* Takes down what the server says of builds as the op's result; false when memory is out. */
bool
vmx_build_keep_jobs(vmx_build *build, vmx_pb_build *const *jobs, size_t count);

#endif
