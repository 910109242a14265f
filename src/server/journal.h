/*
 * server/journal.h: vecmuxd --data DIR: every write is in DIR/writes.log before it is answered.
 *
 * One thread writes: what waits for it is checked, logged together by one call, and then applied in the log's order. A write
 * that could not be logged is not applied; one that was logged is there after a restart, which applies the log to an
 * empty index in the same order by the same functions. DIR/lock, by flock, keeps a second server out.
 *
 * The log is written anew, with the live data only, when it is larger than VMXD_JOURNAL_FACTOR times those: at the start,
 * and while the server runs if it has no index delay. It replaces the old one by rename, so that there is always a whole
 * one.
 */
#ifndef VMXD_JOURNAL_H
#define VMXD_JOURNAL_H

#include "server/journal_file.h"

#define VMXD_JOURNAL_FACTOR    3
#define VMXD_JOURNAL_MIN_BYTES (16 << 20) /* smaller logs are left as they are */

typedef struct vmxd_journal_options {
    const char *directory; /* NULL: no journal */
    bool sync;             /* what is answered is on the disk, not only with the kernel */
    bool metric_given;     /* the store's options say so on purpose: a log that contradicts them is an error */
    bool type_given;
} vmxd_journal_options;

/* A write on its way. Must live until `finish`. */
typedef struct vmxd_journal_entry vmxd_journal_entry;
struct vmxd_journal_entry {
    vmxd_journal_kind kind;
    vmx_str body; /* lives as long as the entry */
    /* On the journal's thread, before logging: false with `status` if it must not be logged. NULL: nothing to check. */
    bool (*check)(vmxd_journal_entry *entry, vmxd_status *status);
    /* Once. `failure` NULL: it is logged, apply it now. Else it is neither logged nor to be applied. */
    void (*finish)(vmxd_journal_entry *entry, const vmxd_status *failure);
    vmxd_journal_entry *next;
};

typedef struct vmxd_journal vmxd_journal;

/*
 * Makes or locks and reads the directory, telling how far it is on stderr, makes the store that is in it, and starts the
 * thread. What `config` does not give on purpose is the log's. NULL with the reason in `status`.
 */
vmxd_journal *
vmxd_journal_start(const vmxd_journal_options *options, const vmxd_store_options *config, vmxd_store **store,
                   vmxd_status *status);

/* Waits for what was submitted, and for the disk. The store stays. NULL is allowed. */
void
vmxd_journal_stop(vmxd_journal *journal);

/* From any thread. Without a journal finishes the entry at once. Waits while much is on its way. */
void
vmxd_journal_submit(vmxd_journal *journal, vmxd_journal_entry *entry);

/* Logs that the index has this dimension, then fixes it in the store unless it is fixed. Waits for the log. */
bool
vmxd_journal_fix_dimension(vmxd_journal *journal, uint32_t dimension, vmxd_status *status);

#endif
