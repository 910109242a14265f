#include "writer/run.h"

#include <string.h>

#include "core/error.h"
#include "core/number.h"
#include "engine/check.h"
#include "writer/writer.h"

/* How errors name a vector; its number follows. */
#define WHAT "put: vector "

/* A run ends early when its metadata is longer than this: converted, it is not in the memory budget. */
#define RUN_METADATA_BYTES 65536

static vmx_status
refuse_size(const vmx_writer *writer, const vmx_measured *record, size_t i, vmx_error *error)
{
    return vmx_error_set(error, VMX_ERR_TOO_LARGE,
                         "put: vector %zu takes %zu bytes; a batch takes at most %zu (upsert.max.bytes)", i,
                         record->bytes + writer->overhead_bytes, writer->options.batch_bytes);
}

/* The name is only made for a vector that fails. */
static vmx_status
measure(const vmx_writer *writer, const vmx_vector *vector, size_t i, vmx_arena *scratch, vmx_row *row,
        vmx_error *error)
{
    if (writer->codec->measure(&writer->target, vector, "", scratch, row, NULL) == VMX_OK)
        return VMX_OK;
    char what[sizeof WHAT + VMX_DECIMAL_DIGITS] = WHAT;
    what[sizeof WHAT - 1 + vmx_decimal_write(i, what + sizeof WHAT - 1)] = '\0';
    return writer->codec->measure(&writer->target, vector, what, scratch, row, error);
}

static vmx_status
check_and_measure(vmx_run *run, const vmx_writer *writer, const vmx_vector *vector, size_t i, vmx_measured *record,
                  vmx_error *error)
{
    vmx_status status = vmx_check_vector("put", vector, i, &writer->parts.engine->limits, error);
    record->frame = NULL;
    record->unseen = false;
    return status == VMX_OK ? measure(writer, vector, i, &run->scratch, &record->row, error) : status;
}

static inline const vmx_vector_frame *
frame_for(vmx_run *run, const vmx_vector *vector)
{
    size_t count = run->frame_count, id_len = vector->id.len, values_len = vector->values.len;
    if (count > 0 && vmx_vector_frame_fits(&run->frames[count - 1], id_len, values_len))
        return &run->frames[count - 1];
    vmx_vector_frame_init(&run->frames[count], id_len, values_len);
    run->frame_count++;
    return &run->frames[count];
}

/* Of a record of nothing but an id and values. Those that are copied are looked at on the way. */
static inline bool
measure_plain(vmx_run *run, const vmx_vector *vector, const vmx_block *lender, vmx_measured *record)
{
    record->frame = frame_for(run, vector);
    record->row.item.id = vector->id;
    record->row.item.values = vector->values;
    record->row.before_bytes = vmx_vector_frame_bytes(record->frame);
    record->row.after_bytes = 0;
    record->unseen = !vmx_batch_references(&record->row, lender);
    return record->unseen || !vmx_any_not_finite(vector->values.ptr, vector->values.len);
}

static inline vmx_status
prepare(vmx_run *run, const vmx_writer *writer, const vmx_vector *vector, const vmx_block *lender, vmx_error *error)
{
    vmx_measured *record = &run->records[run->count];
    size_t i = run->first + run->count;
    vmx_status status = VMX_OK;
    bool plain = writer->codec->framed && vmx_vector_is_plain(vector);
    if (!plain || !measure_plain(run, vector, lender, record))
        status = check_and_measure(run, writer, vector, i, record, error);
    if (status != VMX_OK)
        return status;
    record->bytes = vmx_row_bytes(&record->row);
    record->copied_bytes = vmx_batch_copied_bytes(&record->row, lender);
    record->id_hash = vmx_ids_hash(&writer->locked.ids, vector->id);
    bool fits = record->bytes + writer->overhead_bytes <= writer->options.batch_bytes;
    return fits ? VMX_OK : refuse_size(writer, record, i, error);
}

vmx_status
vmx_run_refuse_next(const vmx_run *run, const vmx_writer *writer, vmx_error *error)
{
    const vmx_vector_item *item = &run->records[run->next].row.item;
    vmx_vector vector = {.size = sizeof vector, .id = item->id, .values = item->values};
    return vmx_check_vector("put", &vector, run->first + run->next, &writer->parts.engine->limits, error);
}

/* What the last run leaves: its last frame, which may fit again. */
static void
begin(vmx_run *run)
{
    vmx_arena_rewind(&run->scratch);
    if (run->frame_count > 1)
        run->frames[0] = run->frames[run->frame_count - 1];
    run->frame_count = run->frame_count > 0;
    run->next = run->count = 0;
}

vmx_status
vmx_run_prepare(vmx_run *run, const vmx_writer *writer, const vmx_record_source *source, size_t from,
                const vmx_block *lender, vmx_error *error)
{
    size_t limit = source->at_once < source->count - from ? source->at_once : source->count - from;
    size_t metadata_bytes = 0;
    vmx_status status = VMX_OK;
    begin(run);
    run->first = source->first + from;
    while (run->count < limit && metadata_bytes <= RUN_METADATA_BYTES && status == VMX_OK) {
        vmx_vector room;
        const vmx_vector *vector;
        status = source->at(source, from + run->count, &room, &vector, error);
        if (status == VMX_OK)
            status = prepare(run, writer, vector, lender, error);
        if (status == VMX_OK) {
            metadata_bytes += vector->metadata.len;
            run->count++;
        }
    }
    return status;
}
