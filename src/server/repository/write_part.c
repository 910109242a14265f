/* VectorRepository/WritePart: one stream, message by message. */
#include "core/alloc.h"
#include "server/call_stream.h"
#include "server/handlers.h"
#include "server/repository/part_message.h"
#include "server/repository/upload.h"

typedef struct stream {
    vmxd_call *call;
    vmxd_part_writer writer;
    vmx_arena arena; /* of one message */
} stream;

static void
stream_free(stream *self)
{
    vmxd_part_writer_close(&self->writer);
    vmx_arena_reset(&self->arena);
    vmx_dealloc(self);
}

static void
fail(stream *self, const vmxd_status *status)
{
    vmxd_call *call = self->call;
    stream_free(self);
    vmxd_call_fail(call, status);
}

static void
reply(stream *self)
{
    Repository__WritePartResponse response;
    Repository__Part part;
    uint8_t digest[VMX_DIGEST_MAX_BYTES];
    repository__write_part_response__init(&response);
    vmxd_part_writer_describe(&self->writer, &part, digest);
    response.part = &part;
    vmxd_call *call = self->call;
    stream_free(self);
    vmxd_call_reply(call, &response.base);
}

static void
on_message(void *user, vmxd_call *call)
{
    stream *self = user;
    vmxd_part_message message;
    vmxd_status status;
    if (!vmxd_call_has_request(call)) { /* no end: the rest comes another time */
        reply(self);
        return;
    }
    vmx_arena_reset(&self->arena);
    bool done = vmxd_part_message_read(vmxd_call_request(call), &self->arena, &message, &status);
    if (done && message.is_end)
        done = vmxd_part_writer_end(&self->writer, &message.digest, &status);
    else if (done)
        done =
            vmxd_part_writer_chunk(&self->writer, message.data, message.has_crc32c ? &message.crc32c : NULL, &status);
    if (!done)
        fail(self, &status);
    else if (message.is_end)
        reply(self);
    else
        vmxd_call_receive(call, on_message, self);
}

void
vmxd_handle_write_part(vmxd_service *service, vmxd_call *call, ProtobufCMessage *request)
{
    const Repository__WritePartRequest *first = (const Repository__WritePartRequest *)request;
    vmxd_status status;
    stream *self = vmx_calloc(1, sizeof *self);
    if (!self) {
        vmxd_no_memory(&status);
        vmxd_call_fail(call, &status);
        return;
    }
    self->call = call;
    bool has_header = first->message_case == REPOSITORY__WRITE_PART_REQUEST__MESSAGE_HEADER;
    bool begun = has_header ? vmxd_part_writer_begin(&self->writer, service->repository, first->header, &status)
                            : vmxd_invalid(&status, "WritePart: the first message must be a header");
    if (begun)
        vmxd_call_receive(call, on_message, self);
    else
        fail(self, &status);
}
