/*
 * The layout of FAISS files. What is accepted in full must also be accepted without its vectors, and the other way round,
 * with the same places; and the storage block that is made must be the one that was there.
 */
#include <stdlib.h>
#include <string.h>

#include "build/faiss.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(holds)                                                                                                    \
    if (!(holds))                                                                                                      \
        abort();

typedef struct file {
    const uint8_t *bytes;
    size_t len;
} file;

static vmx_status
read_file(void *user, uint8_t *out, size_t len, uint64_t offset, vmx_error *error)
{
    const file *from = user;
    (void)error;
    MUST(offset <= from->len && len <= from->len - offset);
    memcpy(out, from->bytes + offset, len);
    return VMX_OK;
}

static vmx_status
parse(file from, vmx_faiss_layout *layout)
{
    vmx_error error = {.code = VMX_OK};
    vmx_status status = vmx_faiss_parse(read_file, &from, from.len, layout, &error);
    MUST((status == VMX_OK) == (error.code == VMX_OK));
    return status;
}

/* The same file with its storage replaced by `block`. */
static file
replace_storage(file from, const vmx_faiss_layout *layout, const uint8_t *block, size_t block_bytes, uint64_t zeros)
{
    size_t before = (size_t)layout->storage_offset, after = from.len - (size_t)layout->id_map_offset;
    size_t len = before + block_bytes + (size_t)zeros + after;
    uint8_t *bytes = calloc(1, len);
    MUST(bytes != NULL);
    memcpy(bytes, from.bytes, before);
    memcpy(bytes + before, block, block_bytes);
    memcpy(bytes + len - after, from.bytes + layout->id_map_offset, after);
    return (file){bytes, len};
}

static void
check_other_form(file from, const vmx_faiss_layout *layout)
{
    bool half = memcmp(from.bytes + VMX_FAISS_HEADER, "IHNs", 4) == 0, full = layout->vectors_offset != 0;
    uint8_t head[VMX_FAISS_HALF_HEAD];
    size_t head_bytes = vmx_faiss_storage_head(head, half, layout->dimension, layout->vectors, layout->metric);
    uint64_t vector_bytes = layout->vectors * layout->dimension * (half ? 2 : 4);
    vmx_faiss_layout other;
    if (full)
        MUST(memcmp(from.bytes + layout->storage_offset, head, head_bytes) == 0);
    if (vector_bytes > 1 << 20)
        return;
    file changed = full ? replace_storage(from, layout, (const uint8_t *)"null", 4, 0)
                        : replace_storage(from, layout, head, head_bytes, vector_bytes);
    MUST(parse(changed, &other) == VMX_OK);
    MUST(other.storage_offset == layout->storage_offset && other.vectors == layout->vectors);
    MUST((other.vectors_offset != 0) == !full);
    free((void *)(uintptr_t)changed.bytes);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vmx_faiss_layout layout;
    file whole = {data, size};
    if (parse(whole, &layout) == VMX_OK)
        check_other_form(whole, &layout);
    return 0;
}
