/*
 * Ids. What is neither a number nor a UUID is represented by the UUID of its name (version 5) in vecmux's own name space,
 * which is the UUID of "vecmux" in the name space of domain names.
 */
#include <stdio.h>
#include <string.h>

#include "core/uuid.h"
#include "engine/qdrant/qdrant.h"

static const uint8_t name_space[16] = {0x90, 0x6c, 0x91, 0x8b, 0x4b, 0x95, 0x51, 0x28,
                                       0x93, 0xe1, 0xb2, 0x80, 0xec, 0xb7, 0xb1, 0xee};

/* The number that the id is, as it would be written: no sign, no leading zeros, at most 2^64 - 1. */
static bool
is_number(vmx_str id, uint64_t *number)
{
    *number = 0;
    if (id.len == 0 || id.len > 20 || (id.len > 1 && id.ptr[0] == '0'))
        return false;
    for (size_t i = 0; i < id.len; i++) {
        unsigned digit = (unsigned char)id.ptr[i] - (unsigned)'0';
        if (digit > 9 || __builtin_mul_overflow(*number, UINT64_C(10), number) ||
            __builtin_add_overflow(*number, (uint64_t)digit, number))
            return false;
    }
    return true;
}

bool
vmx_qdrant_id_is_mapped(vmx_str id)
{
    uint64_t number;
    return !is_number(id, &number) && !vmx_uuid_is_canonical(id);
}

bool
vmx_qdrant_id(vmx_arena *arena, vmx_str id, Qdrant__PointId *point_id)
{
    uint64_t number;
    char mapped[VMX_UUID_TEXT_SIZE];
    qdrant__point_id__init(point_id);
    if (is_number(id, &number)) {
        point_id->point_id_options_case = QDRANT__POINT_ID__POINT_ID_OPTIONS_NUM;
        point_id->num = number;
        return true;
    }
    if (!vmx_uuid_is_canonical(id)) {
        if (!vmx_uuid_of_name(name_space, id, mapped))
            return false;
        id = vmx_str_from(mapped);
    }
    point_id->point_id_options_case = QDRANT__POINT_ID__POINT_ID_OPTIONS_UUID;
    point_id->uuid = vmx_exchange_text(arena, id);
    return point_id->uuid != NULL;
}

Qdrant__PointId **
vmx_qdrant_ids(vmx_arena *arena, const vmx_strs *ids)
{
    Qdrant__PointId **pointers = vmx_arena_calloc(arena, ids->count + 1, sizeof *pointers);
    Qdrant__PointId *items = vmx_arena_calloc(arena, ids->count + 1, sizeof *items);
    if (pointers == NULL || items == NULL)
        return NULL;
    for (size_t i = 0; i < ids->count; i++) {
        pointers[i] = &items[i];
        if (!vmx_qdrant_id(arena, ids->ptr[i], &items[i]))
            return NULL;
    }
    return pointers;
}

vmx_str
vmx_qdrant_id_text(vmx_arena *arena, const Qdrant__PointId *point_id, Qdrant__PayloadEntry *const *payload,
                   size_t count)
{
    char number[24];
    for (size_t i = 0; i < count; i++)
        if (strcmp(payload[i]->key, VMX_QDRANT_ID_KEY) == 0 && payload[i]->value != NULL &&
            payload[i]->value->kind_case == QDRANT__VALUE__KIND_STRING_VALUE)
            return vmx_str_from(payload[i]->value->string_value);
    if (point_id == NULL)
        return VMX_STR("");
    if (point_id->point_id_options_case == QDRANT__POINT_ID__POINT_ID_OPTIONS_UUID)
        return vmx_str_from(point_id->uuid);
    int len = snprintf(number, sizeof number, "%llu", (unsigned long long)point_id->num);
    return vmx_arena_str(arena, (vmx_str){number, (size_t)len});
}
