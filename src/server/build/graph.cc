#include "server/build/graph.h"

#include <algorithm>
#include <exception>
#include <faiss/Index.h>
#include <faiss/IndexHNSW.h>
#include <faiss/IndexIDMap.h>
#include <faiss/impl/IDSelector.h>
#include <faiss/impl/io.h>
#include <faiss/index_io.h>
#include <memory>
#include <omp.h>
#include <vector>

#include "core/tsan.h"

#define TEXT(number)     #number
#define TEXT_OF(number)  TEXT(number)
#define VERSION(a, b, c) "FAISS " TEXT_OF(a) "." TEXT_OF(b) "." TEXT_OF(c)

struct vmxd_graph {
    vmxd_graph_options options;
    std::unique_ptr<faiss::IndexHNSW> hnsw;
    std::unique_ptr<faiss::IndexIDMap> ids;
};

namespace
{

const uint64_t header_bytes = 33, fourcc_bytes = 4;

faiss::MetricType
metric(const vmxd_graph_options &options)
{
    return options.inner_product ? faiss::METRIC_INNER_PRODUCT : faiss::METRIC_L2;
}

faiss::IndexHNSW *
create(const vmxd_graph_options &options)
{
    int d = (int)options.dimension, m = (int)options.m;
    if (options.float16)
        return new faiss::IndexHNSWSQ(d, faiss::ScalarQuantizer::QT_fp16, m, metric(options));
    return new faiss::IndexHNSWFlat(d, m, metric(options));
}

/* Otherwise the arrays are copied, and stand twice in memory, each time they grow. */
void
reserve(vmxd_graph &graph)
{
    const vmxd_graph_options &options = graph.options;
    size_t count = options.count, row = (size_t)options.dimension * (options.float16 ? 2 : 4);
    auto *storage = dynamic_cast<faiss::IndexFlatCodes *>(graph.hnsw->storage);
    if (storage)
        storage->codes.reserve(count * row);
    graph.hnsw->hnsw.levels.reserve(count);
    graph.hnsw->hnsw.offsets.reserve(count + 1);
    graph.hnsw->hnsw.neighbors.reserve(count * 2 * options.m + count / 8);
    graph.ids->id_map.reserve(count);
}

/* Bytes of an array in the file. */
template <typename T>
uint64_t
array_bytes(const std::vector<T> &array)
{
    return sizeof(uint64_t) + array.size() * sizeof(T);
}

struct Writer : faiss::IOWriter {
    bool (*write)(void *user, const void *data, size_t len);
    void *user;

    size_t operator()(const void *data, size_t size, size_t count) override
    {
        return write(user, data, size * count) ? count : 0;
    }
};

struct Selector : faiss::IDSelector {
    bool (*member)(const void *user, int64_t id);
    const void *user;

    bool is_member(idx_t id) const override
    {
        return member(user, id);
    }
};

} // namespace

const char *
vmxd_graph_library(void)
{
    return VERSION(FAISS_VERSION_MAJOR, FAISS_VERSION_MINOR, FAISS_VERSION_PATCH);
}

uint64_t
vmxd_graph_memory(const vmxd_graph_options *options)
{
    const uint64_t level = 4, offset = 8, id = 8, lock = 8, fixed = 16 << 20;
    uint64_t vector = (uint64_t)options->dimension * (options->float16 ? 2 : 4);
    uint64_t links = (2 * (uint64_t)options->m + options->m / 8 + 1) * sizeof(int32_t);
    return options->count * (vector + links + level + offset + id + lock) + fixed;
}

vmxd_graph *
vmxd_graph_new(const vmxd_graph_options *options)
{
    try {
        auto graph = std::make_unique<vmxd_graph>();
        graph->options = *options;
        graph->hnsw.reset(create(*options));
        graph->hnsw->hnsw.efConstruction = (int)options->ef_construction;
        graph->hnsw->hnsw.efSearch = (int)options->ef_search;
        graph->hnsw->train(0, nullptr); /* QT_fp16 learns nothing, but wants to be asked */
        graph->ids = std::make_unique<faiss::IndexIDMap>(graph->hnsw.get());
        reserve(*graph);
        return graph.release();
    } catch (const std::exception &) {
        return nullptr;
    }
}

void
vmxd_graph_free(vmxd_graph *graph)
{
    delete graph;
}

void
vmxd_graph_set_threads(bool one)
{
#ifdef VMX_TSAN
    one = true; /* the sanitizer does not see how OpenMP's threads wait for each other */
#endif
    omp_set_num_threads(one ? 1 : omp_get_num_procs());
}

bool
vmxd_graph_add(vmxd_graph *graph, const float *vectors, size_t count, const int64_t *ids)
{
    try {
        graph->ids->add_with_ids((faiss::Index::idx_t)count, vectors, ids);
        return true;
    } catch (const std::exception &) {
        return false;
    }
}

void
vmxd_graph_describe_storage(const vmxd_graph *graph, vmxd_graph_storage *storage)
{
    const faiss::HNSW &hnsw = graph->hnsw->hnsw;
    const vmxd_graph_options &options = graph->options;
    const uint64_t numbers = 5 * sizeof(int32_t); /* entry point, levels, efConstruction, efSearch, upper beam */
    storage->offset = 2 * (fourcc_bytes + header_bytes) + array_bytes(hnsw.assign_probas) +
                      array_bytes(hnsw.cum_nneighbor_per_level) + array_bytes(hnsw.levels) + array_bytes(hnsw.offsets) +
                      array_bytes(hnsw.neighbors) + numbers;
    storage->bytes_per_value = options.float16 ? 2 : 4;
    storage->head_bytes = options.float16 ? 81 : 45;
    storage->vector_bytes = (uint64_t)graph->hnsw->ntotal * options.dimension * storage->bytes_per_value;
    storage->fourcc = options.float16 ? "IxSQ" : options.inner_product ? "IxFI" : "IxF2";
}

bool
vmxd_graph_write(const vmxd_graph *graph, bool (*write)(void *user, const void *data, size_t len), void *user)
{
    try {
        Writer writer;
        writer.write = write;
        writer.user = user;
        faiss::write_index(graph->ids.get(), &writer);
        return true;
    } catch (const std::exception &) {
        return false;
    }
}

bool
vmxd_graph_search(const vmxd_graph *graph, const float *queries, size_t query_count, size_t k, uint32_t ef,
                  bool (*member)(const void *user, int64_t id), const void *user, int64_t *ids)
{
    try {
        Selector selector;
        selector.member = member;
        selector.user = user;
        faiss::SearchParametersHNSW parameters;
        parameters.sel = &selector;
        parameters.efSearch = (int)ef;
        std::vector<float> distances(query_count * k);
        /* the id map's search knows no parameters: ids are those of the graph, 0, 1, 2, ... */
        graph->hnsw->search((faiss::Index::idx_t)query_count, queries, (faiss::Index::idx_t)k, distances.data(), ids,
                            &parameters);
        return true;
    } catch (const std::exception &) {
        return false;
    }
}
