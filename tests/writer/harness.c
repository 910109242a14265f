#include "writer/harness.h"

#include <check.h>
#include <stdlib.h>

store s;
vmx_error error;

vmx_writer *
open_writer(vmx_writer_options *options)
{
    vmx_writer *writer;
    ck_assert_msg(vmx_writer_open(s.w->index, options, &writer, &error) == VMX_OK, "%s", error.message);
    return writer;
}

vmx_writer_options
default_options(void)
{
    vmx_writer_options options;
    vmx_writer_options_init(&options, sizeof options);
    return options;
}

vmx_status
put_rows(vmx_writer *writer, size_t first, size_t count, size_t dimension, float value, int64_t timeout_ms,
         size_t *taken)
{
    float *values = calloc(count * dimension, sizeof *values);
    vmx_columns columns;
    vmx_columns_init(&columns, sizeof columns);
    for (size_t i = 0; i < count; i++)
        values[i * dimension] = value;
    columns.count = count;
    columns.first_id = first;
    columns.values = values;
    columns.dimension = dimension;
    vmx_status status = vmx_writer_put_columns(writer, &columns, timeout_ms, taken, &error);
    free(values);
    return status;
}

void
must_put(vmx_writer *writer, size_t first, size_t count, size_t dimension, float value)
{
    size_t taken;
    vmx_status status = put_rows(writer, first, count, dimension, value, 600000, &taken);
    ck_assert_msg(status == VMX_OK, "%s", error.message);
    ck_assert_uint_eq(taken, count);
}

vmx_writer_account
account_of(vmx_writer *writer)
{
    vmx_writer_account account;
    vmx_writer_account_init(&account, sizeof account);
    vmx_writer_get_account(writer, &account);
    ck_assert_uint_eq(account.taken, account.stored + account.failed + account.waiting + account.in_flight);
    return account;
}

size_t
used_bytes(void)
{
    vmx_memory_info memory;
    vmx_memory_info_init(&memory, sizeof memory);
    vmx_client_memory(s.w->client, &memory);
    ck_assert_uint_le(memory.peak_bytes, memory.limit_bytes);
    return memory.used_bytes;
}

void
close_all(vmx_writer *writer)
{
    ck_assert_msg(vmx_writer_close(writer, 600000, &error) == VMX_OK, "%s", error.message);
    vmx_writer_free(writer);
    ck_assert_uint_eq(used_bytes(), 0);
    world_free(s.w);
}
