#include "server/journal_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/sync.h"
#include "server/journal_frame.h"
#include "server/journal_replay.h"
#include "server/journal_snapshot.h"

static char *
join(const char *directory, const char *name)
{
    size_t size = strlen(directory) + strlen(name) + 2;
    char *path = vmx_alloc(size);
    if (path)
        snprintf(path, size, "%s/%s", directory, name);
    return path;
}

/* A directory that was just made is in its parent for good only when that has been written. */
static bool
make_directory(vmxd_journal_dir *dir, const char *path, vmxd_status *status)
{
    bool made = mkdir(path, 0755) == 0;
    if (!made && errno != EEXIST)
        return vmxd_journal_refuse_errno(status, path, "cannot be made", errno);
    dir->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir->fd < 0)
        return vmxd_journal_refuse_errno(status, path, "cannot be opened as a directory", errno);
    int parent = made ? openat(dir->fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (parent >= 0) {
        fsync(parent);
        close(parent);
    }
    return true;
}

/* The lock goes with the process, however it ends; the file stays, and says whose it is. */
static bool
lock_directory(vmxd_journal_dir *dir, const char *path, vmxd_status *status)
{
    char owner[32] = "";
    dir->lock_fd = openat(dir->fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (dir->lock_fd < 0)
        return vmxd_journal_refuse_errno(status, path, "its file \"lock\" cannot be opened", errno);
    if (flock(dir->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        int error = errno;
        ssize_t len = error == EWOULDBLOCK ? pread(dir->lock_fd, owner, sizeof owner - 1, 0) : 0;
        owner[strspn(owner, "0123456789")] = '\0';
        if (error != EWOULDBLOCK)
            return vmxd_journal_refuse_errno(status, path, "flock", error);
        return vmxd_refuse(
            status, GRPC_STATUS_FAILED_PRECONDITION,
            "--data \"%.256s\": in use by another vecmuxd (process %s); stop it, or give another directory", path,
            len > 0 ? owner : "unknown");
    }
    int len = snprintf(owner, sizeof owner, "%ld\n", (long)getpid());
    /* the number helps people only: a full disk is no reason not to start */
    if (ftruncate(dir->lock_fd, 0) == 0 && pwrite(dir->lock_fd, owner, (size_t)len, 0) != len)
        fprintf(stderr, "vecmuxd: %s/lock: cannot be written: %s\n", path, strerror(errno));
    return true;
}

bool
vmxd_journal_dir_open(vmxd_journal_dir *dir, const char *path, vmxd_status *status)
{
    *dir = (vmxd_journal_dir){.log_path = join(path, "writes.log"),
                              .new_path = join(path, "writes.log.new"),
                              .fd = -1,
                              .lock_fd = -1,
                              .log.fd = -1};
    if (!dir->log_path || !dir->new_path)
        return vmxd_no_memory(status);
    return make_directory(dir, path, status) && lock_directory(dir, path, status);
}

void
vmxd_journal_dir_close(vmxd_journal_dir *dir)
{
    vmxd_journal_file_close(&dir->log);
    if (dir->lock_fd >= 0)
        close(dir->lock_fd);
    if (dir->fd >= 0)
        close(dir->fd);
    vmx_dealloc(dir->log_path);
    vmx_dealloc(dir->new_path);
}

bool
vmxd_journal_dir_rewrite(vmxd_journal_dir *dir, vmxd_store *store, vmxd_status *status)
{
    vmxd_journal_file made;
    char *path = vmx_str_copy(vmx_str_from(dir->log_path));
    bool done = path ? vmxd_journal_snapshot(&made, dir->new_path, store, status) : vmxd_no_memory(status);
    if (done && rename(dir->new_path, dir->log_path) != 0) {
        done = vmxd_journal_refuse_errno(status, dir->new_path, "cannot be renamed", errno);
        vmxd_journal_file_close(&made);
        unlink(dir->new_path);
    }
    if (!done) {
        vmx_dealloc(path);
        return false;
    }
    vmx_dealloc(made.path);
    made.path = path;
    vmxd_journal_file_close(&dir->log);
    dir->log = made;
    if (fsync(dir->fd) != 0) /* which of the two a crash would leave is open, so what follows must not be promised */
        dir->log.broken = true;
    return !dir->log.broken || vmxd_journal_refuse_errno(status, dir->log_path, "fsync of its directory", errno);
}

static bool
refuse_contradiction(const vmxd_journal_dir *dir, const char *option, const char *given, const char *log,
                     vmxd_status *status)
{
    return vmxd_invalid(
        status,
        "%s %s contradicts %.256s, which was made with %s; leave the option out, or give another --data "
        "directory",
        option, given, dir->log_path, log);
}

/* What the command line says on purpose must be what the log says. */
static bool
check_config(const vmxd_journal_dir *dir, const vmxd_journal_options *options, const vmxd_store_options *given,
             const vmxd_store_options *log, vmxd_status *status)
{
    if (options->type_given && given->sparse != log->sparse)
        return refuse_contradiction(dir, "--vector-type", given->sparse ? "sparse" : "dense",
                                    log->sparse ? "sparse" : "dense", status);
    if (options->metric_given && given->metric != log->metric)
        return refuse_contradiction(dir, "--metric", vmxd_metric_name(given->metric), vmxd_metric_name(log->metric),
                                    status);
    if (given->dimension > 0 && log->sparse)
        return refuse_contradiction(dir, "--dimension", "of a dense index", "--vector-type sparse", status);
    return true;
}

static void
tell_loaded(const vmxd_journal_dir *dir, const vmxd_replayed *replayed, uint64_t took_us)
{
    if (replayed->dropped_bytes > 0)
        fprintf(stderr,
                "vecmuxd: %s: dropped the last %" PRIu64 " bytes, from offset %" PRIu64
                " on: a write that was cut short\n",
                dir->log_path, replayed->dropped_bytes, dir->log.end);
    fprintf(stderr, "vecmuxd: %s: replayed %" PRIu64 " writes, %" PRIu64 " bytes, in %.2f s\n", dir->log_path,
            replayed->records, dir->log.end, (double)took_us / 1e6);
}

/* A log that is there. */
static bool
load(vmxd_journal_dir *dir, const vmxd_journal_options *options, vmxd_store_options *config, vmxd_store **store,
     vmxd_status *status)
{
    vmxd_store_options given = *config;
    vmxd_replayed replayed;
    uint64_t began = vmx_monotonic_us();
    if (!vmxd_journal_file_open(&dir->log, dir->log_path, config, status) ||
        !check_config(dir, options, &given, config, status))
        return false;
    config->dimension = 0;
    *store = vmxd_store_new(config);
    if (!*store)
        return vmxd_no_memory(status);
    if (!vmxd_journal_replay(&dir->log, *store, given.dimension, &replayed, status))
        return false;
    tell_loaded(dir, &replayed, vmx_monotonic_us() - began);
    return true;
}

/* A dimension that the command line gives is the log's from now on. */
static bool
log_dimension(vmxd_journal_dir *dir, uint32_t dimension, bool sync, vmxd_store *store, vmxd_status *status)
{
    uint8_t body[4];
    uint32_t fixed;
    vmxd_put_u32(body, dimension);
    return vmxd_journal_file_append(&dir->log,
                                    &(vmxd_journal_record){VMXD_JOURNAL_DIMENSION, {(const char *)body, sizeof body}},
                                    1, sync, status) &&
           vmxd_store_fix_dimension(store, dimension, &fixed);
}

bool
vmxd_journal_dir_load(vmxd_journal_dir *dir, const vmxd_journal_options *options, const vmxd_store_options *config,
                      vmxd_store **store, vmxd_status *status)
{
    vmxd_store_options chosen = *config;
    bool done;
    unlink(dir->new_path); /* of a server that was killed while it wrote it */
    if (access(dir->log_path, F_OK) == 0) {
        done = load(dir, options, &chosen, store, status);
    } else {
        *store = vmxd_store_new(&chosen);
        done = *store ? vmxd_journal_dir_rewrite(dir, *store, status) : vmxd_no_memory(status);
    }
    if (done && config->dimension > 0 && vmxd_store_dimension(*store) == 0)
        done = log_dimension(dir, config->dimension, options->sync, *store, status);
    if (!done) {
        vmxd_store_free(*store);
        *store = NULL;
    }
    return done;
}
