#include "core/sized.h"
#include "writer/writer.h"

/* What a reported op holds, in its arena. */
typedef struct delivery {
    vmx_str id;
    int64_t latency_us;
} delivery;

typedef struct vmx_delivery_list {
    size_t count;
    uint64_t first; /* sequence number */
    uint32_t attempts;
    delivery items[];
} vmx_delivery_list;

static bool
is_wanted(const vmx_send *send)
{
    vmx_report_mode mode = send->writer->options.report;
    bool failed = send->op.error.code != VMX_OK;
    bool asked = mode == VMX_REPORT_ALL || (mode == VMX_REPORT_FAILURES && failed);
    return send->op.queue != NULL && (asked || send->unwritten);
}

/* Copies what is reported, so that the batch need not wait for the user. NULL when memory is out. */
static vmx_delivery_list *
copy_deliveries(vmx_send *send)
{
    size_t count = send->to - send->from;
    uint64_t now_us = vmx_writer_now(send->writer);
    vmx_delivery_list *list = vmx_arena_alloc(&send->op.arena, sizeof *list + count * sizeof list->items[0]);
    if (list == NULL)
        return NULL;
    list->count = count;
    list->first = send->batch->first + send->from;
    list->attempts = (uint32_t)send->call.records.count;
    for (size_t i = 0; i < count; i++) {
        vmx_row_view view = vmx_batch_view(send->batch, send->from + i);
        bool read = send->writer->codec->read_id(&view, &send->op.arena, &list->items[i].id);
        list->items[i].latency_us = (int64_t)(now_us - send->batch->entries[send->from + i].taken_us);
        if (!read)
            return NULL;
    }
    return list;
}

void
vmx_report_prepare(vmx_send *send)
{
    vmx_writer *writer = send->writer;
    vmx_delivery_list *list = is_wanted(send) ? copy_deliveries(send) : NULL;
    if (list == NULL)
        return;
    pthread_mutex_lock(&writer->lock);
    writer->locked.unread++;
    pthread_mutex_unlock(&writer->lock);
    send->deliveries = list;
}

void
vmx_report_batch(const vmx_send *send, const vmx_writer_account *account)
{
    const vmx_writer *writer = send->writer;
    vmx_log *log = writer->parts.caller->log;
    if (!vmx_log_wants(log, VMX_LOG_EVENT_BATCH))
        return;
    uint64_t done = account->stored + account->failed;
    uint64_t latency_us = vmx_writer_now(writer) - send->batch->entries[send->from].taken_us;
    const vmx_log_field fields[] = {
        vmx_log_integer("number", (int64_t)send->batch->seq),
        vmx_log_integer("first", (int64_t)(send->batch->first + send->from)),
        vmx_log_integer("items", (int64_t)(send->to - send->from)),
        vmx_log_integer("bytes", (int64_t)vmx_batch_bytes(send->batch, send->from, send->to)),
        vmx_log_text("result", vmx_status_name(send->op.error.code)),
        vmx_log_integer("attempts", (int64_t)send->call.records.count),
        vmx_log_integer("rounds", send->rounds),
        vmx_log_integer("latency_ms", (int64_t)(latency_us / 1000)),
        vmx_log_integer("done", (int64_t)done),
        vmx_log_integer("left", (int64_t)(account->taken - done)),
    };
    vmx_log_write(log, VMX_LOG_EVENT_BATCH, fields, sizeof fields / sizeof fields[0]);
}

/* --- the public face ----------------------------------------------------------------------------------------------- */

void
vmx_delivery_init(vmx_delivery *info, size_t size)
{
    vmx_sized_init(info, size);
}

/* The list of a finished, reported write; NULL for any other op. */
static const vmx_delivery_list *
list_of(const vmx_op *op)
{
    return vmx_op_done(op) && vmx_send_is_op(op) ? ((const vmx_send *)op)->deliveries : NULL;
}

size_t
vmx_op_delivery_count(const vmx_op *op)
{
    const vmx_delivery_list *list = list_of(op);
    return list != NULL ? list->count : 0;
}

bool
vmx_op_delivery(const vmx_op *op, size_t i, vmx_delivery *info)
{
    const vmx_delivery_list *list = list_of(op);
    if (list == NULL || i >= list->count)
        return false;
    vmx_delivery ours = {
        .id = list->items[i].id,
        .status = op->error.code,
        .outcome = op->error.outcome,
        .attempts = list->attempts,
        .latency_us = list->items[i].latency_us,
        .sequence = list->first + i,
    };
    vmx_sized_write(info, &ours, sizeof ours);
    return true;
}
