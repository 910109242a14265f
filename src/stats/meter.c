#include "stats/meter.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "stats/slot.h"

#define CACHE_LINE 64

/* One operation's counts by one thread. The pads keep other memory's writers away from its first and last lines. */
typedef struct meter_row {
    char pad_before[CACHE_LINE];
    const char *operation; /* constant */
    vmx_counter calls[VMX_METER_STATUSES];
    vmx_counter attempts[VMX_METER_CODES];
    vmx_counter whys[VMX_METER_WHYS];
    vmx_counter sent_bytes, received_bytes;
    vmx_live_histogram latency;
    char pad_after[CACHE_LINE];
} meter_row;

/* One thread's rows: filled from the front, never taken out. */
typedef struct meter_part {
    _Atomic(meter_row *) rows[VMX_METER_OPERATIONS];
} meter_part;

struct vmx_meter {
    pthread_mutex_t lock; /* while parts and rows are added */
    vmx_counter lost;
    _Atomic(meter_part *) parts[VMX_SLOTS + 1];
};

/* --- life ---------------------------------------------------------------------------------------------------------- */

vmx_meter *
vmx_meter_new(void)
{
    vmx_meter *meter = vmx_calloc(1, sizeof *meter);
    if (meter != NULL)
        pthread_mutex_init(&meter->lock, NULL);
    return meter;
}

static void
free_part(meter_part *part)
{
    for (size_t i = 0; part != NULL && i < VMX_METER_OPERATIONS; i++)
        vmx_dealloc(atomic_load_explicit(&part->rows[i], memory_order_acquire));
    vmx_dealloc(part);
}

void
vmx_meter_free(vmx_meter *meter)
{
    if (meter == NULL)
        return;
    for (size_t i = 0; i <= VMX_SLOTS; i++)
        free_part(atomic_load_explicit(&meter->parts[i], memory_order_acquire));
    pthread_mutex_destroy(&meter->lock);
    vmx_dealloc(meter);
}

/* --- counting ------------------------------------------------------------------------------------------------------ */

static inline meter_row *
find_row(const meter_part *part, const char *operation)
{
    for (size_t i = 0; i < VMX_METER_OPERATIONS; i++) {
        meter_row *row = atomic_load_explicit(&part->rows[i], memory_order_acquire);
        if (row == NULL || row->operation == operation)
            return row;
    }
    return NULL;
}

static meter_row *
add_row(meter_part *part, const char *operation)
{
    meter_row *row = find_row(part, operation); /* another thread of the shared part may have been here */
    for (size_t i = 0; row == NULL && i < VMX_METER_OPERATIONS; i++) {
        if (atomic_load_explicit(&part->rows[i], memory_order_relaxed) != NULL)
            continue;
        row = vmx_calloc(1, sizeof *row);
        if (row == NULL)
            return NULL;
        row->operation = operation;
        atomic_store_explicit(&part->rows[i], row, memory_order_release);
    }
    return row;
}

/* The row of this thread that is not there yet; NULL when memory is out, or room for so many kinds. */
__attribute__((noinline, cold)) static meter_row *
make_row(vmx_meter *meter, size_t slot, const char *operation)
{
    pthread_mutex_lock(&meter->lock);
    meter_part *part = atomic_load_explicit(&meter->parts[slot], memory_order_relaxed);
    if (part == NULL) {
        part = vmx_calloc(1, sizeof *part);
        atomic_store_explicit(&meter->parts[slot], part, memory_order_release);
    }
    meter_row *row = part != NULL ? add_row(part, operation) : NULL;
    pthread_mutex_unlock(&meter->lock);
    if (row == NULL)
        vmx_counter_add(&meter->lost, 1, true);
    return row;
}

static inline meter_row *
row_here(vmx_meter *meter, size_t slot, const char *operation)
{
    const meter_part *part = atomic_load_explicit(&meter->parts[slot], memory_order_acquire);
    meter_row *row = part != NULL ? find_row(part, operation) : NULL;
    return row != NULL ? row : make_row(meter, slot, operation);
}

static inline void
count_call(meter_row *row, vmx_status status, uint64_t duration_us, bool shared)
{
    vmx_counter_add(&row->calls[(unsigned)status % VMX_METER_STATUSES], 1, shared);
    vmx_histogram_note(&row->latency, duration_us, shared);
}

