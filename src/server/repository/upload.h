/*
 * server/repository/upload.h: an unfinished upload: what of each part is confirmed. Counted references; thread safe.
 *
 * Parts are written at their place in one file, "data". "parts" has 64 bytes for each, written behind each chunk:
 * u64 confirmed bytes, u32 crc32c of them, u32 1 if complete, 32 bytes the complete part's digest, 12 zero bytes, u32
 * crc32c of the 60 bytes before; little endian. When an upload is loaded the confirmed bytes are read and checked against
 * that, so what a crash of the machine took away is not believed.
 */
#ifndef VMXD_REPOSITORY_UPLOAD_H
#define VMXD_REPOSITORY_UPLOAD_H

#include "server/repository/repository.h"

/* A new upload, with space reserved and its directory made; NULL with the reason. One reference. */
vmxd_upload *
vmxd_upload_new(vmxd_repository *repository, const Repository__BeginUploadRequest *begin, vmxd_status *status);

/* What is in "uploads/<id>". */
vmxd_upload *
vmxd_upload_load(vmxd_repository *repository, const char *id, vmxd_status *status);

vmxd_upload *
vmxd_upload_ref(vmxd_upload *upload);
void
vmxd_upload_unref(vmxd_upload *upload);

/* Somebody wants it: it does not expire yet. */
void
vmxd_upload_touch(vmxd_upload *upload);

/* When that was, in milliseconds since 1970. */
uint64_t
vmxd_upload_touched_ms(const vmxd_upload *upload);

/* What it was begun with; lives as long as it. */
const Vmxd__StoredUpload *
vmxd_upload_stored(const vmxd_upload *upload);

/* NOT_FOUND: no upload has that id (any more). Gives false. */
bool
vmxd_refuse_upload(const char *id, vmxd_status *status);

/* In `arena`; NULL when memory is out. */
Repository__Upload *
vmxd_upload_describe(vmxd_upload *upload, vmx_arena *arena);

/* Makes it a blob (a reference in `*blob`); it leaves the repository's list. As CompleteUpload. */
bool
vmxd_upload_complete(vmxd_upload *upload, const Repository__CompleteUploadRequest *request, vmxd_blob **blob,
                     vmxd_status *status);

/* Its files are removed, writers get NOT_FOUND, the repository's list has it no more; false if that had happened. One that
 * is being completed goes when that has ended, blob or not. */
bool
vmxd_upload_abort(vmxd_upload *upload);

/* The same, because nobody has touched it; but one that is being completed stays, and is touched. False: it stays, or had
 * gone. */
bool
vmxd_upload_expire(vmxd_upload *upload);

/* One stream that writes a part. Not thread safe; others may write other parts, and a newer one takes this part over. */
typedef struct vmxd_part_writer {
    vmxd_upload *upload; /* a reference; NULL: nothing was begun */
    uint32_t number;
    uint64_t turn; /* of the part's writers */
} vmxd_part_writer;

/* As WritePart's header. Close it in either case. */
bool
vmxd_part_writer_begin(vmxd_part_writer *writer, vmxd_repository *repository, const Repository__WritePartHeader *header,
                       vmxd_status *status);

/* `crc32c` may be NULL. */
bool
vmxd_part_writer_chunk(vmxd_part_writer *writer, vmx_str data, const uint32_t *crc32c, vmxd_status *status);

bool
vmxd_part_writer_end(vmxd_part_writer *writer, const ProtobufCBinaryData *digest, vmxd_status *status);

/* How the part stands; `part->digest` is in `digest`. */
void
vmxd_part_writer_describe(const vmxd_part_writer *writer, Repository__Part *part, uint8_t digest[VMX_DIGEST_MAX_BYTES]);

void
vmxd_part_writer_close(vmxd_part_writer *writer);

#endif
