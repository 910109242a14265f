#include "api/harness.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* --- time ---------------------------------------------------------------------------------------------------------- */

int64_t
now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void
sleep_ms(int64_t ms)
{
    struct timespec left = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    while (nanosleep(&left, &left) != 0)
        ;
}

int64_t
slow_ms(int64_t ms)
{
    const char *slow = getenv("VMX_TEST_SLOW");
    return slow != NULL ? ms * strtol(slow, NULL, 10) : ms;
}

/* --- the server ---------------------------------------------------------------------------------------------------- */

static void
run_server(const char *listen, const char *port_file)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    const char *program = getenv("VMX_VECMUXD");
    execl(program, program, "--listen", listen, "--port-file", port_file, (char *)NULL);
    perror(program);
    _exit(127);
}

/* The port in the file, as soon as it is there; 0 before. */
static int
read_port(const char *path)
{
    int port = 0;
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return 0;
    if (fscanf(file, "%d\n", &port) != 1)
        port = 0;
    fclose(file);
    return port;
}

server
server_start(int port)
{
    server s = {.pid = -1};
    char directory[] = "/tmp/vecmux-api-XXXXXX", port_file[64], listen[32];
    ck_assert_ptr_nonnull(getenv("VMX_VECMUXD"));
    ck_assert_ptr_nonnull(mkdtemp(directory));
    snprintf(port_file, sizeof port_file, "%s/port", directory);
    snprintf(listen, sizeof listen, "127.0.0.1:%d", port);
    s.pid = fork();
    ck_assert_int_ge(s.pid, 0);
    if (s.pid == 0)
        run_server(listen, port_file);
    for (int64_t limit = now_ms() + slow_ms(10000); s.port == 0 && now_ms() < limit; sleep_ms(5))
        s.port = read_port(port_file);
    unlink(port_file);
    rmdir(directory);
    ck_assert_msg(s.port != 0, "vecmuxd does not listen on %s", listen);
    snprintf(s.endpoint, sizeof s.endpoint, "127.0.0.1:%d", s.port);
    return s;
}

void
server_pause(const server *s)
{
    ck_assert_int_eq(kill(s->pid, SIGSTOP), 0);
    int status;
    ck_assert_int_eq(waitpid(s->pid, &status, WUNTRACED), s->pid);
    ck_assert(WIFSTOPPED(status));
}

void
server_resume(const server *s)
{
    ck_assert_int_eq(kill(s->pid, SIGCONT), 0);
}

void
server_kill(server *s)
{
    ck_assert_int_eq(kill(s->pid, SIGKILL), 0);
    ck_assert_int_eq(waitpid(s->pid, NULL, 0), s->pid);
    s->pid = -1;
}

int
free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    close(fd);
    return ntohs(address.sin_port);
}

/* --- client -------------------------------------------------------------------------------------------------------- */

static void
set(vmx_config *config, const char *name, const char *value)
{
    vmx_error error;
    vmx_status status = vmx_config_set(config, VMX_STR(name), VMX_STR(value), &error);
    ck_assert_msg(status == VMX_OK, "%s", error.message);
}

vmx_client *
open_client(const char *endpoint, int io_threads, const char *const *properties)
{
    char threads[16];
    snprintf(threads, sizeof threads, "%d", io_threads);
    vmx_config *config = vmx_config_new();
    set(config, "endpoint", endpoint);
    set(config, "io.threads", threads);
    for (size_t i = 0; properties != NULL && properties[i] != NULL; i += 2)
        set(config, properties[i], properties[i + 1]);
    vmx_client *client;
    vmx_error error;
    vmx_status status = vmx_client_open(config, &client, &error);
    ck_assert_msg(status == VMX_OK, "%s", error.message);
    vmx_config_free(config);
    return client;
}

vmx_index *
open_index(vmx_client *client)
{
    vmx_index *index;
    vmx_error error;
    vmx_status status = vmx_index_open(client, VMX_STR(""), VMX_STR(""), &index, &error);
    ck_assert_msg(status == VMX_OK, "%s", error.message);
    return index;
}

static bool
is_connected(const vmx_client *client)
{
    for (size_t i = 0; i < vmx_client_channel_count(client); i++) {
        vmx_channel_info info;
        vmx_channel_info_init(&info, sizeof info);
        ck_assert(vmx_client_channel(client, i, &info));
        if (info.state != VMX_CHANNEL_READY)
            return false;
    }
    return true;
}

void
await_connections(vmx_client *client)
{
    int64_t limit = now_ms() + slow_ms(10000);
    while (!is_connected(client)) {
        ck_assert_msg(now_ms() < limit, "not connected");
        if (vmx_client_poll(client, 5) == 0)
            sleep_ms(1);
    }
}

void
close_client(vmx_client *client)
{
    vmx_error error;
    vmx_status status = vmx_client_close(client, slow_ms(10000), &error);
    ck_assert_msg(status == VMX_OK, "%s", error.message);
    vmx_client_free(client);
}