static inline void
count_attempt(meter_row *row, const vmx_meter_attempt_end *end, bool shared)
{
    bool known = end->grpc_code >= 0 && end->grpc_code < VMX_METER_CODES - 1;
    vmx_counter_add(&row->attempts[known ? end->grpc_code : VMX_METER_CODES - 1], 1, shared);
    vmx_counter_add(&row->sent_bytes, end->sent_bytes, shared);
    vmx_counter_add(&row->received_bytes, end->received_bytes, shared);
    if (end->why != VMX_ATTEMPT_FIRST)
        vmx_counter_add(&row->whys[end->why], 1, shared);
}

void
vmx_meter_call(vmx_meter *meter, const char *operation, vmx_status status, uint64_t duration_us)
{
    size_t slot = vmx_slot_here();
    meter_row *row = meter != NULL ? row_here(meter, slot, operation) : NULL;
    if (row != NULL)
        count_call(row, status, duration_us, slot == VMX_SLOT_SHARED);
}

void
vmx_meter_attempt(vmx_meter *meter, const char *operation, const vmx_meter_attempt_end *end)
{
    size_t slot = vmx_slot_here();
    meter_row *row = meter != NULL ? row_here(meter, slot, operation) : NULL;
    if (row != NULL)
        count_attempt(row, end, slot == VMX_SLOT_SHARED);
}

/* The way of most calls: the two copies of the counting below leave no question of sharing inside. */
void
vmx_meter_success(vmx_meter *meter, const char *operation, uint64_t duration_us, const vmx_meter_attempt_end *last)
{
    size_t slot = vmx_slot_here();
    meter_row *row = meter != NULL ? row_here(meter, slot, operation) : NULL;
    if (row == NULL)
        return;
    if (slot != VMX_SLOT_SHARED) {
        count_attempt(row, last, false);
        count_call(row, VMX_OK, duration_us, false);
    } else {
        count_attempt(row, last, true);
        count_call(row, VMX_OK, duration_us, true);
    }
}

/* --- reading ------------------------------------------------------------------------------------------------------- */

static void
add_counts(uint64_t *to, const vmx_counter *from, size_t count)
{
    for (size_t i = 0; i < count; i++)
        to[i] += vmx_counter_read(&from[i]);
}

static void
add_to_figures(vmx_meter_figures *figures, const meter_row *row)
{
    figures->operation = row->operation;
    add_counts(figures->calls, row->calls, VMX_METER_STATUSES);
    vmx_histogram_add(&figures->latency, &row->latency);
    add_counts(figures->attempts, row->attempts, VMX_METER_CODES);
    add_counts(figures->whys, row->whys, VMX_METER_WHYS);
    add_counts(&figures->sent_bytes, &row->sent_bytes, 1);
    add_counts(&figures->received_bytes, &row->received_bytes, 1);
}

/* The operation's figures, made if they are not there yet; NULL when memory is out. */
static vmx_meter_figures *
figures_of(vmx_meter_figures **figures, size_t *count, const char *operation)
{
    for (size_t i = 0; i < *count; i++)
        if (strcmp((*figures)[i].operation, operation) == 0)
            return &(*figures)[i];
    vmx_meter_figures *grown = vmx_realloc(*figures, (*count + 1) * sizeof *grown);
    if (grown == NULL)
        return NULL;
    *figures = grown;
    return memset(&grown[(*count)++], 0, sizeof *grown);
}

static bool
read_part(const meter_part *part, vmx_meter_figures **figures, size_t *count)
{
    for (size_t i = 0; i < VMX_METER_OPERATIONS; i++) {
        const meter_row *row = atomic_load_explicit(&part->rows[i], memory_order_acquire);
        if (row == NULL)
            return true;
        vmx_meter_figures *sum = figures_of(figures, count, row->operation);
        if (sum == NULL)
            return false;
        add_to_figures(sum, row);
    }
    return true;
}

static int
by_name(const void *a, const void *b)
{
    return strcmp(((const vmx_meter_figures *)a)->operation, ((const vmx_meter_figures *)b)->operation);
}

bool
vmx_meter_read(vmx_meter *meter, vmx_meter_figures **figures, size_t *count)
{
    *figures = NULL;
    *count = 0;
    for (size_t i = 0; i <= VMX_SLOTS; i++) {
        const meter_part *part = atomic_load_explicit(&meter->parts[i], memory_order_acquire);
        if (part == NULL || read_part(part, figures, count))
            continue;
        vmx_dealloc(*figures);
        *figures = NULL;
        return false;
    }
    if (*count > 1)
        qsort(*figures, *count, sizeof **figures, by_name);
    return true;
}

uint64_t
vmx_meter_lost(const vmx_meter *meter)
{
    return vmx_counter_read(&meter->lost);
}
