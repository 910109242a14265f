#include "server/answer.h"

#include "server/limits.h"
#include "server/rank.h"
#include "server/results.h"
#include "server/service.h"
#include "server/sparse.h"

#define BYTES_PER_READ_UNIT (1 << 30) /* one read unit per gigabyte of namespace */

/* What the functions of this file work on: the queries of one namespace, whose read lock is held. */
typedef struct batch {
    const vmxd_records *records;
    vmxd_selection selection;
    uint64_t indexed_lsn;
    vmx_arena arena;
} batch;

static void
fail(vmxd_query *query, const vmxd_status *status)
{
    vmxd_call_fail(query->call, status);
}

static bool
fill_match(const batch *self, const vmxd_query *query, vmxd_hit hit, Pinecone__ScoredVector *match, vmxd_status *status)
{
    const vmxd_record *record = self->records->slots[hit.slot];
    vmx_arena *arena = vmxd_call_arena(query->call);
    pinecone__scored_vector__init(match);
    match->id = (char *)record->id;
    match->score = hit.score;
    if (query->request->include_values) {
        vmx_floats values = vmxd_records_values(self->records, hit.slot);
        match->values = (float *)values.ptr;
        match->n_values = values.len;
        if (!vmxd_result_sparse(record, arena, &match->sparse_values, status))
            return false;
    }
    return !query->request->include_metadata || vmxd_result_metadata(record, arena, &match->metadata, status);
}

static bool
fill_response(const batch *self, const vmxd_query *query, const vmxd_hit *hits, size_t count,
              Pinecone__QueryResponse *response, vmxd_status *status)
{
    vmx_arena *arena = vmxd_call_arena(query->call);
    Pinecone__ScoredVector *matches = vmx_arena_calloc(arena, count, sizeof *matches);
    response->matches = vmx_arena_calloc(arena, count, sizeof(Pinecone__ScoredVector *));
    response->usage = vmxd_result_usage((uint32_t)(1 + vmxd_records_size(self->records) / BYTES_PER_READ_UNIT), arena);
    if (!matches || !response->matches || !response->usage)
        return vmxd_no_memory(status);
    response->namespace_ = query->request->namespace_;
    response->n_matches = count;
    for (size_t i = 0; i < count; i++) {
        response->matches[i] = &matches[i];
        if (!fill_match(self, query, hits[i], &matches[i], status))
            return false;
    }
    size_t size = pinecone__query_response__get_packed_size(response);
    if (size > VMXD_MAX_REPLY_BYTES)
        return vmxd_invalid(status,
                            "Query result of %zu bytes is over the limit of 4MB (%d bytes); lower top_k or leave out "
                            "values and metadata",
                            size, VMXD_MAX_REPLY_BYTES);
    return true;
}

static void
answer(const batch *self, vmxd_query *query, const vmxd_hit *hits, size_t count)
{
    Pinecone__QueryResponse response = PINECONE__QUERY_RESPONSE__INIT;
    vmxd_status status;
    if (!fill_response(self, query, hits, count, &response, &status)) {
        fail(query, &status);
        return;
    }
    vmxd_call_add_header(query->call, VMXD_HEADER_INDEXED_LSN, self->indexed_lsn);
    vmxd_call_reply(query->call, &response.base);
}

static size_t
wanted(const batch *self, const vmxd_query *query)
{
    size_t top_k = query->request->top_k;
    return top_k < self->selection.count ? top_k : self->selection.count;
}

static void
answer_sparse(batch *self, vmxd_query *query)
{
    size_t count = 0;
    vmxd_hit *hits = vmxd_rank_sparse(self->records, &self->selection, query->dense.len > 0 ? query->dense.ptr : NULL,
                                      query->sparse, wanted(self, query), &count, vmxd_call_arena(query->call));
    vmxd_status status;
    if (hits) {
        answer(self, query, hits, count);
    } else {
        vmxd_no_memory(&status);
        fail(query, &status);
    }
}

static void
answer_dense(batch *self, vmxd_query *const *queries, size_t count)
{
    const float *vectors[VMXD_SEARCH_BATCH];
    size_t k = 0;
    for (size_t i = 0; i < count; i++) {
        vectors[i] = queries[i]->dense.ptr;
        k = wanted(self, queries[i]) > k ? wanted(self, queries[i]) : k;
    }
    vmxd_hit *hits = vmxd_rank_dense(self->records, &self->selection, vectors, count, k, &self->arena);
    vmxd_status status;
    vmxd_no_memory(&status);
    for (size_t i = 0; i < count; i++)
        if (hits)
            answer(self, queries[i], hits + i * k, wanted(self, queries[i]));
        else
            fail(queries[i], &status);
}

/* A query by id takes the stored vector; false if there is none, and then nothing matches. */
static bool
resolve_id(const batch *self, vmxd_query *query)
{
    if (query->request->id[0] == '\0')
        return true;
    uint32_t slot = vmxd_records_find(self->records, query->request->id);
    if (slot == VMXD_NO_SLOT)
        return false;
    query->dense = vmxd_records_values(self->records, slot);
    return vmxd_sparse_sort(self->records->slots[slot]->sparse, vmxd_call_arena(query->call), &query->sparse);
}

static void
answer_all(batch *self, vmxd_query *const *queries, size_t count)
{
    vmxd_query *dense[VMXD_SEARCH_BATCH];
    size_t dense_count = 0;
    for (size_t i = 0; i < count; i++) {
        if (self->selection.count == 0 || !resolve_id(self, queries[i]))
            answer(self, queries[i], NULL, 0);
        else if (queries[i]->sparse.len > 0)
            answer_sparse(self, queries[i]);
        else
            dense[dense_count++] = queries[i];
    }
    if (dense_count > 0)
        answer_dense(self, dense, dense_count);
}

void
vmxd_answer_queries(vmxd_query *const *queries, size_t count)
{
    vmxd_namespace *ns = queries[0]->ns;
    batch self = {.records = &ns->records};
    vmxd_status status;
    vmxd_namespace_read_lock(ns);
    self.indexed_lsn = ns->indexed_lsn;
    if (vmxd_select(self.records, queries[0]->filter, &self.arena, &self.selection)) {
        answer_all(&self, queries, count);
    } else {
        vmxd_no_memory(&status);
        for (size_t i = 0; i < count; i++)
            fail(queries[i], &status);
    }
    vmxd_namespace_unlock(ns);
    vmx_arena_reset(&self.arena);
}
