#include "server/search.h"

#include <string.h>

#include "core/alloc.h"
#include "core/sync.h"
#include "server/answer.h"
#include "server/exact.h"

struct vmxd_search {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    vmxd_query *first, **last; /* locked; oldest first */
    bool stopping;             /* locked */
    unsigned thread_count;
    pthread_t threads[];
};

/* top_k of 10 and 15 may share a batch, 10 and 10,000 may not */
static unsigned
magnitude(uint32_t top_k)
{
    return 32u - (unsigned)__builtin_clz(top_k | 1);
}

static bool
go_together(const vmxd_query *a, const vmxd_query *b)
{
    return a->ns == b->ns && magnitude(a->request->top_k) == magnitude(b->request->top_k) &&
           a->filter_key.len == b->filter_key.len &&
           (a->filter_key.len == 0 || memcmp(a->filter_key.ptr, b->filter_key.ptr, a->filter_key.len) == 0);
}

/* Locked. Takes the oldest query and those that go with it out of the queue. */
static size_t
take_batch(vmxd_search *search, vmxd_query *batch[VMXD_SEARCH_BATCH])
{
    size_t count = 0;
    vmxd_query **at = &search->first;
    while (*at && count < VMXD_SEARCH_BATCH) {
        if (count == 0 || go_together(batch[0], *at)) {
            batch[count++] = *at;
            *at = (*at)->next;
        } else {
            at = &(*at)->next;
        }
    }
    if (!*at)
        search->last = at;
    return count;
}

static void *
search_main(void *arg)
{
    vmxd_search *search = arg;
    vmxd_query *batch[VMXD_SEARCH_BATCH];
    vmxd_exact_thread_init();
    pthread_mutex_lock(&search->lock);
    for (;;) {
        while (!search->first && !search->stopping)
            vmx_cond_wait(&search->changed, &search->lock, VMX_NEVER);
        size_t count = take_batch(search, batch);
        if (count == 0)
            break;
        pthread_mutex_unlock(&search->lock);
        vmxd_answer_queries(batch, count);
        pthread_mutex_lock(&search->lock);
    }
    pthread_mutex_unlock(&search->lock);
    return NULL;
}

vmxd_search *
vmxd_search_start(unsigned threads)
{
    vmxd_search *search = vmx_calloc(1, sizeof *search + threads * sizeof search->threads[0]);
    if (!search)
        return NULL;
    search->last = &search->first;
    pthread_mutex_init(&search->lock, NULL);
    vmx_cond_init(&search->changed);
    for (; search->thread_count < threads; search->thread_count++)
        if (!vmx_thread_start(&search->threads[search->thread_count], "vecmuxd-search", search_main, search)) {
            vmxd_search_stop(search);
            return NULL;
        }
    return search;
}

void
vmxd_search_submit(vmxd_search *search, vmxd_query *query)
{
    query->next = NULL;
    pthread_mutex_lock(&search->lock);
    *search->last = query;
    search->last = &query->next;
    pthread_cond_signal(&search->changed);
    pthread_mutex_unlock(&search->lock);
}

void
vmxd_search_stop(vmxd_search *search)
{
    pthread_mutex_lock(&search->lock);
    search->stopping = true;
    pthread_cond_broadcast(&search->changed);
    pthread_mutex_unlock(&search->lock);
    for (unsigned i = 0; i < search->thread_count; i++)
        pthread_join(search->threads[i], NULL);
    pthread_cond_destroy(&search->changed);
    pthread_mutex_destroy(&search->lock);
    vmx_dealloc(search);
}
