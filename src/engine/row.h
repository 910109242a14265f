/*
 * engine/row.h: how an engine writes records into upsert requests; for the bulk writer, and for upserts of one request.
 *
 * A record becomes a row: bytes before its dense values, the values themselves (float32 as in memory), bytes after them.
 * Rows are written once, as they come, and kept in this form; a request is composed of any run of them later, with what
 * the engine puts around them. Most engines want one row behind the other; one that wants columns (all ids, then all
 * values, ...) takes the rows apart when it composes, and references the values where they are.
 */
#ifndef VMX_ENGINE_ROW_H
#define VMX_ENGINE_ROW_H

#include <stdbool.h>
#include <vecmux/index.h>

#include "core/arena.h"
#include "rpc/request.h"
#include "wire/reply_decoder.h"
#include "wire/vector_encoder.h"

struct vmx_engine;

/* Where rows go. The names end in NUL. */
typedef struct vmx_row_target {
    const struct vmx_engine *engine;
    vmx_str collection;
    vmx_str name_space;
} vmx_row_target;

/* A record on its way into a row. Everything is borrowed from the caller, or from the arena that measure was given. */
typedef struct vmx_row {
    vmx_vector_item item; /* metadata in the codec's own form */
    vmx_str key;          /* the codec's own, as is `context` */
    const void *context;
    size_t before_bytes, after_bytes;
} vmx_row;

/* A row as it was written. */
typedef struct vmx_row_view {
    vmx_slice before, values, after; /* empty ones have no block */
} vmx_row_view;

/* A run of rows, for `compose`. */
typedef struct vmx_rows {
    size_t count;
    size_t size_bytes;
    const vmx_slice *slices; /* all of their bytes, in order, ... */
    size_t slice_count;
    size_t skip_bytes;         /* ... from this byte of the first slice on */
    bool whole;                /* they are all of the slices' bytes, and the slices have one block */
    const vmx_row_view *views; /* one for each; NULL unless the codec has columns */
} vmx_rows;

typedef struct vmx_row_codec {
    const char *method;
    vmx_judge judge; /* of the replies; NULL: as vmx_request.judge */
    bool columns;    /* compose needs the rows' views */
    /*
     * Reads a sound record (vmx_check_vector): fills the row in, its sizes too. `what` begins the messages ("put: vector
     * 3"). Errors: VMX_ERR_INVALID, VMX_ERR_UNSUPPORTED, VMX_ERR_NO_MEMORY.
     */
    vmx_status (*measure)(const vmx_row_target *target, const vmx_vector *vector, const char *what, vmx_arena *scratch,
                          vmx_row *row, vmx_error *error);
    bool framed; /* records of nothing but an id and values are as vmx_vector_frame says, and may be written by it */
    /* Write exactly before_bytes and after_bytes; return the place behind. */
    uint8_t *(*write_before)(const vmx_row *row, uint8_t *at);
    uint8_t *(*write_after)(const vmx_row *row, uint8_t *at);
    /* An upper bound of what compose adds to the rows' own bytes. */
    size_t (*overhead_bytes)(const vmx_row_target *target);
    /*
     * A call that must be made before rows can be composed (it asks for the index's schema): true with `request` filled
     * in; false if there is none. NULL: never. Any thread.
     */
    bool (*prepare)(const vmx_row_target *target, vmx_request *request);
    /* Takes that call's reply; an error fails the rows. */
    vmx_status (*prepared)(const vmx_row_target *target, vmx_message *reply, vmx_error *error);
    /* Makes the request's message, which references the rows' blocks. Errors: VMX_ERR_NO_MEMORY, VMX_ERR_INVALID. */
    vmx_status (*compose)(const vmx_row_target *target, const vmx_rows *rows, vmx_message *message, vmx_error *error);
    /* How many of `sent` rows a reply says are stored; false if it is no such reply. */
    bool (*read_reply)(const vmx_message *reply, uint64_t sent, uint64_t *stored);
    /* Reads a row back, for reports and dead letters: the id alone, or the record with metadata_json. The texts may be
     * in the arena. False when memory is out. */
    bool (*read_id)(const vmx_row_view *view, vmx_arena *arena, vmx_str *id);
    bool (*read_record)(const vmx_row_view *view, vmx_arena *arena, vmx_match *record);
} vmx_row_codec;

/* Bytes of the whole row. */
static inline size_t
vmx_row_bytes(const vmx_row *row)
{
    return row->before_bytes + row->item.values.len * sizeof(float) + row->after_bytes;
}

/* A message of `head`, the rows' bytes, and `tail`; for composing. The texts are copied. False when memory is out. */
bool
vmx_rows_message(const vmx_rows *rows, vmx_str head, vmx_str tail, vmx_message *message);

/*
 * All of `vectors` as the message of one request. `lender` as in vmx_vectors_encode. `verb` begins the messages. Errors:
 * those of measure and compose, VMX_ERR_TOO_LARGE.
 */
vmx_status
vmx_rows_encode(const vmx_row_codec *codec, const vmx_row_target *target, const vmx_vectors *vectors, vmx_block *lender,
                vmx_message *message, vmx_error *error);

/* JSON of a record's values, for codecs that read records back: floats copied from bytes that need not be aligned. */
vmx_floats
vmx_row_floats(const vmx_slice *bytes, vmx_arena *arena);

#endif
