/* alloc, arena, buffer, slice */
#include <stdint.h>
#include <string.h>

#include "core/alloc.h"
#include "core/arena.h"
#include "core/buffer.h"
#include "core/failing_allocator.h"
#include "core/memory.h"
#include "core/slice.h"
#include "core/suite.h"

START_TEST(test_alloc_goes_through_the_hook)
{
    failing_allocator state;
    failing_allocator_install(&state, LONG_MAX);
    void *zero = vmx_alloc(0);
    int *numbers = vmx_calloc(100, sizeof *numbers);
    char *text = vmx_str_copy((vmx_str){"ab\0cd", 5});
    ck_assert_int_eq(state.alive, 3);
    ck_assert_ptr_nonnull(zero);
    ck_assert_int_eq(numbers[99], 0);
    ck_assert_mem_eq(text, "ab\0cd\0", 6);
    zero = vmx_realloc(zero, 1000);
    vmx_dealloc(zero);
    vmx_dealloc(numbers);
    vmx_dealloc(text);
    vmx_dealloc(NULL);
    ck_assert_int_eq(state.alive, 0);
    vmx_set_allocator(NULL);
    vmx_dealloc(vmx_alloc(1));
    ck_assert_int_eq(state.alive, 0);
}
END_TEST

START_TEST(test_calloc_refuses_overflow)
{
    ck_assert_ptr_null(vmx_calloc(SIZE_MAX / 2, 3));
    ck_assert_ptr_null(vmx_str_copy((vmx_str){"", SIZE_MAX}));
}
END_TEST

START_TEST(test_arena_limit_counts_what_was_asked)
{
    vmx_arena arena;
    vmx_arena_init(&arena, 100);
    ck_assert_ptr_nonnull(vmx_arena_alloc(&arena, 60));
    ck_assert_ptr_null(vmx_arena_alloc(&arena, 41));
    ck_assert_ptr_nonnull(vmx_arena_alloc(&arena, 40));
    ck_assert_ptr_null(vmx_arena_alloc(&arena, 1));
    ck_assert_ptr_null(vmx_arena_alloc(&arena, 0));
    ck_assert_uint_eq(arena.used_bytes, 100);
    vmx_arena_reset(&arena);
    ck_assert_uint_eq(arena.used_bytes, 0);
    ck_assert_ptr_nonnull(vmx_arena_alloc(&arena, 100));
    vmx_arena_reset(&arena);
}
END_TEST

START_TEST(test_arena_memory_is_aligned_and_apart)
{
    vmx_arena arena = {0};
    unsigned char *pieces[500];
    for (size_t i = 0; i < 500; i++) {
        size_t size = 1 + i * 37 % 5000;
        pieces[i] = vmx_arena_alloc(&arena, size);
        ck_assert_ptr_nonnull(pieces[i]);
        ck_assert_uint_eq((uintptr_t)pieces[i] % _Alignof(max_align_t), 0);
        memset(pieces[i], (int)i, size);
    }
    for (size_t i = 0; i < 500; i++) {
        ck_assert_uint_eq(pieces[i][0], (unsigned char)i);
        ck_assert_uint_eq(pieces[i][i * 37 % 5000], (unsigned char)i);
    }
    vmx_arena_reset(&arena);
}
END_TEST

START_TEST(test_arena_refuses_what_cannot_be)
{
    vmx_arena arena = {0};
    ck_assert_ptr_null(vmx_arena_alloc(&arena, SIZE_MAX));
    ck_assert_ptr_null(vmx_arena_calloc(&arena, SIZE_MAX / 2, 4));
    ck_assert_ptr_null(vmx_arena_str(&arena, (vmx_str){"", SIZE_MAX}).ptr);
    vmx_str text = vmx_arena_str(&arena, (vmx_str){NULL, 0});
    ck_assert_str_eq(text.ptr, "");
    ck_assert_str_eq(vmx_arena_str(&arena, VMX_STR("abc")).ptr, "abc");
    ck_assert_int_eq(((char *)vmx_arena_calloc(&arena, 10, 100))[999], 0);
    vmx_arena_reset(&arena);
}
END_TEST

START_TEST(test_buffer_writes)
{
    vmx_buffer buffer = {0};
    vmx_buffer_append_text(&buffer, "one ");
    vmx_buffer_append_byte(&buffer, '2');
    vmx_buffer_append(&buffer, NULL, 0);
    vmx_buffer_printf(&buffer, " %s %d", "three", 4);
    vmx_buffer_insert(&buffer, 4, "1.5 ", 4);
    vmx_buffer_insert(&buffer, buffer.len, "!", 1);
    ck_assert_uint_eq(buffer.len, 18);
    ck_assert_mem_eq(buffer.data, "one 1.5 2 three 4!", 18);
    for (int i = 0; i < 10000; i++)
        vmx_buffer_printf(&buffer, "%d", i % 10);
    ck_assert_uint_eq(buffer.len, 10018);
    ck_assert(!buffer.failed);
    vmx_buffer_free(&buffer);
    ck_assert_ptr_null(buffer.data);
}
END_TEST

