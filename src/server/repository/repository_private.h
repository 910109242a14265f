/*
 * server/repository/repository_private.h: what repository.c, directory.c and publish.c know of a repository.
 */
#ifndef VMXD_REPOSITORY_REPOSITORY_PRIVATE_H
#define VMXD_REPOSITORY_REPOSITORY_PRIVATE_H

#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>

#include "server/repository/repository.h"

struct vmxd_repository {
    vmxd_repository_options options;
    pthread_mutex_t publishing; /* one at a time; taken before `lock` */
    pthread_mutex_t beginning;  /* of uploads, likewise */
    pthread_mutex_t lock;
    int fd;                           /* locked; -1: not made yet */
    char temporary[PATH_MAX];         /* locked; "" if it is not */
    vmxd_blob **blobs;                /* locked; in bytewise order of their names */
    size_t blob_count, blob_room;     /* locked */
    vmxd_upload **uploads;            /* locked */
    size_t upload_count, upload_room; /* locked */
    uint64_t used_bytes;              /* locked */
    _Atomic uint64_t received_bytes, sent_bytes;
    pthread_t expiry;
    bool expires;        /* the thread runs */
    pthread_cond_t wake; /* it is to look at `closing` */
    bool closing;        /* locked */
};

/* --- repository.c: the list of blobs ------------------------------------------------------------------------------- */

/* Locked. Makes room for one blob more; false when memory is out. */
bool
vmxd_repository_make_room(vmxd_repository *repository);

/* Locked. Takes the reference; one of the same name goes. The list has room. */
void
vmxd_repository_put(vmxd_repository *repository, vmxd_blob *blob);

/* Takes the lock, and the blob off the list; the list's reference, or NULL. `only`: if it is that one; NULL: any. */
vmxd_blob *
vmxd_repository_take_off(vmxd_repository *repository, const char *name, const vmxd_blob *only);

/* --- directory.c --------------------------------------------------------------------------------------------------- */

/* Removes what is in a folder of the directory, which is open. */
void
vmxd_repository_clear_folder(const vmxd_repository *repository, const char *folder);

/* Removes the temporary directory, which is open. */
void
vmxd_repository_remove_temporary(const vmxd_repository *repository);

#endif
