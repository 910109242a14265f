/*
 * tests/peer/driver.h: a program that makes the calls it is told to, through the public API only.
 *
 *     vmx_driver name=value ...
 *
 * opens a client with these properties, then reads one JSON object a line and answers each with one line of JSON:
 *     {"op": "query", "namespace": "n", "dense": [1, 2], "top_k": 3, "headers": {"k": "v"}, ...}
 *     {"start": "VMX_OK", "status": "VMX_OK", "error": {...}, "matches": [...], ...}
 * The keys are the members of the public structs; absent ones keep their defaults. Where JSON text is meant (metadata,
 * filter) a string stands for itself, an object for its text. Numbers that JSON does not have are the strings "nan" and
 * "inf". Every accessor of the result is printed; null is an absent value.
 */
#ifndef VMX_TESTS_PEER_DRIVER_H
#define VMX_TESTS_PEER_DRIVER_H

#include <jansson.h>
#include <vecmux/vecmux.h>

/* Memory of one command, freed together. */
typedef struct driver_memory {
    void *blocks[4096];
    size_t count;
} driver_memory;

/* Zeroed; aborts when memory is out. */
void *
driver_alloc(driver_memory *memory, size_t size);
void
driver_free(driver_memory *memory);

/* --- input.c: members of a command; an absent key gives the empty value --------------------------------------------- */

vmx_str
driver_str(const json_t *object, const char *key);
uint64_t
driver_uint(const json_t *object, const char *key);
bool
driver_bool(const json_t *object, const char *key);
vmx_str
driver_text(driver_memory *memory, const json_t *object, const char *key);
vmx_strs
driver_strs(driver_memory *memory, const json_t *object, const char *key);
vmx_floats
driver_floats(driver_memory *memory, const json_t *object, const char *key);
vmx_sparse
driver_sparse(driver_memory *memory, const json_t *object, const char *key);
vmx_vectors
driver_vectors(driver_memory *memory, const json_t *object, const char *key);

/* The call options that the command has. */
vmx_call_options
driver_options(driver_memory *memory, const json_t *command);

/* --- manage.c: the operations on the index itself, and batches ------------------------------------------------------ */

/* One command as it runs. */
typedef struct driver_job {
    const json_t *command;
    driver_memory *memory;
    vmx_client *client;
    vmx_index *index;
    vmx_call_options options;
    vmx_op *op;
    vmx_error error;
} driver_job;

typedef vmx_status (*driver_run)(driver_job *job);

/* NULL: none of them. */
driver_run
driver_manage_find(const char *name);

/* A query's members. */
void
driver_query(driver_memory *memory, const json_t *command, vmx_query *query);

/* --- output.c ------------------------------------------------------------------------------------------------------ */

json_t *
driver_error(const vmx_error *error);

/* Adds what a finished op says of itself to `answer`; `read` (may be NULL) names reply headers to print. */
void
driver_add_result(json_t *answer, vmx_op *op, const json_t *read);

#endif
