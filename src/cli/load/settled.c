#include "settled.h"

#include <stdlib.h>

#define FIRST_CAPACITY 4096

enum { ROW_OPEN, ROW_STORED, ROW_FAILED };

void
load_settled_init(load_settled *settled, uint64_t first_row)
{
    *settled = (load_settled){.base = first_row, .next = first_row};
}

void
load_settled_free(load_settled *settled)
{
    free(settled->rows);
    free(settled->open);
    *settled = (load_settled){0};
}

/* FNV-1a, 64 bits. */
static uint64_t
hash_of(vmx_str id)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < id.len; i++)
        hash = (hash ^ (unsigned char)id.ptr[i]) * 0x100000001b3u;
    return hash ^ hash >> 29;
}

static bool
grow_rows(load_settled *settled)
{
    if (settled->next - settled->base < settled->capacity)
        return true;
    uint64_t capacity = settled->capacity ? 2 * settled->capacity : FIRST_CAPACITY;
    uint8_t *rows = malloc(capacity);
    if (!rows)
        return false;
    for (uint64_t row = settled->base; row < settled->next; row++)
        rows[row % capacity] = settled->rows[row % settled->capacity];
    free(settled->rows);
    settled->rows = rows;
    settled->capacity = capacity;
    return true;
}

static void
place(load_settled *settled, load_open_row entry)
{
    uint64_t at = entry.hash % settled->open_capacity;
    while (settled->open[at].row)
        at = (at + 1) % settled->open_capacity;
    settled->open[at] = entry;
}

static bool
grow_open(load_settled *settled)
{
    if (settled->open_count < settled->open_capacity / 2)
        return true;
    load_open_row *old = settled->open;
    uint64_t old_capacity = settled->open_capacity;
    uint64_t capacity = old_capacity ? 2 * old_capacity : FIRST_CAPACITY;
    load_open_row *open = calloc(capacity, sizeof *open);
    if (!open)
        return false;
    settled->open = open;
    settled->open_capacity = capacity;
    for (uint64_t i = 0; i < old_capacity; i++)
        if (old[i].row)
            place(settled, old[i]);
    free(old);
    return true;
}

static void
advance(load_settled *settled)
{
    while (settled->base < settled->next) {
        uint8_t state = settled->rows[settled->base % settled->capacity];
        if (state == ROW_OPEN)
            break;
        settled->stored += state == ROW_STORED;
        settled->failed += state == ROW_FAILED;
        settled->base++;
    }
}

bool
load_settled_add(load_settled *settled, vmx_str id)
{
    if (!grow_rows(settled) || !grow_open(settled))
        return false;
    settled->rows[settled->next % settled->capacity] = ROW_OPEN;
    place(settled, (load_open_row){hash_of(id), ++settled->next});
    settled->open_count++;
    return true;
}

bool
load_settled_add_failed(load_settled *settled)
{
    if (!grow_rows(settled))
        return false;
    settled->rows[settled->next++ % settled->capacity] = ROW_FAILED;
    advance(settled);
    return true;
}

/* The place of the oldest row with this hash; the capacity when there is none. */
static uint64_t
find(const load_settled *settled, uint64_t hash)
{
    uint64_t found = settled->open_capacity;
    for (uint64_t at = hash % settled->open_capacity; settled->open[at].row; at = (at + 1) % settled->open_capacity)
        if (settled->open[at].hash == hash &&
            (found == settled->open_capacity || settled->open[at].row < settled->open[found].row))
            found = at;
    return found;
}

/* Frees a place, and moves up what would no longer be found behind the gap. */
static void
take_out(load_settled *settled, uint64_t gap)
{
    uint64_t capacity = settled->open_capacity;
    settled->open_count--;
    for (uint64_t at = (gap + 1) % capacity; settled->open[at].row; at = (at + 1) % capacity) {
        uint64_t home = settled->open[at].hash % capacity;
        if ((at - home) % capacity >= (at - gap) % capacity) {
            settled->open[gap] = settled->open[at];
            gap = at;
        }
    }
    settled->open[gap].row = 0;
}

void
load_settled_finish(load_settled *settled, vmx_str id, bool stored)
{
    if (settled->open_count == 0)
        return;
    uint64_t at = find(settled, hash_of(id));
    if (at == settled->open_capacity)
        return;
    uint64_t row = settled->open[at].row - 1;
    take_out(settled, at);
    settled->rows[row % settled->capacity] = stored ? ROW_STORED : ROW_FAILED;
    advance(settled);
}
