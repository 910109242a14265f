/*
 * writer/ids.h: which unsettled batch holds the latest write of an id. Keys are 64-bit hashes: two ids that share one only
 * wait for each other. Not thread safe: the writer's lock guards it.
 */
#ifndef VMX_WRITER_IDS_H
#define VMX_WRITER_IDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
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

static inline uint64_t
vmx_ids_mix(uint64_t value)
{
    value ^= value >> 32;
    value *= 0x9e3779b97f4a7c15u;
    value ^= value >> 29;
    return value;
}

static inline uint64_t
vmx_ids_word(const char *bytes)
{
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
    return word;
}

/* The same for an id that is shorter than 8 bytes, or longer than 32. */
uint64_t
vmx_ids_hash_other(const vmx_ids *ids, vmx_str id);

/* Never 0. The words of an id may have bytes in common. */
static inline uint64_t
vmx_ids_hash(const vmx_ids *ids, vmx_str id)
{
    if (id.len < 8 || id.len > 32)
        return vmx_ids_hash_other(ids, id);
    uint64_t hash = vmx_ids_mix(ids->seed ^ id.len ^ vmx_ids_word(id.ptr));
    if (id.len > 16) {
        hash = vmx_ids_mix(hash ^ vmx_ids_word(id.ptr + 8));
        hash = vmx_ids_mix(hash ^ vmx_ids_word(id.ptr + id.len - 16));
    }
    hash = vmx_ids_mix(hash ^ vmx_ids_word(id.ptr + id.len - 8));
    return hash != 0 ? hash : 1;
}

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

/* Empties a slot behind which others stand that may have wanted it. */
void
vmx_ids_empty(vmx_ids *ids, vmx_ids_slot *slot);

/* Forgets it, if `batch` still holds it. It was entered once. */
static inline void
vmx_ids_drop(vmx_ids *ids, uint64_t hash, const struct vmx_batch *batch)
{
    vmx_ids_slot *slot = vmx_ids_seek(ids, hash);
    if (slot->batch != batch)
        return;
    ids->count--;
    if (ids->slots[(size_t)(slot - ids->slots + 1) & (ids->capacity - 1)].hash != 0)
        vmx_ids_empty(ids, slot);
    else
        *slot = (vmx_ids_slot){0, NULL};
}

#endif
