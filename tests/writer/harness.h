/*
 * tests/writer/harness.h: a writer on the store of writer/store.h, for the suites of the bulk writer in virtual time.
 *
 * A test opens the store `s`, then a writer; close_all ends both. Functions abort the test when what they do fails, but
 * put_rows returns it.
 */
#ifndef TESTS_WRITER_HARNESS_H
#define TESTS_WRITER_HARNESS_H

#include "writer/store.h"

extern store s;
extern vmx_error error; /* of the latest call that failed */

/* A writer of the store's index; NULL: the default options. vmx_writer_free, or close_all, frees it. */
vmx_writer *
open_writer(vmx_writer_options *options);

vmx_writer_options
default_options(void);

/*
 * Puts the ids first ... first + count - 1 as columns of the dimension, values[0] = value. `*taken`: how many the
 * writer took. Returns what vmx_writer_put_columns does.
 */
vmx_status
put_rows(vmx_writer *writer, size_t first, size_t count, size_t dimension, float value, int64_t timeout_ms,
         size_t *taken);

/* The same; all of them are taken. */
void
must_put(vmx_writer *writer, size_t first, size_t count, size_t dimension, float value);

/* The writer's account, which adds up. */
vmx_writer_account
account_of(vmx_writer *writer);

/* What the client's memory budget has given out; it has never given more than its limit. */
size_t
used_bytes(void);

/* Closes writer and world; everything was given back. */
void
close_all(vmx_writer *writer);

#endif
