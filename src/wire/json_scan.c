#include "wire/json_scan.h"

#include <string.h>

#include "core/error.h"
#include "core/number.h"

typedef struct json_scan {
    const char *at;
    const char *end;
    unsigned line;
    unsigned column; /* of `at` */
    unsigned depth;
    unsigned max_depth;
    const char *what;
    vmx_error *error;
} json_scan;

static void
advance(json_scan *scan)
{
    bool newline = *scan->at == '\n';
    scan->at++;
    scan->line += newline;
    if (newline)
        scan->column = 1;
    else if (scan->at == scan->end || ((unsigned char)*scan->at & 0xC0) != 0x80)
        scan->column++; /* the next byte begins a character */
}

static void
skip_string(json_scan *scan)
{
    advance(scan);
    while (scan->at < scan->end && *scan->at != '"') {
        if (*scan->at == '\\' && scan->end - scan->at > 1)
            advance(scan);
        advance(scan);
    }
    if (scan->at < scan->end)
        advance(scan);
}

static vmx_status
check_number(json_scan *scan)
{
    const char *begin = scan->at;
    unsigned column = scan->column;
    bool integer = true;
    for (; scan->at < scan->end && *scan->at && strchr("+-.0123456789eE", *scan->at); advance(scan))
        integer = integer && !strchr("+.eE", *scan->at);
    vmx_str text = {begin, (size_t)(scan->at - begin)};
    int64_t value;
    const int64_t limit = INT64_C(1) << 53;
    bool digits = text.len > 1 || *begin != '-';
    bool fits = vmx_integer_parse(text, false, &value) && value >= -limit && value <= limit;
    if (!integer || fits || !digits || memchr(begin + 1, '-', text.len - 1))
        return VMX_OK;
    return vmx_error_set(
        scan->error, VMX_ERR_INVALID,
        "%s: line %u, column %u: integer %.*s is beyond 2^53 and would be stored changed; write it as a "
        "string",
        scan->what, scan->line, column, vmx_error_clip(text), begin);
}

static vmx_status
check_depth(json_scan *scan)
{
    if (++scan->depth <= scan->max_depth)
        return VMX_OK;
    return vmx_error_set(scan->error, VMX_ERR_INVALID,
                         "%s: line %u, column %u: nested deeper than %u objects and lists", scan->what, scan->line,
                         scan->column, scan->max_depth);
}

static vmx_status
check_token(json_scan *scan)
{
    vmx_status status = VMX_OK;
    char c = *scan->at;
    if (c == '"') {
        skip_string(scan);
        return VMX_OK;
    }
    if (c == '-' || (c >= '0' && c <= '9'))
        return check_number(scan);
    if (c == '{' || c == '[')
        status = check_depth(scan);
    else if ((c == '}' || c == ']') && scan->depth)
        scan->depth--;
    advance(scan);
    return status;
}

vmx_status
vmx_json_scan(vmx_str text, unsigned max_depth, const char *what, vmx_error *error)
{
    json_scan scan = {.at = text.ptr,
                      .end = text.ptr + text.len,
                      .line = 1,
                      .column = 1,
                      .max_depth = max_depth,
                      .what = what,
                      .error = error};
    while (scan.at < scan.end && *scan.at && strchr(" \t\r\n", *scan.at))
        advance(&scan);
    if (scan.at == scan.end || *scan.at != '{')
        return vmx_error_set(error, VMX_ERR_INVALID,
                             "%s: line %u, column %u: not a JSON object, {\"name\": value, ...}", what, scan.line,
                             scan.column);
    while (scan.at < scan.end) {
        vmx_status status = check_token(&scan);
        if (status != VMX_OK)
            return status;
    }
    return VMX_OK;
}
