/*
 * server/journal_frame.h: the bytes of a journal's headers (server/journal_file.h). Sans I/O.
 */
#ifndef VMXD_JOURNAL_FRAME_H
#define VMXD_JOURNAL_FRAME_H

#include "server/journal_file.h"

#define VMXD_FILE_HEADER_BYTES   32
#define VMXD_FRAME_HEADER_BYTES  28
#define VMXD_RECORD_HEADER_BYTES 8

typedef struct vmxd_frame {
    uint32_t records;
    uint32_t payload_bytes;
    uint32_t payload_sum;
} vmxd_frame;

/* Continues a checksum; the first `sum` is 0. */
uint32_t
vmxd_checksum(uint32_t sum, const void *data, size_t len);

void
vmxd_file_header_write(const vmxd_store_options *config, uint8_t out[VMXD_FILE_HEADER_BYTES]);

/* False with a text that says what is wrong with the file at `path`. */
bool
vmxd_file_header_read(const uint8_t in[VMXD_FILE_HEADER_BYTES], const char *path, vmxd_store_options *config,
                      vmxd_status *status);

void
vmxd_frame_write(const vmxd_frame *frame, uint64_t offset, uint8_t out[VMXD_FRAME_HEADER_BYTES]);

/* False if this is not the header of a frame at `offset`. */
bool
vmxd_frame_read(const uint8_t in[VMXD_FRAME_HEADER_BYTES], uint64_t offset, vmxd_frame *frame);

/* Where a frame's header begins in `bytes`, which stand at `offset` of the file; `len` if there is none. */
size_t
vmxd_frame_find(const uint8_t *bytes, size_t len, uint64_t offset);

void
vmxd_record_header_write(const vmxd_journal_record *record, uint8_t out[VMXD_RECORD_HEADER_BYTES]);

/* Numbers in bodies */
void
vmxd_put_u32(uint8_t *out, uint32_t value);
void
vmxd_put_u64(uint8_t *out, uint64_t value);
uint32_t
vmxd_get_u32(const void *in);
uint64_t
vmxd_get_u64(const void *in);

#endif
