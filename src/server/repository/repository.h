/*
 * server/repository/repository.h: the blobs and unfinished uploads of a server, on disk. Thread safe.
 *
 *     DIR/repository/uploads/<upload id>/   upload (vecmux.stored.v1.StoredUpload), data, parts (part_table.h)
 *     DIR/repository/blobs/<sha256 of the name>/   blob (StoredBlob), data
 *     DIR/repository/new/<id>/   a built index while it is written
 *     DIR/repository/gone/<id>/   what is being removed
 *
 * A blob comes into being by one rename of its directory, in which everything has been made durable, and goes by one: a
 * server that is killed at any moment has it whole, or not at all.
 */
#ifndef VMXD_REPOSITORY_REPOSITORY_H
#define VMXD_REPOSITORY_REPOSITORY_H

#include "core/arena.h"
#include "server/repository/blob.h"

#define VMXD_MIN_PART_BYTES     4096
#define VMXD_MAX_PART_BYTES     ((uint64_t)4 << 30)
#define VMXD_DEFAULT_PART_BYTES (8 << 20)
#define VMXD_MAX_PARTS          10000
#define VMXD_MIN_CHUNK_BYTES    4096
#define VMXD_MAX_CHUNK_BYTES    (4 << 20)
#define VMXD_MAX_KEY_BYTES      128

typedef struct vmxd_upload vmxd_upload;

typedef struct vmxd_repository_options {
    const char *directory; /* of --data; NULL: a temporary one, made when it is first needed and removed at the end */
    uint64_t quota_bytes;  /* 0: no limit */
    uint64_t upload_expiry_ms; /* unfinished uploads go that nobody has touched for so long; 0: never */
    uint64_t blob_expiry_ms;   /* likewise blobs that nobody has looked at, read or built from */
    bool discards;             /* what is uploaded is counted and digested, and not stored */
} vmxd_repository_options;

/* Reads what is there. NULL with the reason in `status`. */
vmxd_repository *
vmxd_repository_open(const vmxd_repository_options *options, vmxd_status *status);

/* Nobody uses it any more. NULL is allowed. */
void
vmxd_repository_close(vmxd_repository *repository);

/* The descriptor of its directory; -1 with the reason if it cannot be made. */
int
vmxd_repository_directory(vmxd_repository *repository, vmxd_status *status);

/* Removes `path` of the directory, which is open, and what is in it, durably; it is gone at once or still whole if the
 * server is killed. */
void
vmxd_repository_remove(const vmxd_repository *repository, const char *path);

bool
vmxd_repository_discards(const vmxd_repository *repository);

/* Milliseconds since 1970. */
uint64_t
vmxd_unix_ms(void);

/* --- space --------------------------------------------------------------------------------------------------------- */

/* RESOURCE_EXHAUSTED if the quota has no room for so many bytes more. */
bool
vmxd_repository_reserve(vmxd_repository *repository, uint64_t bytes, vmxd_status *status);
/* The same whether it has room or not. */
void
vmxd_repository_take(vmxd_repository *repository, uint64_t bytes);
void
vmxd_repository_release(vmxd_repository *repository, uint64_t bytes);

/* Bytes of chunks that came and went. */
void
vmxd_repository_count(vmxd_repository *repository, uint64_t received, uint64_t sent);

void
vmxd_repository_describe(vmxd_repository *repository, Repository__RepositoryDescription *out);

/* --- blobs --------------------------------------------------------------------------------------------------------- */

/* A reference, or NULL. Touches it. */
vmxd_blob *
vmxd_repository_find(vmxd_repository *repository, const char *name);

/*
 * The same, and its data, open for reading, in `*data`: those of no other blob, even if one takes its place just now. `*data`
 * is -1 if it is discarded, or if its data cannot be opened, with the reason in `status`.
 */
vmxd_blob *
vmxd_repository_open_blob(vmxd_repository *repository, const char *name, int *data, vmxd_status *status);

/* The same as find, but does not count as touching. */
vmxd_blob *
vmxd_repository_peek(vmxd_repository *repository, const char *name);

/* The blob that an upload became; a reference, or NULL. */
vmxd_blob *
vmxd_repository_find_uploaded(vmxd_repository *repository, const char *upload_id);

/*
 * Makes the directory `path`, whose "data" is durable, the blob `stored` says, durably; its bytes have been reserved.
 * With `replace` instead of one of the same name, else ALREADY_EXISTS. A reference in `*blob`.
 */
bool
vmxd_repository_publish(vmxd_repository *repository, const Vmxd__StoredBlob *stored, const char *path, bool replace,
                        vmxd_blob **blob, vmxd_status *status);

/* False if there is none. */
bool
vmxd_repository_delete(vmxd_repository *repository, const char *name);

/* This one only: false if it has gone, or another has taken its place. */
bool
vmxd_repository_delete_blob(vmxd_repository *repository, const vmxd_blob *blob);

/* At most `*count` blobs whose names begin with `prefix` and come behind `after`, in order; references. `*more`: there
 * are others. */
void
vmxd_repository_list(vmxd_repository *repository, const char *prefix, const char *after, vmxd_blob **blobs,
                     size_t *count, bool *more);

/* --- uploads ------------------------------------------------------------------------------------------------------- */

/* References, or NULL. Touch it. */
vmxd_upload *
vmxd_repository_upload(vmxd_repository *repository, const char *upload_id);
vmxd_upload *
vmxd_repository_upload_of(vmxd_repository *repository, const char *name, const char *key);

/* Held by who looks for an upload and, if there is none, begins it: the same request twice at a time is one upload. */
void
vmxd_repository_lock_beginning(vmxd_repository *repository);
void
vmxd_repository_unlock_beginning(vmxd_repository *repository);

/* Keeps a reference. False when memory is out. */
bool
vmxd_repository_add_upload(vmxd_repository *repository, vmxd_upload *upload);

/* Lets the reference go; false if it was not there any more. */
bool
vmxd_repository_drop_upload(vmxd_repository *repository, vmxd_upload *upload);

#endif
