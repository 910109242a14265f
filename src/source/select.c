#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "core/error.h"
#include "source/rows.h"

/*
 * A selection finds its k-th row by a binary search over the number of set bits before each block of the bitmap, then
 * inside the block: O(log n), with one 64-bit count for 512 bits.
 */

#define BLOCK_WORDS 8

typedef struct selection {
    vmx_rows rows; /* first */
    vmx_rows *all;
    uint64_t *bits;
    uint64_t word_count;
    uint64_t *before; /* set bits before each block */
    uint64_t block_count;
    _Atomic uint64_t steps;
} selection;

/* The place of the n-th set bit (from 0) of a word that has so many. */
static unsigned
bit_in_word(uint64_t word, unsigned n)
{
    while (n-- > 0)
        word &= word - 1;
    return (unsigned)__builtin_ctzll(word);
}

/* The row of `all` that is the k-th selected one; k < count. */
static uint64_t
row_of(const selection *chosen, uint64_t k, uint64_t *steps)
{
    uint64_t low = 0, high = chosen->block_count;
    for (; high - low > 1; ++*steps) {
        uint64_t middle = low + (high - low) / 2;
        if (chosen->before[middle] <= k)
            low = middle;
        else
            high = middle;
    }
    uint64_t word = low * BLOCK_WORDS, left = k - chosen->before[low];
    for (unsigned set; left >= (set = (unsigned)__builtin_popcountll(chosen->bits[word])); word++, ++*steps)
        left -= set;
    return word * 64 + bit_in_word(chosen->bits[word], (unsigned)left);
}

/* How many rows from `row` on, which is selected, are selected in a row; at most `max`. */
static uint64_t
run_from(const selection *chosen, uint64_t row, uint64_t max, uint64_t *steps)
{
    uint64_t length = 0;
    for (; length < max; ++*steps) {
        uint64_t at = row + length, word = at / 64;
        if (word >= chosen->word_count)
            break;
        uint64_t gaps = ~chosen->bits[word] >> (at % 64);
        uint64_t ones = gaps != 0 ? (uint64_t)__builtin_ctzll(gaps) : 64 - at % 64;
        length += ones;
        if (at % 64 + ones < 64)
            break;
    }
    return length < max ? length : max;
}

/* The next selected row after `row`; there is one. */
static uint64_t
next_row(const selection *chosen, uint64_t row, uint64_t *steps)
{
    uint64_t at = row + 1, word = at / 64;
    uint64_t rest = word < chosen->word_count ? chosen->bits[word] & (UINT64_MAX << (at % 64)) : 0;
    for (; rest == 0; ++*steps)
        rest = chosen->bits[++word];
    return word * 64 + (unsigned)__builtin_ctzll(rest);
}

static vmx_status
selection_read(vmx_rows *rows, uint64_t first, uint64_t count, uint8_t *out, vmx_error *error)
{
    selection *chosen = (selection *)rows;
    vmx_status status = VMX_OK;
    uint64_t steps = 1, row = count > 0 ? row_of(chosen, first, &steps) : 0;
    while (count > 0 && status == VMX_OK) {
        uint64_t run = run_from(chosen, row, count, &steps);
        status = chosen->all->vtable->read(chosen->all, row, run, out, error);
        out += run * rows->row_bytes;
        count -= run;
        atomic_fetch_add_explicit(&rows->reads, run, memory_order_relaxed);
        if (count > 0)
            row = next_row(chosen, row + run - 1, &steps);
    }
    atomic_fetch_add_explicit(&chosen->steps, steps, memory_order_relaxed);
    return status;
}

static const uint8_t *
selection_view(vmx_rows *rows, uint64_t first, uint64_t count)
{
    selection *chosen = (selection *)rows;
    uint64_t steps = 1, row = row_of(chosen, first, &steps), run = run_from(chosen, row, count, &steps);
    atomic_fetch_add_explicit(&chosen->steps, steps, memory_order_relaxed);
    return run == count ? chosen->all->vtable->view(chosen->all, row, count) : NULL;
}

static void
selection_destroy(vmx_rows *rows)
{
    selection *chosen = (selection *)rows;
    vmx_rows_release(chosen->all);
    vmx_dealloc(chosen->bits);
    vmx_dealloc(chosen->before);
    vmx_dealloc(chosen);
}

uint64_t
vmx_rows_selection_steps(const vmx_rows *rows)
{
    return atomic_load_explicit(&((const selection *)rows)->steps, memory_order_relaxed);
}

static uint64_t
index_bits(selection *chosen)
{
    uint64_t set = 0;
    for (uint64_t word = 0; word < chosen->word_count; word++) {
        if (word % BLOCK_WORDS == 0)
            chosen->before[word / BLOCK_WORDS] = set;
        set += (uint64_t)__builtin_popcountll(chosen->bits[word]);
    }
    return set;
}

vmx_status
vmx_rows_of_selection(vmx_rows *all, const uint64_t *bits, uint64_t bit_count, vmx_rows **rows, vmx_error *error)
{
    static const vmx_rows_vtable vtable = {
        .read = selection_read, .view = selection_view, .destroy = selection_destroy};
    *rows = NULL;
    if (bit_count != all->count || all->sequential)
        return vmx_error_set(error, VMX_ERR_INVALID,
                             all->sequential ? "source: an iterator cannot be selected from; skip rows in it"
                                             : "source: %llu bits for %llu rows; give one bit for each row",
                             (unsigned long long)bit_count, (unsigned long long)all->count);
    selection *chosen = vmx_calloc(1, sizeof *chosen);
    if (chosen == NULL)
        return vmx_error_no_memory(error);
    vmx_rows_init(&chosen->rows, &vtable, 0, all->row_bytes);
    chosen->all = vmx_rows_acquire(all);
    chosen->word_count = bit_count / 64 + (bit_count % 64 != 0);
    chosen->block_count = chosen->word_count / BLOCK_WORDS + 1;
    chosen->bits = vmx_calloc(chosen->word_count + 1, sizeof *bits);
    chosen->before = vmx_calloc(chosen->block_count, sizeof *chosen->before);
    if (chosen->bits == NULL || chosen->before == NULL) {
        selection_destroy(&chosen->rows);
        return vmx_error_no_memory(error);
    }
    if (bit_count > 0)
        memcpy(chosen->bits, bits, chosen->word_count * sizeof *bits);
    if (bit_count % 64 != 0) /* what lies beyond the last row is nobody's */
        chosen->bits[chosen->word_count - 1] &= UINT64_MAX >> (64 - bit_count % 64);
    chosen->rows.count = index_bits(chosen);
    if (chosen->word_count % BLOCK_WORDS == 0)
        chosen->before[chosen->block_count - 1] = chosen->rows.count;
    *rows = &chosen->rows;
    return VMX_OK;
}
