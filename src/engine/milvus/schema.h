/*
 * engine/milvus/schema.h: what vecmux knows of collections, kept for the life of a client.
 *
 * Another client may drop a collection and make it anew, so what is kept may be out of date: an operation that does not
 * fit is tried again with a fresh schema (milvus.h), and a reply that says so makes the collection forgotten.
 */
#ifndef VMX_ENGINE_MILVUS_SCHEMA_H
#define VMX_ENGINE_MILVUS_SCHEMA_H

#include <milvus/milvus.pb-c.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/arena.h"

/* A column's name: Milvus takes at most 255 bytes. */
#define VMX_MILVUS_NAME_SIZE 256

/* A value without pointers. Names are "" where the collection has no such column. */
typedef struct vmx_milvus_schema {
    char id[VMX_MILVUS_NAME_SIZE];
    char vector[VMX_MILVUS_NAME_SIZE];   /* the first of float32 */
    char sparse[VMX_MILVUS_NAME_SIZE];   /* the first sparse one */
    char metadata[VMX_MILVUS_NAME_SIZE]; /* the first of JSON, else "$meta" where there are dynamic fields */
    char strange[VMX_MILVUS_NAME_SIZE];  /* a column that must be filled and that vecmux knows nothing to fill with */
    uint32_t dimension;
    bool integer_ids;
    bool dynamic;     /* metadata is in dynamic fields */
    bool lite;        /* the server is milvus-lite, whose expressions differ; */
    bool has_version; /* if that is known */
} vmx_milvus_schema;

/* Reads a description. */
void
vmx_milvus_schema_read(const Milvus__CollectionSchema *from, vmx_milvus_schema *schema);

/* What a client keeps; any thread. NULL when memory is out. */
typedef struct vmx_milvus_memory vmx_milvus_memory;

vmx_milvus_memory *
vmx_milvus_memory_new(size_t authorization_bytes);
void
vmx_milvus_memory_free(vmx_milvus_memory *memory);

/* Room for the authorization header, which lives as long. */
char *
vmx_milvus_authorization(vmx_milvus_memory *memory);

/* False when the collection's schema is not known. */
bool
vmx_milvus_recall(vmx_milvus_memory *memory, vmx_str collection, vmx_milvus_schema *schema);

/* When memory is out the schema is not kept, which costs no more than asking again. */
void
vmx_milvus_remember(vmx_milvus_memory *memory, vmx_str collection, const vmx_milvus_schema *schema);
void
vmx_milvus_forget(vmx_milvus_memory *memory, vmx_str collection);

/* Whether a partition is known to exist; forgotten with the collection. */
bool
vmx_milvus_recall_partition(vmx_milvus_memory *memory, vmx_str collection, vmx_str partition);
void
vmx_milvus_remember_partition(vmx_milvus_memory *memory, vmx_str collection, vmx_str partition);

/* Rows are written without their timestamps being noted (the bulk writer's): reads wait for all writes, until a flush that
 * began at `generation` has ended and nothing was written since. */
void
vmx_milvus_note_rows(vmx_milvus_memory *memory);
uint64_t
vmx_milvus_rows_generation(vmx_milvus_memory *memory);
void
vmx_milvus_rows_visible(vmx_milvus_memory *memory, uint64_t generation);
bool
vmx_milvus_reads_wait(vmx_milvus_memory *memory);

/* The latest write of this client that was confirmed, in the server's clock: reads wait for it. 0: none. */
uint64_t
vmx_milvus_last_write(vmx_milvus_memory *memory);
void
vmx_milvus_note_write(vmx_milvus_memory *memory, uint64_t timestamp);

#endif
