/*
 * server/journal_dir.h: the directory of vecmuxd --data: "lock", held by flock; "writes.log", the log; "writes.log.new",
 * which becomes the log when it is complete. Not thread safe.
 */
#ifndef VMXD_JOURNAL_DIR_H
#define VMXD_JOURNAL_DIR_H

#include "server/journal.h"

typedef struct vmxd_journal_dir {
    char *log_path, *new_path;
    int fd;
    int lock_fd;
    vmxd_journal_file log;
} vmxd_journal_dir;

/* Makes the directory if needed and locks it; false if another server has it. Close it in either case. */
bool
vmxd_journal_dir_open(vmxd_journal_dir *dir, const char *path, vmxd_status *status);

/*
 * Opens the log, or makes one of `config`, and makes the store that is in it. What `options` do not call given is taken
 * from the log. Tells on stderr what was read and what was dropped.
 */
bool
vmxd_journal_dir_load(vmxd_journal_dir *dir, const vmxd_journal_options *options, const vmxd_store_options *config,
                      vmxd_store **store, vmxd_status *status);

/* Replaces the log by one that holds what is in the store. False: the old one stays. As vmxd_journal_snapshot. */
bool
vmxd_journal_dir_rewrite(vmxd_journal_dir *dir, vmxd_store *store, vmxd_status *status);

void
vmxd_journal_dir_close(vmxd_journal_dir *dir);

#endif