START_TEST(test_buffer_failure_is_sticky)
{
    failing_allocator state;
    failing_allocator_install(&state, 0);
    vmx_buffer buffer = {0};
    vmx_buffer_append_text(&buffer, "lost");
    ck_assert(buffer.failed);
    vmx_buffer_append_text(&buffer, "also lost");
    vmx_buffer_printf(&buffer, "%d", 1);
    vmx_buffer_insert(&buffer, 0, "x", 1);
    ck_assert(buffer.failed);
    ck_assert_uint_eq(buffer.len, 0);
    vmx_buffer_free(&buffer);
    ck_assert(!buffer.failed);
    ck_assert_ptr_null(vmx_buffer_reserve(&buffer, SIZE_MAX));
    vmx_buffer_free(&buffer);
    ck_assert_int_eq(state.alive, 0);
    vmx_set_allocator(NULL);
}
END_TEST

static int released;

static void
count_release(vmx_block *block)
{
    (void)block;
    released++;
}

START_TEST(test_block_is_released_with_the_last_reference)
{
    released = 0;
    vmx_block block = {.refs = 1, .release = count_release};
    ck_assert_ptr_eq(vmx_block_acquire(&block), &block);
    ck_assert_ptr_null(vmx_block_release(&block));
    ck_assert_int_eq(released, 0);
    ck_assert_ptr_null(vmx_block_release(&block));
    ck_assert_int_eq(released, 1);
    ck_assert_ptr_null(vmx_block_acquire(NULL));
    ck_assert_ptr_null(vmx_block_release(NULL));
}
END_TEST

START_TEST(test_message_owns_its_slices)
{
    released = 0;
    vmx_block block = {.refs = 3, .release = count_release};
    vmx_message one, moved;
    vmx_message_init_one(&one, &block, (const uint8_t *)"abc", 3);
    vmx_message_move(&moved, &one);
    ck_assert_uint_eq(one.count, 0);
    ck_assert_ptr_eq(moved.slices, moved.few);
    ck_assert_uint_eq(moved.size_bytes, 3);

    vmx_message many = {.slices = vmx_calloc(2, sizeof(vmx_slice)), .count = 2};
    many.slices[0].block = many.slices[1].block = &block;
    vmx_message_move(&one, &many);
    vmx_message_clear(&moved);
    vmx_message_clear(&many);
    ck_assert_int_eq(released, 0);
    vmx_message_clear(&one);
    vmx_message_clear(&one);
    ck_assert_int_eq(released, 1);
}
END_TEST

/* Lent and own pieces by turns, and a piece of a third block. */
static void
add_pieces(vmx_message *message, vmx_slice *slices, vmx_block *own, vmx_block *lender, vmx_block *third)
{
    static const uint8_t bytes[8];
    *message = (vmx_message){.slices = slices};
    for (int i = 0; i < 3; i++) {
        vmx_message_add(message, bytes, 2, own);
        vmx_message_add(message, bytes, 8, lender);
    }
    vmx_message_add(message, bytes, 1, NULL);
    vmx_message_add(message, bytes, 0, third);
    vmx_message_add(message, bytes, 3, third);
}

START_TEST(test_message_shares_references)
{
    vmx_block own = {.refs = 1, .release = count_release}, lender = own, third = own;
    vmx_message message;
    add_pieces(&message, vmx_calloc(9, sizeof(vmx_slice)), &own, &lender, &third);
    ck_assert_uint_eq(message.count, 8);
    ck_assert_uint_eq(message.size_bytes, 34);
    ck_assert_uint_eq(own.refs, 2);
    ck_assert_uint_eq(lender.refs, 2);
    ck_assert_uint_eq(third.refs, 2);
    vmx_message_clear(&message);
    ck_assert_uint_eq(own.refs, 1);
    ck_assert_uint_eq(lender.refs, 1);
    ck_assert_uint_eq(third.refs, 1);
}
END_TEST

static void
do_nothing(void *user)
{
    (void)user;
}

