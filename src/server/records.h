/*
 * server/records.h: the records of a namespace. Slots 0 to count-1 are always full, so that the dense vectors are one
 * matrix: a removed record's place is taken by the last one. Not thread safe; the namespace has the lock.
 */
#ifndef VMXD_RECORDS_H
#define VMXD_RECORDS_H

#include "server/build/nodes.h"
#include "server/id_map.h"
#include "server/record.h"

/* What is kept beside the values to search them fast. */
typedef enum vmxd_kind {
    VMXD_KEEP_VALUES, /* nothing */
    VMXD_KEEP_UNIT,   /* a copy of each vector with length 1, for cosine */
    VMXD_KEEP_NORM    /* the squared length of each vector, for euclidean */
} vmxd_kind;

/* Graphs over the records: one may be in use while the next is built. */
enum { VMXD_NODES_IN_USE, VMXD_NODES_BUILDING, VMXD_NODES_COUNT };

typedef struct vmxd_records {
    vmxd_kind kind;
    uint32_t dimension; /* of the dense part; 0 in a sparse index and before the first record */
    size_t count;
    size_t capacity;
    vmxd_record **slots;
    float *values; /* count x dimension */
    float *units;  /* count x dimension, or NULL */
    float *norms;  /* count, or NULL */
    vmxd_id_map ids;
    vmxd_nodes *nodes[VMXD_NODES_COUNT]; /* owned; NULL: none */
    size_t record_bytes;                 /* sum of vmxd_record_size */
} vmxd_records;

/* Makes room for `extra` more records of `dimension`; false when memory is out. */
bool
vmxd_records_reserve(vmxd_records *records, uint32_t dimension, size_t extra);

/* Stores or replaces by id; room must have been reserved. Takes `record` over; copies `values`. */
void
vmxd_records_put(vmxd_records *records, vmxd_record *record, const float *values);

/* Replaces what stands in `slot`; the id must be the same. `values` NULL leaves the dense part. */
void
vmxd_records_replace(vmxd_records *records, uint32_t slot, vmxd_record *record, const float *values);

/* The slot, or VMXD_NO_SLOT. */
uint32_t
vmxd_records_find(const vmxd_records *records, const char *id);

/* The last record moves into `slot`. */
void
vmxd_records_remove(vmxd_records *records, uint32_t slot);

void
vmxd_records_clear(vmxd_records *records);

/* The dense values of a slot. */
vmx_floats
vmxd_records_values(const vmxd_records *records, uint32_t slot);

/* Bytes of ids, vectors and metadata. */
size_t
vmxd_records_size(const vmxd_records *records);

#endif
