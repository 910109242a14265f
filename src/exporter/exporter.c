#include "exporter.h"

#include "http.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define CONNECTIONS     8 /* more wait in the kernel's line */
#define BACKLOG         16
#define FILE_MS         2000
#define ADDRESS_MAX     128
#define LINE_SIZE       2048
#define EXAMPLE_ADDRESS "127.0.0.1:9464"

struct metrics_exporter {
    vmx_client *client;
    const char *program;
    const char *file; /* NULL: none */
    char *temporary;  /* beside it */
    bool told;        /* that the file cannot be written */
    int listener;     /* -1: none */
    int wake;         /* readable when it is to stop */
    pthread_t thread;
    metrics_http connections[CONNECTIONS];
};

static int64_t
clock_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* One line on stderr. */
static void
tell(const char *program, const char *format, ...)
{
    char line[LINE_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    for (char *c = line; *c; c++)
        if (*c == '\n' || *c == '\r')
            *c = ' ';
    fprintf(stderr, "%s: %s\n", program, line);
}

/* --- the page ------------------------------------------------------------------------------------------------------ */

static char *
make_page(void *user, size_t *len)
{
    metrics_exporter *exporter = user;
    vmx_stats *stats;
    vmx_str text;
    char *page = NULL;
    if (vmx_client_stats(exporter->client, &stats, NULL) != VMX_OK)
        return NULL;
    if (vmx_stats_text(stats, VMX_STATS_PROMETHEUS, &text, NULL) == VMX_OK && (page = malloc(text.len)) != NULL) {
        memcpy(page, text.ptr, text.len);
        *len = text.len;
    }
    vmx_stats_free(stats);
    return page;
}

/* --- the file ------------------------------------------------------------------------------------------------------ */

/* A reader sees the old text or the new one, never a part: the file is made beside it and takes its name. */
static bool
write_page(const metrics_exporter *exporter, const char *page, size_t len)
{
    FILE *out = fopen(exporter->temporary, "we");
    if (!out)
        return false;
    bool written = fwrite(page, 1, len, out) == len;
    written = fclose(out) == 0 && written;
    if (written && rename(exporter->temporary, exporter->file) == 0)
        return true;
    int reason = errno;
    unlink(exporter->temporary);
    errno = reason;
    return false;
}

static bool
write_file(metrics_exporter *exporter)
{
    size_t len = 0;
    char *page = make_page(exporter, &len);
    errno = ENOMEM;
    bool written = page && write_page(exporter, page, len);
    if (!written && !exporter->told)
        tell(exporter->program, "--metrics-file \"%s\": %s", exporter->file, strerror(errno));
    exporter->told = !written;
    free(page);
    return written;
}

/* --- the thread ---------------------------------------------------------------------------------------------------- */

static metrics_http *
free_connection(metrics_exporter *exporter)
{
    for (size_t i = 0; i < CONNECTIONS; i++)
        if (exporter->connections[i].fd < 0)
            return &exporter->connections[i];
    return NULL;
}

static void
take_connection(metrics_exporter *exporter, int64_t now_ms)
{
    int fd = accept4(exporter->listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd >= 0)
        metrics_http_begin(free_connection(exporter), fd, now_ms);
}

/* Slow clients are cut off; returns when the next one will be, or `until_ms`. */
static int64_t
end_slow_connections(metrics_exporter *exporter, int64_t now_ms, int64_t until_ms)
{
    for (size_t i = 0; i < CONNECTIONS; i++) {
        metrics_http *connection = &exporter->connections[i];
        if (connection->fd >= 0 && now_ms >= connection->until_ms)
            metrics_http_end(connection);
        if (connection->fd >= 0 && connection->until_ms < until_ms)
            until_ms = connection->until_ms;
    }
    return until_ms;
}

/* Waits for something to do, at most until `until_ms`, and does it. False: it is to stop. */
static bool
poll_once(metrics_exporter *exporter, int64_t until_ms)
{
    struct pollfd fds[CONNECTIONS + 2] = {
        {.fd = exporter->wake, .events = POLLIN},
        {.fd = free_connection(exporter) ? exporter->listener : -1, .events = POLLIN},
    };
    for (size_t i = 0; i < CONNECTIONS; i++)
        fds[i + 2] =
            (struct pollfd){.fd = exporter->connections[i].fd, .events = metrics_http_wants(&exporter->connections[i])};
    int64_t wait_ms = until_ms - clock_ms();
    if (poll(fds, CONNECTIONS + 2, wait_ms > 0 ? (int)wait_ms : 0) <= 0)
        return true;
    for (size_t i = 0; i < CONNECTIONS; i++)
        if (fds[i + 2].revents)
            metrics_http_go_on(&exporter->connections[i], make_page, exporter);
    if (fds[1].revents & POLLIN)
        take_connection(exporter, clock_ms());
    return !fds[0].revents;
}

static void *
run(void *arg)
{
    metrics_exporter *exporter = arg;
    int64_t file_ms = clock_ms() + FILE_MS;
    while (poll_once(exporter, end_slow_connections(exporter, clock_ms(), file_ms))) {
        if (clock_ms() < file_ms)
            continue;
        if (exporter->file)
            write_file(exporter);
        file_ms = clock_ms() + FILE_MS;
    }
    for (size_t i = 0; i < CONNECTIONS; i++)
        metrics_http_end(&exporter->connections[i]);
    return NULL;
}

/* Signals are the command's. */
static bool
start_thread(metrics_exporter *exporter)
{
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int failed = pthread_create(&exporter->thread, NULL, run, exporter);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (failed)
        tell(exporter->program, "--metrics-listen, --metrics-file: no thread: %s", strerror(failed));
    return !failed;
}

/* --- listening ----------------------------------------------------------------------------------------------------- */

/* Splits "ADDRESS:PORT", "[ADDRESS]:PORT"; NULL when it is none. For freeaddrinfo. */
static struct addrinfo *
read_address(const char *text)
{
    char host[ADDRESS_MAX];
    const char *colon = strrchr(text, ':');
    size_t len = colon ? (size_t)(colon - text) : 0;
    bool bracketed = len > 2 && text[0] == '[' && text[len - 1] == ']';
    if (len == 0 || len >= sizeof host || strlen(colon + 1) > 5 || strspn(colon + 1, "0123456789") == 0 ||
        strtoul(colon + 1, NULL, 10) > UINT16_MAX)
        return NULL;
    snprintf(host, sizeof host, "%.*s", (int)(bracketed ? len - 2 : len), bracketed ? text + 1 : text);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV}, *found;
    return getaddrinfo(host, colon + 1, &hints, &found) == 0 ? found : NULL;
}