static void
fill_values(unsigned number, float values[DIMENSION])
{
    for (unsigned i = 0; i < DIMENSION; i++)
        values[i] = (float)((number * (i + 7) + i * 13) % 101 + 1);
}

vmx_op *
start_upsert(vmx_index *index, unsigned number, const vmx_call_options *options)
{
    char id[32];
    float values[DIMENSION];
    fill_values(number, values);
    snprintf(id, sizeof id, "r%u", number);
    vmx_vector vector;
    vmx_vector_init(&vector, sizeof vector);
    vector.id = VMX_STR(id);
    vector.values = (vmx_floats){values, DIMENSION};
    vmx_vectors vectors = {.ptr = &vector, .count = 1};
    vmx_op *op;
    vmx_error error;
    vmx_status status = vmx_index_upsert(index, &vectors, options, &op, &error);
    ck_assert_msg(status == VMX_OK, "%s", error.message);
    return op;
}

vmx_op *
start_wide_upsert(vmx_index *records, unsigned number, size_t count, size_t dimension, const vmx_call_options *options)
{
    static float values[20000];
    static char ids[50][32];
    vmx_vector vectors[50];
    vmx_op *op;
    vmx_error error;
    for (size_t i = 0; i < count; i++) {
        snprintf(ids[i], sizeof ids[i], "u%u-%zu", number, i);
        vmx_vector_init(&vectors[i], sizeof vectors[i]);
        vectors[i].id = VMX_STR(ids[i]);
        vectors[i].values = (vmx_floats){values, dimension};
    }
    for (size_t i = 0; i < dimension; i++)
        values[i] = (float)(i % 7) + 1;
    vmx_vectors batch = {.ptr = vectors, .count = count};
    vmx_status status = vmx_index_upsert(records, &batch, options, &op, &error);
    ck_assert_msg(status == VMX_OK, "%s", error.message);
    return op;
}

vmx_op *
start_query(vmx_index *index, unsigned number, const vmx_call_options *options)
{
    float values[DIMENSION];
    fill_values(number, values);
    vmx_query query;
    vmx_query_init(&query, sizeof query);
    query.dense = (vmx_floats){values, DIMENSION};
    query.top_k = 3;
    vmx_op *op;
    vmx_error error;
    vmx_status status = vmx_index_query(index, &query, options, &op, &error);
    ck_assert_msg(status == VMX_OK, "%s", error.message);
    return op;
}

void
finish(vmx_op *op)
{
    vmx_status status = vmx_op_wait(op, slow_ms(20000));
    ck_assert_msg(status == VMX_OK, "%s: %s", vmx_status_name(status), vmx_op_error(op)->message);
    vmx_op_free(op);
}

vmx_queue *
make_queue(vmx_client *client)
{
    vmx_queue *queue;
    vmx_error error;
    vmx_status status = vmx_queue_new(client, &queue, &error);
    ck_assert_msg(status == VMX_OK, "%s", error.message);
    return queue;
}

vmx_call_options
to_queue(vmx_queue *queue, void *user)
{
    vmx_call_options options;
    vmx_call_options_init(&options, sizeof options);
    options.queue = queue;
    options.user = user;
    return options;
}

/* --- processes ----------------------------------------------------------------------------------------------------- */

static bool
thread_has_prefix(const char *id, const char *prefix)
{
    char path[64], name[32] = "";
    snprintf(path, sizeof path, "/proc/self/task/%.20s/comm", id);
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return false;
    if (fgets(name, sizeof name, file) == NULL)
        name[0] = '\0';
    fclose(file);
    return strncmp(name, prefix, strlen(prefix)) == 0;
}

size_t
count_threads(const char *prefix)
{
    size_t count = 0;
    DIR *directory = opendir("/proc/self/task");
    ck_assert_ptr_nonnull(directory);
    for (struct dirent *entry = readdir(directory); entry != NULL; entry = readdir(directory))
        count += entry->d_name[0] != '.' && thread_has_prefix(entry->d_name, prefix);
    closedir(directory);
    return count;
}

/* --- suites -------------------------------------------------------------------------------------------------------- */

static server shared;

void
start_shared_server(void)
{
    shared = server_start(0);
}

void
stop_shared_server(void)
{
    server_kill(&shared);
}

const server *
shared_server(void)
{
    return &shared;
}

int
run_first_modes(const char *name, const TTest *const tests[], int modes)
{
    Suite *suite = suite_create(name);
    TCase *tcase = tcase_create(name);
    tcase_set_timeout(tcase, (double)slow_ms(30000) / 1000);
    tcase_add_unchecked_fixture(tcase, start_shared_server, stop_shared_server);
    for (size_t i = 0; tests[i] != NULL; i++)
        tcase_add_loop_test(tcase, tests[i], 0, modes);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int
run_modes(const char *name, const TTest *const tests[])
{
    return run_first_modes(name, tests, 3);
}
