/*
 * How often the caller's floats are copied on their way to the core: once, or, when they are lent, never. Every memcpy of
 * our own code comes by here, and every copy that looks for NaN on the way (the linker's --wrap).
 */
#include <string.h>

#include "core/suite.h"
#include "engine/finite.h"
#include "writer/store.h"

enum { ROWS = 40, WIDTH = 784 };

static float values[ROWS][WIDTH];
static vmx_vector vectors[ROWS];
static char ids[ROWS][4];

static struct {
    bool counts;
    size_t of_values; /* bytes copied from the caller's floats */
    size_t of_copies; /* bytes copied from where those went */
    struct {
        const char *first;
        size_t len;
    } copies[ROWS];
    size_t copy_count;
} seen;

void *
__real_memcpy(void *to, const void *from, size_t len);
void *
__wrap_memcpy(void *to, const void *from, size_t len);

static void
note(const char *to, const char *from, size_t len)
{
    const char *begin = (const char *)values;
    if (from >= begin && from < begin + sizeof values) {
        seen.of_values += len;
        if (seen.copy_count < ROWS) {
            seen.copies[seen.copy_count].first = to;
            seen.copies[seen.copy_count++].len = len;
        }
    }
    for (size_t i = 0; i < seen.copy_count; i++)
        if (from >= seen.copies[i].first && from < seen.copies[i].first + seen.copies[i].len)
            seen.of_copies += len;
}

void *
__wrap_memcpy(void *to, const void *from, size_t len)
{
    if (seen.counts)
        note(to, from, len);
    return __real_memcpy(to, from, len);
}

bool
__real_vmx_copy_not_finite(void *restrict to, const float *restrict from, size_t len);
bool
__wrap_vmx_copy_not_finite(void *restrict to, const float *restrict from, size_t len);

bool
__wrap_vmx_copy_not_finite(void *restrict to, const float *restrict from, size_t len)
{
    if (seen.counts)
        note(to, (const char *)from, len * sizeof *from);
    return __real_vmx_copy_not_finite(to, from, len);
}

static void
on_release(void *user)
{
    (void)user;
}

/* Writes all rows; the server's own copying, behind the hand-over to the transport, does not count. */
static void
write_all(bool lent)
{
    store s;
    vmx_error error;
    vmx_writer *writer;
    vmx_writer_options options;
    vmx_vectors all = {vectors, ROWS, sizeof vectors[0]};
    memset(&seen, 0, sizeof seen);
    store_open(&s, 1, NULL);
    s.watch = &seen.counts;
    vmx_writer_options_init(&options, sizeof options);
    options.linger_ms = -1;
    ck_assert_int_eq(vmx_writer_open(s.w->index, &options, &writer, &error), VMX_OK);
    seen.counts = true;
    ck_assert_int_eq(lent ? vmx_writer_lend(writer, &all, on_release, NULL, 0, NULL, &error)
                          : vmx_writer_put(writer, &all, 0, NULL, &error),
                     VMX_OK);
    ck_assert_int_eq(vmx_writer_flush(writer, 60000, &error), VMX_OK);
    seen.counts = false;
    ck_assert_uint_eq(s.vectors, ROWS);
    ck_assert_uint_eq(s.reference_count, lent ? ROWS : s.reference_count);
    for (size_t i = 0; lent && i < ROWS; i++)
        ck_assert_ptr_eq(s.references[i], (const uint8_t *)values[i]);
    ck_assert_int_eq(vmx_writer_close(writer, 60000, &error), VMX_OK);
    vmx_writer_free(writer);
    world_free(s.w);
}

START_TEST(copied_values_are_copied_once)
{
    write_all(false);
    ck_assert_uint_eq(seen.of_values, sizeof values);
    ck_assert_uint_eq(seen.of_copies, 0);
}
END_TEST

START_TEST(lent_values_are_not_copied)
{
    write_all(true);
    ck_assert_uint_eq(seen.of_values, 0);
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {copied_values_are_copied_once, lent_values_are_not_copied, NULL};
    for (size_t i = 0; i < ROWS; i++) {
        values[i][0] = (float)i;
        ids[i][0] = (char)('0' + i / 10);
        ids[i][1] = (char)('0' + i % 10);
        vmx_vector_init(&vectors[i], sizeof vectors[i]);
        vectors[i].id = (vmx_str){ids[i], 2};
        vectors[i].values = (vmx_floats){values[i], WIDTH};
    }
    return run_suite("writer_copies", tests);
}
