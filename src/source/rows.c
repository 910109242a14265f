#include "source/rows.h"

#include <string.h>

#include "core/alloc.h"
#include "core/error.h"
#include "core/sync.h"

vmx_rows *
vmx_rows_acquire(vmx_rows *rows)
{
    atomic_fetch_add_explicit(&rows->refs, 1, memory_order_relaxed);
    return rows;
}

void
vmx_rows_release(vmx_rows *rows)
{
    if (rows != NULL && atomic_fetch_sub_explicit(&rows->refs, 1, memory_order_acq_rel) == 1)
        rows->vtable->destroy(rows);
}

void
vmx_rows_init(vmx_rows *rows, const vmx_rows_vtable *vtable, uint64_t count, size_t row_bytes)
{
    rows->vtable = vtable;
    atomic_init(&rows->refs, 1);
    atomic_init(&rows->reads, 0);
    rows->count = count;
    rows->row_bytes = row_bytes;
}

/* --- memory -------------------------------------------------------------------------------------------------------- */

typedef struct memory_rows {
    vmx_rows rows; /* first */
    const uint8_t *data;
    size_t stride_bytes;
    void (*release)(void *user);
    void *user;
} memory_rows;

static vmx_status
memory_read(vmx_rows *rows, uint64_t first, uint64_t count, uint8_t *out, vmx_error *error)
{
    (void)error;
    const memory_rows *memory = (const memory_rows *)rows;
    const uint8_t *from = memory->data + first * memory->stride_bytes;
    if (memory->stride_bytes == rows->row_bytes) {
        memcpy(out, from, count * rows->row_bytes);
    } else {
        for (uint64_t i = 0; i < count; i++)
            memcpy(out + i * rows->row_bytes, from + i * memory->stride_bytes, rows->row_bytes);
    }
    atomic_fetch_add_explicit(&rows->reads, count, memory_order_relaxed);
    return VMX_OK;
}

static const uint8_t *
memory_view(vmx_rows *rows, uint64_t first, uint64_t count)
{
    const memory_rows *memory = (const memory_rows *)rows;
    bool whole = memory->stride_bytes == rows->row_bytes || count == 1;
    return whole ? memory->data + first * memory->stride_bytes : NULL;
}

static void
memory_destroy(vmx_rows *rows)
{
    memory_rows *memory = (memory_rows *)rows;
    if (memory->release != NULL) {
        vmx_callback_enter();
        memory->release(memory->user);
        vmx_callback_leave();
    }
    vmx_dealloc(memory);
}

vmx_rows *
vmx_rows_of_memory(const void *data, uint64_t count, size_t row_bytes, size_t stride_bytes, void (*release)(void *),
                   void *user)
{
    static const vmx_rows_vtable vtable = {.read = memory_read, .view = memory_view, .destroy = memory_destroy};
    memory_rows *memory = vmx_calloc(1, sizeof *memory);
    if (memory == NULL)
        return NULL;
    vmx_rows_init(&memory->rows, &vtable, count, row_bytes);
    memory->data = data;
    memory->stride_bytes = stride_bytes;
    memory->release = release;
    memory->user = user;
    return &memory->rows;
}

void
vmx_rows_lend(vmx_rows *rows, void (*release)(void *user), void *user)
{
    memory_rows *memory = (memory_rows *)rows;
    memory->release = release;
    memory->user = user;
}

/* --- numbers ------------------------------------------------------------------------------------------------------- */

static const uint8_t *
no_view(vmx_rows *rows, uint64_t first, uint64_t count)
{
    (void)rows, (void)first, (void)count;
    return NULL;
}

static vmx_status
numbers_read(vmx_rows *rows, uint64_t first, uint64_t count, uint8_t *out, vmx_error *error)
{
    (void)rows, (void)error;
    for (uint64_t i = 0; i < count; i++) {
        int32_t number = (int32_t)(first + i);
        memcpy(out + i * sizeof number, &number, sizeof number);
    }
    return VMX_OK;
}

