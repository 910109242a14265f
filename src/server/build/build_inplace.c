/* A build in place: a graph over the vectors that a namespace holds. */
#include <string.h>

#include "core/alloc.h"
#include "server/build/builds_private.h"
#include "server/build/inplace.h"
#include "server/build/nodes.h"
#include "server/build/steps.h"

typedef struct job {
    vmxd_builds *builds;
    vmxd_build *build;
    vmxd_build_end *end;
    vmxd_namespace *ns;
    vmxd_graph_options options;
    float *vectors; /* as they were when it began */
    int64_t *ids;
    vmxd_nodes *nodes; /* what became of them since; the records' */
    vmxd_graph *graph;
} job;

static bool
no_memory(job *self)
{
    return vmxd_build_fail(self->end, BUILD__ERROR_CLASS__ERROR_CLASS_NO_MEMORY, "the server is out of memory");
}

/* What the graph is built over: what a search would look at. */
static const float *
matrix(const vmxd_records *records)
{
    return records->kind == VMXD_KEEP_UNIT ? records->units : records->values;
}

/* Under the write lock. */
static bool
copy_vectors(job *self)
{
    vmxd_records *records = &self->ns->records;
    const Build__TriggerBuildRequest *request = self->build->record->request;
    size_t count = records->count, dimension = records->dimension;
    if (!self->ns->exists || dimension == 0 || count < VMXD_MIN_BUILD_VECTORS)
        return vmxd_build_fail(self->end, BUILD__ERROR_CLASS__ERROR_CLASS_NOT_FOUND,
                               "namespace \"%.128s\" has %zu dense vectors; at least %d are needed", self->ns->name,
                               dimension ? count : 0, VMXD_MIN_BUILD_VECTORS);
    self->options = vmxd_graph_options_of(request);
    self->options.inner_product = records->kind != VMXD_KEEP_NORM;
    self->options.dimension = records->dimension;
    self->options.count = count;
    self->options.float16 = false;
    self->vectors = vmx_calloc(count, dimension * sizeof *self->vectors);
    self->ids = vmx_calloc(count, sizeof *self->ids);
    self->nodes = vmxd_nodes_new(count, records->capacity);
    if (!self->vectors || !self->ids || !self->nodes) {
        vmxd_nodes_free(self->nodes);
        return no_memory(self);
    }
    memcpy(self->vectors, matrix(records), count * dimension * sizeof *self->vectors);
    for (size_t i = 0; i < count; i++)
        self->ids[i] = (int64_t)i;
    self->nodes->ef_search = request->ef_search;
    records->nodes[VMXD_NODES_BUILDING] = self->nodes;
    return true;
}

static bool
begin(job *self)
{
    const char *name = self->build->record->request->in_place->namespace_;
    self->ns = vmxd_store_find(self->builds->options.store, name);
    if (!self->ns)
        return vmxd_build_fail(self->end, BUILD__ERROR_CLASS__ERROR_CLASS_NOT_FOUND,
                               "namespace \"%.128s\" is not there", name);
    vmxd_namespace_write_lock(self->ns);
    bool done = copy_vectors(self);
    vmxd_namespace_unlock(self->ns);
    return done;
}

static bool
build_graph(job *self)
{
    uint64_t count = self->options.count;
    size_t step = vmxd_build_step(count), dimension = self->options.dimension;
    self->graph = vmxd_graph_new(&self->options);
    if (!self->graph)
        return no_memory(self);
    vmxd_graph_set_threads(self->build->record->request->deterministic);
    for (uint64_t at = 0; at < count; at += step) {
        size_t n = count - at < step ? (size_t)(count - at) : step;
        if (!vmxd_build_progress(self->builds, self->build, BUILD__PHASE__PHASE_BUILDING, at, count))
            return false;
        if (!vmxd_graph_add(self->graph, self->vectors + at * dimension, n, self->ids + at))
            return no_memory(self);
    }
    return vmxd_build_progress(self->builds, self->build, BUILD__PHASE__PHASE_BUILDING, count, count);
}

/* The graph answers from now on, or what was begun is taken back. */
static bool
settle(job *self, bool built)
{
    vmxd_nodes **places = self->ns->records.nodes, *old = NULL;
    vmxd_namespace_write_lock(self->ns);
    bool there = places[VMXD_NODES_BUILDING] == self->nodes;
    if (there) {
        places[VMXD_NODES_BUILDING] = NULL;
        old = self->nodes;
    }
    if (there && built) {
        old = places[VMXD_NODES_IN_USE];
        self->nodes->graph = self->graph;
        self->graph = NULL;
        places[VMXD_NODES_IN_USE] = self->nodes;
    }
    vmxd_namespace_unlock(self->ns);
    vmxd_nodes_free(old);
    return !built || there ||
           vmxd_build_fail(self->end, BUILD__ERROR_CLASS__ERROR_CLASS_NOT_FOUND,
                           "namespace \"%.128s\" went while its graph was built", self->ns->name);
}

/* Of all builds of the namespace, this one's graph is in use. */
static void
take_use(job *self)
{
    vmxd_builds *builds = self->builds;
    pthread_mutex_lock(&builds->lock);
    for (size_t i = 0; i < builds->count; i++) {
        vmxd_build *other = builds->all[i];
        const Build__InPlace *place = other->record->request->in_place;
        if (other == self->build || !other->in_use || !place ||
            vmxd_store_find(builds->options.store, place->namespace_) != self->ns)
            continue;
        other->in_use = false;
        vmxd_build_save(builds, other);
    }
    self->build->in_use = true;
    pthread_mutex_unlock(&builds->lock);
}

void
vmxd_build_run_in_place(vmxd_builds *builds, vmxd_build *build, vmxd_build_end *end)
{
    job self = {.builds = builds, .build = build, .end = end};
    if (begin(&self)) {
        bool built = build_graph(&self);
        if (!built && end->state == BUILD__STATE__STATE_COMPLETED) /* it was stopped */
            end->state = BUILD__STATE__STATE_CANCELLED;
        if (settle(&self, built) && built)
            take_use(&self);
    }
    if (self.graph)
        vmxd_graph_free(self.graph);
    vmx_dealloc(self.vectors);
    vmx_dealloc(self.ids);
}

Build__InPlaceState *
vmxd_inplace_describe(vmxd_store *store, const char *name, vmx_arena *arena)
{
    vmxd_namespace *ns = vmxd_store_find(store, name);
    Build__InPlaceState *state = ns ? vmx_arena_alloc(arena, sizeof *state) : NULL;
    if (!state)
        return NULL;
    build__in_place_state__init(state);
    vmxd_namespace_read_lock(ns);
    const vmxd_nodes *nodes = ns->records.nodes[VMXD_NODES_IN_USE];
    if (nodes) {
        state->graph_vectors = nodes->node_count;
        state->tombstones = nodes->tombstones;
        state->beside = ns->records.count - (nodes->node_count - nodes->tombstones);
    }
    vmxd_namespace_unlock(ns);
    return nodes ? state : NULL;
}
