/* The proxy, byte by byte: two plain sockets with it between them. */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "mock/harness.h"

static int listener;
static vmx_mock_proxy *proxy;

static void
setup(void)
{
    char text[32];
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, len), 0);
    ck_assert_int_eq(listen(listener, 16), 0);
    ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&address, &len), 0);
    vmx_error error;
    vmx_str at = VMX_STR(endpoint_of(ntohs(address.sin_port), text));
    ck_assert_msg(vmx_mock_proxy_start(at, &proxy, &error) == VMX_OK, "%s", error.message);
}

static void
teardown(void)
{
    vmx_mock_proxy_stop(proxy);
    close(listener);
}

/* -1 when the connection is refused. */
static int
connect_to_proxy(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)vmx_mock_proxy_port(proxy)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    ck_assert_int_eq(errno, ECONNREFUSED);
    close(fd);
    return -1;
}

static void
connect_both(int *client, int *target)
{
    *client = connect_to_proxy();
    ck_assert_int_ge(*client, 0);
    *target = accept(listener, NULL, NULL);
    ck_assert_int_ge(*target, 0);
}

static void
write_bytes(int fd, size_t count)
{
    static const char zeros[65536];
    while (count > 0) {
        ssize_t sent = send(fd, zeros, count < sizeof zeros ? count : sizeof zeros, MSG_NOSIGNAL);
        ck_assert_int_gt(sent, 0);
        count -= (size_t)sent;
    }
}

/* Reads until so many bytes have come, the end, or the time is over; `*end` becomes 0 (FIN) or the errno of a reset. */
static size_t
read_bytes(int fd, size_t most, int64_t timeout_ms, int *end)
{
    char data[65536];
    size_t count = 0;
    int64_t limit = now_ms() + timeout_ms;
    *end = -1;
    while (count < most) {
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        int64_t left = limit - now_ms();
        if (left <= 0 || poll(&ready, 1, (int)left) <= 0)
            return count;
        ssize_t len = recv(fd, data, sizeof data, 0);
        if (len <= 0) {
            *end = len == 0 ? 0 : errno;
            return count;
        }
        count += (size_t)len;
    }
    return count;
}

static vmx_mock_network
good(void)
{
    vmx_mock_network network;
    vmx_mock_network_init(&network, sizeof network);
    return network;
}

START_TEST(forwards_everything_both_ways_and_the_end)
{
    int client, target, end;
    setup();
    connect_both(&client, &target);
    write_bytes(client, 100000);
    ck_assert_uint_eq(read_bytes(target, 100000, slow_ms(5000), &end), 100000);
    write_bytes(target, 200000);
    ck_assert_uint_eq(read_bytes(client, 200000, slow_ms(5000), &end), 200000);
    shutdown(client, SHUT_WR);
    ck_assert_uint_eq(read_bytes(target, 1, slow_ms(5000), &end), 0);
    ck_assert_int_eq(end, 0);
    write_bytes(target, 10); /* the other half is still open */
    ck_assert_uint_eq(read_bytes(client, 10, slow_ms(5000), &end), 10);
    vmx_mock_proxy_counters counters;
    vmx_mock_proxy_counters_init(&counters, sizeof counters);
    vmx_mock_proxy_count(proxy, &counters);
    ck_assert(counters.connections_accepted == 1 && counters.connections_open == 1);
    ck_assert(counters.bytes_to_server == 100000 && counters.bytes_to_client == 200010);
    close(client);
    close(target);
    teardown();
}
END_TEST

START_TEST(a_stall_holds_the_bytes_of_one_connection_until_it_ends)
{
    int client, target, other_client, other_target, end;
    setup();
    connect_both(&client, &target);
    connect_both(&other_client, &other_target);
    vmx_mock_network network = good();
    network.stall_to_server = true;
    vmx_mock_proxy_set(proxy, 1, &network);
    write_bytes(client, 1000);
    write_bytes(other_client, 1000);
    write_bytes(target, 1000);
    ck_assert_uint_eq(read_bytes(other_target, 1000, slow_ms(5000), &end), 1000);
    ck_assert_uint_eq(read_bytes(client, 1000, slow_ms(5000), &end), 1000); /* the other way is open */
    ck_assert_uint_eq(read_bytes(target, 1, 100, &end), 0);
    network = good();
    vmx_mock_proxy_set(proxy, 1, &network);
    ck_assert_uint_eq(read_bytes(target, 1000, slow_ms(5000), &end), 1000);
    close(client);
    close(target);
    close(other_client);
    close(other_target);
    teardown();
}
END_TEST

START_TEST(delay_and_throttle)
{
    int client, target, end;
    setup();
    connect_both(&client, &target);
    vmx_mock_network network = good();
    network.delay_ms = 80;
    vmx_mock_proxy_set(proxy, 0, &network);
    int64_t from = now_ms();
    write_bytes(client, 10);
    ck_assert_uint_eq(read_bytes(target, 10, slow_ms(5000), &end), 10);
    ck_assert_int_ge(now_ms() - from, 79);

    network = good();
    network.bytes_per_second = 100000;
    vmx_mock_proxy_set(proxy, 0, &network);
    from = now_ms();
    write_bytes(target, 30000);
    ck_assert_uint_eq(read_bytes(client, 30000, slow_ms(5000), &end), 30000);
    int64_t took = now_ms() - from;
    ck_assert_msg(took >= 270 && took <= slow_ms(1500), "%lld ms for 300 ms of bytes", (long long)took);
    close(client);
    close(target);
    teardown();
}
END_TEST

