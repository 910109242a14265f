/*
 * server/build/steps.h: what builds from blobs and in place share.
 */
#ifndef VMXD_BUILD_STEPS_H
#define VMXD_BUILD_STEPS_H

#include <vecmux/build.pb-c.h>

#include "server/build/graph.h"

/*
 * How many vectors are added between two looks at cancel: 1/256 of them, but 64 to 2048. It depends on nothing else, so
 * that a deterministic build is.
 */
static inline size_t
vmxd_build_step(uint64_t count)
{
    uint64_t step = count / 256;
    return step < 64 ? 64 : step > 2048 ? 2048 : (size_t)step;
}

static inline vmxd_graph_options
vmxd_graph_options_of(const Build__TriggerBuildRequest *request)
{
    return (vmxd_graph_options){.dimension = request->dimension,
                                .inner_product = request->space_type == BUILD__SPACE_TYPE__SPACE_TYPE_INNER_PRODUCT,
                                .float16 = request->data_type == BUILD__DATA_TYPE__DATA_TYPE_FLOAT16,
                                .m = request->m,
                                .ef_construction = request->ef_construction,
                                .ef_search = request->ef_search,
                                .count = request->doc_count};
}

#endif
