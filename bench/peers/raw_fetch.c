#include "raw_fetch.h"

#include <fcntl.h>
#include <grpc/byte_buffer_reader.h>
#include <grpc/support/alloc.h>
#include <isa-l/crc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../clock.h"
#include "raw_unary.h"
#include "vecmux/repository.pb-c.h"

#define SERVICE    "/vecmux.repository.v1.VectorRepository/"
#define MIB        ((double)(1 << 20))
#define HEAD_BYTES 32 /* at most, of a ReadRangeResponse before its data */
#define PATH_BYTES 512

/* Protocol Buffers: tags of ReadRangeResponse.offset and .data (proto/vecmux/repository.proto). */
enum { TAG_OFFSET = 1 << 3, TAG_DATA = 2 << 3 | 2 };

typedef struct fetch {
    const bench_options *options;
    raw_channel channel;
    Repository__Blob *blob;
    const Repository__BlobForm *form;
    char name[BENCH_KEY_BYTES + 8], path[PATH_BYTES];
    int file;
    uint32_t next_part, parts_done;
    bool failed;
} fetch;

/* A server stream that reads one part after the other; its address is its tag. */
typedef struct stream {
    fetch *owner;
    grpc_call *call;
    uint32_t part;
    uint64_t at; /* in the file */
    uint32_t crc;
    grpc_byte_buffer *request, *reply;
    grpc_metadata_array initial, trailing;
    grpc_status_code status;
    grpc_slice details;
    bool ending; /* the status is awaited */
} stream;

/* --- what comes ---------------------------------------------------------------------------------------------------- */

/* How many bytes of the message stand before its data; 0: it is no such message. */
static size_t
head_of(const uint8_t *bytes, size_t len)
{
    size_t at = 0;
    for (int fields = 0; fields < 2 && at < len; fields++) {
        uint8_t tag = bytes[at++];
        while (at < len && bytes[at] >= 0x80)
            at++;
        at++;
        if (tag == TAG_DATA)
            return at;
        if (tag != TAG_OFFSET)
            return 0;
    }
    return 0;
}

/* The message's head may lie in more than one slice. */
static size_t
find_head(const grpc_slice_buffer *slices)
{
    uint8_t first[HEAD_BYTES];
    size_t len = 0;
    for (size_t i = 0; i < slices->count && len < sizeof first; i++) {
        size_t room = sizeof first - len, here = GRPC_SLICE_LENGTH(slices->slices[i]);
        here = here < room ? here : room;
        memcpy(first + len, GRPC_SLICE_START_PTR(slices->slices[i]), here);
        len += here;
    }
    return head_of(first, len);
}

/* Digests and writes a message slice by slice. */
static bool
take(stream *self)
{
    const grpc_slice_buffer *slices = &self->reply->data.raw.slice_buffer;
    size_t skip = find_head(slices);
    bool good = skip > 0;
    for (size_t i = 0; i < slices->count && good; i++) {
        size_t here = GRPC_SLICE_LENGTH(slices->slices[i]), head = skip < here ? skip : here, len = here - head;
        uint8_t *data = GRPC_SLICE_START_PTR(slices->slices[i]) + head;
        self->crc = crc32_iscsi(data, (int)len, self->crc);
        good = pwrite(self->owner->file, data, len, (off_t)self->at) == (ssize_t)len;
        self->at += len;
        skip -= head;
    }
    grpc_byte_buffer_destroy(self->reply);
    self->reply = NULL;
    return good;
}

/* --- a stream ------------------------------------------------------------------------------------------------------ */

static void
receive(stream *self)
{
    grpc_op op = {.op = GRPC_OP_RECV_MESSAGE, .data.recv_message = {&self->reply}};
    raw_start_batch(self->call, &op, 1, self);
}

static grpc_byte_buffer *
request_of(const stream *self)
{
    const fetch *all = self->owner;
    Repository__ReadRangeRequest request = REPOSITORY__READ_RANGE_REQUEST__INIT;
    uint64_t left = all->form->total_bytes - self->at;
    request.name = all->blob->name;
    request.offset = self->at;
    request.length = left < all->blob->part_bytes ? left : all->blob->part_bytes;
    grpc_slice slice = raw_pack(&request.base);
    grpc_byte_buffer *buffer = grpc_raw_byte_buffer_create(&slice, 1);
    grpc_slice_unref(slice);
    return buffer;
}

