/*
 * mock/log.h: what has arrived, and what was expected to. Guarded by the server's lock.
 */
#ifndef VMX_MOCK_LOG_H
#define VMX_MOCK_LOG_H

#include <vecmux/mock.h>

#include "core/arena.h"
#include "core/buffer.h"

#define VMX_MOCK_PREFIX_BYTES 5 /* before each message */

/* A call as it arrives. The log, the call's stream and the handler's call hold a reference each. */
typedef struct vmx_mock_entry {
    vmx_mock_record record; /* its texts are in arena and bytes */
    vmx_arena arena;
    vmx_header *headers; /* in the arena; record.headers points here */
    size_t header_room;
    vmx_buffer bytes; /* the request's body as it came, length prefixes included */
    bool recorded;    /* the log has a reference */
    bool kept;        /* the bytes stay in the log; else they go when the call has ended */
    unsigned refs;
} vmx_mock_entry;

typedef struct vmx_mock_expectation vmx_mock_expectation;

/* Zeroed memory with its limits set is an empty log. */
typedef struct vmx_mock_log {
    size_t max_entries, max_bytes;
    vmx_mock_entry **entries;
    size_t count, room;
    size_t total;      /* calls, recorded or not */
    size_t kept_bytes; /* of requests */
    vmx_mock_expectation *expectations, **last;
} vmx_mock_log;

/* NULL: memory is out. One reference, for the stream. */
vmx_mock_entry *
vmx_mock_entry_new(void);
void
vmx_mock_entry_unref(vmx_mock_entry *entry);

/* False when memory is out. A "-bin" value is decoded; one that is no base64 stays as it is. */
bool
vmx_mock_entry_add_header(vmx_mock_entry *entry, vmx_str key, vmx_str value);

/* Records the call, whose headers have come, if there is room. */
void
vmx_mock_log_add(vmx_mock_log *log, vmx_mock_entry *entry);

/* No more bytes of the entry come: finds the message in them. They are kept if not too many are. */
void
vmx_mock_log_complete(vmx_mock_log *log, vmx_mock_entry *entry);

/* Forgets calls and expectations. */
void
vmx_mock_log_clear(vmx_mock_log *log);

size_t
vmx_mock_log_count(const vmx_mock_log *log, vmx_str method);

/* A copy whose texts live as long as the log keeps the call; false: there is none. */
bool
vmx_mock_log_at(const vmx_mock_log *log, vmx_str method, size_t i, vmx_mock_record *record);

/* Expectations; false when memory is out. */
bool
vmx_mock_log_expect_calls(vmx_mock_log *log, vmx_str method, size_t min, size_t max);
bool
vmx_mock_log_expect_order(vmx_mock_log *log, const vmx_str *methods, size_t count);
bool
vmx_mock_log_expect_header(vmx_mock_log *log, vmx_str method, vmx_str key, vmx_str value);

/* Appends the report's lines; true when everything holds. */
bool
vmx_mock_log_verify(const vmx_mock_log *log, vmx_buffer *report);

/* Frees the expectations. */
void
vmx_mock_log_clear_expectations(vmx_mock_log *log);

bool
vmx_mock_str_equal(vmx_str a, vmx_str b);

#endif
