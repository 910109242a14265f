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

uint64_t
vmx_ids_hash_other(const vmx_ids *ids, vmx_str id)
{
    uint64_t hash = ids->seed ^ id.len, last = 0;
    for (size_t i = 0; i + 8 < id.len; i += 8)
        hash = vmx_ids_mix(hash ^ vmx_ids_word(id.ptr + i));
    if (id.len >= 8) /* some of its bytes for a second time: quicker than as many as are left */
        last = vmx_ids_word(id.ptr + id.len - 8);
    else if (id.len > 0)
        memcpy(&last, id.ptr, id.len);
    hash = vmx_ids_mix(vmx_ids_mix(hash ^ last));
    return hash != 0 ? hash : 1;
}

static bool
grow(vmx_ids *ids, size_t capacity)
{
    vmx_ids old = *ids;
    ids->capacity = capacity;
    ids->slots = vmx_calloc(ids->capacity, sizeof *ids->slots);
    if (ids->slots == NULL) {
        *ids = old;
        return false;
    }
    for (size_t i = 0; i < old.capacity; i++)
        if (old.slots[i].hash != 0)
            *vmx_ids_seek(ids, old.slots[i].hash) = old.slots[i];
    vmx_dealloc(old.slots);
    return true;
}

bool
vmx_ids_reserve(vmx_ids *ids, size_t count)
{
    size_t capacity = ids->capacity > 0 ? ids->capacity : FIRST_CAPACITY;
    while (2 * (ids->count + count) > capacity)
        capacity *= 2;
    return capacity == ids->capacity || grow(ids, capacity);
}

void
vmx_ids_empty(vmx_ids *ids, vmx_ids_slot *slot)
{
    vmx_ids_slot *slots = ids->slots;
    size_t mask = ids->capacity - 1, hole = (size_t)(slot - slots);
    /* linear probing: what stands behind the hole moves up unless it is at home between the hole and its place */
    for (size_t at = (hole + 1) & mask; slots[at].hash != 0; at = (at + 1) & mask) {
        size_t home = (size_t)slots[at].hash & mask;
        if (((at - home) & mask) >= ((at - hole) & mask)) {
            slots[hole] = slots[at];
            hole = at;
        }
    }
    slots[hole] = (vmx_ids_slot){0, NULL};
}
