#include "build/harness.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/random.h"
#include "server/call.h" /* grpc_init, between which and its end a server runs */

service the_service;
float the_vectors[ROWS][COLUMNS];
int32_t the_ids[ROWS];

/* --- the service --------------------------------------------------------------------------------------------------- */

static void
make_vectors(void)
{
    vmx_random random;
    vmx_random_seed(&random, 7);
    for (int i = 0; i < ROWS; i++) {
        the_ids[i] = (int32_t)(i * 7 + 3);
        for (int k = 0; k < COLUMNS; k++)
            the_vectors[i][k] = (float)vmx_random_up_to(&random, 2000) / 1000 - 1;
    }
}

static vmxd_server_options
server_options(void)
{
    return (vmxd_server_options){
        .listen = "127.0.0.1:0", .threads = 2, .handle = vmxd_service_handle, .user = &the_service.parts};
}

static void
open_parts(uint64_t expiry_ms)
{
    vmxd_status status;
    vmxd_store_options store = {.metric = VMXD_EUCLIDEAN};
    vmxd_repository_options repository = {
        .directory = the_service.data, .upload_expiry_ms = expiry_ms, .blob_expiry_ms = expiry_ms};
    vmxd_service *parts = &the_service.parts;
    parts->store = vmxd_store_new(&store);
    parts->repository = vmxd_repository_open(&repository, &status);
    ck_assert_msg(parts->repository != NULL, "%s", status.text);
    vmxd_builds_options builds = {the_service.data, 0, parts->repository, parts->store};
    parts->builds = vmxd_builds_start(&builds, &status);
    ck_assert_msg(parts->builds != NULL, "%s", status.text);
    parts->search = vmxd_search_start(1);
    parts->workers = vmx_workers_new(2);
    ck_assert(parts->search != NULL && parts->workers != NULL);
}

/* In memory where that can be: a disk that is slow with an fdatasync would outlast the attempts of open_builder. */
static void
make_folder(void)
{
    snprintf(the_service.folder, sizeof the_service.folder, "/dev/shm/vecmux-build-XXXXXX");
    if (mkdtemp(the_service.folder) != NULL)
        return;
    snprintf(the_service.folder, sizeof the_service.folder, "/tmp/vecmux-build-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(the_service.folder));
}

void
service_start(uint64_t expiry_ms)
{
    vmxd_status status;
    vmxd_server_options options = server_options();
    make_folder();
    snprintf(the_service.data, sizeof the_service.data, "%s/data", the_service.folder);
    ck_assert_int_eq(mkdir(the_service.data, 0700), 0);
    make_vectors();
    grpc_init();
    open_parts(expiry_ms);
    the_service.server = vmxd_server_start(&options, &status);
    ck_assert_msg(the_service.server != NULL, "%s", status.text);
    snprintf(the_service.endpoint, sizeof the_service.endpoint, "127.0.0.1:%d", vmxd_server_port(the_service.server));
}

static void
remove_folder(const char *path)
{
    DIR *folder = opendir(path);
    if (folder == NULL)
        return;
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        char inside[512];
        snprintf(inside, sizeof inside, "%s/%.200s", path, entry->d_name);
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 && unlink(inside) != 0)
            remove_folder(inside);
    }
    closedir(folder);
    rmdir(path);
}

void
service_stop(void)
{
    vmxd_service *parts = &the_service.parts;
    vmxd_builds_quiesce(parts->builds);
    vmxd_server_stop(the_service.server, slow_ms(10000));
    vmxd_search_stop(parts->search);
    vmx_workers_stop(parts->workers, true);
    vmx_workers_free(parts->workers);
    vmxd_builds_stop(parts->builds);
    vmxd_repository_close(parts->repository);
    vmxd_store_free(parts->store);
    grpc_shutdown_blocking();
    remove_folder(the_service.folder);
}

/* --- the service with faults --------------------------------------------------------------------------------------- */

void
faulty_start(faulty *self, const char *rules)
{
    vmxd_status status;
    char why[160];
    vmxd_server_options options = server_options();
    *self = (faulty){.rules.has_seed = true};
    snprintf(self->text, sizeof self->text, "%s", rules);
    for (char *rest, *rule = strtok_r(self->text, " ", &rest); rule != NULL; rule = strtok_r(NULL, " ", &rest)) {
        const char *wrong = vmxd_faults_add(&self->rules, rule, why);
        ck_assert_msg(wrong == NULL, "%s: %s", rule, wrong);
    }
    self->server = vmxd_fault_server_start(&options, &self->rules, &status);
    ck_assert_msg(self->server != NULL, "%s", status.text);
    snprintf(self->endpoint, sizeof self->endpoint, "127.0.0.1:%d", vmxd_fault_server_port(self->server));
}

