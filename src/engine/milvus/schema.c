#include "engine/milvus/schema.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "core/alloc.h"
#include "core/number.h"
#include "engine/milvus/milvus.h"

/* --- reading ------------------------------------------------------------------------------------------------------- */

static void
note_name(char name[VMX_MILVUS_NAME_SIZE], const Milvus__FieldSchema *field)
{
    if (name[0] == '\0')
        snprintf(name, VMX_MILVUS_NAME_SIZE, "%s", field->name);
}

static uint32_t
dimension_of(const Milvus__FieldSchema *field)
{
    int64_t dimension;
    for (size_t i = 0; i < field->n_type_params; i++)
        if (strcmp(field->type_params[i]->key, "dim") == 0 &&
            vmx_integer_parse(vmx_str_from(field->type_params[i]->value), false, &dimension) && dimension > 0 &&
            dimension <= UINT32_MAX)
            return (uint32_t)dimension;
    return 0;
}

static void
read_field(const Milvus__FieldSchema *field, vmx_milvus_schema *schema)
{
    if (field->is_primary_key) {
        note_name(schema->id, field);
        schema->integer_ids = field->data_type == VMX_MILVUS_INT64;
        if (field->autoid)
            note_name(schema->strange, field);
    } else if (field->is_dynamic) {
        schema->dynamic = true; /* newer servers describe it */
    } else if (field->data_type == VMX_MILVUS_FLOAT_VECTOR && schema->vector[0] == '\0') {
        note_name(schema->vector, field);
        schema->dimension = dimension_of(field);
    } else if (field->data_type == VMX_MILVUS_SPARSE_VECTOR && schema->sparse[0] == '\0') {
        note_name(schema->sparse, field);
    } else if (field->data_type == VMX_MILVUS_JSON && schema->metadata[0] == '\0') {
        note_name(schema->metadata, field);
    } else if (!field->nullable && !field->is_function_output) {
        note_name(schema->strange, field);
    }
}

void
vmx_milvus_schema_read(const Milvus__CollectionSchema *from, vmx_milvus_schema *schema)
{
    *schema = (vmx_milvus_schema){.dynamic = false};
    for (size_t i = 0; from != NULL && i < from->n_fields; i++)
        read_field(from->fields[i], schema);
    schema->dynamic = schema->metadata[0] == '\0' && from != NULL && (schema->dynamic || from->enable_dynamic_field);
    if (schema->dynamic)
        strcpy(schema->metadata, "$meta");
}

/* --- keeping ------------------------------------------------------------------------------------------------------- */

typedef struct partition {
    struct partition *next;
    char name[];
} partition;

typedef struct entry {
    struct entry *next;
    vmx_milvus_schema schema;
    partition *partitions;
    char name[];
} entry;

struct vmx_milvus_memory {
    pthread_mutex_t lock;
    entry *entries; /* guarded by lock */
    _Atomic uint64_t last_write;
    _Atomic uint64_t rows_written, rows_visible; /* generations */
    char authorization[];
};

vmx_milvus_memory *
vmx_milvus_memory_new(size_t authorization_bytes)
{
    vmx_milvus_memory *memory = vmx_calloc(1, sizeof *memory + authorization_bytes);
    if (memory != NULL)
        pthread_mutex_init(&memory->lock, NULL);
    return memory;
}

char *
vmx_milvus_authorization(vmx_milvus_memory *memory)
{
    return memory->authorization;
}

static void
free_entry(entry *e)
{
    while (e->partitions != NULL) {
        partition *next = e->partitions->next;
        vmx_dealloc(e->partitions);
        e->partitions = next;
    }
    vmx_dealloc(e);
}

void
vmx_milvus_memory_free(vmx_milvus_memory *memory)
{
    if (memory == NULL)
        return;
    while (memory->entries != NULL) {
        entry *next = memory->entries->next;
        free_entry(memory->entries);
        memory->entries = next;
    }
    pthread_mutex_destroy(&memory->lock);
    vmx_dealloc(memory);
}

