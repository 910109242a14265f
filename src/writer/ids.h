/*
 * writer/ids.h: which unsettled batch holds the latest write of an id. Keys are 64-bit hashes: two ids that share one only
 * wait for each other. Not thread safe: the writer's lock guards it.
 */
#ifndef VMX_WRITER_IDS_H
#define VMX_WRITER_IDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <vecmux/types.h>

struct vmx_batch;

typedef struct vmx_ids_slot {
    uint64_t hash; /* 0: empty */
    struct vmx_batch *batch;
} vmx_ids_slot;

typedef struct vmx_ids {
    vmx_ids_slot *slots;
    size_t capacity; /* a power of two, or 0 */
    size_t count;
    uint64_t seed;
} vmx_ids;

void
vmx_ids_init(vmx_ids *ids, uint64_t seed);
void
vmx_ids_free(vmx_ids *ids);

/* Never 0. */
uint64_t
vmx_ids_hash(const vmx_ids *ids, vmx_str id);

/* Makes room for `count` more ids. False when memory is out. */
bool
vmx_ids_reserve(vmx_ids *ids, size_t count);

/* The id's slot, for vmx_ids_set: there is room. Its batch is NULL if no unsettled one holds the id. It is lost when the
 * table changes. */
static inline vmx_ids_slot *
vmx_ids_seek(const vmx_ids *ids, uint64_t hash)
{
    size_t mask = ids->capacity - 1, at = (size_t)hash & mask;
    while (ids->slots[at].hash != 0 && ids->slots[at].hash != hash)
        at = (at + 1) & mask;
    return &ids->slots[at];
}

/* From now on `batch` holds it. */
static inline void
vmx_ids_set(vmx_ids *ids, vmx_ids_slot *slot, uint64_t hash, struct vmx_batch *batch)
{
    ids->count += slot->hash == 0;
    *slot = (vmx_ids_slot){hash, batch};
}

/* The id will be looked for soon: the table is larger than the nearest caches. */
static inline void
vmx_ids_prefetch(const vmx_ids *ids, uint64_t hash)
{
    if (ids->capacity > 0)
        __builtin_prefetch(&ids->slots[(size_t)hash & (ids->capacity - 1)], 1);
}

/* Forgets it, if `batch` still holds it. */
void
vmx_ids_drop(vmx_ids *ids, uint64_t hash, const struct vmx_batch *batch);

#endif
