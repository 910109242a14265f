/* VectorRepository/ReadRange: chunk by chunk, as fast as the peer takes them. */
#include <stdio.h>
#include <string.h>

#include "core/alloc.h"
#include "server/call_stream.h"
#include "server/handlers.h"
#include "server/repository/blob.h"
#include "server/repository/name.h"
#include "server/repository/repository.h"

#define DEFAULT_CHUNK_BYTES (1 << 20)
#define HEAD_BYTES          32 /* at most, of the message before the data: two tags, an offset, a length */

typedef struct stream {
    vmxd_call *call;
    vmxd_repository *repository;
    vmxd_blob_reader reader;
    size_t chunk_bytes;
} stream;

static void
send_next(stream *self);

static void
stream_free(stream *self)
{
    vmxd_blob_reader_close(&self->reader);
    vmx_dealloc(self);
}

static void
fail(stream *self, const vmxd_status *status)
{
    vmxd_call *call = self->call;
    stream_free(self);
    vmxd_call_fail(call, status);
}

static size_t
put_varint(uint8_t *out, uint64_t value)
{
    size_t len = 0;
    for (; value >= 0x80; value >>= 7)
        out[len++] = (uint8_t)(value | 0x80);
    out[len++] = (uint8_t)value;
    return len;
}

/* What of a ReadRangeResponse stands before its data. */
static size_t
write_head(uint8_t out[HEAD_BYTES], uint64_t offset, size_t len)
{
    size_t at = 0;
    if (offset > 0) {
        out[at++] = 1 << 3;
        at += put_varint(out + at, offset);
    }
    out[at++] = 2 << 3 | 2;
    return at + put_varint(out + at, len);
}

static void
on_sent(void *user, bool ok)
{
    stream *self = user;
    vmxd_status status;
    if (ok) {
        send_next(self);
        return;
    }
    vmxd_refuse(&status, GRPC_STATUS_CANCELLED, "the reader is gone");
    fail(self, &status);
}

/* The data is read to where it stands in the message: it is not copied. */
static void
send_next(stream *self)
{
    grpc_slice slice = grpc_slice_malloc(HEAD_BYTES + self->chunk_bytes);
    uint8_t *begin = GRPC_SLICE_START_PTR(slice), head[HEAD_BYTES];
    vmx_str data;
    uint64_t offset;
    vmxd_status status;
    if (!vmxd_blob_reader_next(&self->reader, begin + HEAD_BYTES, self->chunk_bytes, &data, &offset, &status)) {
        grpc_slice_unref(slice);
        fail(self, &status);
        return;
    }
    if (data.len == 0) {
        vmxd_call *call = self->call;
        grpc_slice_unref(slice);
        stream_free(self);
        vmxd_call_end(call);
        return;
    }
    size_t head_len = write_head(head, offset, data.len), at = (size_t)((uint8_t *)data.ptr - begin);
    memcpy(begin + at - head_len, head, head_len);
    grpc_slice message = grpc_slice_sub(slice, at - head_len, at + data.len);
    grpc_slice_unref(slice);
    vmxd_repository_count(self->repository, 0, data.len);
    vmxd_blob_touch(self->reader.blob);
    vmxd_call_send(self->call, message, on_sent, self);
}

static bool
check_request(const Repository__ReadRangeRequest *request, vmxd_status *status)
{
    uint32_t chunk = request->chunk_bytes;
    if (!vmxd_blob_name_check("name", request->name, status))
        return false;
    if (request->form != REPOSITORY__FORM__FORM_FULL && request->form != REPOSITORY__FORM__FORM_GRAPH_ONLY)
        return vmxd_invalid(status, "form %d: it is 0 (full) or 1 (graph only)", (int)request->form);
    return chunk == 0 || (chunk >= VMXD_MIN_CHUNK_BYTES && chunk <= VMXD_MAX_CHUNK_BYTES) ||
           vmxd_invalid(status, "chunk_bytes %u: must be from %d to %d, or 0", chunk, VMXD_MIN_CHUNK_BYTES,
                        VMXD_MAX_CHUNK_BYTES);
}

static bool
check_digest(const stream *self, const Repository__ReadRangeRequest *request, vmxd_status *status)
{
    const ProtobufCBinaryData *wanted = &request->if_digest, *found = &self->reader.form->digest;
    return wanted->len == 0 || (wanted->len == found->len && memcmp(wanted->data, found->data, found->len) == 0) ||
           vmxd_refuse(status, GRPC_STATUS_FAILED_PRECONDITION,
                       "\"%.*s\" does not have the digest of if_digest: it is another blob by now",
                       vmxd_clip(request->name), request->name);
}

static bool
open_reader(stream *self, const Repository__ReadRangeRequest *request, vmxd_status *status)
{
    int data;
    vmxd_blob *blob = vmxd_repository_open_blob(self->repository, request->name, &data, status);
    if (!blob)
        return vmxd_refuse(status, GRPC_STATUS_NOT_FOUND, "there is no blob \"%.*s\"", vmxd_clip(request->name),
                           request->name);
    bool done =
        vmxd_blob_reader_open(&self->reader, blob, data, request->form, request->offset, request->length, status) &&
        check_digest(self, request, status);
    vmxd_blob_unref(blob);
    return done;
}

void
vmxd_handle_read_range(vmxd_service *service, vmxd_call *call, ProtobufCMessage *message)
{
    const Repository__ReadRangeRequest *request = (const Repository__ReadRangeRequest *)message;
    vmxd_status status;
    stream *self = vmx_calloc(1, sizeof *self);
    if (!self) {
        vmxd_no_memory(&status);
        vmxd_call_fail(call, &status);
        return;
    }
    *self = (stream){.call = call, .repository = service->repository, .reader.fd = -1};
    self->chunk_bytes = request->chunk_bytes ? request->chunk_bytes : DEFAULT_CHUNK_BYTES;
    if (check_request(request, &status) && open_reader(self, request, &status))
        send_next(self);
    else
        fail(self, &status);
}
