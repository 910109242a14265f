#include "server/store.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "core/alloc.h"

struct vmxd_store {
    vmxd_store_options options;
    _Atomic uint32_t dimension;
    pthread_mutex_t lock;
    vmxd_namespace **namespaces; /* locked; in bytewise order of their names */
    size_t count, capacity;      /* locked */
};

const char *
vmxd_metric_name(vmxd_metric metric)
{
    static const char *const names[] = {"cosine", "euclidean", "dotproduct"};
    return names[metric];
}

vmxd_store *
vmxd_store_new(const vmxd_store_options *options)
{
    vmxd_store *store = vmx_calloc(1, sizeof *store);
    if (!store)
        return NULL;
    store->options = *options;
    atomic_init(&store->dimension, options->dimension);
    pthread_mutex_init(&store->lock, NULL);
    return store;
}

void
vmxd_store_free(vmxd_store *store)
{
    if (!store)
        return;
    for (size_t i = 0; i < store->count; i++)
        vmxd_namespace_free(store->namespaces[i]);
    pthread_mutex_destroy(&store->lock);
    vmx_dealloc(store->namespaces);
    vmx_dealloc(store);
}

const vmxd_store_options *
vmxd_store_config(const vmxd_store *store)
{
    return &store->options;
}

uint32_t
vmxd_store_dimension(const vmxd_store *store)
{
    return atomic_load(&store->dimension);
}

bool
vmxd_store_fix_dimension(vmxd_store *store, uint32_t dimension, uint32_t *fixed)
{
    *fixed = 0;
    return atomic_compare_exchange_strong(&store->dimension, fixed, dimension) || *fixed == dimension;
}

/* Where `name` stands, or would stand; `*found` says which. Locked. */
static size_t
position(const vmxd_store *store, const char *name, bool *found)
{
    size_t low = 0, high = store->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(store->namespaces[middle]->name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *found = low < store->count && strcmp(store->namespaces[low]->name, name) == 0;
    return low;
}

static const char *
full_name(const char *name)
{
    return *name ? name : VMXD_DEFAULT_NAMESPACE;
}

vmxd_namespace *
vmxd_store_find(vmxd_store *store, const char *name)
{
    bool found;
    pthread_mutex_lock(&store->lock);
    size_t at = position(store, full_name(name), &found);
    vmxd_namespace *ns = found ? store->namespaces[at] : NULL;
    pthread_mutex_unlock(&store->lock);
    return ns;
}

static bool
grow(vmxd_store *store)
{
    if (store->count < store->capacity)
        return true;
    size_t capacity = store->capacity ? store->capacity * 2 : 16;
    vmxd_namespace **namespaces = vmx_realloc(store->namespaces, capacity * sizeof *namespaces);
    if (!namespaces)
        return false;
    store->namespaces = namespaces;
    store->capacity = capacity;
    return true;
}

static vmxd_namespace *
insert(vmxd_store *store, size_t at, const char *name)
{
    const vmxd_store_options *options = &store->options;
    vmxd_kind kind = options->metric == VMXD_COSINE      ? VMXD_KEEP_UNIT
                     : options->metric == VMXD_EUCLIDEAN ? VMXD_KEEP_NORM
                                                         : VMXD_KEEP_VALUES;
    vmxd_namespace *ns = grow(store) ? vmxd_namespace_new(name, kind, options->index_delay_us) : NULL;
    if (!ns)
        return NULL;
    memmove(store->namespaces + at + 1, store->namespaces + at, (store->count - at) * sizeof *store->namespaces);
    store->namespaces[at] = ns;
    store->count++;
    return ns;
}

vmxd_namespace *
vmxd_store_open(vmxd_store *store, const char *name)
{
    bool found;
    pthread_mutex_lock(&store->lock);
    size_t at = position(store, full_name(name), &found);
    vmxd_namespace *ns = found ? store->namespaces[at] : insert(store, at, full_name(name));
    pthread_mutex_unlock(&store->lock);
    return ns;
}

bool
vmxd_store_all(vmxd_store *store, vmx_arena *arena, vmxd_namespace ***namespaces, size_t *count)
{
    pthread_mutex_lock(&store->lock);
    *count = store->count;
    *namespaces = vmx_arena_calloc(arena, store->count, sizeof **namespaces);
    for (size_t i = 0; *namespaces && i < store->count; i++)
        (*namespaces)[i] = store->namespaces[i];
    pthread_mutex_unlock(&store->lock);
    return *namespaces != NULL;
}
