/*
 * build/download.h: the result on its way into a file: planned (download.c), read in ranges by fetchers, each with a stream
 * (fetcher.c), and for a graph-only result put together with the vectors (splice.c), in OUTPUT.part (output.c).
 *
 * On the op's strand, but for the vmx_output_* functions, which block and run in chores. Bytes of a part are written
 * before its digest can be checked; a part counts only when it is right, and the file gets its name when all are.
 */
#ifndef VMX_BUILD_DOWNLOAD_H
#define VMX_BUILD_DOWNLOAD_H

#include "build/ask.h"
#include "core/digest.h"
#include "rpc/flow.h"
#include "vecmux/repository.pb-c.h"

typedef Repository__Blob vmx_pb_blob;
typedef Repository__BlobForm vmx_pb_form;

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
    bool flow_begun, over; /* over: the stream has ended and its chores are to follow */
    uint32_t part;
    uint64_t offset, size_bytes; /* of the part, in the form */
    uint64_t at;                 /* written up to here, inside the part */
    vmx_digest digest;
    uint32_t restarts;
    vmx_error spoilt; /* why what comes of the part is thrown away, and the part begins anew; VMX_OK: it is not */
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
    vmx_actor actor;   /* of the chore */
    vmx_block *buffer; /* of the chore: for the footer's checksum */
    uint8_t *data;
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
/* Blocks: can OUTPUT be written at all? So that nothing is uploaded for it in vain. */
vmx_status
vmx_output_check(const vmx_build *build, vmx_error *error);
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

#endif
