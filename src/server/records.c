#include "server/records.h"

#include <math.h>
#include <string.h>

#include "core/alloc.h"

#define MIN_CAPACITY 64

static vmx_str
id_of(const vmxd_record *record)
{
    return (vmx_str){record->id, record->id_len};
}

/* Grows one of the arrays; `width` 0 means that the array is not in use. */
static bool
resize(void *array, size_t capacity, size_t width)
{
    void **at = array;
    if (width == 0)
        return true;
    void *grown = capacity <= SIZE_MAX / width ? vmx_realloc(*at, capacity * width) : NULL;
    if (grown)
        *at = grown;
    return grown != NULL;
}

static bool
reserve_nodes(vmxd_records *records, size_t capacity)
{
    for (int i = 0; i < VMXD_NODES_COUNT; i++)
        if (!vmxd_nodes_reserve(records->nodes[i], capacity))
            return false;
    return true;
}

bool
vmxd_records_reserve(vmxd_records *records, uint32_t dimension, size_t extra)
{
    size_t needed = records->count + extra;
    if (records->count == 0 && records->dimension != dimension)
        vmxd_records_clear(records);
    records->dimension = dimension;
    if (!vmxd_id_map_reserve(&records->ids, needed))
        return false;
    if (needed <= records->capacity)
        return true;
    size_t capacity = records->capacity * 2 > needed ? records->capacity * 2 : needed;
    if (capacity < MIN_CAPACITY)
        capacity = MIN_CAPACITY;
    size_t row = dimension * sizeof(float);
    if (!resize(&records->slots, capacity, sizeof *records->slots) || !resize(&records->values, capacity, row) ||
        !resize(&records->units, capacity, records->kind == VMXD_KEEP_UNIT ? row : 0) ||
        !resize(&records->norms, capacity, records->kind == VMXD_KEEP_NORM ? sizeof(float) : 0) ||
        !reserve_nodes(records, capacity))
        return false;
    records->capacity = capacity;
    return true;
}

static double
squared_length(const float *values, size_t len)
{
    double sum = 0;
    for (size_t i = 0; i < len; i++)
        sum += (double)values[i] * (double)values[i];
    return sum;
}

static void
set_values(vmxd_records *records, uint32_t slot, const float *values)
{
    size_t dimension = records->dimension;
    if (dimension == 0)
        return;
    memcpy(records->values + slot * dimension, values, dimension * sizeof(float));
    if (records->kind == VMXD_KEEP_VALUES)
        return;
    double squared = squared_length(values, dimension);
    if (records->norms)
        records->norms[slot] = (float)squared;
    if (records->units)
        for (size_t i = 0; i < dimension; i++)
            records->units[slot * dimension + i] = squared > 0 ? (float)((double)values[i] / sqrt(squared)) : 0;
}

void
vmxd_records_put(vmxd_records *records, vmxd_record *record, const float *values)
{
    uint32_t slot = vmxd_id_map_find(&records->ids, records->slots, id_of(record));
    if (slot != VMXD_NO_SLOT) {
        vmxd_records_replace(records, slot, record, values);
        return;
    }
    slot = (uint32_t)records->count++;
    records->slots[slot] = record;
    records->record_bytes += vmxd_record_size(record);
    set_values(records, slot, values);
    for (int i = 0; i < VMXD_NODES_COUNT; i++)
        vmxd_nodes_put(records->nodes[i], slot);
    vmxd_id_map_add(&records->ids, id_of(record), slot);
}

void
vmxd_records_replace(vmxd_records *records, uint32_t slot, vmxd_record *record, const float *values)
{
    records->record_bytes += vmxd_record_size(record) - vmxd_record_size(records->slots[slot]);
    vmxd_record_free(records->slots[slot]);
    records->slots[slot] = record;
    if (!values)
        return;
    set_values(records, slot, values);
    for (int i = 0; i < VMXD_NODES_COUNT; i++)
        vmxd_nodes_detach(records->nodes[i], slot);
}

uint32_t
vmxd_records_find(const vmxd_records *records, const char *id)
{
    return vmxd_id_map_find(&records->ids, records->slots, (vmx_str){id, strlen(id)});
}

static void
move_slot(vmxd_records *records, uint32_t from, uint32_t to)
{
    size_t dimension = records->dimension;
    vmxd_id_map_move(&records->ids, id_of(records->slots[from]), from, to);
    records->slots[to] = records->slots[from];
    if (dimension > 0)
        memcpy(records->values + to * dimension, records->values + from * dimension, dimension * sizeof(float));
    if (records->units)
        memcpy(records->units + to * dimension, records->units + from * dimension, dimension * sizeof(float));
    if (records->norms)
        records->norms[to] = records->norms[from];
    for (int i = 0; i < VMXD_NODES_COUNT; i++)
        vmxd_nodes_move(records->nodes[i], from, to);
}

void
vmxd_records_remove(vmxd_records *records, uint32_t slot)
{
    vmxd_record *record = records->slots[slot];
    uint32_t last = (uint32_t)(records->count - 1);
    vmxd_id_map_remove(&records->ids, id_of(record), slot);
    for (int i = 0; i < VMXD_NODES_COUNT; i++)
        vmxd_nodes_detach(records->nodes[i], slot);
    if (slot != last)
        move_slot(records, last, slot);
    records->count--;
    records->record_bytes -= vmxd_record_size(record);
    vmxd_record_free(record);
}

void
vmxd_records_clear(vmxd_records *records)
{
    for (size_t i = 0; i < records->count; i++)
        vmxd_record_free(records->slots[i]);
    vmx_dealloc(records->slots);
    vmx_dealloc(records->values);
    vmx_dealloc(records->units);
    vmx_dealloc(records->norms);
    vmxd_id_map_free(&records->ids);
    for (int i = 0; i < VMXD_NODES_COUNT; i++)
        vmxd_nodes_free(records->nodes[i]);
    *records = (vmxd_records){.kind = records->kind};
}

vmx_floats
vmxd_records_values(const vmxd_records *records, uint32_t slot)
{
    size_t dimension = records->dimension;
    return (vmx_floats){dimension ? records->values + slot * dimension : NULL, dimension};
}

size_t
vmxd_records_size(const vmxd_records *records)
{
    return records->record_bytes + records->count * records->dimension * sizeof(float);
}
