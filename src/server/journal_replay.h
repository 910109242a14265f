/*
 * server/journal_replay.h: a log applied to an empty store.
 */
#ifndef VMXD_JOURNAL_REPLAY_H
#define VMXD_JOURNAL_REPLAY_H

#include "server/journal_file.h"

typedef struct vmxd_replayed {
    uint64_t records;
    uint64_t dropped_bytes; /* of a write that was cut short, at the file's end */
} vmxd_replayed;

/*
 * Applies all frames from `file->end` on; afterwards that is behind the last whole one, and the file is cut there. `wanted`
 * is the dimension that the log must not contradict, or 0. Tells on stderr each second how far it is.
 */
bool
vmxd_journal_replay(vmxd_journal_file *file, vmxd_store *store, uint32_t wanted, vmxd_replayed *replayed,
                    vmxd_status *status);

#endif
