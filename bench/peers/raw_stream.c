/*
 * raw_stream: transfers as vecmux does them, written by hand on gRPC core in one thread. Uploads: N client streams, a part each;
 * the vectors are ready messages of 1 MiB, so that their digest and handing them over is what is left to do. The floor for
 * `vecmux-bench upload`. Downloads are raw_fetch.c's.
 */
#include <grpc/support/alloc.h>
#include <isa-l/crc.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../clock.h"
#include "../report.h"
#include "raw_fetch.h"
#include "raw_unary.h"
#include "vecmux/repository.pb-c.h"

#define SERVICE          "/vecmux.repository.v1.VectorRepository/"
#define CHUNK_BYTES      ((size_t)1 << 20)
#define READY_CHUNKS     8 /* sent in turn */
#define DIGEST_MAX_BYTES 32
#define CRC32C_BYTES     4
#define SHA256_BYTES     32

/* Protocol Buffers: tags of WritePartRequest.chunk, Chunk.data and Chunk.crc32c (proto/vecmux/repository.proto). */
enum { TAG_CHUNK = 2 << 3 | 2, TAG_DATA = 1 << 3 | 2, TAG_CRC32C = 2 << 3 | 5 };

static const char head[] = "usage: raw_stream upload|download [options]\n";

typedef struct upload {
    const bench_options *options;
    raw_channel channel;
    grpc_slice ready[READY_CHUNKS];
    uint64_t total_bytes, part_bytes;
    uint32_t part_count, next_part, parts_done;
    uint8_t *digests; /* DIGEST_MAX_BYTES of each part */
    char *id;         /* of the upload */
    char name[64];    /* of the blob */
    bench_row *row;
    uint64_t chunks;
    bool failed;
} upload;

typedef struct stream stream;

/* An event on the queue: a batch of the stream has ended. */
typedef struct stream_tag {
    stream *owner;
    void (*run)(stream *self);
} stream_tag;

/* A client stream that writes one part after the other. */
struct stream {
    upload *owner;
    grpc_call *call;
    uint32_t part;
    uint64_t sent, size;
    uint32_t crc; /* of what was sent, inverted, as ISA-L wants it */
    EVP_MD_CTX *sha256;
    bool ended, closed;        /* all was handed over; the status has come */
    grpc_byte_buffer *message; /* on its way */
    grpc_byte_buffer *reply;
    grpc_metadata_array initial, trailing;
    grpc_status_code status;
    grpc_slice details;
    stream_tag on_sent, on_closed;
};

/* --- messages ------------------------------------------------------------------------------------------------------ */

static size_t
put_varint(uint8_t *to, size_t value)
{
    size_t len = 0;
    for (; value >= 0x80; value >>= 7)
        to[len++] = (uint8_t)(value | 0x80);
    to[len++] = (uint8_t)value;
    return len;
}

/* The next chunk of the part: its head and its crc32c are made, the data are ready. */
static grpc_byte_buffer *
next_chunk(stream *self)
{
    upload *all = self->owner;
    uint64_t left = self->size - self->sent;
    size_t len = left < CHUNK_BYTES ? (size_t)left : CHUNK_BYTES;
    grpc_slice ready = all->ready[all->chunks % READY_CHUNKS];
    uint8_t inner[8], start[16], tail[1 + CRC32C_BYTES] = {TAG_CRC32C};
    self->crc = crc32_iscsi(GRPC_SLICE_START_PTR(ready), (int)len, self->crc);
    if (self->sha256)
        EVP_DigestUpdate(self->sha256, GRPC_SLICE_START_PTR(ready), len);
    uint32_t crc = ~self->crc;
    memcpy(tail + 1, &crc, sizeof crc);
    inner[0] = TAG_DATA;
    size_t inner_len = 1 + put_varint(inner + 1, len);
    start[0] = TAG_CHUNK;
    size_t start_len = 1 + put_varint(start + 1, inner_len + len + sizeof tail);
    memcpy(start + start_len, inner, inner_len);
    grpc_slice slices[] = {grpc_slice_from_copied_buffer((char *)start, start_len + inner_len),
                           grpc_slice_sub(ready, 0, len), grpc_slice_from_copied_buffer((char *)tail, sizeof tail)};
    grpc_byte_buffer *message = grpc_raw_byte_buffer_create(slices, sizeof slices / sizeof slices[0]);
    for (size_t i = 0; i < sizeof slices / sizeof slices[0]; i++)
        grpc_slice_unref(slices[i]);
    self->sent += len;
    all->chunks++;
    return message;
}

