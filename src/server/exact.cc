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

/*
 * FAISS computes |x|^2 + |y|^2 - 2xy for a batch, which loses digits where vectors are close. So a few more candidates
 * than wanted are taken from it and measured again one by one.
 */
size_t
candidate_count(const vmxd_exact &exact)
{
    size_t rows = exact.subset ? exact.subset_len : exact.count;
    return std::min(rows, exact.k + exact.k / 8 + 16);
}

void
find_candidates(const vmxd_exact &exact, size_t k, int64_t *rows, float *scores)
{
    const float *x = exact.queries, *y = exact.matrix;
    size_t d = exact.dimension, nx = exact.query_count, ny = exact.count;
    if (exact.subset && exact.norms)
        faiss::knn_L2sqr_by_idx(x, y, exact.subset, d, nx, exact.subset_len, k, scores, rows, 0);
    else if (exact.subset)
        faiss::knn_inner_products_by_idx(x, y, exact.subset, d, nx, exact.subset_len, k, scores, rows, 0);
    else if (exact.norms)
        faiss::knn_L2sqr(x, y, d, nx, ny, k, scores, rows, exact.norms);
    else
        faiss::knn_inner_product(x, y, d, nx, ny, k, scores, rows);
}

using scored_row = std::pair<float, int64_t>; /* smaller is nearer */

void
measure(const vmxd_exact &exact, const float *query, const int64_t *candidates, std::vector<scored_row> &found)
{
    for (scored_row &row : found) {
        row.second = *candidates++;
        const float *vector = exact.matrix + (size_t)row.second * exact.dimension;
        row.first = exact.norms ? faiss::fvec_L2sqr(query, vector, exact.dimension)
                                : -faiss::fvec_inner_product(query, vector, exact.dimension);
    }
    std::sort(found.begin(), found.end());
}

void
search(const vmxd_exact &exact, int64_t *rows, float *scores)
{
    size_t k = candidate_count(exact);
    std::vector<int64_t> candidates(exact.query_count * k);
    std::vector<float> rough(exact.query_count * k);
    find_candidates(exact, k, candidates.data(), rough.data());
    std::vector<scored_row> found(k);
    for (size_t i = 0; i < exact.query_count; i++) {
        measure(exact, exact.queries + i * exact.dimension, candidates.data() + i * k, found);
        for (size_t n = 0; n < exact.k; n++) {
            rows[i * exact.k + n] = found[n].second;
            scores[i * exact.k + n] = exact.norms ? found[n].first : -found[n].first;
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
    /* from this many queries on, one matrix product is faster than a scan per query */
    faiss::distance_compute_blas_threshold = 4;
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

void
vmxd_exact_products(const float *matrix, size_t count, size_t dimension, const float *query, float *products)
{
    faiss::fvec_inner_products_ny(products, query, matrix, dimension, count);
}
