/*
 * server/repository/part.h: what is known of one part of an unfinished upload, in memory and in the file "parts". Not
 * thread safe; `lock` is for who uses it.
 */
#ifndef VMXD_REPOSITORY_PART_H
#define VMXD_REPOSITORY_PART_H

#include <pthread.h>
#include <vecmux/repository.pb-c.h>

#include "core/digest.h"
#include "server/repository/disk.h"

#define VMXD_PART_RECORD_BYTES 64

typedef struct vmxd_part {
    pthread_mutex_t lock;
    uint64_t turn;      /* of the newest writer */
    uint64_t confirmed; /* bytes */
    uint64_t reserved;  /* bytes of the quota, where the upload's length is not known */
    uint32_t crc32c;    /* of the confirmed bytes */
    vmx_digest digest;  /* of them */
    bool complete;
} vmxd_part;

/* NULL when memory is out. */
vmxd_part *
vmxd_part_new(vmx_digest_algorithm algorithm);
void
vmxd_part_free(vmxd_part *part);

/* Nothing is confirmed any more; false when memory is out. */
bool
vmxd_part_restart(vmxd_part *part);

/* Bytes that have been written are confirmed; `crc32c` is the running one with them. */
void
vmxd_part_confirm(vmxd_part *part, vmx_str data, uint32_t crc32c);

void
vmxd_part_describe(const vmxd_part *part, uint32_t number, Repository__Part *out, uint8_t digest[VMX_DIGEST_MAX_BYTES]);

/* Writes the part's record into the file "parts". */
bool
vmxd_part_save(const vmxd_part *part, int fd, uint32_t number, vmxd_status *status);

/*
 * Reads a record, and the confirmed bytes from `data_fd` at `offset`: `part` (new) is as it was saved, or restarted if
 * the bytes are not those that were confirmed. False when memory is out.
 */
bool
vmxd_part_load(vmxd_part *part, const uint8_t record[VMXD_PART_RECORD_BYTES], int data_fd, uint64_t offset,
               uint64_t max_bytes);

#endif
