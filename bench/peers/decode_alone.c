/*
 * decode_alone: what it costs to read one large reply without a network: the reply of a query comes once, then it is decoded
 * by vecmux's decoder and all its values are read, again and again. Before each time its bytes are written again, as if they
 * had just come (the decoder may move them); that is not measured.
 */
#include <grpc/grpc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../clock.h"
#include "../report.h"
#include "raw_call.h"
#include "wire/reply_decoder.h"

static const char head[] = "usage: decode_alone decode-alone [options]\n";

/* A reply as gRPC core has received it, and its bytes. */
typedef struct reply {
    raw_channel channel;
    raw_call call;
    vmx_slice *slices;
    uint8_t *bytes;
    size_t slice_count;
    size_t size;
} reply;

static bool
copy_bytes(reply *self)
{
    grpc_slice_buffer *received = &self->call.reply->data.raw.slice_buffer;
    self->slice_count = received->count;
    self->slices = calloc(received->count, sizeof *self->slices);
    self->bytes = malloc(received->length);
    for (size_t i = 0; self->slices && self->bytes && i < received->count; i++) {
        grpc_slice *slice = &received->slices[i];
        self->slices[i] = (vmx_slice){GRPC_SLICE_START_PTR(*slice), GRPC_SLICE_LENGTH(*slice), NULL};
        memcpy(self->bytes + self->size, self->slices[i].data, self->slices[i].len);
        self->size += self->slices[i].len;
    }
    return self->slices && self->bytes;
}

static bool
receive(reply *self, const bench_options *options)
{
    *self = (reply){0};
    raw_call_init(&self->call);
    if (!raw_channel_open(&self->channel, options))
        return false;
    raw_call_start(&self->channel, &self->call, bench_now_ns());
    grpc_completion_queue_next(self->channel.queue, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
    if (self->call.reply)
        return copy_bytes(self);
    fprintf(stderr, "bench: the server has sent no reply (status %d)\n", (int)self->call.status);
    return false;
}

static void
drop(reply *self)
{
    if (self->call.core)
        raw_call_finish(&self->call);
    raw_call_destroy(&self->call);
    raw_channel_close(&self->channel);
    free(self->slices);
    free(self->bytes);
}

/* As they came; the memory is the reply's own. */
static void
write_again(const reply *self)
{
    const uint8_t *from = self->bytes;
    for (size_t i = 0; i < self->slice_count; from += self->slices[i++].len)
        memcpy((uint8_t *)(uintptr_t)self->slices[i].data, from, self->slices[i].len);
}

/* Decodes and reads everything but metadata; false if the reply is broken. */
static bool
decode(const reply *self, vmx_arena *arena, double *sum, size_t *value_count)
{
    vmx_decoded decoded = {0};
    vmx_decoder decoder = {.arena = arena, .max_bytes = SIZE_MAX, .may_move = true};
    if (vmx_reply_decode(&decoder, VMX_REPLY_QUERY, self->slices, self->slice_count, &decoded) != VMX_OK)
        return false;
    *value_count = 0;
    for (size_t i = 0; i < decoded.match_count; i++) {
        const vmx_match *match = &decoded.matches[i];
        *sum += (double)match->score + (match->id.len > 0 ? match->id.ptr[match->id.len - 1] : 0);
        *sum += bench_sum(match->values.ptr, match->values.len);
        *value_count += match->values.len;
    }
    return true;
}

static bool
measure(const reply *self, const bench_options *options, bench_row *row)
{
    bench_meter meter;
    vmx_arena arena;
    size_t value_count = 0;
    bool good = true;
    vmx_arena_init(&arena, 0);
    bench_meter_begin(&meter, row, options);
    while (good && bench_meter_tick(&meter, bench_now_ns())) {
        write_again(self);
        uint64_t start = bench_now_ns();
        good = decode(self, &arena, &row->checksum, &value_count);
        vmx_arena_rewind(&arena);
        bench_meter_record(&meter, start, bench_now_ns(), good, 1);
    }
    vmx_arena_reset(&arena);
    row->payload_bytes = (double)value_count * sizeof(float);
    bench_meter_of_work_alone(row);
    return good;
}

int
main(int argc, char **argv)
{
    bench_options options;
    int exit_code;
    if (!bench_options_parse(&options, argc, argv, head, &exit_code) || !bench_options_are_plain(&options))
        return exit_code;
    reply received;
    bench_report report = {.client = "vecmux's decoder", .versions = raw_versions(), .options = &options};
    report.failed = !receive(&received, &options) ||
                    !measure(&received, &options, bench_report_add(&report, 1, "%zu bytes, values", received.size));
    drop(&received);
    exit_code = bench_report_print(&report);
    bench_report_free(&report);
    return exit_code;
}
