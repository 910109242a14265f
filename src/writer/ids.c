#include "writer/ids.h"

#include <string.h>

#include "core/alloc.h"

#define FIRST_CAPACITY 1024

void
vmx_ids_init(vmx_ids *ids, uint64_t seed)
{
    memset(ids, 0, sizeof *ids);
    ids->seed = seed;
}

void
vmx_ids_free(vmx_ids *ids)
{
    vmx_dealloc(ids->slots);
}

static uint64_t
mix(uint64_t value)
{
    value ^= value >> 32;
    value *= 0x9e3779b97f4a7c15u;
    value ^= value >> 29;
    return value;
}

static uint64_t
word_at(const char *bytes)
{
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
    return word;
}

uint64_t
vmx_ids_hash(const vmx_ids *ids, vmx_str id)
{
    uint64_t hash = ids->seed ^ id.len, last = 0;
    for (size_t i = 0; i + 8 < id.len; i += 8)
        hash = mix(hash ^ word_at(id.ptr + i));
    if (id.len >= 8) /* some of its bytes for a second time: quicker than as many as are left */
        last = word_at(id.ptr + id.len - 8);
    else if (id.len > 0)
        memcpy(&last, id.ptr, id.len);
    hash = mix(mix(hash ^ last));
    return hash != 0 ? hash : 1;
}

/* The slot of the hash, or the empty one where it would go. */
static size_t
slot_of(const vmx_ids *ids, uint64_t hash)
{
    size_t at = (size_t)hash & (ids->capacity - 1);
    while (ids->slots[at].hash != 0 && ids->slots[at].hash != hash)
        at = (at + 1) & (ids->capacity - 1);
    return at;
}

static bool
grow(vmx_ids *ids)
{
    vmx_ids old = *ids;
    ids->capacity = old.capacity > 0 ? 2 * old.capacity : FIRST_CAPACITY;
    ids->slots = vmx_calloc(ids->capacity, sizeof *ids->slots);
    if (ids->slots == NULL) {
        *ids = old;
        return false;
    }
    for (size_t i = 0; i < old.capacity; i++)
        if (old.slots[i].hash != 0)
            ids->slots[slot_of(ids, old.slots[i].hash)] = old.slots[i];
    vmx_dealloc(old.slots);
    return true;
}

vmx_ids_slot *
vmx_ids_seek(vmx_ids *ids, uint64_t hash)
{
    if (2 * (ids->count + 1) > ids->capacity && !grow(ids))
        return NULL;
    return &ids->slots[slot_of(ids, hash)];
}

void
vmx_ids_set(vmx_ids *ids, vmx_ids_slot *slot, uint64_t hash, struct vmx_batch *batch)
{
    ids->count += slot->hash == 0;
    *slot = (vmx_ids_slot){hash, batch};
}

void
vmx_ids_drop(vmx_ids *ids, uint64_t hash, const struct vmx_batch *batch)
{
    if (ids->capacity == 0)
        return;
    size_t hole = slot_of(ids, hash);
    if (ids->slots[hole].batch != batch || ids->slots[hole].hash == 0)
        return;
    size_t mask = ids->capacity - 1;
    /* linear probing: what stands behind the hole moves up unless it is at home between the hole and its place */
    for (size_t at = (hole + 1) & mask; ids->slots[at].hash != 0; at = (at + 1) & mask) {
        size_t home = (size_t)ids->slots[at].hash & mask;
        if (((at - home) & mask) >= ((at - hole) & mask)) {
            ids->slots[hole] = ids->slots[at];
            hole = at;
        }
    }
    ids->slots[hole] = (vmx_ids_slot){0, NULL};
    ids->count--;
}
