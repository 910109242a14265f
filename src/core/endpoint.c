#include "core/endpoint.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "core/error.h"
#include "core/number.h"

/* What is being read, for errors: the whole text, however much of it has been stripped. */
typedef struct source {
    const char *what;
    vmx_str text;
    vmx_error *error;
} source;

static vmx_status
refuse(const source *from, const char *remedy)
{
    return vmx_error_set(from->error, VMX_ERR_INVALID, "%s \"%.*s\": %s", from->what, vmx_error_clip(from->text),
                         from->text.ptr, remedy);
}

/* Drops `prefix` (case does not matter) from the front of `text`; false if it does not stand there. */
static bool
strip(vmx_str *text, const char *prefix)
{
    size_t len = strlen(prefix);
    if (text->len < len || strncasecmp(text->ptr, prefix, len) != 0)
        return false;
    *text = (vmx_str){text->ptr + len, text->len - len};
    return true;
}

static bool
is_ipv4(const char *host)
{
    struct in_addr address;
    return inet_pton(AF_INET, host, &address) == 1;
}

/* An IPv6 address, with or without a zone ("fe80::1%eth0"). */
static bool
is_ipv6(const char *host)
{
    char address[INET6_ADDRSTRLEN];
    size_t len = strcspn(host, "%");
    if (len >= sizeof address || (host[len] == '%' && host[len + 1] == '\0'))
        return false;
    memcpy(address, host, len);
    address[len] = '\0';
    struct in6_addr parsed;
    return inet_pton(AF_INET6, address, &parsed) == 1;
}

/* A DNS name; a name whose last label is a number is meant as an IPv4 address and must be one. */
static bool
is_name_or_ipv4(const char *host)
{
    size_t len = strlen(host);
    if (len == 0 || len > 253 || host[0] == '.' || host[0] == '-' || strstr(host, ".."))
        return false;
    for (size_t i = 0; i < len; i++)
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_", host[i]))
            return false;
    const char *last = strrchr(host, '.');
    last = last ? last + 1 : host;
    bool number = *last && strspn(last, "0123456789") == strlen(last);
    return !number || is_ipv4(host);
}

static bool
is_loopback(const char *host)
{
    struct in_addr v4;
    if (inet_pton(AF_INET, host, &v4) == 1)
        return ntohl(v4.s_addr) >> 24 == 127;
    struct in6_addr v6;
    if (inet_pton(AF_INET6, host, &v6) == 1)
        return IN6_IS_ADDR_LOOPBACK(&v6) || (IN6_IS_ADDR_V4MAPPED(&v6) && v6.s6_addr[12] == 127);
    return strcasecmp(host, "localhost") == 0;
}

static vmx_status
parse_port(const source *from, vmx_str text, uint16_t *port)
{
    int64_t number;
    if (text.len == 0)
        return refuse(from, "no port; write host:port");
    if (!vmx_integer_parse(text, false, &number) || number < 1 || number > 65535)
        return refuse(from, "the port must be a number from 1 to 65535");
    *port = (uint16_t)number;
    return VMX_OK;
}

/* Splits "host:port" or "[ipv6]:port" and checks both parts; `default_port` 0 asks for a port. */
static vmx_status
parse_host_port(const source *from, vmx_str text, uint16_t default_port, vmx_endpoint *endpoint)
{
    bool bracket = text.len > 0 && text.ptr[0] == '[';
    const char *close = bracket ? memchr(text.ptr, ']', text.len) : NULL;
    if (bracket && !close)
        return refuse(from, "no closing bracket; write [address]:port");
    const char *end = text.ptr + text.len;
    const char *host = text.ptr + bracket;
    const char *colon = bracket ? (close + 1 < end ? close + 1 : NULL) : memchr(text.ptr, ':', text.len);
    const char *host_end = bracket ? close : colon ? colon : end;

    if (colon && (*colon != ':' || (!bracket && memchr(colon + 1, ':', (size_t)(end - colon - 1)))))
        return refuse(from, bracket ? "after the bracket comes :port" : "write an IPv6 address as [address]:port");
    if (host_end == host)
        return refuse(from, "no host; write host:port");
    if ((size_t)(host_end - host) > 253)
        return refuse(from, "the host name is longer than 253 bytes");
    snprintf(endpoint->host, sizeof endpoint->host, "%.*s", (int)(host_end - host), host);
    if (strlen(endpoint->host) != (size_t)(host_end - host) ||
        !(bracket ? is_ipv6(endpoint->host) : is_name_or_ipv4(endpoint->host)))
        return refuse(from, bracket ? "not an IPv6 address between the brackets" : "not a host name or IPv4 address");
    endpoint->port = default_port;
    endpoint->is_loopback = is_loopback(endpoint->host);
    if (!colon && default_port)
        return VMX_OK;
    return parse_port(from, colon ? (vmx_str){colon + 1, (size_t)(end - colon - 1)} : (vmx_str){0}, &endpoint->port);
}

