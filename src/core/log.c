#include "core/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/config.h"
#include "core/config_private.h"
#include "core/error.h"
#include "core/file.h"
#include "core/sync.h"
#include "core/utf8.h"

#define FILE_MODE 0640

/* Fields that every record has beside its own: pid, endpoint, suppressed, lost. */
#define COMMON_FIELDS 4

/* Head and common fields take less than 700 bytes, a field at most its key's 24, its value's, and 8 around them. */
_Static_assert(700 + (VMX_LOG_MAX_FIELDS) * (VMX_LOG_MAX_TEXT + 32) < VMX_LOG_LINE_SIZE, "a record may not fit");

/* A descriptor that lines are written to. */
typedef struct vmx_log_target {
    int fd; /* -1: none */
    _Atomic uint64_t lost;
    _Atomic bool torn; /* the last line was cut off */
} vmx_log_target;

struct vmx_log {
    vmx_log_level level;
    vmx_log_format format;
    vmx_log_sink sink;
    void *user;
    uint32_t per_second;
    pid_t pid;
    char *path;
    char *endpoint;
    vmx_log_target to_stderr, to_file;
    _Atomic uint64_t windows[VMX_LOG_EVENT_COUNT];
    _Atomic uint64_t suppressed[VMX_LOG_EVENT_COUNT];
};

/* --- opening ------------------------------------------------------------------------------------------------------- */

/* Never waits: a named pipe that nobody reads is an error. */
static int
open_file(const char *path, vmx_error *error)
{
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, FILE_MODE);
    if (fd < 0) {
        const char *reason = strerrordesc_np(errno);
        vmx_error_set(error, VMX_ERR_IO, "log.file \"%.*s\": %s; name a file that this process may write",
                      vmx_file_path_clip(vmx_str_from(path)), path, reason != NULL ? reason : "unknown error");
    }
    return fd;
}

static vmx_status
fill(vmx_log *log, const vmx_log_options *options, vmx_error *error)
{
    log->level = options->level;
    log->format = options->format;
    log->sink = options->sink;
    log->user = options->user;
    log->per_second = options->per_second;
    log->pid = getpid();
    log->to_stderr.fd = options->to_stderr ? STDERR_FILENO : -1;
    log->to_file.fd = -1;
    log->path = vmx_str_copy(vmx_str_from(options->path));
    log->endpoint = vmx_str_copy(vmx_str_from(options->endpoint));
    if (log->path == NULL || log->endpoint == NULL)
        return vmx_error_no_memory(error);
    if (log->path[0] == '\0')
        return VMX_OK;
    log->to_file.fd = open_file(log->path, error);
    return log->to_file.fd >= 0 ? VMX_OK : VMX_ERR_IO;
}

vmx_status
vmx_log_open(const vmx_log_options *options, vmx_log **out, vmx_error *error)
{
    *out = NULL;
    bool somewhere = options->sink != NULL || options->to_stderr || options->path[0] != '\0';
    if (options->level == VMX_LOG_OFF || !somewhere)
        return VMX_OK;
    vmx_log *log = vmx_calloc(1, sizeof *log);
    if (log == NULL)
        return vmx_error_no_memory(error);
    vmx_status status = fill(log, options, error);
    if (status != VMX_OK)
        vmx_log_close(log);
    else
        *out = log;
    return status;
}

static vmx_log_level
level_of(const char *name)
{
    vmx_log_level level = VMX_LOG_OFF;
    while (level < VMX_LOG_DEBUG && strcmp(name, vmx_log_level_name(level)) != 0)
        level++;
    return level;
}

vmx_status
vmx_log_open_config(const vmx_config *config, vmx_log **log, vmx_error *error)
{
    vmx_log_options options = {
        .level = level_of(vmx_config_text(config, "log.level")),
        .format = strcmp(vmx_config_text(config, "log.format"), "json") == 0 ? VMX_LOG_JSON : VMX_LOG_LOGFMT,
        .sink = config->log_sink,
        .user = config->log_user,
        .to_stderr = vmx_config_bool(config, "log.stderr"),
        .path = vmx_config_text(config, "log.file"),
        .per_second = (uint32_t)vmx_config_int(config, "log.rate.per.second"),
        .endpoint = vmx_config_text(config, "endpoint"),
    };
    return vmx_log_open(&options, log, error);
}

void
vmx_config_set_log_sink(vmx_config *config, vmx_log_sink sink, void *user)
{
    config->log_sink = sink;
    config->log_user = user;
}

