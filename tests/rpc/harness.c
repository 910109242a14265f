#include "rpc/harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "rpc/link.h"

const char *const world_more_pages = "\x12\x03\x0a\x01x"; /* ListResponse.pagination.next = "x" */

static void
check(bool fine, const char *what, const char *why)
{
    if (fine)
        return;
    fprintf(stderr, "harness: %s: %s\n", what, why);
    abort();
}

/* --- the server ---------------------------------------------------------------------------------------------------- */

void
world_answer(vmx_stream *stream, const answer *how)
{
    vmx_message message = {0};
    vmx_header trailer;
    bool ok = how->grpc_code == VMX_GRPC_OK;
    vmx_reply reply = {
        .grpc_code = how->grpc_code,
        .reach = ok ? VMX_REACH_SERVER : how->reach,
        .text = vmx_str_from(how->text),
        .peer = VMX_STR("203.0.113.1:443"),
    };
    if (how->delay_us == ANSWER_NEVER)
        return;
    if (how->key != NULL) {
        trailer = (vmx_header){vmx_str_from(how->key), vmx_str_from(how->value)};
        reply.headers = &trailer;
        reply.header_count = 1;
    }
    if (how->body != NULL)
        vmx_message_init_one(&message, NULL, (const uint8_t *)how->body, strlen(how->body));
    check(vmx_fake_end(stream, how->delay_us, &reply, how->body != NULL ? &message : NULL), "end", "out of memory");
}

static sighting *
see(world *w, vmx_stream *stream, const vmx_stream_options *options)
{
    if (w->count == w->capacity) {
        w->capacity = w->capacity != 0 ? 2 * w->capacity : 64;
        w->sightings = realloc(w->sightings, w->capacity * sizeof *w->sightings);
        check(w->sightings != NULL, "sightings", "out of memory");
    }
    sighting *seen = &w->sightings[w->count++];
    *seen = (sighting){.stream = stream,
                       .channel = options->channel,
                       .method = options->method,
                       .at_us = world_now(w),
                       .deadline_us = options->deadline_us,
                       .size_bytes = options->request->size_bytes};
    if (options->request->count > 0)
        seen->data = options->request->slices[0].data;
    for (size_t i = 0; i < options->header_count; i++) {
        vmx_str key = options->headers[i].key, value = options->headers[i].value;
        if (key.len == 26 && memcmp(key.ptr, "grpc-previous-rpc-attempts", 26) == 0)
            snprintf(seen->previous, sizeof seen->previous, "%.*s", (int)value.len, value.ptr);
    }
    return seen;
}

static void
on_started(void *user, vmx_stream *stream, const vmx_stream_options *options)
{
    world *w = user;
    size_t n = w->count;
    const sighting *seen = see(w, stream, options);
    if (w->on_stream != NULL)
        w->on_stream(w, n, seen);
    else
        world_answer(stream, &w->script[n < w->script_len ? n : w->script_len - 1]);
}

static void
on_dropped(void *user, vmx_stream *stream)
{
    world *w = user;
    size_t i = w->count;
    while (i-- > 0 && w->sightings[i].stream != stream)
        ;
    w->sightings[i].dropped = true;
    if (w->on_dropped != NULL)
        w->on_dropped(w, &w->sightings[i]);
}

static void
on_connect(void *user, vmx_channel *channel)
{
    world *w = user;
    if (w->on_connect != NULL) {
        w->on_connect(w, channel);
        return;
    }
    vmx_fake_channel_state(channel, VMX_CHANNEL_CONNECTING, 0);
    vmx_fake_channel_state(channel, w->connect_to, 1000);
}

/* --- life ---------------------------------------------------------------------------------------------------------- */

void
world_open(world *w, uint64_t seed, const char *const *properties)
{
    vmx_error error = {0};
    vmx_fake_server server = {.started = on_started, .dropped = on_dropped, .connect = on_connect, .user = w};
    check(vmx_fake_transport_new(seed, &server, &w->transport, NULL) == VMX_OK, "transport", "out of memory");
    vmx_config *config = vmx_config_new();
    vmx_config_set(config, VMX_STR("endpoint"), VMX_STR("fake:443"), &error);
    vmx_config_set(config, VMX_STR("worker.threads"), VMX_STR("0"), &error); /* a thread would not be in virtual time */
    for (size_t i = 0; properties != NULL && properties[i] != NULL; i += 2)
        check(vmx_config_set(config, VMX_STR(properties[i]), VMX_STR(properties[i + 1]), &error) == VMX_OK,
              properties[i], error.message);
    check(vmx_client_open_on(config, w->transport, seed, &w->client, &error) == VMX_OK, "client", error.message);
    vmx_config_free(config);
    /* A Pinecone index has the endpoint's name. */
    vmx_str name = vmx_str_from(strcmp(w->client->engine.vtable->name, "pinecone") == 0 ? "" : "some");
    check(vmx_index_open(w->client, name, VMX_STR(""), &w->index, &error) == VMX_OK, "index", error.message);
    check(vmx_queue_new(w->client, &w->queue, &error) == VMX_OK, "queue", error.message);
}