/* "host:port" behind `prefix`, which stays part of the target. */
static vmx_status
parse_target(const source *from, const char *prefix, vmx_str text, uint16_t default_port, vmx_endpoint *endpoint)
{
    vmx_status status = parse_host_port(from, text, default_port, endpoint);
    if (status != VMX_OK)
        return status;
    bool bracket = strchr(endpoint->host, ':') != NULL;
    snprintf(endpoint->target, sizeof endpoint->target, "%s%s%.253s%s:%d", prefix, bracket ? "[" : "", endpoint->host,
             bracket ? "]" : "", endpoint->port);
    return VMX_OK;
}

static vmx_status
parse_unix(const source *from, vmx_str path, vmx_endpoint *endpoint)
{
    if (path.len == 0)
        return refuse(from, "no path; write unix:path");
    if (path.len > 107 || memchr(path.ptr, '\0', path.len))
        return refuse(from, "the path of a Unix socket has at most 107 bytes, none of them NUL");
    snprintf(endpoint->target, sizeof endpoint->target, "unix:%.*s", (int)path.len, path.ptr);
    endpoint->is_loopback = true;
    return VMX_OK;
}

/* "http://" or "https://" has been stripped; one slash at the end is forgiven, a path is not. */
static vmx_status
parse_url(const source *from, vmx_scheme scheme, vmx_str rest, vmx_endpoint *endpoint)
{
    if (rest.len && rest.ptr[rest.len - 1] == '/')
        rest.len--;
    if (rest.len && memchr(rest.ptr, '/', rest.len))
        return refuse(from, "a path has no meaning here; write only the host and the port");
    vmx_status status = parse_target(from, "", rest, scheme == VMX_SCHEME_HTTPS ? 443 : 0, endpoint);
    endpoint->scheme = scheme;
    return status;
}

vmx_status
vmx_endpoint_parse(vmx_str text, vmx_endpoint *endpoint, vmx_error *error)
{
    *endpoint = (vmx_endpoint){0};
    source from = {"endpoint", text, error};
    vmx_str rest = text;
    if (text.len == 0)
        return vmx_error_set(error, VMX_ERR_INVALID, "endpoint: not set; write host:port");
    if (strip(&rest, "http://"))
        return parse_url(&from, VMX_SCHEME_HTTP, rest, endpoint);
    if (strip(&rest, "https://"))
        return parse_url(&from, VMX_SCHEME_HTTPS, rest, endpoint);
    if (strip(&rest, "unix:"))
        return parse_unix(&from, rest, endpoint);
    if (strip(&rest, "dns:///") || strip(&rest, "dns:"))
        return parse_target(&from, "dns:///", rest, 0, endpoint);
    if (strip(&rest, "ipv4:"))
        return parse_target(&from, "ipv4:", rest, 0, endpoint);
    if (strip(&rest, "ipv6:"))
        return parse_target(&from, "ipv6:", rest, 0, endpoint);
    if (memmem(text.ptr, text.len, "://", 3))
        return refuse(&from, "unknown scheme; write host:port, http://host:port or https://host[:port]");
    return parse_target(&from, "", text, 0, endpoint);
}

/* What stands before the next comma, with blanks dropped; advances behind the comma. */
static vmx_str
next_item(vmx_str *text)
{
    const char *comma = memchr(text->ptr, ',', text->len);
    vmx_str item = {text->ptr, comma != NULL ? (size_t)(comma - text->ptr) : text->len};
    size_t used = item.len + (comma != NULL);
    *text = (vmx_str){text->ptr + used, text->len - used};
    while (item.len > 0 && item.ptr[0] == ' ')
        item = (vmx_str){item.ptr + 1, item.len - 1};
    while (item.len > 0 && item.ptr[item.len - 1] == ' ')
        item.len--;
    return item;
}

vmx_status
vmx_endpoint_parse_list(vmx_str text, vmx_endpoint endpoints[VMX_MAX_ENDPOINTS], size_t *count, vmx_error *error)
{
    source from = {"endpoint", text, error};
    vmx_str rest = text;
    *count = 0;
    do {
        bool ends_with_comma = rest.len > 0 && memchr(rest.ptr, ',', rest.len) == rest.ptr + rest.len - 1;
        if (*count == VMX_MAX_ENDPOINTS)
            return refuse(&from, "at most 16 endpoints can be listed");
        vmx_status status = vmx_endpoint_parse(next_item(&rest), &endpoints[*count], error);
        if (status != VMX_OK)
            return status;
        if (endpoints[*count].scheme != endpoints[0].scheme)
            return refuse(&from, "either all endpoints of a list begin with http://, or with https://, or none");
        if (ends_with_comma)
            return refuse(&from, "nothing stands behind the last comma");
        ++*count;
    } while (rest.len > 0);
    return VMX_OK;
}

vmx_status
vmx_endpoint_parse_address(const char *what, vmx_str text, vmx_endpoint *endpoint, vmx_error *error)
{
    *endpoint = (vmx_endpoint){0};
    source from = {what, text, error};
    if (text.len == 0)
        return vmx_error_set(error, VMX_ERR_INVALID, "%s: not set; write host:port", what);
    return parse_target(&from, "", text, 0, endpoint);
}