void
faulty_stop(faulty *self)
{
    vmxd_fault_server_stop(self->server);
}

void
faulty_free(faulty *self)
{
    vmxd_fault_server_free(self->server);
}

uint64_t
faulty_hits(const faulty *self)
{
    return self->rules.rules[self->rules.count - 1].hits;
}

/* --- files --------------------------------------------------------------------------------------------------------- */

const char *
path_of(const char *name, char path[128])
{
    snprintf(path, 128, "%s/%s", the_service.folder, name);
    return path;
}

char *
read_file(const char *name, size_t *len)
{
    char path[128];
    struct stat facts;
    FILE *file = fopen(path_of(name, path), "rb");
    if (file == NULL)
        return NULL;
    ck_assert_int_eq(fstat(fileno(file), &facts), 0);
    *len = (size_t)facts.st_size;
    char *bytes = malloc(*len + 1);
    ck_assert_ptr_nonnull(bytes);
    ck_assert_uint_eq(fread(bytes, 1, *len, file), *len);
    fclose(file);
    return bytes;
}

bool
file_exists(const char *name)
{
    char path[128];
    return access(path_of(name, path), F_OK) == 0;
}

void
write_file(const char *name, const char *text)
{
    char path[128];
    FILE *file = fopen(path_of(name, path), "wb");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(text, 1, strlen(text), file), strlen(text));
    ck_assert_int_eq(fclose(file), 0);
}

const char *
compare_files(const char *name, const char *as)
{
    size_t len, right_len;
    char *bytes = read_file(name, &len), *right = read_file(as, &right_len);
    ck_assert_ptr_nonnull(right);
    bool same = bytes != NULL && len == right_len && memcmp(bytes, right, len) == 0;
    const char *verdict = bytes == NULL ? "absent" : same ? "whole" : "other";
    free(bytes);
    free(right);
    return verdict;
}

void
remove_file(const char *name)
{
    char path[128];
    ck_assert(unlink(path_of(name, path)) == 0 || errno == ENOENT);
}

size_t
count_entries(const char *name)
{
    char path[160];
    size_t count = 0;
    snprintf(path, sizeof path, "%s/%s", the_service.data, name);
    DIR *folder = opendir(path);
    ck_assert_ptr_nonnull(folder);
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;)
        count += entry->d_name[0] != '.';
    closedir(folder);
    return count;
}

int64_t
await_entries(size_t blobs, size_t uploads, int64_t limit_ms)
{
    int64_t begin = now_ms();
    while (count_entries("repository/blobs") != blobs || count_entries("repository/uploads") != uploads) {
        if (now_ms() - begin > limit_ms)
            return -1;
        sleep_ms(2);
    }
    return now_ms() - begin;
}

/* --- builds -------------------------------------------------------------------------------------------------------- */

vmx_client *
open_builder(const char *endpoint)
{
    char call[24], idle[24], alive[24];
    snprintf(call, sizeof call, "%lld", (long long)slow_ms(2000));
    snprintf(idle, sizeof idle, "%lld", (long long)slow_ms(300));
    snprintf(alive, sizeof alive, "%lld", (long long)slow_ms(200));
    const char *const properties[] = {"keepalive.time.ms",
                                      alive,
                                      "keepalive.timeout.ms",
                                      alive,
                                      "call.timeout.ms",
                                      call,
                                      "build.idle.timeout.ms",
                                      idle,
                                      "build.part.bytes",
                                      PART_BYTES,
                                      "build.chunk.bytes",
                                      CHUNK_BYTES,
                                      "build.poll.interval.ms",
                                      "20",
                                      "retry.budget.tokens",
                                      "0",
                                      "channel.count",
                                      "2",
                                      NULL};
    return open_client(endpoint, 1, properties);
}

vmx_source *
make_source(void)
{
    vmx_source *source;
    vmx_error error;
    vmx_status status = vmx_source_from_memory(&the_vectors[0][0], ROWS, COLUMNS, 0, NULL, NULL, &source, &error);
    ck_assert_msg(status == VMX_OK, "%s", error.message);
    status = vmx_source_set_ids(source, the_ids, ROWS, &error);
    ck_assert_msg(status == VMX_OK, "%s", error.message);
    return source;
}

