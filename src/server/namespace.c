#include "server/namespace.h"

#include "core/alloc.h"
#include "core/sync.h"

vmxd_namespace *
vmxd_namespace_new(const char *name, vmxd_kind kind, uint64_t delay_us)
{
    vmxd_namespace *ns = vmx_calloc(1, sizeof *ns);
    char *copy = vmx_str_copy(vmx_str_from(name));
    if (!ns || !copy) {
        vmx_dealloc(ns);
        vmx_dealloc(copy);
        return NULL;
    }
    ns->name = copy;
    ns->delay_us = delay_us;
    ns->records.kind = kind;
    atomic_init(&ns->next_due_us, VMX_NEVER);
    /* searches follow each other closely: without this a write could wait for ever */
    pthread_rwlockattr_t attributes;
    pthread_rwlockattr_init(&attributes);
    pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(&ns->lock, &attributes);
    pthread_rwlockattr_destroy(&attributes);
    return ns;
}

void
vmxd_write_free(vmxd_write *write)
{
    if (write->discard)
        write->discard(write);
    vmx_arena arena = write->arena; /* the write is in it */
    vmx_arena_reset(&arena);
}

static void
drop_schema(vmxd_namespace *ns)
{
    for (size_t i = 0; i < ns->schema_len; i++)
        vmx_dealloc(ns->schema[i]);
    vmx_dealloc(ns->schema);
    ns->schema = NULL;
    ns->schema_len = 0;
    ns->has_schema = false;
}

void
vmxd_namespace_delete(vmxd_namespace *ns)
{
    while (ns->pending) {
        vmxd_write *next = ns->pending->next;
        vmxd_write_free(ns->pending);
        ns->pending = next;
    }
    ns->pending_last = NULL;
    atomic_store(&ns->next_due_us, VMX_NEVER);
    ns->indexed_lsn = ns->request_lsn;
    vmxd_records_clear(&ns->records);
    drop_schema(ns);
    ns->exists = false;
}

void
vmxd_namespace_free(vmxd_namespace *ns)
{
    vmxd_namespace_delete(ns);
    pthread_rwlock_destroy(&ns->lock);
    vmx_dealloc(ns->name);
    vmx_dealloc(ns);
}

/* What could not be foreseen when a waiting write was taken leaves the records as they are. */
static void
apply_due(vmxd_namespace *ns, uint64_t now_us)
{
    vmxd_status ignored;
    while (ns->pending && ns->pending->due_us <= now_us) {
        vmxd_write *write = ns->pending;
        ns->pending = write->next;
        write->apply(ns, write, true, &ignored);
        ns->indexed_lsn = write->lsn;
        vmxd_write_free(write);
    }
    if (!ns->pending)
        ns->pending_last = NULL;
    atomic_store(&ns->next_due_us, ns->pending ? ns->pending->due_us : VMX_NEVER);
}

void
vmxd_namespace_write_lock(vmxd_namespace *ns)
{
    pthread_rwlock_wrlock(&ns->lock);
    apply_due(ns, vmx_monotonic_us());
}

void
vmxd_namespace_read_lock(vmxd_namespace *ns)
{
    if (atomic_load(&ns->next_due_us) <= vmx_monotonic_us()) {
        vmxd_namespace_write_lock(ns);
        pthread_rwlock_unlock(&ns->lock);
    }
    pthread_rwlock_rdlock(&ns->lock);
}

void
vmxd_namespace_unlock(vmxd_namespace *ns)
{
    pthread_rwlock_unlock(&ns->lock);
}

static void
keep_pending(vmxd_namespace *ns, vmxd_write *write)
{
    write->due_us = vmx_monotonic_us() + ns->delay_us;
    write->next = NULL;
    write->count = NULL;
    if (ns->pending_last)
        ns->pending_last->next = write;
    else
        ns->pending = write;
    ns->pending_last = write;
    atomic_store(&ns->next_due_us, ns->pending->due_us);
}

/* Locked. */
static bool
check_exists(const vmxd_namespace *ns, bool must_exist, vmxd_status *status)
{
    return ns->exists || !must_exist ||
           vmxd_refuse(status, GRPC_STATUS_NOT_FOUND, "Namespace not found: \"%.*s\"", vmxd_clip(ns->name), ns->name);
}

/* Locked: gives the write its number; with `later` keeps it. */
static void
number(vmxd_namespace *ns, vmxd_write *write, bool later, uint64_t *lsn)
{
    ns->exists = true;
    *lsn = write->lsn = ++ns->request_lsn;
    if (later)
        keep_pending(ns, write);
    else
        ns->indexed_lsn = write->lsn;
}

bool
vmxd_namespace_write(vmxd_namespace *ns, vmxd_write *write, bool must_exist, uint64_t *lsn, vmxd_status *status)
{
    bool later = ns->delay_us > 0;
    vmxd_namespace_write_lock(ns);
    bool taken = check_exists(ns, must_exist, status) && write->apply(ns, write, !later, status);
    if (taken)
        number(ns, write, later, lsn);
    vmxd_namespace_unlock(ns);
    if (!taken || !later)
        vmxd_write_free(write);
    return taken;
}

bool
vmxd_namespace_check(vmxd_namespace *ns, vmxd_write *write, bool must_exist, vmxd_status *status)
{
    vmxd_namespace_read_lock(ns);
    bool would = check_exists(ns, must_exist, status) && write->apply(ns, write, false, status);
    vmxd_namespace_unlock(ns);
    return would;
}

bool
vmxd_namespace_write_logged(vmxd_namespace *ns, vmxd_write *write, bool must_exist, bool at_once, uint64_t *lsn,
                            vmxd_status *status)
{
    vmxd_namespace_write_lock(ns);
    bool taken = check_exists(ns, must_exist, status), later = taken && !at_once && ns->delay_us > 0;
    if (taken)
        number(ns, write, later, lsn);
    if (taken && !later)
        taken = write->apply(ns, write, true, status);
    vmxd_namespace_unlock(ns);
    if (!later)
        vmxd_write_free(write);
    return taken;
}

bool
vmxd_namespace_create(vmxd_namespace *ns, const char *const *fields, size_t count, bool has_schema)
{
    ns->schema = vmx_calloc(count, sizeof *ns->schema);
    bool made = ns->schema != NULL;
    for (size_t i = 0; made && i < count; i++) {
        ns->schema[i] = vmx_str_copy(vmx_str_from(fields[i]));
        made = ns->schema[i] != NULL;
        ns->schema_len += made;
    }
    if (!made) {
        drop_schema(ns);
        return false;
    }
    ns->has_schema = has_schema;
    ns->exists = true;
    ns->indexed_lsn = ++ns->request_lsn;
    return true;
}
