#include <string.h>

#include "core/alloc.h"
#include "core/error.h"
#include "core/lender.h"
#include "core/sized.h"
#include "core/sync.h"
#include "writer/arrow_batch.h"
#include "writer/writer.h"

void
vmx_arrow_options_init(vmx_arrow_options *options, size_t size)
{
    vmx_sized_init(options, size);
}

static void
read_options(vmx_arrow_options *options, const vmx_arrow_options *theirs)
{
    vmx_arrow_options_init(options, sizeof *options);
    if (theirs != NULL)
        vmx_sized_read(options, sizeof *options, theirs);
}

/* --- one batch ----------------------------------------------------------------------------------------------------- */

static vmx_status
record_at(const vmx_record_source *source, size_t i, vmx_vector *room, const vmx_vector **vector, vmx_error *error)
{
    *vector = room;
    return vmx_arrow_batch_at(source->data, source->first + i, room, error);
}

/* What the vectors are lent by. NULL `release`: they are copied. */
typedef struct loan {
    void (*release)(void *user);
    void *user;
} loan;

/* Values that were converted are copied all the same: then the loan ends with the put. */
static vmx_status
take_rows(vmx_writer *writer, vmx_arrow_batch *batch, size_t first, loan lent, int64_t timeout_ms, size_t *taken,
          vmx_error *error)
{
    vmx_block *lender = NULL;
    if (first > batch->row_count)
        return vmx_error_set(error, VMX_ERR_INVALID, "put: first_row %zu; the record batch has %zu rows", first,
                             batch->row_count);
    if (lent.release != NULL) {
        lender = vmx_lender_new(lent.release, lent.user);
        if (lender == NULL)
            return vmx_error_no_memory(error);
    }
    vmx_record_source source = {
        .at = record_at, .data = batch, .count = batch->row_count - first, .first = first, .at_once = 1};
    vmx_block *of_values = batch->in_place ? lender : NULL;
    vmx_status status = vmx_writer_take_all(writer, &source, of_values, timeout_ms, taken, error);
    if (lender != NULL && (status == VMX_OK || *taken > 0))
        vmx_block_release(lender);
    else if (lender != NULL)
        vmx_lender_discard(lender);
    return status;
}

vmx_status
vmx_writer_put_arrow(vmx_writer *writer, const struct ArrowArray *array, const struct ArrowSchema *schema,
                     const vmx_arrow_options *theirs, int64_t timeout_ms, size_t *taken, vmx_error *error)
{
    vmx_arrow_options options;
    vmx_arrow_batch batch;
    size_t count = 0;
    read_options(&options, theirs);
    vmx_status status = vmx_arrow_batch_open(&batch, array, schema, &options, error);
    if (status == VMX_OK) {
        loan lent = {options.release, options.release_user};
        status = take_rows(writer, &batch, options.first_row, lent, timeout_ms, &count, error);
    }
    vmx_arrow_batch_clear(&batch);
    if (taken != NULL)
        *taken = count;
    return status;
}

/* --- a stream ------------------------------------------------------------------------------------------------------ */

typedef struct streaming {
    vmx_writer *writer;
    struct ArrowArrayStream *stream;
    struct ArrowSchema schema;
    vmx_arrow_options options;
    uint64_t deadline_us;
    size_t taken;
} streaming;

static vmx_status
producer_failed(const streaming *s, int code, vmx_error *error)
{
    const char *why = s->stream->get_last_error != NULL ? s->stream->get_last_error(s->stream) : NULL;
    return vmx_error_set(error, VMX_ERR_IO, "put: the Arrow stream failed after %zu rows: %.300s", s->taken,
                         why != NULL ? why : strerror(code));
}

static void
release_array(void *user)
{
    struct ArrowArray *array = user;
    array->release(array);
    vmx_dealloc(array);
}

static int64_t
time_left_ms(const streaming *s)
{
    uint64_t now_us = vmx_writer_now(s->writer);
    if (s->deadline_us == VMX_NEVER)
        return VMX_FOREVER;
    return s->deadline_us > now_us ? (int64_t)((s->deadline_us - now_us) / 1000) : 0;
}

/* Takes the rows of one array, which is given back when nothing needs it any more. */
static vmx_status
take_array(streaming *s, struct ArrowArray *array, vmx_error *error)
{
    vmx_arrow_batch batch;
    size_t count = 0;
    loan lent = {s->options.lend ? release_array : NULL, array};
    vmx_status status = vmx_arrow_batch_open(&batch, array, &s->schema, &s->options, error);
    bool opened = status == VMX_OK;
    if (opened)
        status = take_rows(s->writer, &batch, 0, lent, time_left_ms(s), &count, error);
    vmx_arrow_batch_clear(&batch);
    s->taken += count;
    bool given_back = s->options.lend && opened && (status == VMX_OK || count > 0);
    if (!given_back)
        release_array(array);
    return status;
}

/* False at the end of the stream. */
static bool
take_next(streaming *s, vmx_status *status, vmx_error *error)
{
    struct ArrowArray *array = vmx_calloc(1, sizeof *array);
    if (array == NULL) {
        *status = vmx_error_no_memory(error);
        return false;
    }
    int code = s->stream->get_next(s->stream, array);
    if (code == 0 && array->release != NULL) {
        *status = take_array(s, array, error);
        return *status == VMX_OK;
    }
    if (code != 0)
        *status = producer_failed(s, code, error);
    vmx_dealloc(array);
    return false;
}

static vmx_status
take_stream(streaming *s, vmx_error *error)
{
    vmx_status status = VMX_OK;
    if (s->stream->get_schema == NULL || s->stream->get_next == NULL)
        return vmx_error_set(error, VMX_ERR_INVALID, "put: the Arrow stream has no functions");
    int code = s->stream->get_schema(s->stream, &s->schema);
    if (code != 0 || s->schema.release == NULL)
        return producer_failed(s, code, error);
    while (take_next(s, &status, error))
        ;
    s->schema.release(&s->schema);
    return status;
}

vmx_status
vmx_writer_put_arrow_stream(vmx_writer *writer, struct ArrowArrayStream *stream, const vmx_arrow_options *theirs,
                            int64_t timeout_ms, size_t *taken, vmx_error *error)
{
    if (taken != NULL)
        *taken = 0;
    if (stream->release == NULL)
        return vmx_error_set(error, VMX_ERR_INVALID, "put: the Arrow stream was released");
    streaming s = {.writer = writer, .stream = stream};
    read_options(&s.options, theirs);
    s.deadline_us = vmx_deadline_us(vmx_writer_now(writer), timeout_ms);
    vmx_status status = take_stream(&s, error);
    stream->release(stream);
    if (taken != NULL)
        *taken = s.taken;
    return status;
}
