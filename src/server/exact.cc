#include "server/exact.h"

#include <algorithm>
#include <dlfcn.h>
#include <exception>
#include <faiss/utils/distances.h>
#include <mutex>
#include <omp.h>
#include <utility>
#include <vector>

namespace
{

/* Rows that are copied together at a time for a search in a subset: enough for a fast matrix product. */
const size_t block_rows = 4096;

using scored_row = std::pair<float, size_t>; /* smaller is nearer */

/* Rows that lie together; `ids` says which rows of the matrix they are, or is null if they are the matrix. */
struct block {
    const float *rows;
    const float *norms;
    const int64_t *ids;
    size_t count;
};

float
distance(const vmxd_exact &exact, const float *query, size_t row)
{
    const float *vector = exact.matrix + row * exact.dimension;
    return exact.norms ? faiss::fvec_L2sqr(query, vector, exact.dimension)
                       : -faiss::fvec_inner_product(query, vector, exact.dimension);
}

/*
 * FAISS computes |x|^2 + |y|^2 - 2xy, which loses digits where vectors are close. So a few more candidates than wanted
 * are taken from it and measured again one by one.
 */
void
search_block(const vmxd_exact &exact, const block &rows, std::vector<scored_row> *found)
{
    size_t k = std::min(rows.count, exact.k + exact.k / 8 + 16);
    size_t d = exact.dimension, nx = exact.query_count;
    std::vector<int64_t> candidates(nx * k);
    std::vector<float> rough(nx * k);
    if (exact.norms)
        faiss::knn_L2sqr(exact.queries, rows.rows, d, nx, rows.count, k, rough.data(), candidates.data(), rows.norms);
    else
        faiss::knn_inner_product(exact.queries, rows.rows, d, nx, rows.count, k, rough.data(), candidates.data());
    for (size_t i = 0; i < nx * k; i++) {
        size_t query = i / k, row = (size_t)(rows.ids ? rows.ids[candidates[i]] : candidates[i]);
        found[query].emplace_back(distance(exact, exact.queries + query * d, row), row);
    }
}

void
search_subset(const vmxd_exact &exact, std::vector<scored_row> *found)
{
    std::vector<float> rows(std::min(block_rows, exact.subset_len) * exact.dimension);
    std::vector<float> norms(block_rows);
    for (size_t at = 0; at < exact.subset_len; at += block_rows) {
        size_t count = std::min(block_rows, exact.subset_len - at);
        for (size_t i = 0; i < count; i++) {
            size_t row = (size_t)exact.subset[at + i];
            std::copy_n(exact.matrix + row * exact.dimension, exact.dimension, rows.begin() + i * exact.dimension);
            norms[i] = exact.norms ? exact.norms[row] : 0;
        }
        search_block(exact, {rows.data(), norms.data(), exact.subset + at, count}, found);
    }
}

void
search(const vmxd_exact &exact, int64_t *rows, float *scores)
{
    std::vector<std::vector<scored_row>> found(exact.query_count);
    if (exact.subset)
        search_subset(exact, found.data());
    else
        search_block(exact, {exact.matrix, exact.norms, nullptr, exact.count}, found.data());
    for (std::vector<scored_row> &nearest : found) {
        std::partial_sort(nearest.begin(), nearest.begin() + exact.k, nearest.end());
        for (size_t i = 0; i < exact.k; i++) {
            *rows++ = (int64_t)nearest[i].second;
            *scores++ = exact.norms ? nearest[i].first : -nearest[i].first;
        }
    }
}

/* OpenBLAS is one of several libraries that may stand behind libblas.so.3, so the function may be missing. */
void
turn_blas_threads_off()
{
    void *function = dlsym(RTLD_DEFAULT, "openblas_set_num_threads");
    if (function)
        reinterpret_cast<void (*)(int)>(function)(1);
    /* even for one query OpenBLAS is faster than the loops of FAISS, which Debian builds without AVX */
    faiss::distance_compute_blas_threshold = 1;
}

std::once_flag blas_once;

} // namespace

void
vmxd_exact_thread_init(void)
{
    omp_set_num_threads(1);
    std::call_once(blas_once, turn_blas_threads_off);
}

bool
vmxd_exact_search(const vmxd_exact *exact, int64_t *rows, float *scores)
{
    try {
        search(*exact, rows, scores);
        return true;
    } catch (const std::exception &) {
        return false;
    }
}

float
vmxd_exact_score(const vmxd_exact *exact, size_t query, size_t row)
{
    float nearness = distance(*exact, exact->queries + query * exact->dimension, row);
    return exact->norms ? nearness : -nearness;
}

void
vmxd_exact_products(const float *matrix, size_t count, size_t dimension, const float *query, float *products)
{
    faiss::fvec_inner_products_ny(products, query, matrix, dimension, count);
}
