/*
 * tests/api/harness.h: what the suites over the public API share: a development server as a child process, short ways
 * to a client and its operations, and suites that run each test with 1, 0 and 2 io threads.
 *
 * Everything aborts the test when it fails. Times scale by the environment variable VMX_TEST_SLOW.
 */
#ifndef TESTS_API_HARNESS_H
#define TESTS_API_HARNESS_H

#include <check.h>
#include <sys/types.h>
#include <vecmux/vecmux.h>

#define DIMENSION 4

/* --- time ---------------------------------------------------------------------------------------------------------- */

int64_t
now_ms(void);

void
sleep_ms(int64_t ms);

/* `ms` of a plain build, scaled for the build under test. */
int64_t
slow_ms(int64_t ms);

/* --- the server ---------------------------------------------------------------------------------------------------- */

/* A vecmuxd (environment variable VMX_VECMUXD) on 127.0.0.1; it dies with the thread that started it. */
typedef struct server {
    pid_t pid;
    int port;
    char endpoint[32]; /* "127.0.0.1:PORT" */
} server;

/* `port` 0 takes a free one. */
server
server_start(int port);

/* SIGSTOP and SIGCONT: the kernel still accepts connections and bytes, nobody answers. */
void
server_pause(const server *s);
void
server_resume(const server *s);

/* SIGKILL, and waits for the end. */
void
server_kill(server *s);

/* A port of 127.0.0.1 on which nobody listens. */
int
free_port(void);

/* --- client -------------------------------------------------------------------------------------------------------- */

/* `properties` are names and values in turns, ended by NULL; or NULL. */
vmx_client *
open_client(const char *endpoint, int io_threads, const char *const *properties);

vmx_index *
open_index(vmx_client *client);

/* Every channel READY. */
void
await_connections(vmx_client *client);

void
close_client(vmx_client *client);

/* Starts an upsert of record "r<number>", whose values follow from the number; must succeed. */
vmx_op *
start_upsert(vmx_index *index, unsigned number, const vmx_call_options *options);

/* Starts an upsert of `count` (at most 50) records of a dimension of at most 20,000; must succeed. */
vmx_op *
start_wide_upsert(vmx_index *records, unsigned number, size_t count, size_t dimension, const vmx_call_options *options);

/* Starts a query for the three nearest to the values of `number`; must succeed. */
vmx_op *
start_query(vmx_index *index, unsigned number, const vmx_call_options *options);

/* Waits for success; shows the error otherwise. Frees the op. */
void
finish(vmx_op *op);

vmx_queue *
make_queue(vmx_client *client);

vmx_call_options
to_queue(vmx_queue *queue, void *user);

/* --- processes ----------------------------------------------------------------------------------------------------- */

/* Threads of this process whose name begins with `prefix` ("": all). */
size_t
count_threads(const char *prefix);

/* --- suites -------------------------------------------------------------------------------------------------------- */

/* Starts one server for all tests of a case; shared_server() is its endpoint. */
void
start_shared_server(void);
void
stop_shared_server(void);
const server *
shared_server(void);

/* io.threads of the running test of a suite that is run by run_modes. */
#define IO_THREADS (_i == 0 ? 1 : _i == 1 ? 0 : 2)

/* Runs the tests, NULL-terminated, once for each IO_THREADS; the program's exit status. */
int
run_modes(const char *name, const TTest *const tests[]);

/* The same with the first `modes` of them only. */
int
run_first_modes(const char *name, const TTest *const tests[], int modes);

#endif
