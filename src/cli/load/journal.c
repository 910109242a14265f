#include "journal.h"

#include "cli/cli.h"
#include "cli/json.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define VERSION 1

static bool
report(const load_journal *journal, const char *what)
{
    cli_error("--resume \"%s\": %s", journal->path, what);
    return false;
}

static char *
join(const char *path, const char *ending)
{
    size_t size = strlen(path) + strlen(ending) + 1;
    char *joined = malloc(size);
    if (joined)
        snprintf(joined, size, "%s%s", path, ending);
    return joined;
}

static bool
report_damage(const load_journal *journal, const char *what)
{
    cli_error("--resume \"%s\": damaged, or no state file of vecmux load: %s; remove it to begin again", journal->path,
              what);
    return false;
}

/* The lock is a file of its own, for the state file is replaced. */
static bool
take_lock(load_journal *journal)
{
    char *name = join(journal->path, ".lock");
    if (!name)
        return report(journal, "out of memory");
    journal->lock = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    free(name);
    if (journal->lock < 0)
        return report(journal, strerror(errno));
    if (flock(journal->lock, LOCK_EX | LOCK_NB) == 0)
        return true;
    return report(journal, errno == EWOULDBLOCK ? "another load is using it" : strerror(errno));
}

/* Names the first thing in which the two differ. */
static bool
check_identity(const load_journal *journal, const json_t *file)
{
    const char *key;
    json_t *value;
    if (json_equal(file, journal->identity))
        return true;
    json_object_foreach(journal->identity, key, value)
    {
        if (!json_equal(value, json_object_get(file, key))) {
            cli_error("--resume \"%s\": it belongs to another load: %s was different then; remove it to begin again",
                      journal->path, key);
            return false;
        }
    }
    return report(journal, "it belongs to another load; remove it to begin again");
}

static bool
read_state(const load_journal *journal, const json_t *root, load_journal_state *state)
{
    uint64_t first_row = state->next;
    cli_reason reason;
    uint64_t version = 0;
    if (!json_is_object(root) || !cli_json_number(json_object_get(root, "version"), "version", 99, &version, &reason) ||
        version != VERSION)
        return report_damage(journal, "no \"version\": 1");
    if (!check_identity(journal, json_object_get(root, "load")))
        return false;
    if (!cli_json_number(json_object_get(root, "next_row"), "next_row", INT64_MAX, &state->next, &reason) ||
        !cli_json_number(json_object_get(root, "stored"), "stored", INT64_MAX, &state->stored, &reason) ||
        !cli_json_number(json_object_get(root, "failed"), "failed", INT64_MAX, &state->failed, &reason) ||
        !cli_json_bool(json_object_get(root, "finished"), "finished", &state->finished, &reason))
        return report_damage(journal, reason.text);
    /* every row that was passed has one outcome: a number that has changed would leave rows out in silence */
    if (state->next - first_row == state->stored + state->failed)
        return true;
    return report_damage(journal, "\"next_row\" is not the first row and \"stored\" and \"failed\" together");
}

static bool
read_file(load_journal *journal, load_journal_state *state)
{
    json_error_t error;
    struct stat about;
    FILE *file = fopen(journal->path, "re");
    if (!file)
        return errno == ENOENT || report(journal, strerror(errno));
    bool directory = fstat(fileno(file), &about) == 0 && S_ISDIR(about.st_mode);
    json_t *root = directory ? NULL : json_loadf(file, JSON_REJECT_DUPLICATES, &error);
    fclose(file);
    if (directory)
        return report(journal, "a directory; name a file");
    if (!root)
        return report_damage(journal, error.text);
    bool good = read_state(journal, root, state);
    json_decref(root);
    journal->written = *state;
    return good;
}

bool
load_journal_open(load_journal *journal, const char *path, json_t *identity, load_journal_state *state)
{
    *journal = (load_journal){.path = path, .lock = -1, .identity = identity};
    if (!path)
        return true;
    journal->temporary = join(path, ".new");
    if (!journal->temporary || !identity)
        return report(journal, "out of memory");
    return take_lock(journal) && read_file(journal, state);
}

void
load_journal_close(load_journal *journal)
{
    if (journal->path && journal->lock >= 0)
        close(journal->lock);
    free(journal->temporary);
    json_decref(journal->identity);
    *journal = (load_journal){.lock = -1};
}

/* The new name of a file is on the disk when its directory is. */
static bool
sync_directory(const char *path)
{
    char *copy = strdup(path);
    int fd = copy ? open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    bool good = fd >= 0 && (fsync(fd) == 0 || errno == EINVAL);
    if (fd >= 0)
        close(fd);
    free(copy);
    return good;
}

static bool
write_file(const load_journal *journal, const char *text, size_t length)
{
    int fd = open(journal->temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        return false;
    bool good = write(fd, text, length) == (ssize_t)length && fsync(fd) == 0;
    good = close(fd) == 0 && good;
    return good && rename(journal->temporary, journal->path) == 0 && sync_directory(journal->path);
}

bool
load_journal_write(load_journal *journal, const load_journal_state *state)
{
    const load_journal_state *written = &journal->written;
    if (!journal->path || (written->next == state->next && written->finished == state->finished))
        return true;
    json_t *root = json_pack("{s:i,s:O,s:I,s:I,s:I,s:b}", "version", VERSION, "load", journal->identity, "next_row",
                             (json_int_t)state->next, "stored", (json_int_t)state->stored, "failed",
                             (json_int_t)state->failed, "finished", state->finished);
    char *text = root ? json_dumps(root, JSON_INDENT(1)) : NULL;
    json_decref(root);
    errno = ENOMEM;
    bool good = text && write_file(journal, text, strlen(text));
    free(text);
    if (!good)
        return report(journal, strerror(errno));
    journal->written = *state;
    return true;
}
