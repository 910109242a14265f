#include <grpc/slice.h>
#include <string.h>

#include "core/alloc.h"
#include "transport/grpc/internal.h"

static bool
is_text(const grpc_slice *slice, vmx_str text)
{
    size_t len = GRPC_SLICE_LENGTH(*slice);
    return len == text.len && (len == 0 || memcmp(GRPC_SLICE_START_PTR(*slice), text.ptr, len) == 0);
}

static bool
are_same(const vmx_grpc_headers *headers, const vmx_stream_options *options)
{
    if (headers == NULL || headers->count != options->header_count)
        return false;
    for (size_t i = 0; i < headers->count; i++) {
        const grpc_metadata *item = &headers->items[i];
        if (!is_text(&item->key, options->headers[i].key) || !is_text(&item->value, options->headers[i].value))
            return false;
    }
    return true;
}

static vmx_grpc_headers *
headers_new(const vmx_stream_options *options)
{
    vmx_grpc_headers *headers = vmx_alloc(sizeof *headers + options->header_count * sizeof headers->items[0]);
    if (headers == NULL)
        return NULL;
    atomic_init(&headers->refs, 1);
    headers->count = options->header_count;
    for (size_t i = 0; i < headers->count; i++) {
        const vmx_header *header = &options->headers[i];
        headers->items[i] =
            (grpc_metadata){.key = grpc_slice_from_copied_buffer(header->key.ptr, header->key.len),
                            .value = grpc_slice_from_copied_buffer(header->value.ptr, header->value.len)};
    }
    return headers;
}

vmx_grpc_headers *
vmx_grpc_headers_take(vmx_grpc_headers **latest, const vmx_stream_options *options)
{
    if (!are_same(*latest, options)) {
        vmx_grpc_headers *headers = headers_new(options);
        if (headers == NULL)
            return NULL;
        vmx_grpc_headers_unref(*latest);
        *latest = headers;
    }
    atomic_fetch_add_explicit(&(*latest)->refs, 1, memory_order_relaxed);
    return *latest;
}

void
vmx_grpc_headers_unref(vmx_grpc_headers *headers)
{
    if (headers == NULL || atomic_fetch_sub_explicit(&headers->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < headers->count; i++) {
        grpc_slice_unref(headers->items[i].key);
        grpc_slice_unref(headers->items[i].value);
    }
    vmx_dealloc(headers);
}
