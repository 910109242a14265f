#include <string.h>

#include "core/alloc.h"
#include "core/error.h"
#include "source/rows.h"

/*
 * Rows that can be read once only, of which the last ones are kept: what lies in the window can be read again, so that a
 * part that broke off is sent again from memory. Blocks of `size` rows are kept one at a time.
 */

typedef struct window_rows {
    vmx_rows rows; /* first */
    vmx_rows *inner;
    uint64_t size;  /* rows of a block */
    uint64_t begin; /* of the block that is kept */
    uint64_t end;   /* read so far; never before `begin` */
    uint8_t data[];
} window_rows;

/* Reads on, up to `to` or the block's end. */
static vmx_status
read_on(window_rows *window, uint64_t to, vmx_error *error)
{
    if (window->end == window->begin + window->size)
        window->begin = window->end;
    uint64_t block_end = window->begin + window->size, until = to < block_end ? to : block_end;
    uint8_t *place = window->data + (window->end - window->begin) * window->rows.row_bytes;
    vmx_status status = window->inner->vtable->read(window->inner, window->end, until - window->end, place, error);
    if (status == VMX_OK)
        window->end = until;
    return status;
}

static vmx_status
window_read(vmx_rows *rows, uint64_t first, uint64_t count, uint8_t *out, vmx_error *error)
{
    window_rows *window = (window_rows *)rows;
    size_t row_bytes = rows->row_bytes;
    while (count > 0) {
        if (first < window->begin)
            return vmx_error_set(error, VMX_ERR_INVALID, "source: row %llu of an iterator has passed",
                                 (unsigned long long)first);
        vmx_status status = first >= window->end ? read_on(window, first + count, error) : VMX_OK;
        if (status != VMX_OK)
            return status;
        if (first >= window->end)
            continue; /* a row that is skipped */
        uint64_t some = window->end - first < count ? window->end - first : count;
        memcpy(out, window->data + (first - window->begin) * row_bytes, some * row_bytes);
        first += some;
        count -= some;
        out += some * row_bytes;
    }
    return VMX_OK;
}

static const uint8_t *
window_view(vmx_rows *rows, uint64_t first, uint64_t count)
{
    (void)rows, (void)first, (void)count;
    return NULL;
}

static void
window_destroy(vmx_rows *rows)
{
    window_rows *window = (window_rows *)rows;
    vmx_rows_release(window->inner);
    vmx_dealloc(window);
}

vmx_rows *
vmx_rows_of_window(vmx_rows *inner, uint64_t size)
{
    static const vmx_rows_vtable vtable = {.read = window_read, .view = window_view, .destroy = window_destroy};
    window_rows *window = vmx_calloc(1, sizeof *window + size * inner->row_bytes);
    if (window == NULL)
        return NULL;
    vmx_rows_init(&window->rows, &vtable, inner->count, inner->row_bytes);
    window->rows.sequential = true;
    window->inner = vmx_rows_acquire(inner);
    window->size = size;
    return &window->rows;
}
