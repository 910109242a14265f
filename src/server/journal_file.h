/*
 * server/journal_file.h: the file of vecmuxd --data: a log of writes.
 *
 * Numbers are little-endian, checksums CRC-32C.
 *
 *     file    = header, frames
 *     header  = "vecmuxd\n", u32 version, u32 metric (vmxd_metric), u32 sparse (0 or 1), u32 0, u32 0,
 *               u32 checksum of the 28 bytes before
 *     frame   = u32 magic, u32 number of records, u64 offset of the frame in the file, u32 bytes of the payload,
 *               u32 checksum of the payload, u32 checksum of the 24 bytes before, payload
 *     payload = records
 *     record  = u32 kind (vmxd_journal_kind), u32 bytes of the body, body
 *
 * A frame is what was written, and made durable, together; it counts whole or not at all. Its header has a checksum of
 * its own, so that a length is believed only if it is right, and its offset, so that a log stored inside of a log is not
 * taken for frames. A bad frame with nothing behind it is a write that was cut short; one with frames behind it is damage.
 *
 * Not thread safe.
 */
#ifndef VMXD_JOURNAL_FILE_H
#define VMXD_JOURNAL_FILE_H

#include "core/buffer.h"
#include "server/store.h"

#define VMXD_JOURNAL_VERSION     1
#define VMXD_JOURNAL_MAX_RECORDS 500        /* in a frame: two pieces each, below IOV_MAX */
#define VMXD_JOURNAL_MAX_PAYLOAD (64 << 20) /* larger ones are not believed */

/* Bodies are the requests as they came, if nothing else is said. The numbers are in files: never reuse one. */
typedef enum vmxd_journal_kind {
    VMXD_JOURNAL_UPSERT = 1,
    VMXD_JOURNAL_DELETE = 2,
    VMXD_JOURNAL_UPDATE = 3,
    VMXD_JOURNAL_CREATE_NAMESPACE = 4,
    VMXD_JOURNAL_DELETE_NAMESPACE = 5,
    VMXD_JOURNAL_DIMENSION = 6, /* u32: the index's dimension is fixed */
    VMXD_JOURNAL_LSN = 7        /* u64, then a namespace's name: that is the LSN of its last write */
} vmxd_journal_kind;

typedef struct vmxd_journal_record {
    vmxd_journal_kind kind;
    vmx_str body;
} vmxd_journal_record;

/* Zero-initialised and with fd -1 it is closed. */
typedef struct vmxd_journal_file {
    char *path;
    int fd;
    uint64_t end; /* behind the last whole frame: where the next one goes */
    bool broken;  /* what is on disk is not known any more: nothing is appended */
} vmxd_journal_file;

/* A new file, which replaces one at `path`, with the header. False: closed, and the file is removed. */
bool
vmxd_journal_file_create(vmxd_journal_file *file, const char *path, const vmxd_store_options *config,
                         vmxd_status *status);

/* Opens and reads the header into `config`'s metric and sparse; `end` is behind the header. False: closed. */
bool
vmxd_journal_file_open(vmxd_journal_file *file, const char *path, vmxd_store_options *config, vmxd_status *status);

/*
 * Appends a frame of 1 to VMXD_JOURNAL_MAX_RECORDS records, with `sync` made durable. False: the file ends where it ended
 * before (or is broken, and says so from then on). A full disk is RESOURCE_EXHAUSTED, everything else INTERNAL.
 */
bool
vmxd_journal_file_append(vmxd_journal_file *file, const vmxd_journal_record *records, size_t count, bool sync,
                         vmxd_status *status);

typedef enum vmxd_journal_found {
    VMXD_JOURNAL_FRAME,  /* `end` is now behind it */
    VMXD_JOURNAL_END,    /* of the file */
    VMXD_JOURNAL_TORN,   /* what stands from `end` on is no whole frame, and none follows */
    VMXD_JOURNAL_DAMAGED /* `status` says where, and what helps; or the file cannot be read, or memory is out */
} vmxd_journal_found;

/* Reads the frame at `end` into `payload` (emptied before); `size` is the file's, `*count` the frame's records. */
vmxd_journal_found
vmxd_journal_file_next(vmxd_journal_file *file, uint64_t size, vmx_buffer *payload, uint32_t *count,
                       vmxd_status *status);

/* Takes the next record off a payload; false if there is none whole. */
bool
vmxd_journal_record_next(vmx_str *payload, vmxd_journal_record *record);

bool
vmxd_journal_file_size(const vmxd_journal_file *file, uint64_t *size, vmxd_status *status);

/* Cuts off what stands behind `end`. */
bool
vmxd_journal_file_cut(vmxd_journal_file *file, vmxd_status *status);

bool
vmxd_journal_file_sync(vmxd_journal_file *file, vmxd_status *status);

void
vmxd_journal_file_close(vmxd_journal_file *file);

/* "PATH: what: reason of `error`"; a full disk is RESOURCE_EXHAUSTED. Returns false. */
bool
vmxd_journal_refuse_errno(vmxd_status *status, const char *path, const char *what, int error);

#endif
