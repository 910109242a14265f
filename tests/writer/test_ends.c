/* Writers that end while something of theirs is still under way. */
#include "core/suite.h"
#include "writer/harness.h"

/* Reports that nobody has read outlive the client; the put that found no room for more is still owed a word. */
START_TEST(reports_may_be_freed_after_the_client_is_closed)
{
    enum { REPORTS = 1024 };
    size_t taken;
    store_open(&s, 16, NULL);
    vmx_writer_options options = default_options();
    options.queue = s.w->queue;
    options.report = VMX_REPORT_ALL;
    options.batch_vectors = 1;
    vmx_writer *writer = open_writer(&options);
    must_put(writer, 0, REPORTS, 4, 1);
    ck_assert_int_eq(vmx_writer_flush(writer, 60000, &error), VMX_OK);
    ck_assert_int_eq(put_rows(writer, 0, 1, 4, 1, 0, &taken), VMX_ERR_WOULD_BLOCK);
    ck_assert_int_eq(vmx_writer_close(writer, 60000, &error), VMX_OK);
    ck_assert_int_eq(vmx_client_close(s.w->client, 60000, &error), VMX_OK);
    vmx_event event;
    for (size_t i = 0; i < REPORTS; i++) {
        ck_assert_uint_eq(vmx_queue_poll(s.w->queue, &event, 1, 0), 1);
        vmx_op_free(event.op);
    }
    close_all(writer);
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {reports_may_be_freed_after_the_client_is_closed, NULL};
    return run_suite("writer_ends", tests);
}
