/*
 * buffers.h: the memory that files are read into: counted, so that a load can reserve it from the client's budget, and in
 * blocks that fit the budget. One thread.
 */
#ifndef VMX_CLI_LOAD_BUFFERS_H
#define VMX_CLI_LOAD_BUFFERS_H

#include <stddef.h>
#include <stdint.h>

/* Blocks are made so large that all readers together hold about a quarter of the memory limit, 4 MiB at most. Before
 * anything is opened; until then they are as large as they may be. */
void
load_buffers_fit(uint64_t memory_limit_bytes);

/* What a load with one file holds, but for rows, lines and chunks that are larger than a block. */
size_t
load_buffers_share(void);

/* NULL when memory is out. */
void *
load_buffer_new(size_t bytes);

/* Makes a buffer larger; NULL, and the old one stays, when memory is out. */
void *
load_buffer_grow(void *buffer, size_t bytes);

/* NULL is allowed. */
void
load_buffer_free(void *buffer);

/* Memory that is held elsewhere (by a library, in records) begins and ceases to count. */
void
load_buffers_add(size_t bytes);
void
load_buffers_remove(size_t bytes);

/* What is held now. */
size_t
load_buffers_held(void);

#endif
