/*
 * tests/rpc/flow_scene.h: one streaming RPC on the fake transport, in virtual time, and the story of what was told of it.
 */
#ifndef TESTS_RPC_FLOW_SCENE_H
#define TESTS_RPC_FLOW_SCENE_H

#include "api/client.h"
#include "rpc/flow.h"

#define IDLE_MS 1000

/* A client with one flow, and the server; `story` is what was told, a word for each event. */
typedef struct scene {
    vmx_client *client;
    vmx_transport *transport;
    vmx_op op;
    vmx_flow flow;
    vmx_task busy, late; /* of the op's strand */
    char story[512];

    /* the client's side */
    size_t to_send;    /* messages; the last one closes our direction */
    size_t to_receive; /* so many are asked for */
    size_t sent, received;

    /* the server's side */
    vmx_stream *stream;
    size_t arrived, last_arrived; /* messages; how many there were when our direction was closed */
    bool full;                    /* the window: nothing is taken */
    bool unconnected;             /* channels never become READY */
    bool dropped;
} scene;

/* Appends to the story. */
void
scene_tell(scene *s, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The server sends `count` messages of four bytes. */
void
scene_reply_messages(scene *s, size_t count);

/* The server ends the stream. */
void
scene_reply_end(scene *s, int grpc_code);

/* So much virtual time passes. */
void
scene_run_for(scene *s, uint64_t ms);

/* A client with one flow that has not started; deadline_ms 0: none. One message is to be sent and one to be received. */
void
scene_begin(scene *s, uint64_t deadline_ms);

/* The flow is idle and nothing is open. */
void
scene_end(scene *s);

/* Starts the flow. */
void
scene_start(scene *s);

#endif
