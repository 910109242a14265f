/* Errors inside replies whose gRPC status is OK, as Milvus 2.3.5 and milvus-lite 3.2 were seen to send them. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "engine/milvus/milvus.h"

typedef struct sample {
    int32_t code, older;
    bool retriable;
    const char *reason;
    vmx_verdict verdict;
    int grpc_code;
} sample;

static const sample samples[] = {
    {0, 0, false, "", VMX_VERDICT_OK, VMX_GRPC_OK},
    {8, 1, false, "rate limit", VMX_VERDICT_THROTTLED, VMX_GRPC_RESOURCE_EXHAUSTED},
    {0, 49, false, "rate limit", VMX_VERDICT_THROTTLED, VMX_GRPC_RESOURCE_EXHAUSTED},
    {100, 4, false, "collection not found", VMX_VERDICT_FINAL, VMX_GRPC_NOT_FOUND},
    {0, 4, false, "collection not found", VMX_VERDICT_FINAL, VMX_GRPC_NOT_FOUND},
    {1, 56, false, "service not ready", VMX_VERDICT_RETRIABLE, VMX_GRPC_UNAVAILABLE},
    {1, 1, false, "milvus-lite's unexpected error", VMX_VERDICT_FINAL, VMX_GRPC_UNKNOWN},
    {1, 0, false, "milvus-lite's unexpected error", VMX_VERDICT_FINAL, VMX_GRPC_UNKNOWN},
    {12345, 1, true, "something new", VMX_VERDICT_RETRIABLE, VMX_GRPC_UNKNOWN},
    {6, 6, false, "milvus-lite's illegal argument", VMX_VERDICT_FINAL, VMX_GRPC_INVALID_ARGUMENT},
    {1100, 1, false, "parameter", VMX_VERDICT_FINAL, VMX_GRPC_INVALID_ARGUMENT},
    {65535, 1, false, "partition name x not found", VMX_VERDICT_FINAL, VMX_GRPC_NOT_FOUND},
    {65535, 1, false, "two\nlines", VMX_VERDICT_FINAL, VMX_GRPC_UNKNOWN},
    {1400, 1, false, "who", VMX_VERDICT_FINAL, VMX_GRPC_UNAUTHENTICATED},
};

#define SAMPLE_COUNT ((int)(sizeof samples / sizeof samples[0]))

static void
check_judgement(const sample *s, const ProtobufCMessage *message, vmx_judge judge)
{
    uint8_t bytes[256];
    size_t len = protobuf_c_message_pack(message, bytes);
    vmx_slice slice = {bytes, len, NULL};
    vmx_message wire = {.slices = &slice, .count = 1, .size_bytes = len};
    vmx_arena arena = {0};
    vmx_reply reply = {.grpc_code = VMX_GRPC_OK, .text = {"", 0}};
    ck_assert_int_eq(judge(&wire, &reply, &arena), s->verdict);
    ck_assert_int_eq(reply.grpc_code, s->grpc_code);
    if (s->verdict != VMX_VERDICT_OK)
        ck_assert_ptr_null(memchr(reply.text.ptr, '\n', reply.text.len));
    vmx_arena_reset(&arena);
}

START_TEST(statuses)
{
    const sample *s = &samples[_i];
    Milvus__Status status = MILVUS__STATUS__INIT;
    Milvus__MutationResult result = MILVUS__MUTATION_RESULT__INIT;
    status.code = s->code;
    status.error_code = s->older;
    status.retriable = s->retriable;
    status.reason = (char *)(uintptr_t)s->reason;
    result.status = &status;
    result.timestamp = 99;
    check_judgement(s, &status.base, vmx_milvus_judge_plain);
    check_judgement(s, &result.base, vmx_milvus_judge);
}
END_TEST

/* A reply without a status, and bytes that are no message: left to the machine. */
START_TEST(no_status)
{
    static const sample fine = {.verdict = VMX_VERDICT_OK, .grpc_code = VMX_GRPC_OK};
    Milvus__GetLoadingProgressResponse progress = MILVUS__GET_LOADING_PROGRESS_RESPONSE__INIT;
    progress.refresh_progress = 100; /* the number of Status.code */
    check_judgement(&fine, &progress.base, vmx_milvus_judge);
    static const uint8_t broken[] = {0x0a, 0x7f, 0x08};
    vmx_slice slice = {broken, sizeof broken, NULL};
    vmx_message wire = {.slices = &slice, .count = 1, .size_bytes = sizeof broken};
    vmx_arena arena = {0};
    vmx_reply reply = {.grpc_code = VMX_GRPC_OK};
    ck_assert_int_eq(vmx_milvus_judge(&wire, &reply, &arena), VMX_VERDICT_OK);
    ck_assert_int_eq(vmx_milvus_judge_plain(&wire, &reply, &arena), VMX_VERDICT_OK);
    vmx_arena_reset(&arena);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("milvus_status");
    TCase *tests = tcase_create("status");
    tcase_add_loop_test(tests, statuses, 0, SAMPLE_COUNT);
    tcase_add_test(tests, no_status);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed > 0;
}