static grpc_byte_buffer *
packed(const ProtobufCMessage *message)
{
    grpc_slice slice = raw_pack(message);
    grpc_byte_buffer *buffer = grpc_raw_byte_buffer_create(&slice, 1);
    grpc_slice_unref(slice);
    return buffer;
}

static grpc_byte_buffer *
header_of(const stream *self)
{
    Repository__WritePartRequest request = REPOSITORY__WRITE_PART_REQUEST__INIT;
    Repository__WritePartHeader header = REPOSITORY__WRITE_PART_HEADER__INIT;
    header.upload_id = self->owner->id;
    header.part_number = self->part;
    request.message_case = REPOSITORY__WRITE_PART_REQUEST__MESSAGE_HEADER;
    request.header = &header;
    return packed(&request.base);
}

/* Ends the part's digest, and takes it down for the blob's. */
static grpc_byte_buffer *
end_of(stream *self)
{
    Repository__WritePartRequest request = REPOSITORY__WRITE_PART_REQUEST__INIT;
    Repository__PartEnd end = REPOSITORY__PART_END__INIT;
    uint8_t *digest = self->owner->digests + (size_t)self->part * DIGEST_MAX_BYTES;
    if (self->sha256)
        EVP_DigestFinal_ex(self->sha256, digest, NULL);
    for (int i = 0; !self->sha256 && i < CRC32C_BYTES; i++)
        digest[i] = (uint8_t)(~self->crc >> (24 - 8 * i));
    end.digest = (ProtobufCBinaryData){self->sha256 ? SHA256_BYTES : CRC32C_BYTES, digest};
    request.message_case = REPOSITORY__WRITE_PART_REQUEST__MESSAGE_END;
    request.end = &end;
    return packed(&request.base);
}

/* --- a stream ------------------------------------------------------------------------------------------------------ */

static void
begin_part(stream *self);

/* When the part's last message and its status are both through, whichever comes first. */
static void
end_part(stream *self)
{
    upload *all = self->owner;
    if (self->status != GRPC_STATUS_OK && !all->failed) {
        char *text = grpc_slice_to_c_string(self->details);
        fprintf(stderr, "bench: part %u: status %d: %s\n", self->part, (int)self->status, text);
        gpr_free(text);
        all->failed = true;
    }
    grpc_byte_buffer_destroy(self->reply);
    self->reply = NULL;
    grpc_slice_unref(self->details);
    self->initial.count = self->trailing.count = 0;
    grpc_call_unref(self->call);
    all->parts_done++;
    if (all->next_part < all->part_count && !all->failed)
        begin_part(self);
}

static void
send_next(stream *self)
{
    self->ended = self->sent == self->size;
    self->message = self->ended ? end_of(self) : next_chunk(self);
    grpc_op ops[] = {{.op = GRPC_OP_SEND_MESSAGE, .data.send_message = {self->message}},
                     {.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT}};
    raw_start_batch(self->call, ops, self->ended ? 2 : 1, &self->on_sent);
}

static void
on_sent(stream *self)
{
    grpc_byte_buffer_destroy(self->message);
    self->message = NULL;
    if (self->closed)
        end_part(self);
    else if (!self->ended)
        send_next(self);
}

static void
on_closed(stream *self)
{
    self->closed = true;
    if (!self->message)
        end_part(self);
}

