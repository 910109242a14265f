/*
 * tests/build/harness.h: what the suites about remote builds share: vecmuxd's service in this process, behind the core's
 * server or behind one with faults; vectors; builds by the public API. Everything aborts the test when it fails.
 *
 * A test begins with service_start and ends with service_stop.
 */
#ifndef TESTS_BUILD_HARNESS_H
#define TESTS_BUILD_HARNESS_H

#include <vecmux/mock.h>

#include "api/harness.h"
#include "server/fault_server.h"
#include "server/service.h"

#define ROWS    600
#define COLUMNS 16 /* values of a vector */

/* Three parts of four chunks. */
#define PART_BYTES  "16384"
#define CHUNK_BYTES "4096"

typedef struct service {
    vmxd_service parts;
    vmxd_server *server; /* without faults */
    char endpoint[32];   /* its */
    char folder[64];     /* a temporary one, also for files of the test; the server's is in it */
    char data[80];
} service;

extern service the_service;
extern float the_vectors[ROWS][COLUMNS];
extern int32_t the_ids[ROWS];

/* Makes the folder, the vectors and the service. `expiry_ms`: of uploads and blobs that nobody touches; 0: never. */
void
service_start(uint64_t expiry_ms);
void
service_stop(void);

/* The service once more, with these faults (as vecmuxd --fault, with blanks between; "": none). */
typedef struct faulty {
    vmxd_faults rules;
    vmxd_fault_server *server;
    char text[256]; /* of the rules */
    char endpoint[32];
} faulty;

void
faulty_start(faulty *self, const char *rules);
void
faulty_stop(faulty *self);
/* After service_stop: calls that it has are answered until then. */
void
faulty_free(faulty *self);

/* How often the last of the rules hit. */
uint64_t
faulty_hits(const faulty *self);

/* --- files --------------------------------------------------------------------------------------------------------- */

/* In the service's folder; into `path`, which is returned. */
const char *
path_of(const char *name, char path[128]);

/* The file's bytes, to be freed; NULL if it is not there. */
char *
read_file(const char *name, size_t *len);
void
write_file(const char *name, const char *text);

bool
file_exists(const char *name);

/* "absent", "whole" (as the file `as`), or "other". */
const char *
compare_files(const char *name, const char *as);
void
remove_file(const char *name);

/* Entries of a folder of the server's data, as "repository/blobs". */
size_t
count_entries(const char *folder);

/* Waits until both the server's blobs and its uploads are so many; how many ms that took, or -1. */
int64_t
await_entries(size_t blobs, size_t uploads, int64_t limit_ms);

/* --- builds -------------------------------------------------------------------------------------------------------- */

/* A client for small builds that gives up soon: attempts of 300 ms (scaled), calls of 2 s. */
vmx_client *
open_builder(const char *endpoint);

/* All vectors, lent, with ids. */
vmx_source *
make_source(void);

/* Deterministic, of any size, into `name` of the folder. The path stays until the next but three calls. */
vmx_build_spec
make_spec(const char *name);

/* Starts it; the source is let go. `queue` may be NULL. */
vmx_op *
start_build(vmx_client *client, vmx_source *source, const vmx_build_spec *spec, vmx_queue *queue, void *user);

/* The same, and a build, with all the time of the defaults. */
vmx_client *
open_patient_builder(const char *endpoint);
vmx_op *
start_patient_build(vmx_client *client, vmx_source *source, const vmx_build_spec *spec);

/* In front of the server without faults; 0: no limit. */
vmx_mock_proxy *
start_slow_proxy(int64_t bytes_per_second, char endpoint[32]);

/* Waits until the operation is in the phase and `bytes` of it are done; false if it has ended or passed before. */
bool
await_phase(const vmx_op *op, vmx_build_phase phase, uint64_t bytes);

/* Builds the file against the server without faults; must succeed. */
void
build_reference(const char *name);

/* Runs the tests, NULL-terminated, each within `limit_ms`; the program's exit status. `silent`: stdout is the tests'. */
int
run_builds(const char *name, const TTest *const tests[], int64_t limit_ms, bool silent);

#endif