/* dup3 puts the new file in the place of the old descriptor in one step: who is writing meets the one or the other. */
vmx_status
vmx_log_reopen(vmx_log *log, vmx_error *error)
{
    if (log == NULL || log->to_file.fd < 0)
        return VMX_OK;
    int fd = open_file(log->path, error);
    if (fd < 0)
        return VMX_ERR_IO;
    dup3(fd, log->to_file.fd, O_CLOEXEC);
    close(fd);
    atomic_store(&log->to_file.torn, false);
    return VMX_OK;
}

void
vmx_log_close(vmx_log *log)
{
    if (log == NULL)
        return;
    if (log->to_file.fd >= 0)
        close(log->to_file.fd);
    vmx_dealloc(log->path);
    vmx_dealloc(log->endpoint);
    vmx_dealloc(log);
}

/* --- the rate ------------------------------------------------------------------------------------------------------ */

/* Second and count are one number, so that they change together. */
bool
vmx_log_rate_take(_Atomic uint64_t *window, uint32_t per_second, uint64_t now_us)
{
    uint64_t second = now_us / 1000000 << 32;
    uint64_t old = atomic_load_explicit(window, memory_order_relaxed);
    for (;;) {
        bool same = (old & ~(uint64_t)UINT32_MAX) == second;
        if (same && (uint32_t)old >= per_second)
            return false;
        uint64_t next = same ? old + 1 : second + 1;
        if (atomic_compare_exchange_weak_explicit(window, &old, next, memory_order_relaxed, memory_order_relaxed))
            return true;
    }
}

/* What is an account would not add up with records left out. */
static bool
has_no_rate(vmx_log_event event)
{
    return event == VMX_LOG_EVENT_BATCH || event == VMX_LOG_EVENT_DEAD_LETTERS_LOST;
}

static bool
may_go(vmx_log *log, vmx_log_event event)
{
    if (log->per_second == 0 || has_no_rate(event) ||
        vmx_log_rate_take(&log->windows[event], log->per_second, vmx_monotonic_us()))
        return true;
    atomic_fetch_add_explicit(&log->suppressed[event], 1, memory_order_relaxed);
    return false;
}

uint64_t
vmx_log_suppressed(vmx_log *log)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < VMX_LOG_EVENT_COUNT; i++)
        sum += atomic_load_explicit(&log->suppressed[i], memory_order_relaxed);
    return sum;
}

/* --- writing a line ------------------------------------------------------------------------------------------------ */

/*
 * One write, without the signals that a reader's end or a size limit would bring upon the host: they are blocked here,
 * and taken out again if this write has raised them.
 */
