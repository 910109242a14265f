/*
 * server/namespace.h: a namespace: its records, its lock, and its log sequence numbers (LSN).
 *
 * Every write gets the next LSN (x-pinecone-request-lsn). With an index delay it becomes visible later, in order; reads
 * say up to which LSN they see (x-pinecone-max-indexed-lsn). Writes that are due are made visible by whoever takes a
 * lock next: there is no thread for it.
 */
#ifndef VMXD_NAMESPACE_H
#define VMXD_NAMESPACE_H

#include <pthread.h>
#include <stdatomic.h>

#include "core/arena.h"
#include "server/records.h"
#include "server/status.h"

#define VMXD_DEFAULT_NAMESPACE "__default__"

typedef struct vmxd_namespace vmxd_namespace;
typedef struct vmxd_write vmxd_write;

/* A change of records, checked as far as it can be without them. Lives in its own arena, with all it refers to. */
struct vmxd_write {
    /*
     * Under the write lock. With `commit` false only finds out whether it would work (and counts, if it counts).
     * False with `status` if it does not; then nothing has changed.
     */
    bool (*apply)(vmxd_namespace *ns, vmxd_write *write, bool commit, vmxd_status *status);
    void (*discard)(vmxd_write *write); /* frees what is not in the arena; may be NULL */
    uint32_t *count; /* where `apply` says how many records it concerns; NULL when nobody waits for that any more */
    vmx_arena arena;

    uint64_t lsn;
    uint64_t due_us;
    vmxd_write *next;
};

struct vmxd_namespace {
    char *name;
    uint64_t delay_us;
    _Atomic uint64_t next_due_us; /* of `pending`; VMX_NEVER if there is none */
    pthread_rwlock_t lock;

    /* locked */
    bool exists;
    uint64_t request_lsn; /* of the last write taken */
    uint64_t indexed_lsn; /* of the last write visible */
    vmxd_write *pending, *pending_last;
    vmxd_records records;
    char **schema; /* field names given at creation */
    size_t schema_len;
    bool has_schema;
};

/* NULL when memory is out. It does not exist yet. */
vmxd_namespace *
vmxd_namespace_new(const char *name, vmxd_kind kind, uint64_t delay_us);
void
vmxd_namespace_free(vmxd_namespace *ns);

/* Both make visible what is due. Read locks may be held by many. */
void
vmxd_namespace_read_lock(vmxd_namespace *ns);
void
vmxd_namespace_write_lock(vmxd_namespace *ns);
void
vmxd_namespace_unlock(vmxd_namespace *ns);

/*
 * Takes the write over: applies it, or with a delay checks and keeps it. The namespace exists afterwards, unless
 * `must_exist` and it did not: NOT_FOUND. `*lsn` is the write's number.
 */
bool
vmxd_namespace_write(vmxd_namespace *ns, vmxd_write *write, bool must_exist, uint64_t *lsn, vmxd_status *status);

/* True if the write would be taken now. */
bool
vmxd_namespace_check(vmxd_namespace *ns, vmxd_write *write, bool must_exist, vmxd_status *status);

/*
 * The same as vmxd_namespace_write for a write that is in the journal. It has its LSN whether it can be applied or not, so
 * that the journal, replayed, gives every write the same one. `at_once` applies it without the index delay.
 */
bool
vmxd_namespace_write_logged(vmxd_namespace *ns, vmxd_write *write, bool must_exist, bool at_once, uint64_t *lsn,
                            vmxd_status *status);

/* Frees a write that was not taken. */
void
vmxd_write_free(vmxd_write *write);

/* Under the write lock: makes it exist with the given schema fields (`fields` NULL: none given). */
bool
vmxd_namespace_create(vmxd_namespace *ns, const char *const *fields, size_t count, bool has_schema);

/* Under the write lock: all records, waiting writes and the schema go; the LSNs stay. */
void
vmxd_namespace_delete(vmxd_namespace *ns);

#endif