vmx_build_spec
make_spec(const char *name)
{
    static char paths[4][128];
    static unsigned next;
    vmx_build_spec spec;
    vmx_build_spec_init(&spec, sizeof spec);
    spec.output = vmx_str_from(path_of(name, paths[next++ % 4]));
    spec.deterministic = true;
    spec.limits = VMX_SWITCH_OFF;
    spec.m = 8;
    spec.ef_construction = 20;
    return spec;
}

vmx_op *
start_build(vmx_client *client, vmx_source *source, const vmx_build_spec *spec, vmx_queue *queue, void *user)
{
    vmx_op *op;
    vmx_error error;
    vmx_call_options options = to_queue(queue, user);
    vmx_retry hasty;
    vmx_retry_init(&hasty, sizeof hasty, VMX_RETRY_BULK);
    hasty.max_attempts = 5;
    hasty.initial_backoff_ms = 10;
    hasty.max_backoff_ms = 100;
    hasty.attempt_timeout_ms = slow_ms(300);
    options.retry = &hasty;
    options.timeout_ms = slow_ms(15000);
    vmx_status status = vmx_client_build(client, source, spec, &options, &op, &error);
    ck_assert_msg(status == VMX_OK, "%s", error.message);
    vmx_source_free(source);
    return op;
}

vmx_client *
open_patient_builder(const char *endpoint)
{
    static const char *const properties[] = {"build.part.bytes", PART_BYTES, "build.chunk.bytes", CHUNK_BYTES, NULL};
    return open_client(endpoint, 1, properties);
}

vmx_op *
start_patient_build(vmx_client *client, vmx_source *source, const vmx_build_spec *spec)
{
    vmx_op *op;
    vmx_error error;
    vmx_status status = vmx_client_build(client, source, spec, NULL, &op, &error);
    ck_assert_msg(status == VMX_OK, "%s", error.message);
    vmx_source_free(source);
    return op;
}

vmx_mock_proxy *
start_slow_proxy(int64_t bytes_per_second, char endpoint[32])
{
    vmx_mock_proxy *proxy;
    vmx_mock_network network;
    vmx_error error;
    vmx_status status = vmx_mock_proxy_start(vmx_str_from(the_service.endpoint), &proxy, &error);
    ck_assert_msg(status == VMX_OK, "%s", error.message);
    vmx_mock_network_init(&network, sizeof network);
    network.bytes_per_second = bytes_per_second;
    vmx_mock_proxy_set(proxy, 0, &network);
    snprintf(endpoint, 32, "127.0.0.1:%d", vmx_mock_proxy_port(proxy));
    return proxy;
}

bool
await_phase(const vmx_op *op, vmx_build_phase phase, uint64_t bytes)
{
    vmx_progress at;
    vmx_progress_init(&at, sizeof at);
    for (int64_t limit = now_ms() + slow_ms(10000); now_ms() < limit && !vmx_op_done(op); sleep_ms(1)) {
        ck_assert(vmx_op_progress(op, &at));
        if (at.phase > phase)
            return false;
        if (at.phase == phase && at.bytes_done >= bytes)
            return true;
    }
    return false;
}

void
build_reference(const char *name)
{
    vmx_client *client = open_builder(the_service.endpoint);
    vmx_build_spec spec = make_spec(name);
    finish(start_build(client, make_source(), &spec, NULL, NULL));
    close_client(client);
}

static void
print_failures(SRunner *runner)
{
    TestResult **failures = srunner_failures(runner);
    for (int i = 0; i < srunner_ntests_failed(runner); i++)
        fprintf(stderr, "%s:%d: %s\n", tr_lfile(failures[i]), tr_lno(failures[i]), tr_msg(failures[i]));
    free(failures);
}

int
run_builds(const char *name, const TTest *const tests[], int64_t limit_ms, bool silent)
{
    Suite *suite = suite_create(name);
    TCase *tcase = tcase_create(name);
    tcase_set_timeout(tcase, (double)slow_ms(limit_ms) / 1000);
    for (size_t i = 0; tests[i] != NULL; i++)
        tcase_add_test(tcase, tests[i]);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, silent ? CK_SILENT : CK_ENV);
    int failed = srunner_ntests_failed(runner);
    if (silent)
        print_failures(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
