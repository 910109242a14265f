/* The mock beside its faults: scripts, records, expectations, handlers, TLS, wrong input. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mock/harness.h"
#include "mock/peer.h"

static const uint8_t request[] = {0, 0, 0, 0, 3, 'a', 'b', 'c', 0, 0, 0, 0, 1, 'd'};

static vmx_mock *mock;

static int
status_of(peer *client, const char *method)
{
    peer_reply *reply = peer_call(client, method, request, sizeof request, true);
    peer_wait(client, reply, slow_ms(5000));
    return reply->grpc_status;
}

START_TEST(scripts_then_defaults_then_the_defaults_of_all)
{
    mock = start_mock();
    peer *client = peer_open(vmx_mock_port(mock));
    vmx_mock_answer answers[] = {answer_status(1, "a"), answer_status(2, "b")};
    answers[1].repeat = 2;
    set_script(mock, "/m", answers, 2);
    set_default(mock, "/m", answer_status(3, "c"));
    set_default(mock, "", answer_status(4, "d"));
    static const int expected[] = {1, 2, 2, 3, 3};
    for (size_t i = 0; i < 5; i++)
        ck_assert_int_eq(status_of(client, "/m"), expected[i]);
    ck_assert_int_eq(status_of(client, "/other"), 4);
    vmx_mock_default(mock, VMX_STR("/m"), NULL, NULL);
    ck_assert_int_eq(status_of(client, "/m"), 4);
    peer_close(client);
    vmx_mock_stop(mock);
}
END_TEST

START_TEST(calls_are_recorded)
{
    mock = start_mock();
    peer *first = peer_open(vmx_mock_port(mock)), *second = peer_open(vmx_mock_port(mock));
    status_of(first, "/a");
    status_of(second, "/b");
    status_of(second, "/a");
    ck_assert_uint_eq(vmx_mock_call_count(mock, VMX_STR("")), 3);
    ck_assert_uint_eq(vmx_mock_call_count(mock, VMX_STR("/a")), 2);
    vmx_mock_record record;
    vmx_mock_record_init(&record, sizeof record);
    ck_assert(vmx_mock_call_at(mock, VMX_STR("/a"), 1, &record));
    ck_assert_str_eq(record.method.ptr, "/a");
    ck_assert(record.message.len == 3 && memcmp(record.message.ptr, "abc", 3) == 0);
    ck_assert_uint_eq(record.message_count, 2);
    ck_assert_int_eq(record.stream, 3);
    ck_assert_uint_eq(record.connection, 2);
    ck_assert(record.arrived_us > 0 && record.complete_us >= record.arrived_us);
    ck_assert_str_eq(vmx_mock_record_header(&record, VMX_STR("te")).ptr, "trailers");
    vmx_str bytes = vmx_mock_record_header(&record, VMX_STR("x-bytes-bin"));
    ck_assert(bytes.len == 3 && memcmp(bytes.ptr, "\0\1\377", 3) == 0);
    ck_assert_ptr_null(vmx_mock_record_header(&record, VMX_STR(":path")).ptr);
    ck_assert(!vmx_mock_call_at(mock, VMX_STR("/a"), 2, &record));
    vmx_mock_counters counters = counters_of(mock);
    ck_assert(counters.connections_accepted == 2 && counters.connections_open == 2);
    ck_assert(counters.streams == 3 && counters.streams_open == 0 && counters.cancelled == 0);
    peer_close(first);
    peer_close(second);
    vmx_mock_stop(mock);
}
END_TEST

START_TEST(what_is_kept_has_a_limit)
{
    vmx_mock_options options;
    vmx_mock_options_init(&options, sizeof options);
    options.max_recorded_bytes = 20;
    options.max_records = 2;
    options.max_request_bytes = 10;
    ck_assert_int_eq(vmx_mock_start(&options, &mock, NULL), VMX_OK);
    vmx_mock_answer echo = answer_ok();
    echo.echo = true;
    set_default(mock, "", echo);
    peer *client = peer_open(vmx_mock_port(mock));
    ck_assert_int_eq(status_of(client, "/m"), 8);
    for (int i = 0; i < 3; i++) {
        peer_reply *reply = peer_call(client, "/m", request, 8, true);
        peer_wait(client, reply, slow_ms(5000));
        ck_assert_int_eq(reply->grpc_status, 0);
        ck_assert_mem_eq(reply->body, request, 8);
    }
    vmx_mock_record record;
    vmx_mock_record_init(&record, sizeof record);
    ck_assert_uint_eq(vmx_mock_call_count(mock, VMX_STR("")), 4);
    ck_assert(vmx_mock_call_at(mock, VMX_STR(""), 1, &record) && record.message.len == 3);
    ck_assert(!vmx_mock_call_at(mock, VMX_STR(""), 2, &record));
    peer_close(client);
    vmx_mock_stop(mock);
}
END_TEST

START_TEST(expectations_are_reported_readably)
{
    mock = start_mock();
    peer *client = peer_open(vmx_mock_port(mock));
    char report[2048];
    ck_assert(vmx_mock_verify(mock, report, sizeof report));
    ck_assert_str_eq(report, "");
    vmx_str order[] = {VMX_STR("/a"), VMX_STR("/b"), VMX_STR("/a")};
    vmx_mock_expect_calls(mock, VMX_STR("/a"), 2, 2);
    vmx_mock_expect_calls(mock, VMX_STR(""), 1, SIZE_MAX);
    vmx_mock_expect_order(mock, order, 3);
    vmx_mock_expect_header(mock, VMX_STR("/a"), VMX_STR("te"), VMX_STR("trailers"));
    status_of(client, "/a");
    status_of(client, "/b");
    ck_assert(!vmx_mock_verify(mock, report, sizeof report));
    ck_assert_ptr_nonnull(strstr(report, "FAIL: /a: expected 2 calls, seen 1\n"));
    ck_assert_ptr_nonnull(strstr(report, "ok:   all methods: expected at least 1 calls, seen 2\n"));
    ck_assert_ptr_nonnull(strstr(report, "FAIL: in this order: /a /b /a; seen the first 2, no /a after them\n"));
    ck_assert_ptr_nonnull(strstr(report, "ok:   /a: every call has te: trailers\n"));
    ck_assert_ptr_nonnull(strstr(report, "the calls, 2 in all:\n  1. "));
    ck_assert_ptr_nonnull(strstr(report, "connection 1, stream 3: /b, 3 bytes\n"));
    ck_assert(!vmx_mock_verify(mock, report, 10));
    ck_assert_uint_eq(strlen(report), 9);
    status_of(client, "/a");
    ck_assert(vmx_mock_verify(mock, report, sizeof report));
    vmx_mock_expect_header(mock, VMX_STR(""), VMX_STR("api-key"), VMX_STR("secret"));
    ck_assert(!vmx_mock_verify(mock, report, sizeof report));
    ck_assert_ptr_nonnull(strstr(report, "api-key: secret; 3 have not, the first is call 1, which has none\n"));
    peer_close(client);
    vmx_mock_stop(mock);
}
END_TEST

/* --- handlers ------------------------------------------------------------------------------------------------------ */

