/*
 * server/id_map.h: from a record's id to its slot: a hash table with open addressing. The ids stay in the records.
 */
#ifndef VMXD_ID_MAP_H
#define VMXD_ID_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/record.h"

typedef struct vmxd_id_entry {
    uint32_t hash;
    uint32_t slot; /* VMXD_NO_SLOT: free */
} vmxd_id_entry;

#define VMXD_NO_SLOT UINT32_MAX

/* Zero-initialised is a valid empty map. */
typedef struct vmxd_id_map {
    vmxd_id_entry *entries;
    size_t capacity; /* a power of two, or 0 */
    size_t count;
} vmxd_id_map;

/* Makes room for `count` ids in all; false when memory is out, and then nothing has changed. */
bool
vmxd_id_map_reserve(vmxd_id_map *map, size_t count);

/* The slot of `id` among `records`, or VMXD_NO_SLOT. */
uint32_t
vmxd_id_map_find(const vmxd_id_map *map, vmxd_record *const *records, vmx_str id);

/* Adds an id that is not there; room must have been reserved. */
void
vmxd_id_map_add(vmxd_id_map *map, vmx_str id, uint32_t slot);

/* Says that the record in `from` now stands in `to`; its id must be there. */
void
vmxd_id_map_move(vmxd_id_map *map, vmx_str id, uint32_t from, uint32_t to);

void
vmxd_id_map_remove(vmxd_id_map *map, vmx_str id, uint32_t slot);

void
vmxd_id_map_free(vmxd_id_map *map);

#endif
