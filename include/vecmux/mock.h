/*
 * vecmux/mock.h: libvecmux-mock, a gRPC server inside your test, and a proxy that makes a network bad.
 *
 * The server listens on 127.0.0.1 and speaks HTTP/2 over real TCP. It knows no service: a method is a text such as
 * "/VectorService/Upsert", its answers are a script. An answer is a gRPC status, headers, a message's bytes, trailers,
 * or one of the faults below, exact to the byte and the frame. Every call is recorded.
 *
 * The library stands beside libvecmux and tests any gRPC client. Every function may be called from any thread; structs
 * are copied before a function returns. docs/mock.md shows how it is used.
 */
#ifndef VECMUX_MOCK_H
#define VECMUX_MOCK_H

#include <vecmux/types.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct vmx_mock vmx_mock;
typedef struct vmx_mock_call vmx_mock_call;
typedef struct vmx_mock_proxy vmx_mock_proxy;

/* --- answers ------------------------------------------------------------------------------------------------------- */

/* What goes wrong with an answer. */
typedef enum vmx_mock_fault {
    VMX_MOCK_NO_FAULT = 0,
    VMX_MOCK_CLOSE = 1,        /* the connection is closed in order (FIN) */
    VMX_MOCK_RESET = 2,        /* the connection is reset (TCP RST) */
    VMX_MOCK_RST_STREAM = 3,   /* RST_STREAM with http2_code */
    VMX_MOCK_GOAWAY = 4,       /* GOAWAY with http2_code and last_stream; calls at or below last_stream go on */
    VMX_MOCK_GOAWAY_CLOSE = 5, /* GOAWAY, then the connection is closed */
    VMX_MOCK_STALL = 6,        /* nothing more comes for this call */
    VMX_MOCK_DEAF = 7,         /* nothing more comes on this connection, and nothing is read from it */
    VMX_MOCK_TRUNCATE = 8,     /* the message ends after cut_bytes; the trailers follow as if it were whole */
    VMX_MOCK_NO_TRAILERS = 9,  /* the stream ends after cut_bytes of the message, without trailers */
    VMX_MOCK_GARBAGE = 10      /* `garbage`, which is no HTTP/2, is written into the connection */
} vmx_mock_fault;

/* When it goes wrong. VMX_MOCK_TRUNCATE and VMX_MOCK_NO_TRAILERS always happen inside. */
typedef enum vmx_mock_when {
    VMX_MOCK_BEFORE = 0,     /* when the whole request has come; instead of the answer */
    VMX_MOCK_AT_HEADERS = 1, /* when the request's headers have come, its message perhaps not */
    VMX_MOCK_INSIDE = 2,     /* after the answer's headers and cut_bytes of its message */
    VMX_MOCK_AFTER = 3       /* when the whole answer has been written */
} vmx_mock_when;

/* For vmx_mock_answer.last_stream; a positive number is the stream id itself. */
#define VMX_MOCK_THIS_STREAM   0    /* this call's: it may have been processed */
#define VMX_MOCK_STREAM_BEFORE (-1) /* the one below this call's: it was not processed */
#define VMX_MOCK_STREAM_NONE   (-2) /* id 0: no call of the connection was processed */

/*
 * What a call is answered. All zero: at once, OK with an empty message. The steps: delay_ms passes; the headers go out;
 * the message, drip_bytes at a time; the trailers with the status. A call that fails has no message, and without
 * headers its answer is one "trailers-only" frame.
 */
typedef struct vmx_mock_answer {
    size_t size;
    int32_t grpc_code;
    vmx_str details;         /* grpc-message */
    vmx_str message;         /* the reply's bytes */
    const vmx_str *messages; /* a streaming method's, instead of `message` */
    size_t message_count;
    bool echo;  /* the request's messages instead */
    bool early; /* the answer begins when the request's headers have come; with echo, messages go back as they come */
    const vmx_header *headers;
    size_t header_count;
    const vmx_header *trailers; /* beside the status: grpc-retry-pushback-ms, retry-after, ... */
    size_t trailer_count;
    int32_t http_status; /* 0: 200; any other is answered with that status and nothing of gRPC */
    int64_t delay_ms;    /* after the request has come (VMX_MOCK_AT_HEADERS: its headers) */
    size_t drip_bytes;   /* the message goes out in pieces of this many bytes; 0: at once */
    int64_t drip_interval_ms;
    vmx_mock_fault fault;
    vmx_mock_when when;
    size_t cut_bytes;    /* counts the 5 bytes before the message; more than there is: all of it */
    uint32_t http2_code; /* RFC 9113, 7: 7 is REFUSED_STREAM, 8 CANCEL, 11 ENHANCE_YOUR_CALM */
    int64_t last_stream;
    vmx_str garbage; /* empty: 64 bytes 0xff */
    uint32_t repeat; /* in a script, for how many calls; 0: one */
    bool compressed; /* the messages are marked as compressed; name their format in a header grpc-encoding */
} vmx_mock_answer;

