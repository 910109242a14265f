#include "server/journal.h"

#include <inttypes.h>
#include <stdio.h>

#include "core/alloc.h"
#include "core/sync.h"
#include "server/journal_dir.h"
#include "server/journal_frame.h"
#include "server/journal_snapshot.h"

#define MAX_GROUP_BYTES (8 << 20)  /* logged by one call */
#define MAX_QUEUE_BYTES (64 << 20) /* on their way */

struct vmxd_journal {
    bool sync;
    vmxd_store *store;
    pthread_t thread;
    pthread_mutex_t dimension_lock; /* held by who fixes the dimension */

    /* the thread's, once it runs */
    vmxd_journal_dir dir;
    uint64_t compact_at; /* bytes; UINT64_MAX: never */
    bool failing;        /* has been told */

    pthread_mutex_t lock;
    pthread_cond_t arrived, room;
    vmxd_journal_entry *first, **last; /* locked */
    size_t queued_bytes;               /* locked */
    bool stopping;                     /* locked */
};

/* What is logged together. */
typedef struct group {
    vmxd_journal_entry *entries[VMXD_JOURNAL_MAX_RECORDS];
    vmxd_journal_record records[VMXD_JOURNAL_MAX_RECORDS];
    size_t count;
    size_t bytes;
} group;

/* Waits for entries and takes as many as make a group; none when the journal stops. */
static void
take_group(vmxd_journal *journal, group *taken)
{
    taken->count = taken->bytes = 0;
    pthread_mutex_lock(&journal->lock);
    while (!journal->first && !journal->stopping)
        pthread_cond_wait(&journal->arrived, &journal->lock);
    while (journal->first && taken->count < VMXD_JOURNAL_MAX_RECORDS && taken->bytes < MAX_GROUP_BYTES) {
        vmxd_journal_entry *entry = journal->first;
        journal->first = entry->next;
        taken->entries[taken->count++] = entry;
        taken->bytes += entry->body.len;
    }
    if (!journal->first)
        journal->last = &journal->first;
    pthread_mutex_unlock(&journal->lock);
}

static void
give_room(vmxd_journal *journal, size_t bytes)
{
    pthread_mutex_lock(&journal->lock);
    journal->queued_bytes -= bytes;
    pthread_cond_broadcast(&journal->room);
    pthread_mutex_unlock(&journal->lock);
}

/* Keeps those that may be logged. */
static void
check_group(group *taken)
{
    size_t kept = 0;
    vmxd_status status;
    for (size_t i = 0; i < taken->count; i++) {
        vmxd_journal_entry *entry = taken->entries[i];
        if (entry->check && !entry->check(entry, &status)) {
            entry->finish(entry, &status);
            continue;
        }
        taken->records[kept] = (vmxd_journal_record){entry->kind, entry->body};
        taken->entries[kept++] = entry;
    }
    taken->count = kept;
}

static void
tell_failure(vmxd_journal *journal, bool logged, const vmxd_status *status)
{
    if (!logged && !journal->failing)
        fprintf(stderr, "vecmuxd: writes are refused: %s\n", status->text);
    if (logged && journal->failing)
        fprintf(stderr, "vecmuxd: %s: writes are taken again\n", journal->dir.log_path);
    journal->failing = !logged;
}

static void
log_group(vmxd_journal *journal, group *taken)
{
    vmxd_status status;
    if (taken->count == 0)
        return;
    bool logged = vmxd_journal_file_append(&journal->dir.log, taken->records, taken->count, journal->sync, &status);
    tell_failure(journal, logged, &status);
    for (size_t i = 0; i < taken->count; i++)
        taken->entries[i]->finish(taken->entries[i], logged ? NULL : &status);
}

static uint64_t
compaction_limit(uint64_t live)
{
    return live > VMXD_JOURNAL_MIN_BYTES / VMXD_JOURNAL_FACTOR ? VMXD_JOURNAL_FACTOR * live : VMXD_JOURNAL_MIN_BYTES;
}

/* The live data are counted only when the log has outgrown what they were. */
static void
compact(vmxd_journal *journal)
{
    vmxd_status status;
    uint64_t before = journal->dir.log.end;
    if (before <= journal->compact_at)
        return;
    journal->compact_at = compaction_limit(vmxd_journal_live_bytes(journal->store));
    if (before <= journal->compact_at)
        return;
    if (vmxd_journal_dir_rewrite(&journal->dir, journal->store, &status)) {
        fprintf(stderr, "vecmuxd: %s: compacted, %" PRIu64 " to %" PRIu64 " bytes\n", journal->dir.log_path, before,
                journal->dir.log.end);
    } else {
        journal->compact_at = 2 * before;
        fprintf(stderr, "vecmuxd: not compacted: %s\n", status.text);
    }
}

static void *
journal_main(void *arg)
{
    vmxd_journal *journal = arg;
    group taken;
    for (;;) {
        take_group(journal, &taken);
        if (taken.count == 0)
            return NULL;
        size_t bytes = taken.bytes;
        check_group(&taken);
        log_group(journal, &taken);
        give_room(journal, bytes);
        compact(journal);
    }
}

