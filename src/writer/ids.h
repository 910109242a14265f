/*
 * writer/ids.h: which unsettled batch holds the latest write of an id. Keys are 64-bit hashes: two ids that share one only
 * wait for each other. Not thread safe: the writer's lock guards it.
 */
#ifndef VMX_WRITER_IDS_H
#define VMX_WRITER_IDS_H

#include <stdbool.h>
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

/* NULL if no unsettled batch holds it. */
struct vmx_batch *
vmx_ids_find(const vmx_ids *ids, uint64_t hash);

/* From now on `batch` holds it. False when memory is out. */
bool
vmx_ids_put(vmx_ids *ids, uint64_t hash, struct vmx_batch *batch);

/* Forgets it, if `batch` still holds it. */
void
vmx_ids_drop(vmx_ids *ids, uint64_t hash, const struct vmx_batch *batch);

#endif
