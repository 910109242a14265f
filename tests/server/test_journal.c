/* The journal: what waits together is logged together, in order; what is refused is not. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/suite.h"
#include "core/sync.h"
#include "server/journal.h"

#define ENTRIES 1200

/* What the entries of a test share. */
typedef struct shared {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool open;    /* locked: the first entry waits for it */
    int logged;   /* locked */
    int in_order; /* locked: of the logged, those that came in the order of their numbers */
    int refused;  /* locked */
} shared;

typedef struct entry {
    vmxd_journal_entry base; /* first */
    shared *all;
    int number;
    bool refused;
} entry;

static bool
check(vmxd_journal_entry *base, vmxd_status *status)
{
    entry *self = (entry *)base;
    pthread_mutex_lock(&self->all->lock);
    while (!self->all->open)
        pthread_cond_wait(&self->all->changed, &self->all->lock);
    pthread_mutex_unlock(&self->all->lock);
    return !self->refused || vmxd_invalid(status, "refused");
}

static void
finish(vmxd_journal_entry *base, const vmxd_status *failure)
{
    entry *self = (entry *)base;
    pthread_mutex_lock(&self->all->lock);
    self->all->in_order += !failure && self->all->logged == self->number;
    self->all->logged += !failure;
    self->all->refused += failure != NULL;
    pthread_cond_broadcast(&self->all->changed);
    pthread_mutex_unlock(&self->all->lock);
}

static void
set_open(shared *all)
{
    pthread_mutex_lock(&all->lock);
    all->open = true;
    pthread_cond_broadcast(&all->changed);
    pthread_mutex_unlock(&all->lock);
}

/* The numbers of records of the log's frames; how many frames. */
static size_t
read_frames(const char *directory, uint32_t *counts, size_t max)
{
    char path[256];
    vmxd_journal_file file;
    vmxd_store_options config;
    vmxd_status status;
    vmx_buffer payload = {0};
    uint64_t size;
    size_t frames = 0;
    snprintf(path, sizeof path, "%s/writes.log", directory);
    ck_assert(vmxd_journal_file_open(&file, path, &config, &status));
    ck_assert(vmxd_journal_file_size(&file, &size, &status));
    while (frames < max &&
           vmxd_journal_file_next(&file, size, &payload, &counts[frames], &status) == VMXD_JOURNAL_FRAME)
        frames++;
    ck_assert_uint_eq(file.end, size);
    vmx_buffer_free(&payload);
    vmxd_journal_file_close(&file);
    return frames;
}

static void
remove_directory(const char *directory)
{
    char path[256];
    snprintf(path, sizeof path, "%s/writes.log", directory);
    unlink(path);
    snprintf(path, sizeof path, "%s/lock", directory);
    unlink(path);
    ck_assert_int_eq(rmdir(directory), 0);
}

/* The first entry holds the journal's thread until all others wait. */
START_TEST(what_waits_together_is_one_frame)
{
    static entry entries[ENTRIES];
    char directory[] = "/tmp/vecmuxd-journal-XXXXXX";
    shared all = {0};
    vmxd_store *store;
    vmxd_status status;
    pthread_mutex_init(&all.lock, NULL);
    pthread_cond_init(&all.changed, NULL);
    ck_assert_ptr_nonnull(mkdtemp(directory));
    vmxd_journal *journal =
        vmxd_journal_start(&(vmxd_journal_options){.directory = directory}, &(vmxd_store_options){0}, &store, &status);
    ck_assert_msg(journal != NULL, "%s", journal ? "" : status.text);
    for (int i = 0; i < ENTRIES; i++) {
        entries[i] = (entry){.base = {VMXD_JOURNAL_DELETE, {"body", 4}, check, finish, NULL}, .all = &all, .number = i};
        entries[i].refused = i == ENTRIES - 1;
        vmxd_journal_submit(journal, &entries[i].base);
    }
    set_open(&all);
    vmxd_journal_stop(journal);
    ck_assert_int_eq(all.logged, ENTRIES - 1);
    ck_assert_int_eq(all.in_order, ENTRIES - 1);
    ck_assert_int_eq(all.refused, 1);
    uint32_t counts[8] = {0}, sum = 0;
    size_t frames = read_frames(directory, counts, 8);
    for (size_t i = 0; i < frames; i++)
        sum += counts[i];
    /* the first group may be any number, the others are full or the rest */
    ck_assert_uint_eq(sum, ENTRIES - 1);
    ck_assert_uint_le(frames, 4);
    vmxd_store_free(store);
    remove_directory(directory);
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {what_waits_together_is_one_frame, NULL};
    return run_suite("server_journal", tests);
}
