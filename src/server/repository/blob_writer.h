/*
 * server/repository/blob_writer.h: writes a built index as a blob, in order, computing the digests of both its forms.
 * Not thread safe.
 */
#ifndef VMXD_REPOSITORY_BLOB_WRITER_H
#define VMXD_REPOSITORY_BLOB_WRITER_H

#include "core/buffer.h"
#include "server/repository/repository.h"

/* Digests of the parts of one form. */
typedef struct vmxd_form_digests {
    uint64_t bytes;
    vmx_digest part;
    vmx_buffer digests; /* of the parts that are complete, one behind the other */
} vmxd_form_digests;

/* Filled in by whoever opens it: what must be known before. */
typedef struct vmxd_blob_plan {
    const char *name, *build_id;
    uint64_t part_bytes;
    vmx_digest_algorithm algorithm;
    uint64_t storage_offset; /* of the block that the graph-only form leaves out */
    uint32_t head_bytes;
    uint64_t vector_bytes;
    uint32_t bytes_per_value;
    const char *fourcc; /* what the block begins with */
} vmxd_blob_plan;

typedef struct vmxd_blob_writer {
    vmxd_repository *repository;
    vmxd_blob_plan plan;
    char path[VMXD_PATH_BYTES];
    int fd;
    uint64_t reserved;
    vmx_buffer buffer; /* not yet written */
    vmxd_form_digests full, graph;
    uint8_t head[128];  /* of the storage block */
    vmxd_status status; /* of what failed */
} vmxd_blob_writer;

/* False with the reason in `writer->status`. Close it in either case. */
bool
vmxd_blob_writer_open(vmxd_blob_writer *writer, vmxd_repository *repository, const vmxd_blob_plan *plan);

/* As vmxd_graph_write wants it; `user` is the writer. False with the reason in `writer->status`. */
bool
vmxd_blob_writer_write(void *user, const void *data, size_t len);

/* Makes it a blob. False with the reason in `writer->status`. */
bool
vmxd_blob_writer_publish(vmxd_blob_writer *writer);

/* Removes what was not published. */
void
vmxd_blob_writer_close(vmxd_blob_writer *writer);

#endif
