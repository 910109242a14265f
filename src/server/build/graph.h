/*
 * server/build/graph.h: HNSW graphs over flat vectors by FAISS; the only way to them. A graph is built by one thread,
 * then searched by any number.
 */
#ifndef VMXD_BUILD_GRAPH_H
#define VMXD_BUILD_GRAPH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct vmxd_graph vmxd_graph;

typedef struct vmxd_graph_options {
    uint32_t dimension;
    bool inner_product; /* largest wins; else smallest squared distance */
    bool float16;       /* how vectors are stored */
    uint32_t m, ef_construction, ef_search;
    uint64_t count; /* of vectors that will be added: space for them is made at once */
} vmxd_graph_options;

/* "FAISS 1.7.3" */
const char *
vmxd_graph_library(void);

/* What building one takes at most, about. */
uint64_t
vmxd_graph_memory(const vmxd_graph_options *options);

/* NULL when memory is out. */
vmxd_graph *
vmxd_graph_new(const vmxd_graph_options *options);
void
vmxd_graph_free(vmxd_graph *graph);

/* With how many threads this thread adds: one, and the same vectors added in the same pieces give the same graph. */
void
vmxd_graph_set_threads(bool one);

/* Adds `count` vectors with their ids; false when memory is out. */
bool
vmxd_graph_add(vmxd_graph *graph, const float *vectors, size_t count, const int64_t *ids);

/* --- the file ------------------------------------------------------------------------------------------------------ */

/* Where the storage block will stand in the file: IndexIDMap over IndexHNSW over the flat vectors. */
typedef struct vmxd_graph_storage {
    uint64_t offset;
    uint32_t head_bytes; /* before the vectors */
    uint64_t vector_bytes;
    uint32_t bytes_per_value;
    const char *fourcc;
} vmxd_graph_storage;

void
vmxd_graph_describe_storage(const vmxd_graph *graph, vmxd_graph_storage *storage);

/* Writes the file, piece by piece in order; false when `write` says so, or memory is out. */
bool
vmxd_graph_write(const vmxd_graph *graph, bool (*write)(void *user, const void *data, size_t len), void *user);

/* --- searching ----------------------------------------------------------------------------------------------------- */

/*
 * About the nearest k of each query among those ids that `member` says, into ids[query * k + i], -1 where there are no
 * more. `ef` candidates are kept. False when memory is out.
 */
bool
vmxd_graph_search(const vmxd_graph *graph, const float *queries, size_t query_count, size_t k, uint32_t ef,
                  bool (*member)(const void *user, int64_t id), const void *user, int64_t *ids);

#ifdef __cplusplus
}
#endif

#endif