START_TEST(test_a_hold_stands_for_all_but_the_lender)
{
    vmx_block own = {.refs = 1, .release = count_release}, lender = own, third = own;
    vmx_memory *memory = vmx_memory_new(100, do_nothing, NULL);
    vmx_memory_figures figures;
    vmx_message message;
    ck_assert(vmx_memory_try(memory, 9));
    add_pieces(&message, vmx_calloc(9, sizeof(vmx_slice)), &own, &lender, &third);
    ck_assert(vmx_memory_hold(memory, &message, &lender, 9));
    vmx_block *held = vmx_block_acquire(message.slices[0].block); /* as the transport does */
    ck_assert_ptr_eq(message.slices[1].block, &lender);
    ck_assert_ptr_eq(message.slices[7].block, held);
    vmx_message_clear(&message);
    ck_assert_uint_eq(lender.refs, 1);
    ck_assert_uint_eq(own.refs, 2);
    vmx_memory_read(memory, &figures);
    ck_assert_uint_eq(figures.used_bytes, 9);
    vmx_block_release(held);
    ck_assert_uint_eq(own.refs, 1);
    ck_assert_uint_eq(third.refs, 1);
    vmx_memory_read(memory, &figures);
    ck_assert_uint_eq(figures.used_bytes, 0);
    vmx_memory_detach(memory);
}
END_TEST

/* Blocks of the kept size serve again, give way to reservations, and go when none is in use. */
START_TEST(test_kept_blocks_serve_again)
{
    failing_allocator state;
    uint8_t *data[2], *again;
    vmx_block *blocks[2];
    size_t bytes = vmx_memory_block_bytes(VMX_MEMORY_KEPT_BYTES);
    failing_allocator_install(&state, LONG_MAX);
    vmx_memory *memory = vmx_memory_new(3 * bytes, do_nothing, NULL);
    long before = state.alive;
    for (size_t i = 0; i < 2; i++) {
        ck_assert(vmx_memory_try(memory, bytes));
        blocks[i] = vmx_memory_block_new(memory, VMX_MEMORY_KEPT_BYTES, &data[i]);
    }
    ck_assert(!vmx_memory_keeps_block(memory));
    vmx_block_release(blocks[1]);
    vmx_memory_figures figures;
    vmx_memory_read(memory, &figures);
    ck_assert_uint_eq(figures.used_bytes, bytes);
    ck_assert_uint_eq(figures.kept_bytes, bytes);
    ck_assert(vmx_memory_keeps_block(memory));
    ck_assert(vmx_memory_try(memory, bytes));
    blocks[1] = vmx_memory_block_new(memory, VMX_MEMORY_KEPT_BYTES, &again);
    ck_assert_ptr_eq(again, data[1]);
    vmx_block_release(blocks[1]);
    ck_assert_int_eq(state.alive, before + 2);
    ck_assert(vmx_memory_try(memory, bytes + 1)); /* a byte more than there is room for beside a kept one */
    ck_assert_int_eq(state.alive, before + 1);
    vmx_memory_release(memory, bytes + 1);
    ck_assert(vmx_memory_try(memory, bytes));
    blocks[1] = vmx_memory_block_new(memory, VMX_MEMORY_KEPT_BYTES, &again);
    vmx_block_release(blocks[1]);
    ck_assert_int_eq(state.alive, before + 2);
    vmx_memory_begin_filling(memory);
    vmx_block_release(blocks[0]);
    ck_assert_int_eq(state.alive, before + 2);
    vmx_memory_end_filling(memory, 0);
    ck_assert_int_eq(state.alive, before);
    vmx_memory_read(memory, &figures);
    ck_assert_uint_eq(figures.kept_bytes + figures.used_bytes, 0);
    vmx_memory_detach(memory);
    vmx_set_allocator(NULL);
}
END_TEST

START_TEST(test_block_memory)
{
    uint8_t *data;
    vmx_block *block = vmx_block_new(1000, &data);
    memset(data, 1, 1000);
    ck_assert_uint_eq((uintptr_t)data % _Alignof(max_align_t), 0);
    vmx_block_release(block);
    ck_assert_ptr_null(vmx_block_new(SIZE_MAX - 8, &data));
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {test_alloc_goes_through_the_hook,
                                  test_calloc_refuses_overflow,
                                  test_arena_limit_counts_what_was_asked,
                                  test_arena_memory_is_aligned_and_apart,
                                  test_arena_refuses_what_cannot_be,
                                  test_buffer_writes,
                                  test_buffer_failure_is_sticky,
                                  test_block_is_released_with_the_last_reference,
                                  test_message_owns_its_slices,
                                  test_message_shares_references,
                                  test_a_hold_stands_for_all_but_the_lender,
                                  test_kept_blocks_serve_again,
                                  test_block_memory,
                                  NULL};
    return run_suite("core memory", tests);
}
