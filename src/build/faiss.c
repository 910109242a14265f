#include "build/faiss.h"

#include <string.h>

#include "core/error.h"

#define QT_FP16 4
/* So that no product of counts overflows: FAISS itself numbers neighbours with 31 bits. */
#define MAX_VECTORS   ((uint64_t)INT32_MAX)
#define MAX_DIMENSION ((uint32_t)1 << 24)

/* The place of the walk. */
typedef struct walk {
    vmx_faiss_read read;
    void *user;
    uint64_t size, at;
    vmx_error *error;
} walk;

static vmx_status
wrong(const walk *w, const char *what)
{
    return vmx_error_set(w->error, VMX_ERR_PROTOCOL,
                         "build: the index file is not sound: %s (byte %llu of %llu); download the full form", what,
                         (unsigned long long)w->at, (unsigned long long)w->size);
}

static vmx_status
take(walk *w, void *out, size_t len)
{
    if (len > w->size - w->at)
        return wrong(w, "it ends");
    vmx_status status = w->read(w->user, out, len, w->at, w->error);
    w->at += status == VMX_OK ? len : 0;
    return status;
}

/* Passes a vector, whose count must be `expected` (UINT64_MAX: any). */
static vmx_status
pass_vector(walk *w, size_t element_bytes, uint64_t expected, uint64_t *count, const char *name)
{
    vmx_status status = take(w, count, sizeof *count);
    if (status != VMX_OK)
        return status;
    if ((expected != UINT64_MAX && *count != expected) || *count > (w->size - w->at) / element_bytes)
        return wrong(w, name);
    w->at += *count * element_bytes;
    return VMX_OK;
}

typedef struct index_header {
    char fourcc[5];
    uint32_t dimension;
    uint64_t vectors;
    int32_t metric;
} index_header;

static vmx_status
take_header(walk *w, index_header *header)
{
    uint8_t bytes[VMX_FAISS_HEADER];
    vmx_status status = take(w, bytes, sizeof bytes);
    if (status != VMX_OK)
        return status;
    memcpy(header->fourcc, bytes, 4);
    header->fourcc[4] = '\0';
    memcpy(&header->dimension, bytes + 4, 4);
    memcpy(&header->vectors, bytes + 8, 8);
    memcpy(&header->metric, bytes + 33, 4);
    bool sound = (header->metric == 0 || header->metric == 1) && header->dimension <= MAX_DIMENSION &&
                 header->vectors <= MAX_VECTORS;
    return sound ? VMX_OK : wrong(w, "an index header has no sound counts");
}

/* The five vectors of the graph, then its five numbers. */
static vmx_status
pass_graph(walk *w, uint64_t vectors)
{
    uint64_t count, neighbours = 0;
    int32_t numbers[5];
    vmx_status status = pass_vector(w, 8, UINT64_MAX, &count, "assign_probas are longer than the file");
    if (status == VMX_OK)
        status = pass_vector(w, 4, UINT64_MAX, &count, "cum_nneighbor_per_level is longer than the file");
    if (status == VMX_OK)
        status = pass_vector(w, 4, vectors, &count, "there is not one level for each vector");
    if (status == VMX_OK)
        status = pass_vector(w, 8, vectors + 1, &count, "there is not one offset for each vector");
    if (status == VMX_OK) /* the last offset is the number of neighbours */
        status = w->read(w->user, (uint8_t *)&neighbours, 8, w->at - 8, w->error);
    if (status == VMX_OK)
        status = pass_vector(w, 4, neighbours, &count, "the neighbours are not as many as the offsets say");
    return status == VMX_OK ? take(w, numbers, sizeof numbers) : status;
}

