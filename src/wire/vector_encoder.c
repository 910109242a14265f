#include "wire/vector_encoder.h"

#include "core/alloc.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "floats in memory are taken for floats on the wire");

/* --- sizes --------------------------------------------------------------------------------------------------------- */

size_t
vmx_vectors_fit(const vmx_vector_item *items, size_t count, vmx_str name_space, size_t max_bytes, size_t *size_bytes)
{
    size_t total = vmx_namespace_size(name_space);
    for (size_t i = 0; i < count; i++) {
        size_t next = total + vmx_field_size(items[i].size);
        bool fits = max_bytes == 0 || next <= max_bytes;
        if (fits || i == 0)
            *size_bytes = next;
        if (!fits)
            return i;
        total = next;
    }
    return count;
}

/* A record has at most 20,000 values, an id at most 512 bytes: the head takes 7 bytes, the middle 4. */
void
vmx_vector_frame_init(vmx_vector_frame *frame, size_t id_len, size_t values_len)
{
    size_t values_bytes = values_len * sizeof(float);
    uint8_t *at =
        vmx_field_begin(frame->head, VMX_UPSERT_VECTORS, vmx_field_size(id_len) + vmx_field_size(values_bytes));
    frame->head_len = (size_t)(vmx_field_begin(at, VMX_VECTOR_ID, id_len) - frame->head);
    frame->middle_len = (size_t)(vmx_field_begin(frame->middle, VMX_VECTOR_VALUES, values_bytes) - frame->middle);
    frame->id_len = id_len;
    frame->values_len = values_len;
}

/* --- writing ------------------------------------------------------------------------------------------------------- */

/* Writes into one block; where lent values come between, the run before them becomes a slice of its own. */
typedef struct writer {
    vmx_block *block;
    vmx_block *lender;
    uint8_t *run; /* first byte of the block that is in no slice yet */
    uint8_t *at;
    vmx_message *message;
} writer;

static bool
is_referenced(const vmx_vector_item *item, const vmx_block *lender)
{
    return vmx_values_are_referenced(vmx_vector_values_bytes(item), lender);
}

static void
end_run(writer *w)
{
    vmx_message_add(w->message, w->run, (size_t)(w->at - w->run), w->block);
    w->run = w->at;
}

size_t
vmx_namespace_size(vmx_str name_space)
{
    return vmx_field_size_unless_empty(name_space.len);
}

uint8_t *
vmx_namespace_write(vmx_str name_space, uint8_t *at)
{
    return name_space.len > 0 ? vmx_field_write(at, VMX_UPSERT_NAMESPACE, name_space.ptr, name_space.len) : at;
}

static void
write_values(writer *w, const vmx_vector_item *item)
{
    size_t bytes = vmx_vector_values_bytes(item);
    if (is_referenced(item, w->lender)) {
        end_run(w);
        vmx_message_add(w->message, (const uint8_t *)item->values.ptr, bytes, w->lender);
    } else if (bytes > 0) {
        memcpy(w->at, item->values.ptr, bytes);
        w->at += bytes;
    }
}

static void
write_item(writer *w, const vmx_vector_item *item)
{
    w->at = vmx_vector_write_before(item, w->at);
    write_values(w, item);
    w->at = vmx_vector_write_after(item, w->at);
}

/* The message's slices: up to two for each referenced vector, and the last run. */
static bool
init_message(vmx_message *message, size_t referenced)
{
    *message = (vmx_message){0};
    message->slices = message->few;
    if (referenced == 0)
        return true;
    message->slices = vmx_alloc((2 * referenced + 1) * sizeof *message->slices);
    return message->slices != NULL;
}

bool
vmx_vectors_encode(const vmx_vector_item *items, size_t count, vmx_str name_space, size_t size_bytes, vmx_block *lender,
                   vmx_message *message)
{
    size_t referenced = 0, written_bytes = size_bytes;
    for (size_t i = 0; i < count; i++)
        if (is_referenced(&items[i], lender)) {
            referenced++;
            written_bytes -= vmx_vector_values_bytes(&items[i]);
        }
    writer w = {.lender = lender, .message = message};
    w.block = vmx_block_new(written_bytes, &w.at);
    if (w.block == NULL || !init_message(message, referenced)) {
        vmx_block_release(w.block);
        *message = (vmx_message){0};
        return false;
    }
    w.run = w.at;
    for (size_t i = 0; i < count; i++)
        write_item(&w, &items[i]);
    w.at = vmx_namespace_write(name_space, w.at);
    end_run(&w);
    vmx_block_release(w.block);
    return true;
}