static ssize_t
write_quietly(int fd, const char *bytes, size_t len)
{
    sigset_t quiet, old, before, after;
    sigemptyset(&quiet);
    sigaddset(&quiet, SIGPIPE);
    sigaddset(&quiet, SIGXFSZ);
    pthread_sigmask(SIG_BLOCK, &quiet, &old);
    sigpending(&before);
    ssize_t written;
    do {
        written = write(fd, bytes, len);
    } while (written < 0 && errno == EINTR);
    sigpending(&after);
    const int signals[] = {SIGPIPE, SIGXFSZ};
    for (size_t i = 0; i < 2; i++) {
        sigset_t one;
        sigemptyset(&one);
        sigaddset(&one, signals[i]);
        if (sigismember(&after, signals[i]) && !sigismember(&before, signals[i]))
            sigtimedwait(&one, NULL, &(struct timespec){0});
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return written;
}

static bool
has_room(int fd)
{
    struct pollfd item = {.fd = fd, .events = POLLOUT};
    return poll(&item, 1, 0) == 1 && (item.revents & POLLOUT) != 0;
}

/* A line that could not be written is counted on the next one; one after a line that was cut off begins a new line. */
static void
write_line(vmx_log_target *target, const vmx_log_record *record, vmx_log_field *last, vmx_log_format format)
{
    char line[1 + VMX_LOG_LINE_SIZE] = "\n";
    uint64_t lost = atomic_exchange_explicit(&target->lost, 0, memory_order_relaxed);
    vmx_log_record with_lost = *record;
    if (lost > 0) {
        *last = vmx_log_integer("lost", (int64_t)lost);
        with_lost.field_count++;
    }
    size_t len = vmx_log_record_format(&with_lost, format, line + 1, VMX_LOG_LINE_SIZE);
    bool torn = atomic_load_explicit(&target->torn, memory_order_relaxed);
    const char *begin = torn ? line : line + 1;
    len += torn;
    ssize_t written = has_room(target->fd) ? write_quietly(target->fd, begin, len) : -1;
    if (written == (ssize_t)len) {
        if (torn)
            atomic_store_explicit(&target->torn, false, memory_order_relaxed);
        return;
    }
    atomic_fetch_add_explicit(&target->lost, lost + 1, memory_order_relaxed);
    if (written > 0)
        atomic_store_explicit(&target->torn, true, memory_order_relaxed);
}

/* --- records ------------------------------------------------------------------------------------------------------- */

/* Cut between two characters, so that what is kept of a valid text is valid. */
static vmx_str
clip(vmx_str text)
{
    if (text.ptr == NULL)
        return vmx_str_from("");
    if (text.len <= VMX_LOG_MAX_TEXT)
        return text;
    size_t len = VMX_LOG_MAX_TEXT;
    while (len > VMX_LOG_MAX_TEXT - 3 && ((unsigned char)text.ptr[len] & 0xC0) == 0x80)
        len--;
    return (vmx_str){text.ptr, len};
}

vmx_log_field
vmx_log_str(const char *key, vmx_str text)
{
    return (vmx_log_field){.key = key, .kind = VMX_LOG_TEXT, .text = clip(text)};
}

vmx_log_field
vmx_log_text(const char *key, const char *text)
{
    return vmx_log_str(key, vmx_str_from(text));
}

vmx_log_field
vmx_log_integer(const char *key, int64_t value)
{
    return (vmx_log_field){.key = key, .kind = VMX_LOG_INTEGER, .text = {"", 0}, .integer = value};
}

vmx_log_field
vmx_log_number(const char *key, double value)
{
    return (vmx_log_field){.key = key, .kind = VMX_LOG_NUMBER, .text = {"", 0}, .number = value};
}

vmx_log_field
vmx_log_bool(const char *key, bool value)
{
    return (vmx_log_field){.key = key, .kind = VMX_LOG_BOOL, .text = {"", 0}, .integer = value};
}

/* A sink that does something worth a record would hear of it inside itself, and so on. */
static _Thread_local bool inside_sink;

static void
call_sink(const vmx_log *log, const vmx_log_record *record)
{
    if (log->sink == NULL || inside_sink)
        return;
    inside_sink = true;
    vmx_callback_enter();
    log->sink(record, log->user);
    vmx_callback_leave();
    inside_sink = false;
}

static int64_t
wall_clock_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

bool
vmx_log_has_level(const vmx_log *log, vmx_log_event event)
{
    return vmx_log_event_at(event)->level <= log->level;
}

static size_t
gather(vmx_log *log, vmx_log_event event, const vmx_log_field *fields, size_t count, vmx_log_field *all)
{
    size_t n = 0;
    all[n++] = vmx_log_integer("pid", log->pid);
    all[n++] = vmx_log_text("endpoint", log->endpoint);
    for (size_t i = 0; i < count && i < VMX_LOG_MAX_FIELDS; i++)
        all[n++] = fields[i];
    uint64_t suppressed = atomic_exchange_explicit(&log->suppressed[event], 0, memory_order_relaxed);
    if (suppressed > 0)
        all[n++] = vmx_log_integer("suppressed", (int64_t)suppressed);
    return n;
}

void
vmx_log_write(vmx_log *log, vmx_log_event event, const vmx_log_field *fields, size_t count)
{
    if (!vmx_log_wants(log, event) || !may_go(log, event))
        return;
    int host_errno = errno;
    const vmx_log_event_row *row = vmx_log_event_at(event);
    vmx_log_field all[COMMON_FIELDS + VMX_LOG_MAX_FIELDS];
    vmx_log_record record = {
        .size = sizeof record,
        .time_ms = wall_clock_ms(),
        .level = row->level,
        .room = row->room,
        .event = row->name,
        .message = row->message,
        .fields = all,
        .field_count = gather(log, event, fields, count, all),
    };
    call_sink(log, &record);
    if (log->to_stderr.fd >= 0)
        write_line(&log->to_stderr, &record, &all[record.field_count], log->format);
    if (log->to_file.fd >= 0)
        write_line(&log->to_file, &record, &all[record.field_count], log->format);
    errno = host_errno;
}