/* The storage has the head that the counts of the graph demand, then the vectors. */
static vmx_status
pass_storage(walk *w, vmx_faiss_layout *layout, bool half)
{
    uint8_t must[VMX_FAISS_HALF_HEAD], is[VMX_FAISS_HALF_HEAD];
    size_t head_bytes = vmx_faiss_storage_head(must, half, layout->dimension, layout->vectors, layout->metric);
    uint64_t vector_bytes = layout->vectors * layout->dimension * (half ? 2 : 4);
    layout->storage_offset = w->at;
    vmx_status status = take(w, is, 4);
    if (status != VMX_OK || memcmp(is, "null", 4) == 0)
        return status;
    if (memcmp(is, must, 4) != 0)
        return wrong(w, "the storage is of an unknown kind");
    status = take(w, is + 4, head_bytes - 4);
    if (status != VMX_OK)
        return status;
    if (memcmp(is, must, head_bytes) != 0)
        return wrong(w, "the storage has other counts than the graph");
    if (vector_bytes > w->size - w->at)
        return wrong(w, "the vectors are longer than the file");
    layout->vectors_offset = w->at;
    w->at += vector_bytes;
    return VMX_OK;
}

vmx_status
vmx_faiss_parse(vmx_faiss_read read, void *user, uint64_t size_bytes, vmx_faiss_layout *layout, vmx_error *error)
{
    walk w = {.read = read, .user = user, .size = size_bytes, .error = error};
    index_header outer, graph;
    uint64_t count;
    *layout = (vmx_faiss_layout){0};
    vmx_status status = take_header(&w, &outer);
    if (status == VMX_OK)
        status = take_header(&w, &graph);
    if (status != VMX_OK)
        return status;
    bool known = strcmp(outer.fourcc, "IxMp") == 0 &&
                 (strcmp(graph.fourcc, "IHNf") == 0 || strcmp(graph.fourcc, "IHNs") == 0) &&
                 outer.vectors == graph.vectors;
    if (!known)
        return wrong(&w, "it is no IndexIDMap over IndexHNSW");
    layout->dimension = graph.dimension;
    layout->vectors = graph.vectors;
    layout->metric = graph.metric;
    status = pass_graph(&w, graph.vectors);
    if (status == VMX_OK)
        status = pass_storage(&w, layout, strcmp(graph.fourcc, "IHNs") == 0);
    if (status != VMX_OK)
        return status;
    layout->id_map_offset = w.at;
    status = pass_vector(&w, 8, graph.vectors, &count, "there is not one id for each vector");
    return status == VMX_OK && w.at != size_bytes ? wrong(&w, "something stands behind the ids") : status;
}

/* --- the storage block --------------------------------------------------------------------------------------------- */

static size_t
put(uint8_t *out, size_t at, const void *value, size_t len)
{
    memcpy(out + at, value, len);
    return at + len;
}

size_t
vmx_faiss_storage_head(uint8_t out[VMX_FAISS_HALF_HEAD], bool half, uint32_t dimension, uint64_t vectors,
                       int32_t metric)
{
    const int64_t dummy = 1 << 20;
    const uint8_t trained = 1;
    const uint64_t values = vectors * dimension;
    size_t at = put(out, 0, half ? "IxSQ" : metric == 1 ? "IxF2" : "IxFI", 4);
    at = put(out, at, &dimension, 4);
    at = put(out, at, &vectors, 8);
    at = put(out, at, &dummy, 8);
    at = put(out, at, &dummy, 8);
    at = put(out, at, &trained, 1);
    at = put(out, at, &metric, 4);
    if (!half)
        return put(out, at, &values, 8);
    const int32_t type = QT_FP16, range = 0;
    const float range_arg = 0;
    const uint64_t wide = dimension, code_bytes = 2 * wide, none = 0, bytes = 2 * values;
    at = put(out, at, &type, 4);
    at = put(out, at, &range, 4);
    at = put(out, at, &range_arg, 4);
    at = put(out, at, &wide, 8);
    at = put(out, at, &code_bytes, 8);
    at = put(out, at, &none, 8); /* trained: empty */
    return put(out, at, &bytes, 8);
}