void
vmxd_journal_submit(vmxd_journal *journal, vmxd_journal_entry *entry)
{
    if (!journal) {
        entry->finish(entry, NULL);
        return;
    }
    entry->next = NULL;
    pthread_mutex_lock(&journal->lock);
    while (journal->queued_bytes > MAX_QUEUE_BYTES)
        pthread_cond_wait(&journal->room, &journal->lock);
    journal->queued_bytes += entry->body.len;
    *journal->last = entry;
    journal->last = &entry->next;
    pthread_cond_signal(&journal->arrived);
    pthread_mutex_unlock(&journal->lock);
}

/* An entry that somebody waits for. */
typedef struct waiting {
    vmxd_journal_entry entry; /* first */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool finished; /* locked, like what follows */
    bool logged;
    vmxd_status *status;
} waiting;

static void
finish_waiting(vmxd_journal_entry *entry, const vmxd_status *failure)
{
    waiting *self = (waiting *)entry;
    pthread_mutex_lock(&self->lock);
    self->finished = true;
    self->logged = failure == NULL;
    if (failure)
        *self->status = *failure;
    pthread_cond_signal(&self->changed);
    pthread_mutex_unlock(&self->lock);
}

static bool
log_and_wait(vmxd_journal *journal, vmxd_journal_kind kind, vmx_str body, vmxd_status *status)
{
    waiting self = {.entry = {.kind = kind, .body = body, .finish = finish_waiting}, .status = status};
    pthread_mutex_init(&self.lock, NULL);
    pthread_cond_init(&self.changed, NULL);
    vmxd_journal_submit(journal, &self.entry);
    pthread_mutex_lock(&self.lock);
    while (!self.finished)
        pthread_cond_wait(&self.changed, &self.lock);
    pthread_mutex_unlock(&self.lock);
    pthread_cond_destroy(&self.changed);
    pthread_mutex_destroy(&self.lock);
    return self.logged;
}

bool
vmxd_journal_fix_dimension(vmxd_journal *journal, uint32_t dimension, vmxd_status *status)
{
    uint8_t body[4];
    uint32_t fixed;
    bool logged = true;
    vmxd_put_u32(body, dimension);
    pthread_mutex_lock(&journal->dimension_lock);
    if (vmxd_store_dimension(journal->store) == 0) {
        logged = log_and_wait(journal, VMXD_JOURNAL_DIMENSION, (vmx_str){(const char *)body, sizeof body}, status);
        if (logged)
            vmxd_store_fix_dimension(journal->store, dimension, &fixed);
    }
    pthread_mutex_unlock(&journal->dimension_lock);
    return logged;
}

static void
journal_free(vmxd_journal *journal)
{
    vmxd_journal_dir_close(&journal->dir);
    pthread_cond_destroy(&journal->arrived);
    pthread_cond_destroy(&journal->room);
    pthread_mutex_destroy(&journal->lock);
    pthread_mutex_destroy(&journal->dimension_lock);
    vmx_dealloc(journal);
}

vmxd_journal *
vmxd_journal_start(const vmxd_journal_options *options, const vmxd_store_options *config, vmxd_store **store,
                   vmxd_status *status)
{
    vmxd_journal *journal = vmx_calloc(1, sizeof *journal);
    *store = NULL;
    if (!journal) {
        vmxd_no_memory(status);
        return NULL;
    }
    pthread_mutex_init(&journal->lock, NULL);
    pthread_mutex_init(&journal->dimension_lock, NULL);
    pthread_cond_init(&journal->arrived, NULL);
    pthread_cond_init(&journal->room, NULL);
    journal->sync = options->sync;
    journal->last = &journal->first;
    if (vmxd_journal_dir_open(&journal->dir, options->directory, status) &&
        vmxd_journal_dir_load(&journal->dir, options, config, store, status)) {
        journal->store = *store;
        compact(journal);
        if (config->index_delay_us > 0) /* a rewrite would not see the writes that wait */
            journal->compact_at = UINT64_MAX;
        if (vmx_thread_start(&journal->thread, "vecmuxd-journal", journal_main, journal))
            return journal;
        vmxd_refuse(status, GRPC_STATUS_INTERNAL, "cannot start a thread");
    }
    vmxd_store_free(*store);
    *store = NULL;
    journal_free(journal);
    return NULL;
}

void
vmxd_journal_stop(vmxd_journal *journal)
{
    vmxd_status status;
    if (!journal)
        return;
    pthread_mutex_lock(&journal->lock);
    journal->stopping = true;
    pthread_cond_signal(&journal->arrived);
    pthread_mutex_unlock(&journal->lock);
    pthread_join(journal->thread, NULL);
    if (!vmxd_journal_file_sync(&journal->dir.log, &status))
        fprintf(stderr, "vecmuxd: %s\n", status.text);
    journal_free(journal);
}
