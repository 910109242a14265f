/* Bits that flip on the way or on the server's disk: they are found by a digest, and the error names the part. */
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "build/harness.h"

/* --- on the way ---------------------------------------------------------------------------------------------------- */

/* More than a blob's bytes: a blob, and the first part of a result, are one message each, in frames of 16 KiB. */
#define ONE_CHUNK "65536"

/* Builds with one bit inverted, so many bytes into the connection of streams; the parts and ranges that were repeated. */
static uint64_t
build_flipped(bool upload, int64_t after_bytes)
{
    static const char *const properties[] = {"build.part.bytes",
                                             ONE_CHUNK,
                                             "build.chunk.bytes",
                                             ONE_CHUNK,
                                             "build.upload.parts",
                                             "1",
                                             "channel.count",
                                             "1",
                                             NULL};
    vmx_mock_proxy *proxy;
    vmx_mock_network network;
    vmx_build_info info;
    vmx_error error;
    char endpoint[32];
    ck_assert_int_eq(vmx_mock_proxy_start(vmx_str_from(the_service.endpoint), &proxy, &error), VMX_OK);
    snprintf(endpoint, sizeof endpoint, "127.0.0.1:%d", vmx_mock_proxy_port(proxy));
    vmx_client *client = open_client(endpoint, 1, properties);
    await_connections(client);
    vmx_mock_network_init(&network, sizeof network);
    *(upload ? &network.flip_to_server_bytes : &network.flip_to_client_bytes) = after_bytes;
    vmx_mock_proxy_set(proxy, 0, &network); /* that of calls does not carry so much */
    vmx_build_spec spec = make_spec("out");
    vmx_op *op = start_patient_build(client, make_source(), &spec);
    ck_assert_msg(vmx_op_wait(op, slow_ms(20000)) == VMX_OK, "%lld: %s", (long long)after_bytes,
                  vmx_op_error(op)->message);
    ck_assert_str_eq(compare_files("out", "reference"), "whole");
    vmx_build_info_init(&info, sizeof info);
    ck_assert(vmx_op_build(op, &info));
    vmx_op_free(op);
    close_client(client);
    vmx_mock_proxy_stop(proxy);
    return info.retries;
}

/* Where they are in a chunk's data and nothing else, whatever small frames come before: of a frame the head could be hit,
 * and of a call the name. */
START_TEST(a_bit_that_flips_on_the_way_is_found_and_the_part_repeated)
{
    static const int64_t places[] = {7000, 9001, 11002, 13003, 24004, 26005, 28006, 30007};
    service_start(0);
    build_reference("reference");
    for (int upload = 0; upload < 2; upload++)
        for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
            uint64_t retries = build_flipped(upload != 0, places[i]);
            ck_assert_msg(retries == 1, "%s, byte %lld: %llu repetitions", upload ? "upload" : "download",
                          (long long)places[i], (unsigned long long)retries);
        }
    service_stop();
}
END_TEST

/* --- on the server's disk ------------------------------------------------------------------------------------------ */

/* Inverts a bit in the middle of the blob of so many bytes; 0: of the largest. False if there is none. */
static bool
damage_blob(size_t bytes)
{
    char folder[160], path[512], found[512] = "";
    off_t size = -1;
    struct stat facts;
    snprintf(folder, sizeof folder, "%s/repository/blobs", the_service.data);
    DIR *blobs = opendir(folder);
    ck_assert_ptr_nonnull(blobs);
    for (struct dirent *entry; (entry = readdir(blobs)) != NULL;) {
        snprintf(path, sizeof path, "%s/%.100s/data", folder, entry->d_name);
        if (entry->d_name[0] == '.' || stat(path, &facts) != 0 || facts.st_size <= size ||
            (bytes > 0 && facts.st_size != (off_t)bytes))
            continue;
        size = facts.st_size;
        snprintf(found, sizeof found, "%s", path);
    }
    closedir(blobs);
    FILE *file = size > 0 ? fopen(found, "r+b") : NULL;
    if (file == NULL)
        return false;
    fseek(file, size / 2, SEEK_SET);
    int byte = fgetc(file);
    fseek(file, size / 2, SEEK_SET);
    fputc(byte ^ 4, file);
    return fclose(file) == 0;
}

static void
check_says(const vmx_op *op, const char *phase, const char *part)
{
    const char *message = vmx_op_error(op)->message;
    printf("%s\n", message);
    ck_assert_int_eq(vmx_op_status(op), VMX_ERR_FALLBACK);
    ck_assert_ptr_nonnull(strstr(message, phase));
    ck_assert_ptr_nonnull(strstr(message, part));
    ck_assert(!file_exists("out"));
}

/* A build of the key whose calls meet the fault. */
static vmx_op *
build_keyed(vmx_client *client, const char *key)
{
    vmx_build_spec spec = make_spec("out");
    spec.idempotency_key = vmx_str_from(key);
    vmx_op *op = start_build(client, make_source(), &spec, NULL, NULL);
    vmx_op_wait(op, slow_ms(20000));
    return op;
}

/* The first run gets as far as the fault lets it, then the blob is damaged, and the second goes on. */
static void
damage_between(const char *rule, size_t bytes, const char *phase, const char *part)
{
    faulty refusing;
    service_start(0);
    faulty_start(&refusing, rule);
    vmx_client *client = open_builder(refusing.endpoint);
    vmx_op *op = build_keyed(client, "damaged");
    ck_assert_int_eq(vmx_op_status(op), VMX_ERR_FALLBACK);
    vmx_op_free(op);
    close_client(client);
    faulty_stop(&refusing);
    ck_assert(damage_blob(bytes));
    client = open_builder(the_service.endpoint);
    op = build_keyed(client, "damaged");
    check_says(op, phase, part);
    vmx_op_free(op);
    close_client(client);
    service_stop();
    faulty_free(&refusing);
}

START_TEST(vectors_that_rot_are_found_by_the_build)
{
    damage_between("TriggerBuild:permission-denied", sizeof the_vectors,
                   "build (await): ", "DATA_LOSS: blob \"damaged.knnvec\", part 1");
}
END_TEST

START_TEST(a_result_that_rots_is_found_by_the_download)
{
    damage_between("ReadRange:permission-denied", 0, "build (download): ", "blob \"damaged.faiss\", part 0");
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {a_bit_that_flips_on_the_way_is_found_and_the_part_repeated,
                                  vectors_that_rot_are_found_by_the_build, a_result_that_rots_is_found_by_the_download,
                                  NULL};
    return run_builds("build_damage", tests, 60000, false);
}
