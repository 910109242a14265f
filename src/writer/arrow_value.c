#include <string.h>

#include "core/error.h"
#include "writer/arrow_column.h"

/* --- bits and numbers: buffers need not be aligned ----------------------------------------------------------------- */

static bool
bit_at(const void *bits, int64_t i)
{
    return ((const uint8_t *)bits)[i / 8] >> (i % 8) & 1;
}

static const uint8_t *
place_of(const vmx_arrow_column *column, int64_t row)
{
    return (const uint8_t *)column->array->buffers[1] + (size_t)(row + column->array->offset) * column->width;
}

static int64_t
read_int(const uint8_t *at, size_t width)
{
    int8_t one;
    int16_t two;
    int32_t four;
    int64_t eight;
    switch (width) {
    case 1:
        memcpy(&one, at, sizeof one);
        return one;
    case 2:
        memcpy(&two, at, sizeof two);
        return two;
    case 4:
        memcpy(&four, at, sizeof four);
        return four;
    default:
        memcpy(&eight, at, sizeof eight);
        return eight;
    }
}

/* IEEE 754 binary16, exactly. */
static double
read_half(const uint8_t *at)
{
    uint16_t half;
    uint32_t bits;
    float value;
    memcpy(&half, at, sizeof half);
    uint32_t sign = (uint32_t)(half & 0x8000u) << 16, exponent = half >> 10 & 0x1fu, fraction = half & 0x3ffu;
    if (exponent == 0) { /* zero and subnormals: fraction * 2^-24 */
        double small = (double)fraction / 16777216.0;
        return sign != 0 ? -small : small;
    }
    bits = sign | (exponent == 31 ? 0xffu : exponent + 112) << 23 | fraction << 13;
    memcpy(&value, &bits, sizeof value);
    return (double)value;
}

bool
vmx_arrow_bool(const vmx_arrow_column *column, int64_t row)
{
    return bit_at(column->array->buffers[1], row + column->array->offset);
}

int64_t
vmx_arrow_int(const vmx_arrow_column *column, int64_t row)
{
    return read_int(place_of(column, row), column->width);
}

uint64_t
vmx_arrow_uint(const vmx_arrow_column *column, int64_t row)
{
    uint64_t value = (uint64_t)vmx_arrow_int(column, row);
    uint64_t mask = column->width < 8 ? ((uint64_t)1 << 8 * column->width) - 1 : UINT64_MAX;
    return value & mask;
}

double
vmx_arrow_float(const vmx_arrow_column *column, int64_t row)
{
    const uint8_t *at = place_of(column, row);
    float four;
    double eight;
    if (column->width == 2)
        return read_half(at);
    if (column->width == 4) {
        memcpy(&four, at, sizeof four);
        return (double)four;
    }
    memcpy(&eight, at, sizeof eight);
    return eight;
}

const float *
vmx_arrow_floats_in_place(const vmx_arrow_column *items, int64_t first)
{
    if (items->kind != VMX_ARROW_FLOAT || items->width != sizeof(float))
        return NULL;
    const uint8_t *at = place_of(items, first);
    return (uintptr_t)at % _Alignof(float) == 0 ? (const float *)(const void *)at : NULL;
}

/* --- dictionaries and nulls ---------------------------------------------------------------------------------------- */

/* The row of the entries that an index leads to; false when there is none. */
static bool
entry_of(const vmx_arrow_column *column, int64_t row, int64_t *entry)
{
    *entry = column->kind == VMX_ARROW_UINT ? (int64_t)vmx_arrow_uint(column, row) : vmx_arrow_int(column, row);
    return *entry >= 0 && *entry < column->entries->array->length;
}

