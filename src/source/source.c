#include "source/source.h"

#include "core/alloc.h"
#include "core/error.h"
#include "core/sized.h"

#define MAX_DIMENSION (1u << 20)

/* --- making -------------------------------------------------------------------------------------------------------- */

/* Takes the reference on `vectors` over, also on failure. */
static vmx_status
make(vmx_rows *vectors, vmx_source **out, vmx_error *error)
{
    vmx_source *source = vectors != NULL ? vmx_calloc(1, sizeof *source) : NULL;
    *out = source;
    if (source == NULL) {
        vmx_rows_release(vectors);
        return vmx_error_no_memory(error);
    }
    atomic_init(&source->refs, 1);
    atomic_init(&source->taken, false);
    source->vectors = vectors;
    source->dimension = (uint32_t)(vectors->row_bytes / sizeof(float));
    return VMX_OK;
}

static vmx_status
check_shape(uint64_t count, uint32_t dimension, vmx_error *error)
{
    if (dimension == 0 || dimension > MAX_DIMENSION)
        return vmx_error_set(error, VMX_ERR_INVALID, "source: dimension %u; give 1 to %u", dimension, MAX_DIMENSION);
    if (count > INT32_MAX)
        return vmx_error_set(error, VMX_ERR_INVALID, "source: %llu rows; document ids are int32, so at most %d",
                             (unsigned long long)count, INT32_MAX);
    return VMX_OK;
}

vmx_status
vmx_source_from_memory(const float *values, uint64_t count, uint32_t dimension, size_t stride,
                       void (*release)(void *user), void *user, vmx_source **source, vmx_error *error)
{
    *source = NULL;
    vmx_status status = check_shape(count, dimension, error);
    if (status != VMX_OK)
        return status;
    if (stride == 0)
        stride = dimension;
    if ((values == NULL && count > 0) || stride < dimension || stride > SIZE_MAX / sizeof(float) / (count + 1))
        return vmx_error_set(error, VMX_ERR_INVALID, "source: no values, or stride %zu for dimension %u", stride,
                             dimension);
    vmx_rows *rows = vmx_rows_of_memory(values, count, dimension * sizeof(float), stride * sizeof(float), NULL, NULL);
    if (rows == NULL || make(rows, source, error) != VMX_OK)
        return vmx_error_no_memory(error);
    vmx_rows_lend(rows, release, user);
    return VMX_OK;
}

void
vmx_file_options_init(vmx_file_options *options, size_t size)
{
    vmx_sized_init(options, size);
}

vmx_status
vmx_source_from_file(vmx_str path, const vmx_file_options *theirs, vmx_source **source, vmx_error *error)
{
    vmx_file_options options = {0};
    vmx_rows *rows;
    *source = NULL;
    if (theirs != NULL)
        vmx_sized_read(&options, sizeof options, theirs);
    if ((unsigned)options.format > VMX_FILE_FVECS)
        return vmx_error_set(error, VMX_ERR_INVALID, "source: format %d is none of vmx_file_format",
                             (int)options.format);
    vmx_status status = vmx_rows_of_file(path, options.format, 'f', options.dimension, options.map, &rows, error);
    if (status != VMX_OK)
        return status;
    status = check_shape(rows->count, (uint32_t)(rows->row_bytes / sizeof(float)), error);
    if (status != VMX_OK) {
        vmx_rows_release(rows);
        return status;
    }
    return make(rows, source, error);
}

vmx_status
vmx_source_from_iterator(vmx_source_next next, void *user, uint64_t count, uint32_t dimension, vmx_source **source,
                         vmx_error *error)
{
    *source = NULL;
    vmx_status status = check_shape(count, dimension, error);
    if (status == VMX_OK && next == NULL)
        status = vmx_error_set(error, VMX_ERR_INVALID, "source: the iterator has no function");
    return status == VMX_OK ? make(vmx_rows_of_iterator(next, user, count, dimension), source, error) : status;
}

vmx_status
vmx_source_from_reader(vmx_source_read_rows read, void *user, uint64_t count, uint32_t dimension, vmx_source **source,
                       vmx_error *error)
{
    *source = NULL;
    vmx_status status = check_shape(count, dimension, error);
    if (status == VMX_OK && read == NULL)
        status = vmx_error_set(error, VMX_ERR_INVALID, "source: the reader has no function");
    return status == VMX_OK ? make(vmx_rows_of_reader(read, user, count, dimension), source, error) : status;
}

