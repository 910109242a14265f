/*
 * vecmux/types.h: the small value types, the status codes and the error record.
 *
 * vmx_str, vmx_floats and the other value types of this file are frozen for ever. Structs that may grow begin with
 * `size_t size`; set them up with their _init function, pass them by pointer, and treat zero as "the default".
 */
#ifndef VECMUX_TYPES_H
#define VECMUX_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define VMX_API __attribute__((visibility("default")))
#else
#define VMX_API
#endif

/* Text or bytes, borrowed; not NUL-terminated. UTF-8 unless said otherwise. */
typedef struct vmx_str {
    const char *ptr;
    size_t len; /* bytes */
} vmx_str;

/* A list of texts, borrowed. */
typedef struct vmx_strs {
    const vmx_str *ptr;
    size_t count;
} vmx_strs;

/* A float32 array, borrowed. */
typedef struct vmx_floats {
    const float *ptr;
    size_t len; /* elements */
} vmx_floats;

/* A sparse vector, borrowed: values[i] stands at position indices[i]. */
typedef struct vmx_sparse {
    const uint32_t *indices;
    const float *values;
    size_t len; /* pairs */
} vmx_sparse;

/* A header or trailer of a call. Keys are lower case; a key that ends in "-bin" carries bytes. */
typedef struct vmx_header {
    vmx_str key;
    vmx_str value;
} vmx_header;

/* A vmx_str of a string literal or a char array that ends in NUL. Bindings call vmx_str_from. */
#define VMX_STR(text) (vmx_str_from(text))

/* A vmx_str of a NUL-terminated text (NULL gives the empty one). Borrows `text`. */
VMX_API vmx_str
vmx_str_from(const char *text);

/* Timeouts are milliseconds everywhere; this one never ends. */
#define VMX_FOREVER INT64_MAX

/* What every fallible function returns. The numbers are frozen; new codes are appended. */
typedef enum vmx_status {
    VMX_OK = 0,

    /* the caller's side: nothing was sent */
    VMX_ERR_INVALID = 1,        /* an argument, option or input is wrong; the message names it */
    VMX_ERR_NO_MEMORY = 2,      /* an allocation failed */
    VMX_ERR_TOO_LARGE = 3,      /* more than a limit allows; the message names the limit */
    VMX_ERR_WOULD_BLOCK = 4,    /* no room now; try again */
    VMX_ERR_TIMEOUT = 5,        /* a wait, poll or close ran out of time; the operation itself goes on */
    VMX_ERR_CLOSED = 6,         /* the client is closed or closing */
    VMX_ERR_FORKED = 7,         /* this process is a fork of the one that used vecmux: spawn, do not fork */
    VMX_ERR_WOULD_DEADLOCK = 8, /* a wait or close from inside a wake-up, log or release callback */
    VMX_ERR_UNSUPPORTED = 9,    /* the engine cannot do this; the message names engine and operation */
    VMX_ERR_IO = 10,            /* a file or system call failed */
    VMX_ERR_NOT_DONE = 11,      /* a result was asked of an operation that still runs */

    /* the call's outcome; where a gRPC status is the reason it stands in vmx_error.grpc_code */
    VMX_ERR_CANCELLED = 20,       /* vmx_op_cancel, or the server */
    VMX_ERR_DEADLINE = 21,        /* the call's timeout passed */
    VMX_ERR_UNAVAILABLE = 22,     /* no connection, or the server refused for now */
    VMX_ERR_UNAUTHENTICATED = 23, /* missing or wrong credentials */
    VMX_ERR_PERMISSION_DENIED = 24,
    VMX_ERR_NOT_FOUND = 25,
    VMX_ERR_ALREADY_EXISTS = 26,
    VMX_ERR_RESOURCE_EXHAUSTED = 27, /* rate limit or quota */
    VMX_ERR_REJECTED = 28,           /* the server calls the request invalid (INVALID_ARGUMENT, OUT_OF_RANGE, ...) */
    VMX_ERR_SERVER = 29,             /* INTERNAL, UNKNOWN, DATA_LOSS, ABORTED */
    VMX_ERR_PROTOCOL = 30,           /* the peer's bytes are not what the protocol allows */
    VMX_ERR_FALLBACK = 31            /* a remote build was refused or failed: build locally; the message says why */
} vmx_status;

/* The name of a code, "VMX_ERR_INVALID"; "VMX_ERR_?" for numbers that are none. Never NULL. */
VMX_API const char *
vmx_status_name(vmx_status status);

/* What is known of a failed write. */
typedef enum vmx_outcome {
    VMX_OUTCOME_NOT_SENT = 0, /* the server cannot have acted on it */
    VMX_OUTCOME_REJECTED = 1, /* the server answered that it did not act on it */
    VMX_OUTCOME_UNKNOWN = 2,  /* the server may or may not have acted on it */
    VMX_OUTCOME_DONE = 3      /* the server confirmed it */
} vmx_outcome;

#define VMX_ERROR_MESSAGE_SIZE 512
#define VMX_ERROR_PEER_SIZE    96

/*
 * Details of a failure, in the caller's memory. Its layout is frozen. The functions that take a `vmx_error *` accept
 * NULL, and write it only when they fail.
 */
typedef struct vmx_error {
    vmx_status code;
    int32_t grpc_code;                    /* 0 to 16, or -1 where no call was made */
    vmx_outcome outcome;                  /* meaningful for operations that write */
    bool retriable;                       /* the same call may succeed later */
    bool budget_exhausted;                /* a retry was due, but the client's retry budget was empty */
    uint32_t attempts;                    /* attempts started; 0 where nothing was sent */
    int64_t retry_after_ms;               /* the server's hint; -1 where it gave none */
    char peer[VMX_ERROR_PEER_SIZE];       /* address of the last attempt's server, or "" */
    char message[VMX_ERROR_MESSAGE_SIZE]; /* one line, UTF-8, names the thing, the value and the remedy */
} vmx_error;

/*
 * The memory functions of the process. Every allocation that vecmux itself makes goes through them; gRPC core, jansson
 * and OpenSSL keep the C library's. `realloc` and `free` must accept NULL. Any thread.
 */
typedef struct vmx_allocator {
    void *(*malloc)(size_t size, void *user);
    void *(*realloc)(void *ptr, size_t size, void *user);
    void (*free)(void *ptr, void *user);
    void *user;
} vmx_allocator;

/*
 * Sets the memory functions (copied; NULL brings the C library's back). Call it before any other function of vecmux, or
 * after everything has been freed: memory is given back through the functions that are set then.
 */
VMX_API void
vmx_set_allocator(const vmx_allocator *allocator);

/* The library's version, "0.1.0", and as a number (major * 10000 + minor * 100 + patch). */
VMX_API const char *
vmx_version(void);
VMX_API uint32_t
vmx_version_number(void);

/* The versions of what the library runs on, "grpc-core 29.0.0, protobuf-c 1.4.1, ...". Static; never NULL. */
VMX_API const char *
vmx_version_details(void);

#ifdef __cplusplus
}
#endif

#endif /* VECMUX_TYPES_H */
