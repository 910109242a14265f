/*
 * server/journal_snapshot.h: a new log that holds what is in a store, and nothing else.
 */
#ifndef VMXD_JOURNAL_SNAPSHOT_H
#define VMXD_JOURNAL_SNAPSHOT_H

#include "server/journal_file.h"

/*
 * Writes a log to `path`, replacing a file there, and makes it durable. Nothing may change the store meanwhile, and no
 * write of it may wait for its index delay. False: the file is removed.
 */
bool
vmxd_journal_snapshot(vmxd_journal_file *file, const char *path, vmxd_store *store, vmxd_status *status);

/* About how many bytes a snapshot would have. */
uint64_t
vmxd_journal_live_bytes(vmxd_store *store);

#endif