typedef struct later {
    pthread_t threads[8];
    size_t count;
    bool hold;
    vmx_mock_call *held;
} later;

static void *
answer_later(void *arg)
{
    sleep_ms(20);
    vmx_mock_answer answer = answer_ok();
    answer.message = VMX_STR("later");
    vmx_mock_call_answer(arg, &answer);
    return NULL;
}

static void
handle(void *user, vmx_mock_call *call)
{
    later *self = user;
    vmx_mock_record record;
    vmx_mock_record_init(&record, sizeof record);
    vmx_mock_call_record(call, &record);
    vmx_mock_answer now = answer_ok(), bad = answer_ok();
    now.message = record.message;
    bad.grpc_code = -3;
    if (strcmp(record.method.ptr, "/now") == 0)
        vmx_mock_call_answer(call, &now);
    else if (strcmp(record.method.ptr, "/none") == 0)
        vmx_mock_call_answer(call, NULL);
    else if (strcmp(record.method.ptr, "/bad") == 0)
        vmx_mock_call_answer(call, &bad);
    else if (self->hold)
        self->held = call;
    else
        ck_assert_int_eq(pthread_create(&self->threads[self->count++], NULL, answer_later, call), 0);
}

static void
start_handled(later *self)
{
    vmx_mock_options options;
    vmx_mock_options_init(&options, sizeof options);
    options.handler = handle;
    options.user = self;
    ck_assert_int_eq(vmx_mock_start(&options, &mock, NULL), VMX_OK);
}