static void
plain_destroy(vmx_rows *rows)
{
    vmx_dealloc(rows);
}

vmx_rows *
vmx_rows_of_numbers(uint64_t count)
{
    static const vmx_rows_vtable vtable = {.read = numbers_read, .view = no_view, .destroy = plain_destroy};
    vmx_rows *rows = vmx_calloc(1, sizeof *rows);
    if (rows != NULL)
        vmx_rows_init(rows, &vtable, count, sizeof(int32_t));
    return rows;
}

/* --- an iterator --------------------------------------------------------------------------------------------------- */

typedef struct iterator_rows {
    vmx_rows rows; /* first */
    vmx_source_next next;
    void *user;
    uint64_t at;
} iterator_rows;

static vmx_status
iterator_read(vmx_rows *rows, uint64_t first, uint64_t count, uint8_t *out, vmx_error *error)
{
    iterator_rows *iterator = (iterator_rows *)rows;
    if (first != iterator->at)
        return vmx_error_set(error, VMX_ERR_INVALID,
                             "source: row %llu is asked for and the iterator stands at %llu; it can be read once only",
                             (unsigned long long)first, (unsigned long long)iterator->at);
    while (count > 0) {
        int64_t made = iterator->next(iterator->user, (float *)(void *)out, count);
        if (made <= 0 || (uint64_t)made > count)
            return vmx_error_set(error, VMX_ERR_IO,
                                 made == 0 ? "source: the iterator ended after %llu of %llu rows; count them right"
                                           : "source: the iterator failed after %llu of %llu rows",
                                 (unsigned long long)iterator->at, (unsigned long long)rows->count);
        iterator->at += (uint64_t)made;
        out += (uint64_t)made * rows->row_bytes;
        count -= (uint64_t)made;
        atomic_fetch_add_explicit(&rows->reads, (uint64_t)made, memory_order_relaxed);
    }
    return VMX_OK;
}

vmx_rows *
vmx_rows_of_iterator(vmx_source_next next, void *user, uint64_t count, uint32_t dimension)
{
    static const vmx_rows_vtable vtable = {.read = iterator_read, .view = no_view, .destroy = plain_destroy};
    iterator_rows *iterator = vmx_calloc(1, sizeof *iterator);
    if (iterator == NULL)
        return NULL;
    vmx_rows_init(&iterator->rows, &vtable, count, dimension * sizeof(float));
    iterator->rows.sequential = true;
    iterator->next = next;
    iterator->user = user;
    return &iterator->rows;
}

/* --- a reader ------------------------------------------------------------------------------------------------------ */

typedef struct reader_rows {
    vmx_rows rows; /* first */
    vmx_source_read_rows read;
    void *user;
} reader_rows;

static vmx_status
reader_read(vmx_rows *rows, uint64_t first, uint64_t count, uint8_t *out, vmx_error *error)
{
    const reader_rows *reader = (const reader_rows *)rows;
    if (!reader->read(reader->user, first, count, (float *)(void *)out))
        return vmx_error_set(error, VMX_ERR_IO, "source: the reader failed at rows %llu to %llu of %llu",
                             (unsigned long long)first, (unsigned long long)(first + count - 1),
                             (unsigned long long)rows->count);
    atomic_fetch_add_explicit(&rows->reads, count, memory_order_relaxed);
    return VMX_OK;
}

vmx_rows *
vmx_rows_of_reader(vmx_source_read_rows read, void *user, uint64_t count, uint32_t dimension)
{
    static const vmx_rows_vtable vtable = {.read = reader_read, .view = no_view, .destroy = plain_destroy};
    reader_rows *reader = vmx_calloc(1, sizeof *reader);
    if (reader == NULL)
        return NULL;
    vmx_rows_init(&reader->rows, &vtable, count, dimension * sizeof(float));
    reader->read = read;
    reader->user = user;
    return &reader->rows;
}
