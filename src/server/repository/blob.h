/*
 * server/repository/blob.h: complete blobs: immutable, counted references. A blob that was deleted can be read by those
 * who have opened it.
 */
#ifndef VMXD_REPOSITORY_BLOB_H
#define VMXD_REPOSITORY_BLOB_H

#include <stdatomic.h>
#include <vecmux/stored.pb-c.h>

#include "core/arena.h"
#include "core/digest.h"
#include "server/repository/disk.h"

typedef struct vmxd_repository vmxd_repository;

typedef struct vmxd_blob {
    _Atomic unsigned refs;
    Vmxd__StoredBlob *stored;
    uint64_t bytes;              /* of the full form */
    _Atomic uint64_t touched_ms; /* since 1970 */
    char path[VMXD_PATH_BYTES];
    bool discarded; /* nothing of it is stored */
} vmxd_blob;

/* A blob of a copy of `stored`, in the directory `path`; NULL when memory is out. One reference. */
vmxd_blob *
vmxd_blob_new(const Vmxd__StoredBlob *stored, const char *path, bool discarded);

/* Takes `stored` over. */
vmxd_blob *
vmxd_blob_adopt(Vmxd__StoredBlob *stored, const char *path, bool discarded);

vmxd_blob *
vmxd_blob_ref(vmxd_blob *blob);

/* NULL is allowed. */
void
vmxd_blob_unref(vmxd_blob *blob);

/* Somebody wants it: it does not expire yet. */
void
vmxd_blob_touch(vmxd_blob *blob);

const Repository__Blob *
vmxd_blob_info(const vmxd_blob *blob);

/* The same without its part digests, in `arena`; shares the blob's memory. NULL when memory is out. */
Repository__Blob *
vmxd_blob_summary(const vmxd_blob *of, vmx_arena *arena);

/* NULL if it has no such form. */
const Repository__BlobForm *
vmxd_blob_form(const vmxd_blob *blob, Repository__Form form);

/* Bytes of the storage block in the full form; 0 if there is none. */
uint64_t
vmxd_storage_block_bytes(const Repository__StorageBlock *storage);

/*
 * Reads a range of a form in order. Whole parts are read and their digests checked, so a range is sound when its end has
 * been reached. Not thread safe.
 */
typedef struct vmxd_blob_reader {
    vmxd_blob *blob;
    const Repository__BlobForm *form;
    int fd;
    uint64_t at, end;  /* in whole parts */
    uint64_t from, to; /* what was asked for */
    vmx_digest digest; /* of the part that `at` is in */
} vmxd_blob_reader;

/* `data` is what vmxd_repository_open_blob gave, and the reader's from now on. `length` 0: to the end. OUT_OF_RANGE,
 * FAILED_PRECONDITION (no such form). Close it in either case. */
bool
vmxd_blob_reader_open(vmxd_blob_reader *reader, vmxd_blob *blob, int data, Repository__Form form, uint64_t offset,
                      uint64_t length, vmxd_status *status);

/*
 * The next at most `capacity` bytes, in `buffer`; `data` is which of them were asked for, and `*offset` where they stand
 * in the form. An empty `data` is the end. DATA_LOSS names blob and part.
 */
bool
vmxd_blob_reader_next(vmxd_blob_reader *reader, void *buffer, size_t capacity, vmx_str *data, uint64_t *offset,
                      vmxd_status *status);

/* Zero-initialised with fd -1 it may be closed. */
void
vmxd_blob_reader_close(vmxd_blob_reader *reader);

#endif
