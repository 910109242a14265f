/*
 * vecmux/source.h: where the vectors of a remote build come from, and their document ids.
 *
 * A source is rows of float32 vectors, all of one dimension, and for each a document id, an int32. It is read piece by
 * piece and in any order (an iterator: once, from the front), never as a whole. Ids are the rows' numbers from 0 on
 * unless they are given. A source may serve one build at a time; it lives until the last of its users has let it go.
 */
#ifndef VECMUX_SOURCE_H
#define VECMUX_SOURCE_H

#include <vecmux/types.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct vmx_source vmx_source;

/*
 * Rows in memory: row i begins at values + i * stride (floats; 0: dimension). They are lent: they must stay and not
 * change until `release` (may be NULL) is called, exactly once, when nobody needs them any more: on any thread, and it
 * must not block. Without conversion they are sent from where they are. Errors: VMX_ERR_INVALID, VMX_ERR_NO_MEMORY;
 * then `release` is not called.
 */
VMX_API vmx_status
vmx_source_from_memory(const float *values, uint64_t count, uint32_t dimension, size_t stride,
                       void (*release)(void *user), void *user, vmx_source **source, vmx_error *error);

typedef enum vmx_file_format {
    VMX_FILE_AUTO = 0,  /* by the name's end: .npy, .fbin, .fvecs, else RAW */
    VMX_FILE_RAW = 1,   /* float32, little endian, row after row, nothing else (.knnvec) */
    VMX_FILE_NPY = 2,   /* numpy's, '<f4', two dimensions, C order */
    VMX_FILE_FBIN = 3,  /* int32 count, int32 dimension, then rows */
    VMX_FILE_FVECS = 4, /* each row after its dimension as int32 */
} vmx_file_format;

/* All zero: the defaults. */
typedef struct vmx_file_options {
    size_t size;
    vmx_file_format format;
    uint32_t dimension; /* RAW needs it; of the others it is compared, unless 0 */
    /* Maps the file instead of reading it into buffers. Faster where it is in the page cache; but if somebody truncates
     * it meanwhile the process dies of SIGBUS. */
    bool map;
} vmx_file_options;

VMX_API void
vmx_file_options_init(vmx_file_options *options, size_t size);

/*
 * Rows of a file, which is opened now and read when it is needed. `options` may be NULL. Errors: VMX_ERR_INVALID (the
 * message says what is wrong in the file), VMX_ERR_IO, VMX_ERR_NO_MEMORY.
 */
VMX_API vmx_status
vmx_source_from_file(vmx_str path, const vmx_file_options *options, vmx_source **source, vmx_error *error);

/*
 * Rows that a function makes: it writes up to `max` rows of `dimension` floats and returns how many; 0 is the end, a
 * negative number a failure. It runs on a thread of vecmux and may block. `count` is how many rows there will be.
 * Such a source can be uploaded once, part after part, and cannot give its vectors back to a graph-only result.
 */
typedef int64_t (*vmx_source_next)(void *user, float *rows, uint64_t max);

VMX_API vmx_status
vmx_source_from_iterator(vmx_source_next next, void *user, uint64_t count, uint32_t dimension, vmx_source **source,
                         vmx_error *error);

/*
 * Rows that a function reads, any of them at any time: it writes rows `first` to `first + count - 1` to `rows`; false is
 * a failure. It runs on a thread of vecmux, one call at a time for a build, and may block. The same row must be the same
 * each time. Errors: VMX_ERR_INVALID, VMX_ERR_NO_MEMORY.
 */
typedef bool (*vmx_source_read_rows)(void *user, uint64_t first, uint64_t count, float *rows);

VMX_API vmx_status
vmx_source_from_reader(vmx_source_read_rows read, void *user, uint64_t count, uint32_t dimension, vmx_source **source,
                       vmx_error *error);

/*
 * The rows of `all` that are live: bit i % 64 of live[i / 64] stands for row i. What is not live is never read, and the
 * k-th live row is found in O(log n). Copies the bits, holds `all` (not an iterator), whose ids keep to their rows.
 * Errors: VMX_ERR_INVALID, VMX_ERR_NO_MEMORY.
 */
VMX_API vmx_status
vmx_source_from_selection(vmx_source *all, const uint64_t *live, uint64_t bit_count, vmx_source **source,
                          vmx_error *error);

/* The rows' ids, copied. `count` must be the source's. Errors: VMX_ERR_INVALID, VMX_ERR_NO_MEMORY. */
VMX_API vmx_status
vmx_source_set_ids(vmx_source *source, const int32_t *ids, uint64_t count, vmx_error *error);

/* The rows' ids in a file: int32 little endian and nothing else (.knndid), or .npy with '<i4' in one dimension. It is
 * read when it is needed. Errors: VMX_ERR_INVALID, VMX_ERR_IO, VMX_ERR_NO_MEMORY. */
VMX_API vmx_status
vmx_source_set_ids_file(vmx_source *source, vmx_str path, vmx_error *error);

/* Lets the source go (NULL is allowed). */
VMX_API void
vmx_source_free(vmx_source *source);

VMX_API uint64_t
vmx_source_count(const vmx_source *source);

VMX_API uint32_t
vmx_source_dimension(const vmx_source *source);

/* False for an iterator. */
VMX_API bool
vmx_source_is_seekable(const vmx_source *source);

/* How many rows of vectors have been loaded so far; sending from lent memory is no load. Any thread. */
VMX_API uint64_t
vmx_source_rows_read(const vmx_source *source);

/* Reads `count` rows from row `first` on, and (unless NULL) their ids. Blocks. Errors: VMX_ERR_INVALID (not so many
 * rows, or an iterator that has passed), VMX_ERR_IO. */
VMX_API vmx_status
vmx_source_read(vmx_source *source, uint64_t first, uint64_t count, float *values, int32_t *ids, vmx_error *error);

#ifdef __cplusplus
}
#endif

#endif /* VECMUX_SOURCE_H */
