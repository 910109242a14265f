/*
 * tests/rpc/harness.h: a client of the public API on transport/fake, with a server that the test scripts.
 *
 * Everything runs in virtual time on the test's thread, and the same seed gives the same run. Functions that set up
 * abort the test when they fail.
 */
#ifndef TESTS_RPC_HARNESS_H
#define TESTS_RPC_HARNESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <vecmux/vecmux.h>

#include "api/client.h"
#include "core/sync.h"
#include "transport/fake/fake_transport.h"

/* How the server ends an attempt. All zero: OK with an empty message, at once. */
typedef struct answer {
    int grpc_code;
    vmx_reach reach; /* of a failure; a success has come from the server */
    const char *text;
    const char *key, *value; /* a trailer; NULL: none */
    const char *body;        /* a message of a success; NULL: the empty one, which every reply may be */
    uint64_t delay_us;       /* ANSWER_NEVER: none comes */
} answer;

#define ANSWER_NEVER UINT64_MAX

/* An attempt as the server saw it. */
typedef struct sighting {
    vmx_stream *stream;
    vmx_channel *channel;
    const char *method;
    uint64_t at_us;
    uint64_t deadline_us;
    const uint8_t *data; /* of the request's first slice */
    size_t size_bytes;
    char previous[16]; /* grpc-previous-rpc-attempts; "" if it was not sent */
    bool dropped;      /* cancelled or expired */
} sighting;

typedef struct world world;

struct world {
    vmx_transport *transport;
    vmx_client *client;
    vmx_index *index;
    vmx_queue *queue;
    uint64_t origin_us; /* when the channels were up */

    /* the server: `on_stream` if set, else the script; its last answer is repeated */
    void (*on_stream)(world *w, size_t n, const sighting *seen);
    void (*on_dropped)(world *w, const sighting *seen);
    void (*on_connect)(world *w, vmx_channel *channel);
    const answer *script;
    size_t script_len;
    vmx_channel_state
        connect_to; /* without on_connect: what connecting leads to after a millisecond, READY by default */
    void *user;

    sighting *sightings; /* every attempt so far */
    size_t count, capacity;
};

/* `properties` are names and values in turns, ended by NULL; or NULL. The channels are READY, unless connect_to says
 * otherwise; the clock stands at origin_us. */
world *
world_new(uint64_t seed, const char *const *properties);
world *
world_connecting_to(vmx_channel_state state, uint64_t seed, const char *const *properties);

/* In two steps, to set the server up in between; the channels have not begun to connect. */
world *
world_blank(void);
void
world_open(world *w, uint64_t seed, const char *const *properties);

/* Closes the client and checks that every stream was closed. */
void
world_free(world *w);

void
world_script(world *w, const answer *script, size_t len);

/* Ends a stream of the server's. */
void
world_answer(vmx_stream *stream, const answer *how);

uint64_t
world_now(const world *w);

/* Virtual milliseconds since origin_us. */
double
world_ms(const world *w, uint64_t us);

/* Lets time pass, with everything that happens in it. */
void
world_run(world *w, uint64_t us);

/* Connection `i` of the pool, as it stands now. */
vmx_channel *
world_channel(const world *w, size_t i);

/* Operations; `options` may be NULL. They must start. */
vmx_op *
world_query(world *w, const vmx_call_options *options);
vmx_op *
world_upsert(world *w, const vmx_call_options *options);
vmx_op *
world_upsert_many(world *w, size_t count, size_t dimension, const vmx_call_options *options);
vmx_op *
world_update(world *w, const vmx_call_options *options);
vmx_op *
world_list(world *w, const vmx_call_options *options);

/* Runs until it has ended; its status. */
vmx_status
world_wait(vmx_op *op);

/* Options with a policy of its own, which must outlive them. */
vmx_call_options
world_options(const vmx_retry *retry);
vmx_retry
world_policy(vmx_retry_preset preset);

/* A reply to a list of ids that says there is another page. */
extern const char *const world_more_pages;

#endif