VMX_API void
vmx_mock_answer_init(vmx_mock_answer *answer, size_t size);

/* --- the server ---------------------------------------------------------------------------------------------------- */

/*
 * Answers calls that no script or default answers. Runs on the server's thread, which serves nobody meanwhile. The call
 * must be answered once, now or later, from any thread, by vmx_mock_call_answer, also when the server has stopped.
 */
typedef void (*vmx_mock_handler)(void *user, vmx_mock_call *call);

/* How a server is started. All zero: plain text on a free port of 127.0.0.1. */
typedef struct vmx_mock_options {
    size_t size;
    vmx_str host;              /* name or address; empty: 127.0.0.1 */
    int32_t port;              /* 0: a free one */
    vmx_str tls_certificate;   /* PEM chain; with tls_key. Empty: plain text */
    vmx_str tls_key;           /* PEM */
    size_t max_request_bytes;  /* larger ones are answered RESOURCE_EXHAUSTED; 0: 64 MiB */
    size_t max_recorded_bytes; /* when so many bytes of requests are kept, later records have none; 0: 256 MiB */
    size_t max_records;        /* later calls are counted but not recorded; 0: 1,000,000 */
    uint32_t max_streams;      /* SETTINGS_MAX_CONCURRENT_STREAMS; 0: no limit */
    vmx_mock_handler handler;  /* NULL: such calls are answered UNIMPLEMENTED */
    bool early_handler;        /* called when a call's headers have come, not its whole request */
    void *user;
} vmx_mock_options;

VMX_API void
vmx_mock_options_init(vmx_mock_options *options, size_t size);

/*
 * Listens and starts one thread. `options` may be NULL. Errors: VMX_ERR_INVALID (host, certificate or key), VMX_ERR_IO
 * (the port is taken), VMX_ERR_NO_MEMORY.
 */
VMX_API vmx_status
vmx_mock_start(const vmx_mock_options *options, vmx_mock **mock, vmx_error *error);

/* Closes every connection, ends the thread, frees the server (NULL is allowed). */
VMX_API void
vmx_mock_stop(vmx_mock *mock);

VMX_API int
vmx_mock_port(const vmx_mock *mock);

/*
 * Appends answers to a method's script: each serves the next call (or the next `repeat` calls). The script's answers
 * are given out in the order in which the calls' headers arrive. When they are used up the method's default serves;
 * without one the script and the default of all methods (""); then the handler. Errors: VMX_ERR_INVALID,
 * VMX_ERR_NO_MEMORY.
 */
VMX_API vmx_status
vmx_mock_script(vmx_mock *mock, vmx_str method, const vmx_mock_answer *answers, size_t count, vmx_error *error);

/* Sets a method's default answer, or that of all methods (""); NULL removes it. */
VMX_API vmx_status
vmx_mock_default(vmx_mock *mock, vmx_str method, const vmx_mock_answer *answer, vmx_error *error);

/* Forgets scripts, defaults, records and expectations. Calls that are being answered go on. */
VMX_API void
vmx_mock_clear(vmx_mock *mock);

/* Closes the listening port for so long: connections are refused. VMX_FOREVER: until it is called with 0. */
VMX_API void
vmx_mock_refuse(vmx_mock *mock, int64_t for_ms);

/* Closes every connection; `reset` by TCP RST. */
VMX_API void
vmx_mock_drop_connections(vmx_mock *mock, bool reset);

typedef struct vmx_mock_counters {
    size_t size;
    uint64_t connections_accepted;
    uint64_t connections_open;
    uint64_t streams;      /* calls begun */
    uint64_t streams_open; /* calls that have not ended */
    uint64_t cancelled;    /* calls that the client reset */
    uint64_t body_bytes;   /* of messages, their prefixes included, that have gone into connections */
} vmx_mock_counters;

VMX_API void
vmx_mock_counters_init(vmx_mock_counters *counters, size_t size);

VMX_API void
vmx_mock_count(vmx_mock *mock, vmx_mock_counters *counters);

/* --- calls of the handler ------------------------------------------------------------------------------------------ */

/* A call as it arrived. Lives until vmx_mock_clear or vmx_mock_stop; the handler's until the call is answered. */
typedef struct vmx_mock_record {
    size_t size;
    vmx_str method;
    vmx_str message;           /* the first message of the request, or what came of it */
    size_t message_count;      /* whole messages */
    vmx_str body;              /* all of them, each behind 5 bytes: compressed or not, and its length, big-endian */
    const vmx_header *headers; /* without those that begin with a colon; "-bin" values are bytes */
    size_t header_count;
    uint64_t connection; /* counted from 1 in the order of arrival */
    int32_t stream;      /* its HTTP/2 id */
    int64_t arrived_us;  /* its headers, after the server's start */
    int64_t complete_us; /* the end of its request; -1: not yet, or never */
    bool awaited;        /* the handler has given it back by vmx_mock_call_await */
} vmx_mock_record;

