/*
 * build/upload.h: the blobs on their way to the server: begun and cut into parts (upload.c), which senders write, each
 * with a stream (sender.c).
 *
 * On the op's strand; a sender's chore reads, converts and digests on the worker. The parts of an upload that the server
 * has confirmed are its own word, and are compared with the source before an upload goes on behind them.
 */
#ifndef VMX_BUILD_UPLOAD_H
#define VMX_BUILD_UPLOAD_H

#include "build/ask.h"
#include "core/digest.h"
#include "rpc/flow.h"
#include "source/blob.h"
#include "vecmux/repository.pb-c.h"

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
    bool foreign;                    /* what has the name is not this build's */
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
/* Asks for the upload, which is made, or found if it was begun before. */
void
vmx_upload_ask(vmx_upload *upload, vmx_ask *ask, void (*answered)(vmx_ask *ask));
/* Keeps the id that an answer to that has; false: it is of another upload. */
bool
vmx_upload_keep_id(vmx_upload *upload, const Repository__BeginUploadResponse *reply);
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

#endif