static bool
is_named(const char *name, vmx_str wanted)
{
    return strlen(name) == wanted.len && memcmp(name, wanted.ptr, wanted.len) == 0;
}

/* Where the entry hangs; its pointer is NULL when there is none. */
static entry **
find_locked(vmx_milvus_memory *memory, vmx_str collection)
{
    entry **at = &memory->entries;
    while (*at != NULL && !is_named((*at)->name, collection))
        at = &(*at)->next;
    return at;
}

bool
vmx_milvus_recall(vmx_milvus_memory *memory, vmx_str collection, vmx_milvus_schema *schema)
{
    pthread_mutex_lock(&memory->lock);
    const entry *found = *find_locked(memory, collection);
    if (found != NULL)
        *schema = found->schema;
    pthread_mutex_unlock(&memory->lock);
    return found != NULL;
}

void
vmx_milvus_remember(vmx_milvus_memory *memory, vmx_str collection, const vmx_milvus_schema *schema)
{
    pthread_mutex_lock(&memory->lock);
    entry **at = find_locked(memory, collection);
    if (*at == NULL && (*at = vmx_calloc(1, sizeof **at + collection.len + 1)) != NULL)
        memcpy((*at)->name, collection.ptr, collection.len);
    if (*at != NULL)
        (*at)->schema = *schema;
    pthread_mutex_unlock(&memory->lock);
}

void
vmx_milvus_forget(vmx_milvus_memory *memory, vmx_str collection)
{
    pthread_mutex_lock(&memory->lock);
    entry **at = find_locked(memory, collection);
    entry *found = *at;
    if (found != NULL)
        *at = found->next;
    pthread_mutex_unlock(&memory->lock);
    if (found != NULL)
        free_entry(found);
}

static bool
knows_locked(vmx_milvus_memory *memory, vmx_str collection, vmx_str name)
{
    const entry *found = *find_locked(memory, collection);
    const partition *at = found != NULL ? found->partitions : NULL;
    while (at != NULL && !is_named(at->name, name))
        at = at->next;
    return at != NULL;
}

bool
vmx_milvus_recall_partition(vmx_milvus_memory *memory, vmx_str collection, vmx_str name)
{
    pthread_mutex_lock(&memory->lock);
    bool known = knows_locked(memory, collection, name);
    pthread_mutex_unlock(&memory->lock);
    return known;
}

void
vmx_milvus_remember_partition(vmx_milvus_memory *memory, vmx_str collection, vmx_str name)
{
    pthread_mutex_lock(&memory->lock);
    entry *found = *find_locked(memory, collection);
    bool is_new = found != NULL && !knows_locked(memory, collection, name);
    partition *added = is_new ? vmx_calloc(1, sizeof *added + name.len + 1) : NULL;
    if (added != NULL) {
        memcpy(added->name, name.ptr, name.len);
        added->next = found->partitions;
        found->partitions = added;
    }
    pthread_mutex_unlock(&memory->lock);
}

uint64_t
vmx_milvus_last_write(vmx_milvus_memory *memory)
{
    return atomic_load(&memory->last_write);
}

void
vmx_milvus_note_write(vmx_milvus_memory *memory, uint64_t timestamp)
{
    uint64_t known = atomic_load(&memory->last_write);
    while (timestamp > known && !atomic_compare_exchange_weak(&memory->last_write, &known, timestamp))
        ;
}

void
vmx_milvus_note_rows(vmx_milvus_memory *memory)
{
    atomic_fetch_add(&memory->rows_written, 1);
}

uint64_t
vmx_milvus_rows_generation(vmx_milvus_memory *memory)
{
    return atomic_load(&memory->rows_written);
}

void
vmx_milvus_rows_visible(vmx_milvus_memory *memory, uint64_t generation)
{
    atomic_store(&memory->rows_visible, generation);
}

bool
vmx_milvus_reads_wait(vmx_milvus_memory *memory)
{
    return atomic_load(&memory->rows_visible) != atomic_load(&memory->rows_written);
}
