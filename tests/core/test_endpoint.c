#include <string.h>

#include "core/endpoint.h"
#include "core/suite.h"

typedef struct row {
    const char *text, *target, *host;
    int port;
    vmx_scheme scheme;
    bool loopback;
} row;

START_TEST(test_accepted)
{
    static const row rows[] = {
        {"localhost:5081", "localhost:5081", "localhost", 5081, VMX_SCHEME_NONE, true},
        {"LocalHost:1", "LocalHost:1", "LocalHost", 1, VMX_SCHEME_NONE, true},
        {"127.1.2.3:65535", "127.1.2.3:65535", "127.1.2.3", 65535, VMX_SCHEME_NONE, true},
        {"[::1]:80", "[::1]:80", "::1", 80, VMX_SCHEME_NONE, true},
        {"[::ffff:127.0.0.1]:80", "[::ffff:127.0.0.1]:80", "::ffff:127.0.0.1", 80, VMX_SCHEME_NONE, true},
        {"[fe80::1%eth0]:80", "[fe80::1%eth0]:80", "fe80::1%eth0", 80, VMX_SCHEME_NONE, false},
        {"db.example.com:443", "db.example.com:443", "db.example.com", 443, VMX_SCHEME_NONE, false},
        {"localhost.example.com:1", "localhost.example.com:1", "localhost.example.com", 1, VMX_SCHEME_NONE, false},
        {"128.0.0.1:1", "128.0.0.1:1", "128.0.0.1", 1, VMX_SCHEME_NONE, false},
        {"http://db:80", "db:80", "db", 80, VMX_SCHEME_HTTP, false},
        {"HTTPS://db", "db:443", "db", 443, VMX_SCHEME_HTTPS, false},
        {"https://db:8443/", "db:8443", "db", 8443, VMX_SCHEME_HTTPS, false},
        {"https://[2001:db8::1]", "[2001:db8::1]:443", "2001:db8::1", 443, VMX_SCHEME_HTTPS, false},
        {"dns:///db:80", "dns:///db:80", "db", 80, VMX_SCHEME_NONE, false},
        {"dns:db:80", "dns:///db:80", "db", 80, VMX_SCHEME_NONE, false},
        {"ipv4:127.0.0.1:80", "ipv4:127.0.0.1:80", "127.0.0.1", 80, VMX_SCHEME_NONE, true},
        {"ipv6:[::1]:80", "ipv6:[::1]:80", "::1", 80, VMX_SCHEME_NONE, true},
        {"unix:/run/db.sock", "unix:/run/db.sock", "", 0, VMX_SCHEME_NONE, true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        vmx_endpoint endpoint;
        vmx_error error = {0};
        vmx_status status = vmx_endpoint_parse(vmx_str_from(rows[i].text), &endpoint, &error);
        ck_assert_msg(status == VMX_OK, "%s: %s", rows[i].text, error.message);
        ck_assert_str_eq(endpoint.target, rows[i].target);
        ck_assert_str_eq(endpoint.host, rows[i].host);
        ck_assert_int_eq(endpoint.port, rows[i].port);
        ck_assert_int_eq(endpoint.scheme, rows[i].scheme);
        ck_assert_msg(endpoint.is_loopback == rows[i].loopback, "%s", rows[i].text);
    }
}
END_TEST

START_TEST(test_refused)
{
    static const char *const rows[][2] = {
        {"", "endpoint: not set; write host:port"},
        {"localhost", "endpoint \"localhost\": no port; write host:port"},
        {"localhost:", "endpoint \"localhost:\": no port; write host:port"},
        {":80", "endpoint \":80\": no host; write host:port"},
        {"db:0", "endpoint \"db:0\": the port must be a number from 1 to 65535"},
        {"db:65536", "endpoint \"db:65536\": the port must be a number from 1 to 65535"},
        {"db:-1", "endpoint \"db:-1\": the port must be a number from 1 to 65535"},
        {"db:http", "endpoint \"db:http\": the port must be a number from 1 to 65535"},
        {"::1:80", "endpoint \"::1:80\": write an IPv6 address as [address]:port"},
        {"[::1:80", "endpoint \"[::1:80\": no closing bracket; write [address]:port"},
        {"[::1]80", "endpoint \"[::1]80\": after the bracket comes :port"},
        {"[::g]:80", "endpoint \"[::g]:80\": not an IPv6 address between the brackets"},
        {"[::1]", "endpoint \"[::1]\": no port; write host:port"},
        {"256.0.0.1:80", "endpoint \"256.0.0.1:80\": not a host name or IPv4 address"},
        {"a b:80", "endpoint \"a b:80\": not a host name or IPv4 address"},
        {"a/b:80", "endpoint \"a/b:80\": not a host name or IPv4 address"},
        {"a..b:80", "endpoint \"a..b:80\": not a host name or IPv4 address"},
        {"ftp://db:80", "endpoint \"ftp://db:80\": unknown scheme; write host:port, http://host:port or "
                        "https://host[:port]"},
        {"http://db", "endpoint \"http://db\": no port; write host:port"},
        {"https://db/path",
         "endpoint \"https://db/path\": a path has no meaning here; write only the host and the port"},
        {"unix:", "endpoint \"unix:\": no path; write unix:path"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        vmx_endpoint endpoint;
        vmx_error error;
        ck_assert_int_eq(vmx_endpoint_parse(vmx_str_from(rows[i][0]), &endpoint, &error), VMX_ERR_INVALID);
        ck_assert_str_eq(error.message, rows[i][1]);
    }
}
END_TEST

START_TEST(test_long_and_foreign_bytes)
{
    char text[1000];
    vmx_endpoint endpoint;
    memset(text, 'a', sizeof text);
    memcpy(text + 253, ":80", 4);
    ck_assert_int_eq(vmx_endpoint_parse(vmx_str_from(text), &endpoint, NULL), VMX_OK);
    memset(text, 'a', sizeof text);
    memcpy(text + 254, ":80", 4);
    ck_assert_int_eq(vmx_endpoint_parse(vmx_str_from(text), &endpoint, NULL), VMX_ERR_INVALID);
    ck_assert_int_eq(vmx_endpoint_parse((vmx_str){text, sizeof text}, &endpoint, NULL), VMX_ERR_INVALID);
    ck_assert_int_eq(vmx_endpoint_parse((vmx_str){"a\0b:80", 6}, &endpoint, NULL), VMX_ERR_INVALID);
    ck_assert_int_eq(vmx_endpoint_parse((vmx_str){"[::1\0]:80", 9}, &endpoint, NULL), VMX_ERR_INVALID);
    memcpy(text, "unix:", 5);
    ck_assert_int_eq(vmx_endpoint_parse((vmx_str){text, 112}, &endpoint, NULL), VMX_OK);
    ck_assert_int_eq(vmx_endpoint_parse((vmx_str){text, 113}, &endpoint, NULL), VMX_ERR_INVALID);
}
END_TEST

START_TEST(test_address_takes_no_scheme)
{
    vmx_endpoint endpoint;
    vmx_error error;
    ck_assert_int_eq(vmx_endpoint_parse_address("proxy", VMX_STR("px:3128"), &endpoint, NULL), VMX_OK);
    ck_assert_str_eq(endpoint.target, "px:3128");
    ck_assert_int_eq(vmx_endpoint_parse_address("proxy", VMX_STR("unix:/a"), &endpoint, NULL), VMX_ERR_INVALID);
    ck_assert_int_eq(vmx_endpoint_parse_address("proxy", VMX_STR("px"), &endpoint, &error), VMX_ERR_INVALID);
    ck_assert_str_eq(error.message, "proxy \"px\": no port; write host:port");
}
END_TEST

START_TEST(endpoints_are_listed_with_commas)
{
    vmx_endpoint all[VMX_MAX_ENDPOINTS];
    vmx_error why;
    size_t count;
    ck_assert_int_eq(vmx_endpoint_parse_list(VMX_STR("a:1, [::1]:2 ,c:3"), all, &count, &why), VMX_OK);
    ck_assert_uint_eq(count, 3);
    ck_assert_str_eq(all[0].target, "a:1");
    ck_assert_str_eq(all[1].target, "[::1]:2");
    ck_assert_str_eq(all[2].target, "c:3");
    ck_assert_int_eq(vmx_endpoint_parse_list(VMX_STR("a:1"), all, &count, &why), VMX_OK);
    ck_assert_uint_eq(count, 1);
    ck_assert_int_eq(vmx_endpoint_parse_list(VMX_STR("a:1,"), all, &count, &why), VMX_ERR_INVALID);
    ck_assert_int_eq(vmx_endpoint_parse_list(VMX_STR("a:1,,b:2"), all, &count, &why), VMX_ERR_INVALID);
    ck_assert_int_eq(vmx_endpoint_parse_list(VMX_STR("a:1,b"), all, &count, &why), VMX_ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(why.message, "no port"));
    ck_assert_int_eq(vmx_endpoint_parse_list(VMX_STR("a:1,https://b"), all, &count, &why), VMX_ERR_INVALID);
    vmx_str many = VMX_STR("a:1,a:1,a:1,a:1,a:1,a:1,a:1,a:1,a:1,a:1,a:1,a:1,a:1,a:1,a:1,a:1,a:1");
    ck_assert_int_eq(vmx_endpoint_parse_list(many, all, &count, &why), VMX_ERR_INVALID);
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {test_accepted,
                                  test_refused,
                                  test_long_and_foreign_bytes,
                                  test_address_takes_no_scheme,
                                  endpoints_are_listed_with_commas,
                                  NULL};
    return run_suite("core endpoint", tests);
}
