#include "engine/result.h"

#include <string.h>

/* Doubles in the arena; what was there before stays until the op is freed. */
static void *
grow(void *items, size_t count, size_t *capacity, size_t more, size_t item_bytes, vmx_arena *arena)
{
    if (more <= *capacity - count)
        return items;
    size_t wanted = count + more > 2 * *capacity ? count + more : 2 * *capacity;
    void *larger = vmx_arena_calloc(arena, wanted, item_bytes);
    if (larger == NULL)
        return NULL;
    if (count > 0)
        memcpy(larger, items, count * item_bytes);
    *capacity = wanted;
    return larger;
}

vmx_str *
vmx_id_list_grow(vmx_id_list *list, size_t more, vmx_arena *arena)
{
    vmx_str *items = grow(list->items, list->count, &list->capacity, more, sizeof *items, arena);
    if (items == NULL)
        return NULL;
    list->items = items;
    return items + list->count;
}

vmx_namespace *
vmx_namespace_list_grow(vmx_namespace_list *list, size_t more, vmx_arena *arena)
{
    vmx_namespace *items = grow(list->items, list->count, &list->capacity, more, sizeof *items, arena);
    if (items == NULL)
        return NULL;
    list->items = items;
    return items + list->count;
}