START_TEST(a_handler_answers_now_or_later)
{
    later self = {0};
    start_handled(&self);
    peer *client = peer_open(vmx_mock_port(mock));
    peer_reply *slow = peer_call(client, "/later", request, 8, true);
    peer_reply *also = peer_call(client, "/later", request, 8, true);
    peer_reply *now = peer_call(client, "/now", request, 8, true);
    peer_wait(client, now, slow_ms(5000));
    ck_assert(now->grpc_status == 0 && now->body_len == 8);
    peer_wait(client, slow, slow_ms(5000));
    peer_wait(client, also, slow_ms(5000));
    ck_assert(slow->grpc_status == 0 && slow->body_len == 10 && also->body_len == 10);
    ck_assert_int_eq(status_of(client, "/none"), 13);
    ck_assert_int_eq(status_of(client, "/bad"), 13);
    for (size_t i = 0; i < self.count; i++)
        pthread_join(self.threads[i], NULL);
    peer_close(client);
    vmx_mock_stop(mock);
}
END_TEST

START_TEST(calls_can_be_answered_when_client_and_server_are_gone)
{
    later self = {.hold = true};
    start_handled(&self);
    peer *client = peer_open(vmx_mock_port(mock));
    peer_reply *reply = peer_call(client, "/held", request, 8, true);
    peer_wait(client, reply, 100);
    vmx_mock_stop(mock);
    ck_assert_ptr_nonnull(self.held);
    vmx_mock_record record;
    vmx_mock_record_init(&record, sizeof record);
    vmx_mock_call_record(self.held, &record);
    ck_assert_str_eq(record.method.ptr, "/held");
    answer_later(self.held);
    peer_close(client);
}
END_TEST

/* --- streaming methods --------------------------------------------------------------------------------------------- */

START_TEST(several_messages_and_early_answers)
{
    mock = start_mock();
    peer *client = peer_open(vmx_mock_port(mock));
    vmx_str messages[] = {VMX_STR("one"), VMX_STR(""), VMX_STR("three")};
    vmx_mock_answer answer = answer_ok();
    answer.messages = messages;
    answer.message_count = 3;
    set_script(mock, "/m", &answer, 1);
    peer_reply *reply = peer_call(client, "/m", request, sizeof request, true);
    peer_wait(client, reply, slow_ms(5000));
    ck_assert(reply->grpc_status == 0 && reply->body_len == 23);
    ck_assert_mem_eq(reply->body, "\0\0\0\0\3one\0\0\0\0\0\0\0\0\0\5three", 23);
    ck_assert_uint_eq(counters_of(mock).body_bytes, 23);

    answer = answer_ok();
    answer.echo = answer.early = true;
    set_default(mock, "/m", answer);
    reply = peer_call(client, "/m", request, 8, false); /* its end does not come */
    peer_wait(client, reply, 200);
    ck_assert(!reply->ended && reply->http_status == 200 && reply->body_len == 8);
    reply = peer_call(client, "/m", request, sizeof request, true);
    peer_wait(client, reply, slow_ms(5000));
    ck_assert(reply->grpc_status == 0 && reply->body_len == sizeof request);
    ck_assert_mem_eq(reply->body, request, sizeof request);
    vmx_mock_record record;
    vmx_mock_record_init(&record, sizeof record);
    ck_assert(vmx_mock_call_at(mock, VMX_STR("/m"), 2, &record) && record.body.len == sizeof request);
    peer_close(client);
    vmx_mock_stop(mock);
}
END_TEST

/* --- the client over TLS ------------------------------------------------------------------------------------------- */

static char *
read_and_remove(const char *path)
{
    char *text = calloc(1, 16384);
    FILE *file = fopen(path, "r");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_gt(fread(text, 1, 16383, file), 0);
    fclose(file);
    remove(path);
    return text;
}

