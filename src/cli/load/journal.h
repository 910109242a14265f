/*
 * journal.h: the state file of --resume: which input it belongs to, and up to which row everything has its outcome. It
 * is replaced as a whole, and on the disk before a call returns, so that after a kill it is either the old or the new.
 */
#ifndef VMX_CLI_LOAD_JOURNAL_H
#define VMX_CLI_LOAD_JOURNAL_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct load_journal_state {
    uint64_t next;           /* every row before it is stored, or failed for good */
    uint64_t stored, failed; /* of those */
    bool finished;
} load_journal_state;

typedef struct load_journal {
    const char *path; /* NULL: there is none, and nothing is written */
    char *temporary;
    int lock; /* held while the load runs, so that no second one uses the file */
    json_t *identity;
    load_journal_state written;
} load_journal;

/*
 * Takes over `identity`, whatever comes out. `state` is that of a load which begins, with its first row: it is replaced
 * by the file's, if there is one for this identity. False after one line on stderr: another load uses the file, it is of
 * another input, damaged, or cannot be read.
 */
bool
load_journal_open(load_journal *journal, const char *path, json_t *identity, load_journal_state *state);

void
load_journal_close(load_journal *journal);

/* Writes the state if it has changed. False after one line on stderr. */
bool
load_journal_write(load_journal *journal, const load_journal_state *state);

#endif
