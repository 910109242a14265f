/*
 * core/endpoint.h: where a server is, read from text.
 *
 * Accepted: "host:port", "[ipv6]:port", "http://host:port" (plain text), "https://host[:port]" (TLS; port 443 if none is
 * given), and gRPC's own names "unix:path", "dns:///host:port", "ipv4:address:port", "ipv6:[address]:port"
 * (grpc/grpc: doc/naming.md).
 */
#ifndef VMX_CORE_ENDPOINT_H
#define VMX_CORE_ENDPOINT_H

#include <stdbool.h>
#include <stdint.h>
#include <vecmux/types.h>

#define VMX_ENDPOINT_SIZE 320

typedef enum vmx_scheme {
    VMX_SCHEME_NONE = 0, /* the text does not say whether TLS is wanted */
    VMX_SCHEME_HTTP = 1,
    VMX_SCHEME_HTTPS = 2
} vmx_scheme;

typedef struct vmx_endpoint {
    char target[VMX_ENDPOINT_SIZE]; /* for gRPC: the text without http:// or https://, and with a port */
    char host[VMX_ENDPOINT_SIZE];   /* a name or address without brackets; "" for unix: */
    uint16_t port;                  /* 0 for unix: */
    vmx_scheme scheme;
    bool is_loopback; /* localhost, 127.0.0.0/8, ::1, or unix: */
} vmx_endpoint;

/* Errors: VMX_ERR_INVALID; the message says what to write. Looks up no name. */
vmx_status
vmx_endpoint_parse(vmx_str text, vmx_endpoint *endpoint, vmx_error *error);

#define VMX_MAX_ENDPOINTS 16

/* One or more endpoints with commas between, all with the same scheme; *count is at least 1 on success. */
vmx_status
vmx_endpoint_parse_list(vmx_str text, vmx_endpoint endpoints[VMX_MAX_ENDPOINTS], size_t *count, vmx_error *error);

/* As vmx_endpoint_parse, for "host:port" and "[ipv6]:port" only; `what` names the thing in errors ("proxy"). */
vmx_status
vmx_endpoint_parse_address(const char *what, vmx_str text, vmx_endpoint *endpoint, vmx_error *error);

#endif
