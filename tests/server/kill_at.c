/*
 * For LD_PRELOAD: once the file VMX_KILL_ARMED is there, the process kills itself just before one of its changes to the
 * disk: that of the number which the file holds, 1 being the next. Counted are renames, removals and fsyncs.
 */
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#define EXPORTED __attribute__((visibility("default")))

static atomic_int changes;

static void
count_change(void)
{
    int kill_at = 0;
    FILE *armed = fopen(getenv("VMX_KILL_ARMED"), "r");
    if (armed == NULL)
        return;
    if (fscanf(armed, "%d", &kill_at) == 1 && atomic_fetch_add(&changes, 1) + 1 == kill_at)
        raise(SIGKILL);
    fclose(armed);
}

EXPORTED int
renameat(int from_dir, const char *from, int to_dir, const char *to)
{
    count_change();
    return (int)syscall(SYS_renameat2, from_dir, from, to_dir, to, 0);
}

EXPORTED int
renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
    count_change();
    return (int)syscall(SYS_renameat2, from_dir, from, to_dir, to, flags);
}

EXPORTED int
unlinkat(int dir, const char *path, int flags)
{
    count_change();
    return (int)syscall(SYS_unlinkat, dir, path, flags);
}

EXPORTED int
fsync(int fd)
{
    count_change();
    return (int)syscall(SYS_fsync, fd);
}
