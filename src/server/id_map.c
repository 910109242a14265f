#include "server/id_map.h"

#include <string.h>

#include "core/alloc.h"

#define MIN_CAPACITY 64

/* FNV-1a, with a last mix because the table uses the low bits */
static uint32_t
hash_of(vmx_str id)
{
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < id.len; i++)
        hash = (hash ^ (uint8_t)id.ptr[i]) * 16777619u;
    return hash ^ hash >> 15;
}

static void
place(vmxd_id_entry *entries, size_t capacity, vmxd_id_entry entry)
{
    size_t at = entry.hash & (capacity - 1);
    while (entries[at].slot != VMXD_NO_SLOT)
        at = (at + 1) & (capacity - 1);
    entries[at] = entry;
}

/* At most two thirds full, so that searches end soon. */
bool
vmxd_id_map_reserve(vmxd_id_map *map, size_t count)
{
    size_t capacity = map->capacity ? map->capacity : MIN_CAPACITY;
    while (count + count / 2 >= capacity)
        capacity *= 2;
    if (capacity == map->capacity)
        return true;
    vmxd_id_entry *entries = vmx_alloc(capacity * sizeof *entries);
    if (!entries)
        return false;
    memset(entries, 0xff, capacity * sizeof *entries);
    for (size_t i = 0; i < map->capacity; i++)
        if (map->entries[i].slot != VMXD_NO_SLOT)
            place(entries, capacity, map->entries[i]);
    vmx_dealloc(map->entries);
    map->entries = entries;
    map->capacity = capacity;
    return true;
}

uint32_t
vmxd_id_map_find(const vmxd_id_map *map, vmxd_record *const *records, vmx_str id)
{
    if (map->capacity == 0)
        return VMXD_NO_SLOT;
    uint32_t hash = hash_of(id);
    for (size_t at = hash & (map->capacity - 1);; at = (at + 1) & (map->capacity - 1)) {
        const vmxd_id_entry *entry = &map->entries[at];
        if (entry->slot == VMXD_NO_SLOT)
            return VMXD_NO_SLOT;
        const vmxd_record *record = records[entry->slot];
        if (entry->hash == hash && record->id_len == id.len && memcmp(record->id, id.ptr, id.len) == 0)
            return entry->slot;
    }
}

void
vmxd_id_map_add(vmxd_id_map *map, vmx_str id, uint32_t slot)
{
    place(map->entries, map->capacity, (vmxd_id_entry){hash_of(id), slot});
    map->count++;
}

static size_t
position(const vmxd_id_map *map, vmx_str id, uint32_t slot)
{
    size_t at = hash_of(id) & (map->capacity - 1);
    while (map->entries[at].slot != slot)
        at = (at + 1) & (map->capacity - 1);
    return at;
}

void
vmxd_id_map_move(vmxd_id_map *map, vmx_str id, uint32_t from, uint32_t to)
{
    map->entries[position(map, id, from)].slot = to;
}

/* Moves entries behind the hole back into it where their search would pass it; so no tombstones are needed. */
void
vmxd_id_map_remove(vmxd_id_map *map, vmx_str id, uint32_t slot)
{
    size_t mask = map->capacity - 1;
    size_t hole = position(map, id, slot);
    for (size_t at = (hole + 1) & mask; map->entries[at].slot != VMXD_NO_SLOT; at = (at + 1) & mask) {
        size_t home = map->entries[at].hash & mask;
        if (((at - home) & mask) >= ((at - hole) & mask)) {
            map->entries[hole] = map->entries[at];
            hole = at;
        }
    }
    map->entries[hole].slot = VMXD_NO_SLOT;
    map->count--;
}

void
vmxd_id_map_free(vmxd_id_map *map)
{
    vmx_dealloc(map->entries);
    *map = (vmxd_id_map){0};
}
