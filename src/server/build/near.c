#include "server/build/near.h"

#include <stdlib.h>
#include <string.h>

#include "server/build/nodes.h"

enum {
    MAX_K = 1000,
    MIN_SHARE = 4 /* a filter that selects less than a quarter is answered exactly */
};

typedef struct search {
    const vmxd_records *records;
    const vmxd_nodes *nodes;
    const vmxd_selection *selection;
    const vmxd_exact *exact;
    uint8_t *selected; /* by slot; NULL: all */
    int64_t *beside;   /* selected slots without a node */
    size_t beside_count;
    size_t in_graph; /* selected slots with a node */
} search;

static bool
is_better(const vmxd_records *records, const vmxd_selection *selection, size_t k)
{
    const vmxd_nodes *nodes = records->nodes[VMXD_NODES_IN_USE];
    if (!nodes || !nodes->graph || k > MAX_K || selection->count * MIN_SHARE < records->count)
        return false;
    size_t in_graph = nodes->node_count - nodes->tombstones;
    return k * 10 <= in_graph && records->count - in_graph <= in_graph && nodes->tombstones <= in_graph;
}

static bool
prepare(search *self, vmx_arena *arena)
{
    size_t count = self->selection->count;
    self->beside = vmx_arena_calloc(arena, count, sizeof *self->beside);
    if (!self->selection->all)
        self->selected = vmx_arena_calloc(arena, self->records->count, 1);
    if (!self->beside || (!self->selection->all && !self->selected))
        return false;
    for (size_t i = 0; i < count; i++) {
        size_t slot = self->selection->all ? i : (size_t)self->selection->slots[i];
        if (self->selected)
            self->selected[slot] = 1;
        if (self->nodes->node_of_slot[slot] == VMXD_NO_NODE)
            self->beside[self->beside_count++] = (int64_t)slot;
    }
    self->in_graph = count - self->beside_count;
    return true;
}

static bool
is_selected(const void *user, int64_t node)
{
    const search *self = user;
    uint32_t slot = self->nodes->slot_of_node[node];
    return slot != VMXD_NO_NODE && (!self->selected || self->selected[slot]);
}

/* --- one query's hits ---------------------------------------------------------------------------------------------- */

static int
compare_distances(const void *a, const void *b)
{
    const vmxd_hit *left = a, *right = b;
    if (left->score != right->score)
        return left->score < right->score ? -1 : 1;
    return (left->slot > right->slot) - (left->slot < right->slot);
}

static int
compare_products(const void *a, const void *b)
{
    const vmxd_hit *left = a, *right = b;
    if (left->score != right->score)
        return left->score > right->score ? -1 : 1;
    return (left->slot > right->slot) - (left->slot < right->slot);
}

/* The graph's nodes and the rows beside it, measured exactly and sorted: the first k. False if there are fewer. */
static bool
merge(const search *self, size_t query, const int64_t *nodes, const int64_t *rows, size_t row_count, vmxd_hit *scratch,
      vmxd_hit *hits)
{
    size_t count = 0, k = self->exact->k;
    for (size_t i = 0; i < k; i++)
        if (nodes[i] >= 0)
            scratch[count++].slot = self->nodes->slot_of_node[nodes[i]];
    if (count < k && count < self->in_graph)
        return false;
    for (size_t i = 0; i < row_count; i++)
        scratch[count++].slot = (uint32_t)rows[i];
    for (size_t i = 0; i < count; i++)
        scratch[i].score = vmxd_exact_score(self->exact, query, scratch[i].slot);
    qsort(scratch, count, sizeof *scratch, self->exact->norms ? compare_distances : compare_products);
    memcpy(hits, scratch, k * sizeof *hits);
    return count >= k;
}

/* The nearest of those beside the graph, `*each` for every query. */
static int64_t *
search_beside(const search *self, size_t *each, vmx_arena *arena)
{
    vmxd_exact beside = *self->exact;
    beside.subset = self->beside;
    beside.subset_len = self->beside_count;
    beside.k = *each = self->beside_count < beside.k ? self->beside_count : beside.k;
    int64_t *rows = vmx_arena_calloc(arena, beside.query_count * *each, sizeof *rows);
    float *scores = vmx_arena_calloc(arena, beside.query_count * *each, sizeof *scores);
    if (!rows || !scores || (*each > 0 && !vmxd_exact_search(&beside, rows, scores)))
        return NULL;
    return rows;
}

vmxd_hit *
vmxd_near_search(const vmxd_records *records, const vmxd_selection *selection, const vmxd_exact *exact,
                 vmx_arena *arena)
{
    size_t k = exact->k, queries = exact->query_count, each;
    if (k == 0 || !is_better(records, selection, k))
        return NULL;
    search self = {records, records->nodes[VMXD_NODES_IN_USE], selection, exact, NULL, NULL, 0, 0};
    uint32_t ef = self.nodes->ef_search > 2 * k ? self.nodes->ef_search : (uint32_t)(2 * k);
    int64_t *nodes = vmx_arena_calloc(arena, queries * k, sizeof *nodes);
    vmxd_hit *hits = vmx_arena_calloc(arena, queries * k, sizeof *hits);
    vmxd_hit *scratch = vmx_arena_calloc(arena, 2 * k, sizeof *scratch);
    if (!nodes || !hits || !scratch || !prepare(&self, arena))
        return NULL;
    int64_t *rows = search_beside(&self, &each, arena);
    if (!rows || !vmxd_graph_search(self.nodes->graph, exact->queries, queries, k, ef, is_selected, &self, nodes))
        return NULL;
    for (size_t i = 0; i < queries; i++)
        if (!merge(&self, i, nodes + i * k, rows + i * each, each, scratch, hits + i * k))
            return NULL;
    return hits;
}