VMX_API void
vmx_mock_record_init(vmx_mock_record *record, size_t size);

/* What came. Borrowed until the call is answered. */
VMX_API void
vmx_mock_call_record(const vmx_mock_call *call, vmx_mock_record *record);

/* Answers the call, which is gone afterwards. NULL: with INTERNAL. Nothing happens if its stream has ended meanwhile. */
VMX_API void
vmx_mock_call_answer(vmx_mock_call *call, const vmx_mock_answer *answer);

/*
 * For an early handler: gives the call back, to be called with it again when its whole request has come (complete_us is
 * no longer -1).
 */
VMX_API void
vmx_mock_call_await(vmx_mock_call *call);

/* --- records and expectations -------------------------------------------------------------------------------------- */

/* How many calls of the method ("": of all) have arrived. */
VMX_API size_t
vmx_mock_call_count(vmx_mock *mock, vmx_str method);

/* The `i`-th recorded call of the method ("": of all), in the order of arrival; false when there is none. */
VMX_API bool
vmx_mock_call_at(vmx_mock *mock, vmx_str method, size_t i, vmx_mock_record *record);

/* The first header `key` of a record; ptr is NULL where there is none. */
VMX_API vmx_str
vmx_mock_record_header(const vmx_mock_record *record, vmx_str key);

/* Expects at least `min` and at most `max` calls of the method ("": of all). */
VMX_API vmx_status
vmx_mock_expect_calls(vmx_mock *mock, vmx_str method, size_t min, size_t max);

/* Expects calls of these methods in this order; others may come between. */
VMX_API vmx_status
vmx_mock_expect_order(vmx_mock *mock, const vmx_str *methods, size_t count);

/* Expects every call of the method to carry this header. */
VMX_API vmx_status
vmx_mock_expect_header(vmx_mock *mock, vmx_str method, vmx_str key, vmx_str value);

/*
 * Whether every expectation holds now. `report` (may be NULL) becomes a text of lines: each expectation, whether it
 * holds and what was seen instead, and, after a failure, the calls as they came. It ends in NUL and is cut to fit.
 */
VMX_API bool
vmx_mock_verify(vmx_mock *mock, char *report, size_t report_size);

/* --- the proxy ----------------------------------------------------------------------------------------------------- */

/* A bad network. All zero: a good one. */
typedef struct vmx_mock_network {
    size_t size;
    bool stall_to_server;        /* bytes are taken and kept until this ends */
    bool stall_to_client;        /* likewise */
    int64_t delay_ms;            /* every byte is this late, each way */
    int64_t bytes_per_second;    /* each way; 0: no limit */
    int64_t cut_to_server_bytes; /* the connection is cut after exactly so many more bytes; 0: never */
    int64_t cut_to_client_bytes;
    bool reset;                   /* cuts are made by TCP RST, not FIN */
    int64_t flip_to_server_bytes; /* the last bit of the byte that is so many from now is inverted, once; 0: never */
    int64_t flip_to_client_bytes;
} vmx_mock_network;

VMX_API void
vmx_mock_network_init(vmx_mock_network *network, size_t size);

/*
 * Listens on a free port of 127.0.0.1 and forwards every connection to `target` ("host:port"). One thread. Errors:
 * VMX_ERR_INVALID (the target cannot be read or resolved), VMX_ERR_IO, VMX_ERR_NO_MEMORY.
 */
VMX_API vmx_status
vmx_mock_proxy_start(vmx_str target, vmx_mock_proxy **proxy, vmx_error *error);

VMX_API void
vmx_mock_proxy_stop(vmx_mock_proxy *proxy);

VMX_API int
vmx_mock_proxy_port(const vmx_mock_proxy *proxy);

/*
 * Sets the network of connection number `connection` (counted from 1 in the order of arrival), or with 0 of all: those
 * that are open and those to come.
 */
VMX_API void
vmx_mock_proxy_set(vmx_mock_proxy *proxy, uint64_t connection, const vmx_mock_network *network);

/* Closes connection number `connection`, or with 0 all that are open. */
VMX_API void
vmx_mock_proxy_cut(vmx_mock_proxy *proxy, uint64_t connection, bool reset);

/* As vmx_mock_refuse. */
VMX_API void
vmx_mock_proxy_refuse(vmx_mock_proxy *proxy, int64_t for_ms);

typedef struct vmx_mock_proxy_counters {
    size_t size;
    uint64_t connections_accepted;
    uint64_t connections_open;
    uint64_t bytes_to_server; /* forwarded */
    uint64_t bytes_to_client;
} vmx_mock_proxy_counters;

VMX_API void
vmx_mock_proxy_counters_init(vmx_mock_proxy_counters *counters, size_t size);

VMX_API void
vmx_mock_proxy_count(vmx_mock_proxy *proxy, vmx_mock_proxy_counters *counters);

#ifdef __cplusplus
}
#endif

#endif /* VECMUX_MOCK_H */
