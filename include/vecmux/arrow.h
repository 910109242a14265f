/*
 * vecmux/arrow.h: vectors from Apache Arrow record batches, for the bulk writer: from pandas, Polars, DuckDB, Spark and
 * whatever else speaks the Arrow C Data Interface. It needs no Arrow library.
 *
 * A record batch is a struct array whose columns have names. Read are
 *  - the id: utf8, large_utf8, utf8_view, or a dictionary of them; whole numbers become decimal text;
 *  - the vector: fixed_size_list, list or large_list of float16, float32 or float64, all become float32;
 *  - metadata: one column of JSON objects, or the remaining columns, each a field: whole numbers, floats, bool, utf8 of
 *    any kind, lists of utf8, null. A null is left out.
 * A null id, a null vector or a null inside a vector is an error that names row and column.
 *
 * The structs are those of the Arrow specification (format/CDataInterface, format/CStreamInterface), Apache License 2.0,
 * as it asks every consumer to repeat them.
 */
#ifndef VECMUX_ARROW_H
#define VECMUX_ARROW_H

#include <vecmux/types.h>
#include <vecmux/writer.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifndef ARROW_C_DATA_INTERFACE
#define ARROW_C_DATA_INTERFACE

#define ARROW_FLAG_DICTIONARY_ORDERED 1
#define ARROW_FLAG_NULLABLE           2
#define ARROW_FLAG_MAP_KEYS_SORTED    4

struct ArrowSchema {
    const char *format;
    const char *name;
    const char *metadata;
    int64_t flags;
    int64_t n_children;
    struct ArrowSchema **children;
    struct ArrowSchema *dictionary;
    void (*release)(struct ArrowSchema *);
    void *private_data;
};

struct ArrowArray {
    int64_t length;
    int64_t null_count;
    int64_t offset;
    int64_t n_buffers;
    int64_t n_children;
    const void **buffers;
    struct ArrowArray **children;
    struct ArrowArray *dictionary;
    void (*release)(struct ArrowArray *);
    void *private_data;
};

#endif /* ARROW_C_DATA_INTERFACE */

#ifndef ARROW_C_STREAM_INTERFACE
#define ARROW_C_STREAM_INTERFACE

struct ArrowArrayStream {
    int (*get_schema)(struct ArrowArrayStream *, struct ArrowSchema *out);
    int (*get_next)(struct ArrowArrayStream *, struct ArrowArray *out);
    const char *(*get_last_error)(struct ArrowArrayStream *);
    void (*release)(struct ArrowArrayStream *);
    void *private_data;
};

#endif /* ARROW_C_STREAM_INTERFACE */

/* Where metadata comes from. */
typedef enum vmx_arrow_metadata {
    VMX_ARROW_METADATA_COLUMNS = 0, /* every column but id and vector is a field */
    VMX_ARROW_METADATA_JSON = 1,    /* metadata_column: utf8, a JSON object in each row, or null */
    VMX_ARROW_METADATA_NONE = 2
} vmx_arrow_metadata;

/* All zero: the defaults. */
typedef struct vmx_arrow_options {
    size_t size;
    vmx_str id_column;     /* empty: "id" */
    vmx_str vector_column; /* empty: "values" */
    vmx_arrow_metadata metadata;
    vmx_str metadata_column; /* for VMX_ARROW_METADATA_JSON */
    size_t first_row; /* of vmx_writer_put_arrow: rows before it are skipped, to go on after a put that took some */
    /*
     * Of vmx_writer_put_arrow. NULL: vectors are copied, and `array` is the caller's again at once. Else vectors of
     * float32 are sent from where they are: `array` must stay until `release` is called, exactly once, if *taken > 0 or
     * the put succeeds: on any thread, inside the put at the earliest; it must not block. It may release the array.
     */
    void (*release)(void *user);
    void *release_user;
    /* Of vmx_writer_put_arrow_stream: the same for its arrays, each of which is released when it has been sent. They are
     * in no memory limit then. False: copied, and released one after the other. */
    bool lend;
} vmx_arrow_options;

VMX_API void
vmx_arrow_options_init(vmx_arrow_options *options, size_t size);

/*
 * Takes the rows of one record batch, in order, as vmx_writer_put takes vectors. `array` and `schema` are borrowed and
 * not released. *taken (may be NULL) counts from first_row on. `options` may be NULL.
 * Errors: those of vmx_writer_put; VMX_ERR_INVALID (a column is missing, a row is unsound, the structs contradict
 * themselves), VMX_ERR_UNSUPPORTED (a column's type; the message names column and format).
 */
VMX_API vmx_status
vmx_writer_put_arrow(vmx_writer *writer, const struct ArrowArray *array, const struct ArrowSchema *schema,
                     const vmx_arrow_options *options, int64_t timeout_ms, size_t *taken, vmx_error *error);

/*
 * Takes every row of a stream. The producer's functions are called on the calling thread, which waits for it and for
 * room; `timeout_ms` is for the whole and does not interrupt the producer. The stream is released in every case. *taken
 * (may be NULL) is how many rows were taken, from its beginning; on an error the rest of the stream is gone: begin
 * another one there. Errors: those of vmx_writer_put_arrow; VMX_ERR_IO (the producer failed; the message has its words).
 */
VMX_API vmx_status
vmx_writer_put_arrow_stream(vmx_writer *writer, struct ArrowArrayStream *stream, const vmx_arrow_options *options,
                            int64_t timeout_ms, size_t *taken, vmx_error *error);

#ifdef __cplusplus
}
#endif

#endif /* VECMUX_ARROW_H */