START_TEST(a_cut_comes_at_the_byte_that_was_asked_for)
{
    int client, target, end;
    setup();
    for (int reset = 0; reset < 2; reset++) {
        vmx_mock_network network = good();
        vmx_mock_proxy_set(proxy, 0, &network);
        connect_both(&client, &target);
        write_bytes(client, 500);
        ck_assert_uint_eq(read_bytes(target, 500, slow_ms(5000), &end), 500);
        network.cut_to_server_bytes = 1234;
        network.reset = reset;
        vmx_mock_proxy_set(proxy, 0, &network);
        write_bytes(client, 5000);
        ck_assert_uint_eq(read_bytes(target, 5000, slow_ms(5000), &end), 1234);
        ck_assert_int_eq(end, reset ? ECONNRESET : 0);
        close(client);
        close(target);
    }
    teardown();
}
END_TEST

START_TEST(one_bit_is_inverted_at_the_byte_that_was_asked_for)
{
    uint8_t data[300];
    int client, target;
    setup();
    connect_both(&client, &target);
    vmx_mock_network network = good();
    network.flip_to_server_bytes = 200;
    vmx_mock_proxy_set(proxy, 1, &network);
    write_bytes(client, 100);
    write_bytes(client, 200);
    ck_assert_int_eq(recv(target, data, sizeof data, MSG_WAITALL), sizeof data);
    for (size_t i = 0; i < sizeof data; i++)
        ck_assert_uint_eq(data[i], i == 199);
    close(client);
    close(target);
    teardown();
}
END_TEST

START_TEST(connections_are_cut_and_refused)
{
    int client, target, end;
    setup();
    connect_both(&client, &target);
    vmx_mock_proxy_cut(proxy, 2, true); /* there is none */
    write_bytes(client, 10);
    ck_assert_uint_eq(read_bytes(target, 10, slow_ms(5000), &end), 10);
    vmx_mock_proxy_refuse(proxy, VMX_FOREVER);
    ck_assert_int_eq(connect_to_proxy(), -1);
    vmx_mock_proxy_cut(proxy, 1, true);
    ck_assert_uint_eq(read_bytes(target, 10, slow_ms(5000), &end), 0);
    ck_assert_int_eq(end, ECONNRESET);
    close(client);
    close(target);
    vmx_mock_proxy_refuse(proxy, 0);
    sleep_ms(slow_ms(50));
    connect_both(&client, &target);
    close(client);
    close(target);
    teardown();
}
END_TEST

/* Waits until the proxy has no connection any more. */
static bool
all_ended(void)
{
    vmx_mock_proxy_counters counters;
    vmx_mock_proxy_counters_init(&counters, sizeof counters);
    for (int64_t limit = now_ms() + slow_ms(5000); now_ms() < limit; sleep_ms(5)) {
        vmx_mock_proxy_count(proxy, &counters);
        if (counters.connections_open == 0)
            return true;
    }
    return false;
}

/* Closes with RST. */
static void
reset(int fd)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger), 0);
    close(fd);
}

START_TEST(a_reset_behind_an_end_is_one)
{
    int client, target, end;
    setup();
    connect_both(&client, &target);
    write_bytes(client, 1);
    ck_assert_int_eq(shutdown(client, SHUT_WR), 0);
    ck_assert_uint_eq(read_bytes(target, 2, slow_ms(5000), &end), 1);
    ck_assert_int_eq(end, 0);
    reset(client);
    ck_assert(all_ended());
    close(target);
    teardown();
}
END_TEST

/* What this process has used of the processors. */
static int64_t
used_ms(void)
{
    struct timespec used;
    ck_assert_int_eq(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used), 0);
    return (int64_t)used.tv_sec * 1000 + used.tv_nsec / 1000000;
}

START_TEST(bytes_that_wait_behind_two_ends_cost_nothing_and_arrive)
{
    int client, target, end;
    vmx_mock_network stalled = good();
    setup();
    connect_both(&client, &target);
    stalled.stall_to_server = true;
    vmx_mock_proxy_set(proxy, 0, &stalled);
    write_bytes(client, 1000);
    ck_assert_int_eq(shutdown(client, SHUT_WR), 0);
    ck_assert_int_eq(shutdown(target, SHUT_WR), 0);
    ck_assert_uint_eq(read_bytes(client, 1, slow_ms(5000), &end), 0);
    ck_assert_int_eq(end, 0);
    int64_t before_ms = used_ms();
    sleep_ms(300);
    ck_assert_int_lt(used_ms() - before_ms, 100);
    vmx_mock_network none = good();
    vmx_mock_proxy_set(proxy, 0, &none);
    ck_assert_uint_eq(read_bytes(target, 1001, slow_ms(5000), &end), 1000);
    ck_assert_int_eq(end, 0);
    ck_assert(all_ended());
    close(client);
    close(target);
    teardown();
}
END_TEST

START_TEST(a_target_that_is_gone_ends_the_connection)
{
    int end;
    setup();
    close(listener);
    listener = -1;
    int client = connect_to_proxy();
    ck_assert_uint_eq(read_bytes(client, 1, slow_ms(5000), &end), 0);
    ck_assert_int_ne(end, -1);
    close(client);
    vmx_mock_proxy_stop(proxy);
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {forwards_everything_both_ways_and_the_end,
                                  a_stall_holds_the_bytes_of_one_connection_until_it_ends,
                                  delay_and_throttle,
                                  a_cut_comes_at_the_byte_that_was_asked_for,
                                  one_bit_is_inverted_at_the_byte_that_was_asked_for,
                                  connections_are_cut_and_refused,
                                  a_reset_behind_an_end_is_one,
                                  bytes_that_wait_behind_two_ends_cost_nothing_and_arrive,
                                  a_target_that_is_gone_ends_the_connection,
                                  NULL};
    return run_suite("mock_proxy", tests);
}