START_TEST(tls)
{
    char directory[] = "/tmp/vecmux-mock-XXXXXX", cert_file[64], key_file[64], make[512];
    ck_assert_ptr_nonnull(mkdtemp(directory));
    snprintf(cert_file, sizeof cert_file, "%s/cert.pem", directory);
    snprintf(key_file, sizeof key_file, "%s/key.pem", directory);
    snprintf(make, sizeof make,
             "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout %s -out %s -days 2 -subj "
             "/CN=localhost -addext subjectAltName=DNS:localhost 2>/dev/null",
             key_file, cert_file);
    ck_assert_int_eq(system(make), 0);
    char *cert = read_and_remove(cert_file), *key = read_and_remove(key_file);
    remove(directory);

    vmx_mock_options options;
    vmx_mock_options_init(&options, sizeof options);
    options.tls_certificate = VMX_STR(cert);
    options.tls_key = VMX_STR(key);
    ck_assert_int_eq(vmx_mock_start(&options, &mock, NULL), VMX_OK);
    set_default(mock, "", answer_ok());
    char endpoint[64];
    snprintf(endpoint, sizeof endpoint, "https://127.0.0.1:%d", vmx_mock_port(mock));
    const char *const properties[] = {"tls.ca.pem", cert, "tls.server.name", "localhost", "channel.count", "2", NULL};
    vmx_client *client = open_client(endpoint, 1, properties);
    vmx_index *index = open_index(client);
    for (unsigned i = 0; i < 50; i++)
        finish(start_upsert(index, i, NULL));
    ck_assert_uint_eq(vmx_mock_call_count(mock, VMX_STR(UPSERT)), 50);
    vmx_index_free(index);
    close_client(client);
    vmx_mock_stop(mock);

    vmx_error error;
    options.tls_key = VMX_STR("nonsense");
    ck_assert_int_eq(vmx_mock_start(&options, &mock, &error), VMX_ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(error.message, "tls_key"));
    options.tls_key = VMX_STR("");
    ck_assert_int_eq(vmx_mock_start(&options, &mock, &error), VMX_ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(error.message, "together"));
    free(cert);
    free(key);
}
END_TEST

/* --- wrong input --------------------------------------------------------------------------------------------------- */

static void
refuse_answer(vmx_mock_answer answer, const char *says)
{
    vmx_error error = {0};
    ck_assert_int_eq(vmx_mock_default(mock, VMX_STR("/m"), &answer, &error), VMX_ERR_INVALID);
    ck_assert_msg(strstr(error.message, says) != NULL, "%s", error.message);
    vmx_mock_answer two[] = {answer_ok(), answer};
    ck_assert_int_eq(vmx_mock_script(mock, VMX_STR("/m"), two, 2, NULL), VMX_ERR_INVALID);
}

START_TEST(wrong_input_is_refused)
{
    mock = start_mock();
    refuse_answer(answer_status(-1, ""), "grpc_code");
    vmx_mock_answer answer = answer_ok();
    answer.http_status = 42;
    refuse_answer(answer, "http_status");
    answer = answer_ok();
    answer.delay_ms = -1;
    refuse_answer(answer, "delay_ms");
    refuse_answer(answer_fault((vmx_mock_fault)99, VMX_MOCK_BEFORE), "fault 99");
    answer = answer_fault(VMX_MOCK_GOAWAY, VMX_MOCK_BEFORE);
    answer.last_stream = 2;
    refuse_answer(answer, "last_stream");
    vmx_header header = {VMX_STR("Upper"), VMX_STR("x")};
    answer = answer_ok();
    answer.trailers = &header;
    answer.trailer_count = 1;
    refuse_answer(answer, "\"Upper\"");

    vmx_error error;
    vmx_mock_options options;
    vmx_mock_options_init(&options, sizeof options);
    options.port = vmx_mock_port(mock);
    vmx_mock *other;
    ck_assert_int_eq(vmx_mock_start(&options, &other, &error), VMX_ERR_IO);
    ck_assert_ptr_nonnull(strstr(error.message, "in use"));
    options.port = 70000;
    ck_assert_int_eq(vmx_mock_start(&options, &other, &error), VMX_ERR_INVALID);
    vmx_mock_proxy *proxy;
    ck_assert_int_eq(vmx_mock_proxy_start(VMX_STR("localhost"), &proxy, &error), VMX_ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(error.message, "host:port"));
    vmx_mock_stop(mock);
    vmx_mock_stop(NULL);
    vmx_mock_proxy_stop(NULL);
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {scripts_then_defaults_then_the_defaults_of_all,
                                  calls_are_recorded,
                                  what_is_kept_has_a_limit,
                                  expectations_are_reported_readably,
                                  a_handler_answers_now_or_later,
                                  calls_can_be_answered_when_client_and_server_are_gone,
                                  several_messages_and_early_answers,
                                  tls,
                                  wrong_input_is_refused,
                                  NULL};
    return run_suite("mock", tests);
}
