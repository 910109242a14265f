/*
 * settled.h: which rows have their outcome, so that a journal can say up to which row all have. Rows come in order,
 * outcomes in any order and by id: the writer keeps the order of one id, so the oldest open row of an id is meant.
 * Memory: 32 to 64 bytes for a row that is open, and 1 to 2 for each row from the oldest open one on.
 */
#ifndef VMX_CLI_LOAD_SETTLED_H
#define VMX_CLI_LOAD_SETTLED_H

#include <stdbool.h>
#include <vecmux/types.h>

/* An open row. */
typedef struct load_open_row {
    uint64_t hash; /* of the id */
    uint64_t row;  /* + 1; 0: the place is free */
} load_open_row;

typedef struct load_settled {
    uint64_t base;           /* every row before it is settled */
    uint64_t next;           /* the row to come */
    uint64_t stored, failed; /* of the rows before base, from the first one on */
    uint8_t *rows;           /* state of row i at rows[i % capacity], for base <= i < next */
    uint64_t capacity;       /* a power of two */
    load_open_row *open;     /* hash table, linear probing */
    uint64_t open_capacity;  /* a power of two */
    uint64_t open_count;
} load_settled;

void
load_settled_init(load_settled *settled, uint64_t first_row);

void
load_settled_free(load_settled *settled);

/* The next row is open under this id. False when memory is out. */
bool
load_settled_add(load_settled *settled, vmx_str id);

/* The next row has its outcome already: it was refused. False when memory is out. */
bool
load_settled_add_failed(load_settled *settled);

/* The oldest open row of an id has its outcome. An id that is not open is ignored. */
void
load_settled_finish(load_settled *settled, vmx_str id, bool stored);

#endif