vmx_status
vmx_source_from_selection(vmx_source *all, const uint64_t *live, uint64_t bit_count, vmx_source **source,
                          vmx_error *error)
{
    vmx_rows *vectors, *ids = NULL;
    *source = NULL;
    vmx_status status = vmx_rows_of_selection(all->vectors, live, bit_count, &vectors, error);
    if (status != VMX_OK)
        return status;
    vmx_rows *all_ids = vmx_source_ids(all);
    status =
        all_ids == NULL ? vmx_error_no_memory(error) : vmx_rows_of_selection(all_ids, live, bit_count, &ids, error);
    vmx_rows_release(all_ids);
    if (status != VMX_OK) {
        vmx_rows_release(vectors);
        return status;
    }
    status = make(vectors, source, error);
    if (status == VMX_OK)
        (*source)->ids = ids;
    else
        vmx_rows_release(ids);
    return status;
}

/* --- ids ----------------------------------------------------------------------------------------------------------- */

vmx_rows *
vmx_source_ids(vmx_source *source)
{
    return source->ids != NULL ? vmx_rows_acquire(source->ids) : vmx_rows_of_numbers(source->vectors->count);
}

/* Takes the reference on `ids` over, also on failure. */
static vmx_status
set_ids(vmx_source *source, vmx_rows *ids, vmx_error *error)
{
    if (ids->count != source->vectors->count || ids->row_bytes != sizeof(int32_t)) {
        vmx_status status =
            vmx_error_set(error, VMX_ERR_INVALID, "source: %llu ids for %llu vectors; give one for each",
                          (unsigned long long)(ids->count * (ids->row_bytes / sizeof(int32_t))),
                          (unsigned long long)source->vectors->count);
        vmx_rows_release(ids);
        return status;
    }
    vmx_rows_release(source->ids);
    source->ids = ids;
    return VMX_OK;
}

vmx_status
vmx_source_set_ids(vmx_source *source, const int32_t *ids, uint64_t count, vmx_error *error)
{
    if (count != source->vectors->count || (ids == NULL && count > 0))
        return vmx_error_set(error, VMX_ERR_INVALID, "source: %llu ids for %llu vectors; give one for each",
                             (unsigned long long)count, (unsigned long long)source->vectors->count);
    int32_t *copy = vmx_alloc(count * sizeof *copy);
    vmx_rows *rows = vmx_rows_of_memory(copy, count, sizeof *copy, sizeof *copy, vmx_dealloc, copy);
    if (copy == NULL || rows == NULL) {
        if (rows != NULL)
            vmx_rows_release(rows);
        else
            vmx_dealloc(copy);
        return vmx_error_no_memory(error);
    }
    for (uint64_t i = 0; i < count; i++)
        copy[i] = ids[i];
    return set_ids(source, rows, error);
}

vmx_status
vmx_source_set_ids_file(vmx_source *source, vmx_str path, vmx_error *error)
{
    vmx_rows *rows;
    vmx_status status = vmx_rows_of_file(path, VMX_FILE_AUTO, 'i', 0, false, &rows, error);
    return status == VMX_OK ? set_ids(source, rows, error) : status;
}

/* --- using --------------------------------------------------------------------------------------------------------- */

vmx_source *
vmx_source_acquire(vmx_source *source)
{
    atomic_fetch_add_explicit(&source->refs, 1, memory_order_relaxed);
    return source;
}

void
vmx_source_free(vmx_source *source)
{
    if (source == NULL || atomic_fetch_sub_explicit(&source->refs, 1, memory_order_acq_rel) != 1)
        return;
    vmx_rows_release(source->vectors);
    vmx_rows_release(source->ids);
    vmx_dealloc(source);
}

uint64_t
vmx_source_count(const vmx_source *source)
{
    return source->vectors->count;
}

uint32_t
vmx_source_dimension(const vmx_source *source)
{
    return source->dimension;
}

bool
vmx_source_is_seekable(const vmx_source *source)
{
    return !source->vectors->sequential;
}

uint64_t
vmx_source_rows_read(const vmx_source *source)
{
    return atomic_load_explicit(&source->vectors->reads, memory_order_relaxed);
}

vmx_status
vmx_source_read(vmx_source *source, uint64_t first, uint64_t count, float *values, int32_t *ids, vmx_error *error)
{
    vmx_rows *vectors = source->vectors;
    if (first > vectors->count || count > vectors->count - first)
        return vmx_error_set(error, VMX_ERR_INVALID, "source: rows %llu to %llu of %llu are asked for",
                             (unsigned long long)first, (unsigned long long)(first + count),
                             (unsigned long long)vectors->count);
    vmx_status status = vectors->vtable->read(vectors, first, count, (uint8_t *)values, error);
    if (status != VMX_OK || ids == NULL)
        return status;
    vmx_rows *rows = vmx_source_ids(source);
    if (rows == NULL)
        return vmx_error_no_memory(error);
    status = rows->vtable->read(rows, first, count, (uint8_t *)ids, error);
    vmx_rows_release(rows);
    return status;
}
