/*
 * server/repository/upload_private.h: what upload.c, upload_write.c and upload_complete.c know of an upload.
 */
#ifndef VMXD_REPOSITORY_UPLOAD_PRIVATE_H
#define VMXD_REPOSITORY_UPLOAD_PRIVATE_H

#include "server/repository/part.h"
#include "server/repository/upload.h"

typedef enum vmxd_upload_state {
    VMXD_UPLOAD_OPEN,
    VMXD_UPLOAD_COMPLETING, /* nothing may be written; it is open again if that fails */
    VMXD_UPLOAD_GONE
} vmxd_upload_state;

struct vmxd_upload {
    _Atomic unsigned refs;
    _Atomic uint64_t touched_ms;
    vmxd_repository *repository;
    Vmxd__StoredUpload *stored;
    char path[VMXD_PATH_BYTES];
    int data_fd, table_fd; /* -1: what comes is discarded */
    bool known;            /* the length */
    uint64_t part_bytes;
    vmx_digest_algorithm algorithm;

    /* A part's lock is never waited for under this one; this one may be taken under a part's. */
    pthread_mutex_t lock;
    vmxd_upload_state state; /* locked */
    bool unwanted;           /* locked; aborted while it was being completed */
    uint64_t total;          /* locked, if the length is not known: what has been reserved for parts; else constant */
    vmxd_part **parts;       /* locked; the parts themselves stay */
    size_t part_count;       /* locked */
};

uint32_t
vmxd_upload_count_parts(uint64_t total, uint64_t part_bytes);

/* The part, made if `make`; NULL if it is not there, or memory is out. */
vmxd_part *
vmxd_upload_part(vmxd_upload *upload, uint32_t number, bool make);

/* How long the part may become; 0: there can be none of that number. */
uint64_t
vmxd_upload_part_limit(const vmxd_upload *upload, uint32_t number);

/* Removes its files. */
void
vmxd_upload_remove(vmxd_upload *upload);

#endif