static void
begin_part(stream *self)
{
    upload *all = self->owner;
    self->part = all->next_part++;
    uint64_t left = all->total_bytes - self->part * all->part_bytes;
    self->size = left < all->part_bytes ? left : all->part_bytes;
    self->sent = 0;
    self->crc = UINT32_MAX;
    if (self->sha256)
        EVP_DigestInit_ex(self->sha256, EVP_sha256(), NULL);
    self->ended = self->closed = false;
    self->message = header_of(self);
    self->call =
        grpc_channel_create_registered_call(all->channel.channel, NULL, GRPC_PROPAGATE_DEFAULTS, all->channel.queue,
                                            all->channel.method, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
    grpc_op first[] = {{.op = GRPC_OP_SEND_INITIAL_METADATA},
                       {.op = GRPC_OP_SEND_MESSAGE, .data.send_message = {self->message}}};
    grpc_op last[] = {{.op = GRPC_OP_RECV_INITIAL_METADATA, .data.recv_initial_metadata = {&self->initial}},
                      {.op = GRPC_OP_RECV_MESSAGE, .data.recv_message = {&self->reply}},
                      {.op = GRPC_OP_RECV_STATUS_ON_CLIENT,
                       .data.recv_status_on_client = {&self->trailing, &self->status, &self->details, NULL}}};
    raw_start_batch(self->call, first, 2, &self->on_sent);
    raw_start_batch(self->call, last, 3, &self->on_closed);
}

static void
open_stream(stream *self, upload *owner)
{
    *self = (stream){.owner = owner, .on_sent = {self, on_sent}, .on_closed = {self, on_closed}};
    self->sha256 = owner->options->transfer.sha256 ? EVP_MD_CTX_new() : NULL;
    grpc_metadata_array_init(&self->initial);
    grpc_metadata_array_init(&self->trailing);
}

static void
close_stream(stream *self)
{
    grpc_metadata_array_destroy(&self->initial);
    grpc_metadata_array_destroy(&self->trailing);
    EVP_MD_CTX_free(self->sha256);
}

/* --- an upload ----------------------------------------------------------------------------------------------------- */

static bool
begin_upload(upload *self)
{
    Repository__BeginUploadRequest request = REPOSITORY__BEGIN_UPLOAD_REQUEST__INIT;
    snprintf(self->name, sizeof self->name, "bench-raw-%llu.knnvec", (unsigned long long)bench_now_ns());
    request.name = self->name;
    request._total_bytes_case = REPOSITORY__BEGIN_UPLOAD_REQUEST___TOTAL_BYTES_TOTAL_BYTES;
    request.total_bytes = self->total_bytes;
    request.part_bytes = self->part_bytes;
    request.digest = self->options->transfer.sha256 ? REPOSITORY__DIGEST_ALGORITHM__DIGEST_ALGORITHM_SHA256
                                                    : REPOSITORY__DIGEST_ALGORITHM__DIGEST_ALGORITHM_CRC32C;
    Repository__BeginUploadResponse *reply = (Repository__BeginUploadResponse *)raw_unary(
        &self->channel, SERVICE "BeginUpload", &request.base, &repository__begin_upload_response__descriptor);
    self->id = reply && reply->upload ? strdup(reply->upload->upload_id) : NULL;
    if (reply)
        repository__begin_upload_response__free_unpacked(reply, NULL);
    return self->id != NULL;
}

static bool
complete_upload(upload *self)
{
    Repository__CompleteUploadRequest request = REPOSITORY__COMPLETE_UPLOAD_REQUEST__INIT;
    uint8_t digest[DIGEST_MAX_BYTES];
    uint32_t crc = UINT32_MAX;
    EVP_MD_CTX *sha256 = EVP_MD_CTX_new();
    EVP_DigestInit_ex(sha256, EVP_sha256(), NULL);
    for (uint32_t i = 0; i < self->part_count; i++) {
        uint8_t *of_part = self->digests + (size_t)i * DIGEST_MAX_BYTES;
        crc = crc32_iscsi(of_part, CRC32C_BYTES, crc);
        EVP_DigestUpdate(sha256, of_part, SHA256_BYTES);
    }
    EVP_DigestFinal_ex(sha256, digest, NULL);
    EVP_MD_CTX_free(sha256);
    for (int i = 0; !self->options->transfer.sha256 && i < CRC32C_BYTES; i++)
        digest[i] = (uint8_t)(~crc >> (24 - 8 * i));
    request.upload_id = self->id;
    request.digest = (ProtobufCBinaryData){self->options->transfer.sha256 ? SHA256_BYTES : CRC32C_BYTES, digest};
    ProtobufCMessage *blob =
        raw_unary(&self->channel, SERVICE "CompleteUpload", &request.base, &repository__blob__descriptor);
    if (!blob)
        return false;
    protobuf_c_message_free_unpacked(blob, NULL);
    return true;
}

static void
delete_blob(upload *self)
{
    Repository__DeleteBlobRequest request = REPOSITORY__DELETE_BLOB_REQUEST__INIT;
    request.name = self->name;
    ProtobufCMessage *reply =
        raw_unary(&self->channel, SERVICE "DeleteBlob", &request.base, &repository__delete_blob_response__descriptor);
    if (reply)
        protobuf_c_message_free_unpacked(reply, NULL);
}

static void
write_parts(upload *self)
{
    size_t count = self->row->in_flight < self->part_count ? self->row->in_flight : self->part_count;
    stream *streams = calloc(count, sizeof *streams);
    for (size_t i = 0; streams && i < count; i++) {
        open_stream(&streams[i], self);
        begin_part(&streams[i]);
    }
    while (streams && self->parts_done < self->next_part) {
        stream_tag *tag =
            grpc_completion_queue_next(self->channel.queue, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL).tag;
        tag->run(tag->owner);
    }
    for (size_t i = 0; streams && i < count; i++)
        close_stream(&streams[i]);
    self->failed = self->failed || !streams;
    free(streams);
}

/* --- measuring ----------------------------------------------------------------------------------------------------- */

static bool
make_ready(upload *self)
{
    bench_random random = self->options->seed;
    for (size_t i = 0; i < READY_CHUNKS; i++) {
        float *floats = bench_random_floats(&random, CHUNK_BYTES / sizeof *floats);
        if (!floats)
            return false;
        self->ready[i] = grpc_slice_new(floats, CHUNK_BYTES, free);
    }
    return true;
}

/* The first call connects. */
static bool
connect_now(upload *self)
{
    Repository__DescribeRepositoryRequest request = REPOSITORY__DESCRIBE_REPOSITORY_REQUEST__INIT;
    ProtobufCMessage *reply = raw_unary(&self->channel, SERVICE "DescribeRepository", &request.base,
                                        &repository__repository_description__descriptor);
    if (reply)
        protobuf_c_message_free_unpacked(reply, NULL);
    self->channel.method = grpc_channel_register_call(self->channel.channel, SERVICE "WritePart", NULL, NULL);
    return reply != NULL;
}

static bool
run_upload(upload *self)
{
    bench_meter meter;
    bench_meter_begin(&meter, self->row, self->options);
    bench_meter_tick(&meter, bench_now_ns());
    if (!begin_upload(self))
        return false;
    write_parts(self);
    bool good = !self->failed && complete_upload(self);
    bench_meter_end(&meter, bench_now_ns());
    if (!good)
        return false;
    delete_blob(self);
    self->row->operations = (self->total_bytes + CHUNK_BYTES / 2) / CHUNK_BYTES;
    self->row->payload_bytes = (double)self->total_bytes / (double)self->row->operations;
    self->row->wire_bytes = bench_wire_bytes(self->row->payload_bytes, 0);
    return true;
}

static bool
measure(const bench_options *options, uint64_t total_bytes, uint64_t part_bytes, bench_row *row)
{
    upload self = {.options = options, .total_bytes = total_bytes, .part_bytes = part_bytes, .row = row};
    self.part_count = (uint32_t)row->part_count;
    self.digests = calloc(row->part_count, DIGEST_MAX_BYTES);
    bool good = raw_channel_connect(&self.channel, options) && self.digests && make_ready(&self) &&
                connect_now(&self) && run_upload(&self);
    for (size_t i = 0; i < READY_CHUNKS; i++)
        grpc_slice_unref(self.ready[i]);
    raw_channel_close(&self.channel);
    free(self.digests);
    free(self.id);
    return good;
}

static bool
measure_uploads(const bench_options *options, size_t streams, bench_report *report)
{
    uint64_t part_bytes[BENCH_MAX_LEVELS], all = bench_options_rows(options) * options->dimension * sizeof(float);
    size_t count = bench_options_part_bytes(options, part_bytes);
    bool good = true;
    for (size_t i = 0; i < count && good; i++) {
        size_t parts = (size_t)((all + part_bytes[i] - 1) / part_bytes[i]);
        bench_row *row = bench_report_add(report, streams, "%zu parts, %zu at a time", parts, streams);
        row->part_count = parts;
        good = measure(options, all, part_bytes[i], row);
    }
    return good;
}

static bool
measure_downloads(const bench_options *options, const size_t *levels, size_t count, bench_report *report)
{
    bool good = true;
    for (size_t i = 0; i < count && good; i++)
        good = raw_fetch_measure(options, bench_report_add(report, levels[i], "%zu at a time", levels[i]));
    return good;
}

int
main(int argc, char **argv)
{
    bench_options options;
    int exit_code;
    if (!bench_options_parse(&options, argc, argv, head, &exit_code) || !bench_options_are_plain(&options))
        return exit_code;
    bench_report report = {.client = "raw_stream", .versions = raw_versions(), .options = &options};
    size_t levels[BENCH_MAX_LEVELS], count = bench_options_levels(&options, levels);
    if (strcmp(options.scenario, "upload") == 0)
        report.failed = !measure_uploads(&options, levels[0], &report);
    else if (strcmp(options.scenario, "download") == 0)
        report.failed = !measure_downloads(&options, levels, count, &report);
    else
        fprintf(stderr, "bench: this client has no scenario \"%s\"\n", options.scenario);
    exit_code = bench_report_print(&report);
    bench_report_free(&report);
    return exit_code;
}