bool
vmx_arrow_is_null(const vmx_arrow_column *column, int64_t row)
{
    const struct ArrowArray *array = column->array;
    int64_t entry;
    if (column->kind == VMX_ARROW_NULL)
        return true;
    if (array->null_count != 0 && array->buffers[0] != NULL && !bit_at(array->buffers[0], row + array->offset))
        return true;
    return column->entries != NULL && column->entries->kind != VMX_ARROW_OTHER && entry_of(column, row, &entry) &&
           vmx_arrow_is_null(column->entries, entry);
}

/* --- texts --------------------------------------------------------------------------------------------------------- */

/* Two neighbouring offsets; false when they are out of order. */
static bool
read_offsets(const vmx_arrow_column *column, int64_t row, int64_t *begin, int64_t *end)
{
    const uint8_t *at = place_of(column, row);
    *begin = read_int(at, column->width);
    *end = read_int(at + column->width, column->width);
    return *begin >= 0 && *end >= *begin;
}

static vmx_status
plain_text(const vmx_arrow_column *column, int64_t row, vmx_str *text, vmx_error *error)
{
    int64_t begin, end;
    if (!read_offsets(column, row, &begin, &end))
        return vmx_arrow_bad_row(column, row, "offsets out of order", error);
    const char *data = column->array->buffers[2];
    if (data == NULL && end > begin)
        return vmx_arrow_bad_row(column, row, "the data buffer is NULL", error);
    *text = (vmx_str){data != NULL ? data + begin : "", (size_t)(end - begin)};
    return VMX_OK;
}

/* A view is a length and up to 12 bytes, or a length, four bytes of prefix, a data buffer's number and an offset. */
static vmx_status
view_text(const vmx_arrow_column *column, int64_t row, vmx_str *text, vmx_error *error)
{
    const struct ArrowArray *array = column->array;
    const uint8_t *view = (const uint8_t *)array->buffers[1] + 16 * (size_t)(row + array->offset);
    int64_t len = read_int(view, 4), buffer = read_int(view + 8, 4), offset = read_int(view + 12, 4);
    int64_t buffers = array->n_buffers - 3;
    if (len >= 0 && len <= 12) {
        *text = (vmx_str){(const char *)view + 4, (size_t)len};
        return VMX_OK;
    }
    if (len < 0 || buffer < 0 || buffer >= buffers || array->buffers[2 + buffer] == NULL)
        return vmx_arrow_bad_row(column, row, "a view that leads nowhere", error);
    int64_t size = read_int((const uint8_t *)array->buffers[2 + buffers] + 8 * buffer, 8);
    if (offset < 0 || len > size - offset)
        return vmx_arrow_bad_row(column, row, "a view that leads out of its data buffer", error);
    *text = (vmx_str){(const char *)array->buffers[2 + buffer] + offset, (size_t)len};
    return VMX_OK;
}

vmx_status
vmx_arrow_text(const vmx_arrow_column *column, int64_t row, vmx_str *text, vmx_error *error)
{
    if (column->entries != NULL) {
        int64_t entry;
        if (!entry_of(column, row, &entry))
            return vmx_arrow_bad_row(column, row, "the index leads out of the dictionary", error);
        return vmx_arrow_text(column->entries, entry, text, error);
    }
    return column->kind == VMX_ARROW_TEXT_VIEW ? view_text(column, row, text, error)
                                               : plain_text(column, row, text, error);
}

/* --- lists --------------------------------------------------------------------------------------------------------- */

vmx_status
vmx_arrow_list(const vmx_arrow_column *column, int64_t row, int64_t *first, int64_t *count, vmx_error *error)
{
    if (column->kind == VMX_ARROW_FIXED_LIST) { /* the items' number was checked */
        *first = (row + column->array->offset) * column->list_size;
        *count = column->list_size;
        return VMX_OK;
    }
    int64_t end;
    if (!read_offsets(column, row, first, &end) ||
        (column->items->kind != VMX_ARROW_OTHER && end > column->items->array->length))
        return vmx_arrow_bad_row(column, row, "offsets out of order, or beyond the items", error);
    *count = end - *first;
    return VMX_OK;
}