world *
world_blank(void)
{
    static const answer success;
    world *w = calloc(1, sizeof *w);
    check(w != NULL, "world", "out of memory");
    w->connect_to = VMX_CHANNEL_READY;
    world_script(w, &success, 1);
    return w;
}

world *
world_connecting_to(vmx_channel_state state, uint64_t seed, const char *const *properties)
{
    world *w = world_blank();
    w->connect_to = state;
    world_open(w, seed, properties);
    world_run(w, 2000);
    w->origin_us = world_now(w);
    return w;
}

world *
world_new(uint64_t seed, const char *const *properties)
{
    return world_connecting_to(VMX_CHANNEL_READY, seed, properties);
}

void
world_free(world *w)
{
    vmx_error error;
    vmx_queue_free(w->queue);
    vmx_index_free(w->index);
    check(vmx_client_close(w->client, 3600000, &error) == VMX_OK, "close", error.message);
    vmx_client_free(w->client);
    free(w->sightings);
    free(w);
}

void
world_script(world *w, const answer *script, size_t len)
{
    w->script = script;
    w->script_len = len;
}

/* --- time ---------------------------------------------------------------------------------------------------------- */

uint64_t
world_now(const world *w)
{
    return w->transport->vtable->now(w->transport);
}

double
world_ms(const world *w, uint64_t us)
{
    return (double)(us - w->origin_us) / 1000;
}

void
world_run(world *w, uint64_t us)
{
    uint64_t until_us = world_now(w) + us;
    while (vmx_host_drive(&w->client->host, until_us, NULL, NULL) > 0 || world_now(w) < until_us)
        ;
}

vmx_channel *
world_channel(const world *w, size_t i)
{
    return w->client->pool->places[i].link->channel;
}

/* --- operations ---------------------------------------------------------------------------------------------------- */

static vmx_op *
must_start(vmx_status status, vmx_op *op, const vmx_error *error)
{
    check(status == VMX_OK, "start", error->message);
    return op;
}

vmx_op *
world_query(world *w, const vmx_call_options *options)
{
    static const float values[4] = {1, 2, 3, 4};
    vmx_op *op = NULL;
    vmx_error error = {0};
    vmx_query query;
    vmx_query_init(&query, sizeof query);
    query.dense = (vmx_floats){values, 4};
    query.top_k = 1;
    vmx_status status = vmx_index_query(w->index, &query, options, &op, &error);
    return must_start(status, op, &error);
}

vmx_op *
world_upsert(world *w, const vmx_call_options *options)
{
    return world_upsert_many(w, 1, 4, options);
}

vmx_op *
world_upsert_many(world *w, size_t count, size_t dimension, const vmx_call_options *options)
{
    float *values = calloc(dimension, sizeof *values);
    vmx_vector *items = calloc(count, sizeof *items);
    check(values != NULL && items != NULL, "upsert", "out of memory");
    vmx_op *op = NULL;
    vmx_error error = {0};
    values[0] = 1;
    for (size_t i = 0; i < count; i++) {
        vmx_vector_init(&items[i], sizeof items[i]);
        items[i].id = VMX_STR("a");
        items[i].values = (vmx_floats){values, dimension};
    }
    vmx_vectors vectors = {.ptr = items, .count = count};
    vmx_status status = vmx_index_upsert(w->index, &vectors, options, &op, &error);
    free(items);
    free(values);
    return must_start(status, op, &error);
}

vmx_op *
world_update(world *w, const vmx_call_options *options)
{
    vmx_op *op = NULL;
    vmx_error error = {0};
    vmx_update update;
    vmx_update_init(&update, sizeof update);
    update.id = VMX_STR("a");
    update.set_metadata = VMX_STR("{\"n\":1}");
    vmx_status status = vmx_index_update(w->index, &update, options, &op, &error);
    return must_start(status, op, &error);
}

vmx_op *
world_list(world *w, const vmx_call_options *options)
{
    vmx_op *op = NULL;
    vmx_error error = {0};
    vmx_status status = vmx_index_list(w->index, NULL, options, &op, &error);
    return must_start(status, op, &error);
}

vmx_status
world_wait(vmx_op *op)
{
    return vmx_op_wait(op, 86400000);
}

vmx_retry
world_policy(vmx_retry_preset preset)
{
    vmx_retry retry;
    vmx_retry_init(&retry, sizeof retry, preset);
    retry.jitter = VMX_JITTER_NONE;
    return retry;
}

vmx_call_options
world_options(const vmx_retry *retry)
{
    vmx_call_options options;
    vmx_call_options_init(&options, sizeof options);
    options.retry = retry;
    return options;
}