static void
begin_part(stream *self)
{
    fetch *all = self->owner;
    self->part = all->next_part++;
    self->at = self->part * all->blob->part_bytes;
    self->crc = UINT32_MAX;
    self->ending = false;
    self->request = request_of(self);
    self->call =
        grpc_channel_create_registered_call(all->channel.channel, NULL, GRPC_PROPAGATE_DEFAULTS, all->channel.queue,
                                            all->channel.method, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
    grpc_op ops[] = {{.op = GRPC_OP_SEND_INITIAL_METADATA},
                     {.op = GRPC_OP_SEND_MESSAGE, .data.send_message = {self->request}},
                     {.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT},
                     {.op = GRPC_OP_RECV_INITIAL_METADATA, .data.recv_initial_metadata = {&self->initial}},
                     {.op = GRPC_OP_RECV_MESSAGE, .data.recv_message = {&self->reply}}};
    raw_start_batch(self->call, ops, sizeof ops / sizeof ops[0], self);
}

static void
await_status(stream *self)
{
    grpc_op op = {.op = GRPC_OP_RECV_STATUS_ON_CLIENT,
                  .data.recv_status_on_client = {&self->trailing, &self->status, &self->details, NULL}};
    self->ending = true;
    raw_start_batch(self->call, &op, 1, self);
}

static bool
digest_is_right(const stream *self)
{
    const ProtobufCBinaryData *wanted = &self->owner->form->part_digests[self->part];
    uint32_t crc = ~self->crc;
    uint8_t found[] = {(uint8_t)(crc >> 24), (uint8_t)(crc >> 16), (uint8_t)(crc >> 8), (uint8_t)crc};
    return wanted->len != sizeof found || memcmp(found, wanted->data, sizeof found) == 0;
}

static void
end_part(stream *self)
{
    fetch *all = self->owner;
    if ((self->status != GRPC_STATUS_OK || !digest_is_right(self)) && !all->failed) {
        fprintf(stderr, "bench: part %u: status %d, or a wrong digest\n", self->part, (int)self->status);
        all->failed = true;
    }
    grpc_byte_buffer_destroy(self->request);
    grpc_slice_unref(self->details);
    self->initial.count = self->trailing.count = 0;
    grpc_call_unref(self->call);
    all->parts_done++;
    if (all->next_part < all->form->n_part_digests && !all->failed)
        begin_part(self);
}

static void
on_event(stream *self)
{
    if (self->ending) {
        end_part(self);
    } else if (!self->reply) {
        await_status(self);
    } else if (take(self)) {
        receive(self);
    } else {
        grpc_call_cancel(self->call, NULL);
        await_status(self);
    }
}

/* --- a file -------------------------------------------------------------------------------------------------------- */

static bool
fetch_parts(fetch *self, stream *streams, size_t count)
{
    self->next_part = self->parts_done = 0;
    self->file = open(self->path, O_CREAT | O_RDWR | O_TRUNC | O_CLOEXEC, 0600);
    if (self->file < 0)
        return false;
    for (size_t i = 0; i < count && self->next_part < self->form->n_part_digests; i++)
        begin_part(&streams[i]);
    while (self->parts_done < self->next_part)
        on_event(grpc_completion_queue_next(self->channel.queue, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL).tag);
    bool good = fsync(self->file) == 0 && !self->failed;
    close(self->file);
    return good;
}

static bool
fetch_often(fetch *self, bench_row *row)
{
    bench_meter meter;
    stream *streams = calloc(row->in_flight, sizeof *streams);
    bool good = streams != NULL;
    for (size_t i = 0; i < row->in_flight && good; i++) {
        streams[i].owner = self;
        grpc_metadata_array_init(&streams[i].initial);
        grpc_metadata_array_init(&streams[i].trailing);
    }
    bench_meter_begin(&meter, row, self->options);
    while (good && bench_meter_tick(&meter, bench_now_ns())) {
        good = fetch_parts(self, streams, row->in_flight);
        bench_meter_count(&meter, (uint64_t)((double)self->form->total_bytes / MIB + 0.5));
    }
    for (size_t i = 0; i < row->in_flight && streams; i++) {
        grpc_metadata_array_destroy(&streams[i].initial);
        grpc_metadata_array_destroy(&streams[i].trailing);
    }
    free(streams);
    return good;
}

static bool
find_blob(fetch *self)
{
    char key[BENCH_KEY_BYTES];
    Repository__StatBlobRequest request = REPOSITORY__STAT_BLOB_REQUEST__INIT;
    bench_options_key(self->options, key);
    snprintf(self->name, sizeof self->name, "%s.faiss", key);
    request.name = self->name;
    self->blob =
        (Repository__Blob *)raw_unary(&self->channel, SERVICE "StatBlob", &request.base, &repository__blob__descriptor);
    if (!self->blob || self->blob->n_forms == 0)
        return false;
    self->form = self->blob->forms[0];
    self->channel.method = grpc_channel_register_call(self->channel.channel, SERVICE "ReadRange", NULL, NULL);
    return true;
}

static void
name_file(fetch *self)
{
    const char *directory = getenv("TMPDIR");
    if (self->options->transfer.out)
        snprintf(self->path, sizeof self->path, "%s", self->options->transfer.out);
    else
        snprintf(self->path, sizeof self->path, "%s/raw-stream-%d", directory ? directory : "/tmp", (int)getpid());
}

bool
raw_fetch_measure(const bench_options *options, bench_row *row)
{
    fetch self = {.options = options};
    name_file(&self);
    bool good = raw_channel_connect(&self.channel, options) && find_blob(&self) && fetch_often(&self, row);
    row->payload_bytes = MIB;
    row->wire_bytes = bench_wire_bytes(0, MIB);
    if (!options->transfer.out)
        unlink(self.path);
    if (self.blob)
        repository__blob__free_unpacked(self.blob, NULL);
    raw_channel_close(&self.channel);
    return good;
}
