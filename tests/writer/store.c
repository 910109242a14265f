#include "writer/store.h"

#include <check.h>
#include <math.h>
#include <pinecone/vector_service.pb-c.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"

/* Slices this long hold values that were referenced. */
#define VMX_REFERENCE_NOTED 2000

static uint8_t *
flatten(const vmx_message *message)
{
    uint8_t *bytes = malloc(message->size_bytes + 1);
    size_t at = 0;
    for (size_t i = 0; i < message->count; i++) {
        memcpy(bytes + at, message->slices[i].data, message->slices[i].len);
        at += message->slices[i].len;
    }
    ck_assert_uint_eq(at, message->size_bytes);
    return bytes;
}

static void
end_ok(vmx_stream *stream, uint64_t delay_us, size_t count)
{
    Pinecone__UpsertResponse response = PINECONE__UPSERT_RESPONSE__INIT;
    response.upserted_count = (uint32_t)count;
    size_t len = pinecone__upsert_response__get_packed_size(&response);
    uint8_t *data;
    vmx_message message;
    vmx_block *block = vmx_block_new(len, &data);
    pinecone__upsert_response__pack(&response, data);
    if (len > 1) { /* in two slices, as a network read that ends inside it makes of it */
        message = (vmx_message){.slices = vmx_calloc(2, sizeof *message.slices), .count = 2, .size_bytes = len};
        message.slices[0] = (vmx_slice){data, 1, block};
        message.slices[1] = (vmx_slice){data + 1, len - 1, vmx_block_acquire(block)};
    } else {
        vmx_message_init_one(&message, block, data, len);
    }
    vmx_reply reply = {.grpc_code = 0, .reach = VMX_REACH_SERVER, .text = {"", 0}, .peer = {"fake", 4}};
    ck_assert(vmx_fake_end(stream, delay_us, &reply, &message));
    vmx_message_clear(&message);
}

static void
end_failed(vmx_stream *stream, uint64_t delay_us, int code, vmx_reach reach, const char *text)
{
    vmx_reply reply = {.grpc_code = code, .reach = reach, .text = vmx_str_from(text), .peer = {"fake", 4}};
    ck_assert(vmx_fake_end(stream, delay_us, &reply, NULL));
}

static bool
is_bad(const store *s, const Pinecone__UpsertRequest *request)
{
    bool bad = false;
    for (size_t i = 0; i < request->n_vectors; i++) {
        const Pinecone__Vector *vector = request->vectors[i];
        bad = bad || strncmp(vector->id, "bad", 3) == 0 || (s->dimension != 0 && vector->n_values != s->dimension);
    }
    return bad;
}

static void
keep(store *s, const Pinecone__UpsertRequest *request)
{
    s->vectors += request->n_vectors;
    for (size_t i = 0; i < request->n_vectors; i++) {
        size_t id = (size_t)strtoul(request->vectors[i]->id, NULL, 10) % STORE_IDS;
        s->values[id] = request->vectors[i]->values[0];
    }
}

static unsigned
percent(store *s)
{
    return (unsigned)vmx_random_up_to(&s->chance, 99);
}

static void
answer_request(store *s, vmx_stream *stream, const Pinecone__UpsertRequest *request)
{
    uint64_t now_us = world_now(s->w);
    uint64_t delay_us = s->delay_us + (now_us < s->stalled_until_us ? s->stalled_until_us - now_us : 0);
    if (percent(s) < s->unavailable) {
        end_failed(stream, delay_us, VMX_GRPC_UNAVAILABLE, VMX_REACH_SERVER, "not now");
    } else if (is_bad(s, request)) {
        end_failed(stream, delay_us, VMX_GRPC_INVALID_ARGUMENT, VMX_REACH_SERVER, "a bad vector is in it");
    } else {
        keep(s, request);
        if (percent(s) < s->lost)
            end_failed(stream, delay_us, VMX_GRPC_UNAVAILABLE, VMX_REACH_UNKNOWN, "Socket closed");
        else
            end_ok(stream, delay_us, request->n_vectors);
    }
}

static void
note_slices(store *s, const vmx_message *message)
{
    for (size_t i = 0; i < message->count; i++)
        if (message->slices[i].len >= VMX_REFERENCE_NOTED && s->reference_count < 64)
            s->references[s->reference_count++] = message->slices[i].data;
}

/* Nothing is written in a way that protobuf would not. */
static void
expect_canonical(const Pinecone__UpsertRequest *request, const uint8_t *bytes, size_t len)
{
    uint8_t *packed = malloc(len + 1);
    ck_assert_uint_eq(pinecone__upsert_request__get_packed_size(request), len);
    pinecone__upsert_request__pack(request, packed);
    ck_assert_int_eq(memcmp(packed, bytes, len), 0);
    free(packed);
}

static void
on_stream(world *w, size_t n, const sighting *seen)
{
    (void)n;
    store *s = w->user;
    const vmx_message *message = vmx_fake_request(seen->stream);
    bool watched = s->watch != NULL && *s->watch;
    if (watched)
        *s->watch = false;
    uint8_t *bytes = flatten(message);
    Pinecone__UpsertRequest *request = pinecone__upsert_request__unpack(NULL, message->size_bytes, bytes);
    ck_assert_ptr_nonnull(request);
    ck_assert_str_eq(seen->method, "/VectorService/Upsert");
    expect_canonical(request, bytes, message->size_bytes);
    s->requests++;
    s->max_vectors = request->n_vectors > s->max_vectors ? request->n_vectors : s->max_vectors;
    s->max_bytes = message->size_bytes > s->max_bytes ? message->size_bytes : s->max_bytes;
    note_slices(s, message);
    answer_request(s, seen->stream, request);
    pinecone__upsert_request__free_unpacked(request, NULL);
    free(bytes);
    if (watched)
        *s->watch = true;
}

void
store_open(store *s, uint64_t seed, const char *const *properties)
{
    memset(s, 0, sizeof *s);
    vmx_random_seed(&s->chance, seed);
    for (size_t i = 0; i < STORE_IDS; i++)
        s->values[i] = NAN;
    s->w = world_new(seed, properties);
    s->w->user = s;
    s->w->on_stream = on_stream;
}

size_t
store_count(const store *s)
{
    size_t count = 0;
    for (size_t i = 0; i < STORE_IDS; i++)
        count += isnan(s->values[i]) ? 0 : 1;
    return count;
}