static int
listen_on(const struct addrinfo *address)
{
    int on = 1;
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, address->ai_addr, address->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    int reason = errno;
    close(fd);
    errno = reason;
    return -1;
}

/* Where it listens, when the system chose the port. */
static void
tell_port(const metrics_exporter *exporter, const char *asked)
{
    struct sockaddr_storage address;
    socklen_t len = sizeof address;
    char port[8];
    const char *colon = strrchr(asked, ':');
    if (strtoul(colon + 1, NULL, 10) != 0 || getsockname(exporter->listener, (struct sockaddr *)&address, &len) != 0 ||
        getnameinfo((struct sockaddr *)&address, len, NULL, 0, port, sizeof port, NI_NUMERICSERV) != 0)
        return;
    tell(exporter->program, "metrics on http://%.*s:%s/metrics", (int)(colon - asked), asked, port);
}

static metrics_exporter_result
open_listener(metrics_exporter *exporter, const char *text)
{
    struct addrinfo *address = read_address(text);
    if (!address) {
        tell(exporter->program, "--metrics-listen \"%s\": write a numeric address and a port, as " EXAMPLE_ADDRESS,
             text);
        return METRICS_EXPORTER_USAGE;
    }
    exporter->listener = listen_on(address);
    freeaddrinfo(address);
    if (exporter->listener >= 0)
        return METRICS_EXPORTER_OK;
    tell(exporter->program, "--metrics-listen \"%s\": %s; give a free port, or 0", text, strerror(errno));
    return METRICS_EXPORTER_FAILED;
}

/* --- life ---------------------------------------------------------------------------------------------------------- */

/* The first text is written at once: a path that does not work is told before the command begins. */
static metrics_exporter_result
open_file(metrics_exporter *exporter, const char *path)
{
    size_t size = strlen(path) + 32;
    struct stat about;
    if (stat(path, &about) == 0 && !S_ISREG(about.st_mode)) { /* a device or pipe would be replaced by a file */
        tell(exporter->program, "--metrics-file \"%s\": is no regular file; name another", path);
        return METRICS_EXPORTER_FAILED;
    }
    exporter->file = path;
    exporter->temporary = malloc(size);
    if (!exporter->temporary) {
        tell(exporter->program, "out of memory");
        return METRICS_EXPORTER_FAILED;
    }
    snprintf(exporter->temporary, size, "%s.%ld.tmp", path, (long)getpid());
    return write_file(exporter) ? METRICS_EXPORTER_OK : METRICS_EXPORTER_FAILED;
}

static void
free_exporter(metrics_exporter *exporter)
{
    if (exporter->listener >= 0)
        close(exporter->listener);
    if (exporter->wake >= 0)
        close(exporter->wake);
    free(exporter->temporary);
    free(exporter);
}

static metrics_exporter *
new_exporter(vmx_client *client, const char *program)
{
    metrics_exporter *exporter = calloc(1, sizeof *exporter);
    if (!exporter)
        return NULL;
    exporter->client = client;
    exporter->program = program;
    exporter->listener = -1;
    for (size_t i = 0; i < CONNECTIONS; i++)
        exporter->connections[i].fd = -1;
    exporter->wake = eventfd(0, EFD_CLOEXEC);
    if (exporter->wake >= 0)
        return exporter;
    free(exporter);
    return NULL;
}

metrics_exporter_result
metrics_exporter_start(vmx_client *client, const metrics_exporter_options *options, metrics_exporter **out)
{
    *out = NULL;
    if (!options->listen && !options->file)
        return METRICS_EXPORTER_OK;
    metrics_exporter *exporter = new_exporter(client, options->program);
    if (!exporter) {
        tell(options->program, "--metrics-listen, --metrics-file: %s", strerror(errno));
        return METRICS_EXPORTER_FAILED;
    }
    metrics_exporter_result result = options->listen ? open_listener(exporter, options->listen) : METRICS_EXPORTER_OK;
    if (result == METRICS_EXPORTER_OK && options->file)
        result = open_file(exporter, options->file);
    if (result == METRICS_EXPORTER_OK && !start_thread(exporter))
        result = METRICS_EXPORTER_FAILED;
    if (result != METRICS_EXPORTER_OK) {
        free_exporter(exporter);
        return result;
    }
    if (options->listen)
        tell_port(exporter, options->listen);
    *out = exporter;
    return METRICS_EXPORTER_OK;
}

void
metrics_exporter_stop(metrics_exporter *exporter)
{
    if (!exporter)
        return;
    uint64_t one = 1;
    if (write(exporter->wake, &one, sizeof one) == (ssize_t)sizeof one)
        pthread_join(exporter->thread, NULL);
    if (exporter->file)
        write_file(exporter);
    free_exporter(exporter);
}
