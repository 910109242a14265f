#include <string.h>

#include "core/endpoint.h"
#include "core/error.h"
#include "core/number.h"
#include "core/pem.h"
#include "core/properties.h"

/* `name "value": remedy`; a secret's value is left out. */
static vmx_status
refuse(const vmx_property_row *row, vmx_str text, vmx_error *error, const char *remedy, const char *allowed)
{
    if (row->secret)
        return vmx_error_set(error, VMX_ERR_INVALID, "%s: %s%s", row->name, remedy, allowed);
    return vmx_error_set(error, VMX_ERR_INVALID, "%s \"%.*s\": %s%s", row->name, vmx_error_clip(text),
                         text.ptr ? text.ptr : "", remedy, allowed);
}

static bool
text_is(vmx_str text, const char *word, size_t len)
{
    return text.len == len && memcmp(text.ptr, word, len) == 0;
}

static vmx_status
parse_bool(const vmx_property_row *row, vmx_str text, vmx_property_value *value, vmx_error *error)
{
    bool on = text_is(text, "true", 4);
    if (!on && !text_is(text, "false", 5))
        return refuse(row, text, error, "write true or false", "");
    value->integer = on;
    return VMX_OK;
}

static vmx_status
parse_integer(const vmx_property_row *row, vmx_str text, vmx_property_value *value, vmx_error *error)
{
    bool size = strcmp(row->unit, "bytes") == 0;
    int64_t number;
    if (!vmx_integer_parse(text, size, &number))
        return refuse(row, text, error,
                      size ? "not a size; write a number, or one with k, m or g, from "
                           : "not an integer; write one from ",
                      row->range);
    if ((double)number < row->min || (double)number > row->max)
        return refuse(row, text, error, "out of range; write ", row->range);
    value->integer = number;
    return VMX_OK;
}

static vmx_status
parse_float(const vmx_property_row *row, vmx_str text, vmx_property_value *value, vmx_error *error)
{
    double number;
    if (!vmx_number_parse(text, &number))
        return refuse(row, text, error, "not a number; write one from ", row->range);
    if (number < row->min || number > row->max)
        return refuse(row, text, error, "out of range; write ", row->range);
    value->real = number;
    return VMX_OK;
}

/* `row->range` lists the words, "auto, on, off". */
static vmx_status
check_enum(const vmx_property_row *row, vmx_str text, vmx_error *error)
{
    for (const char *word = row->range; *word;) {
        size_t len = strcspn(word, ",");
        if (text_is(text, word, len))
            return VMX_OK;
        word += len;
        word += strspn(word, ", ");
    }
    return refuse(row, text, error, "write one of: ", row->range);
}

static vmx_status
check_header(const vmx_property_row *row, vmx_str text, vmx_error *error)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] < 0x20 || text.ptr[i] > 0x7E)
            return refuse(row, text, error, "only printable ASCII characters are allowed", "");
    return VMX_OK;
}

/* The value of tls.ca.pem is long and of no use in a message. */
static vmx_status
check_certificates(const vmx_property_row *row, vmx_str pem, vmx_error *error)
{
    char buffer[64];
    const char *reason = vmx_pem_check_certificates(pem, buffer);
    if (!reason)
        return VMX_OK;
    return vmx_error_set(error, VMX_ERR_INVALID, "%s: %s; write certificates in PEM", row->name, reason);
}

static vmx_status
check_text(const vmx_property_row *row, vmx_str text, vmx_error *error)
{
    if (text.len == 0)
        return VMX_OK;
    if (memchr(text.ptr, '\0', text.len))
        return refuse(row, text, error, "a NUL byte is not allowed", "");
    vmx_endpoint endpoints[VMX_MAX_ENDPOINTS];
    size_t count;
    switch (row->check) {
    case VMX_CHECK_NONE:
        return VMX_OK;
    case VMX_CHECK_HEADER:
        return check_header(row, text, error);
    case VMX_CHECK_ENDPOINT:
        return vmx_endpoint_parse_list(text, endpoints, &count, error);
    case VMX_CHECK_ADDRESS:
        return vmx_endpoint_parse_address(row->name, text, &endpoints[0], error);
    case VMX_CHECK_CERTIFICATES:
        return row->type == VMX_PROPERTY_FILE ? VMX_OK : check_certificates(row, text, error);
    }
    return VMX_OK;
}

vmx_status
vmx_property_parse(const vmx_property_row *row, vmx_str text, vmx_property_value *value, vmx_error *error)
{
    *value = (vmx_property_value){0};
    switch (row->type) {
    case VMX_PROPERTY_BOOL:
        return parse_bool(row, text, value, error);
    case VMX_PROPERTY_INT:
        return parse_integer(row, text, value, error);
    case VMX_PROPERTY_FLOAT:
        return parse_float(row, text, value, error);
    case VMX_PROPERTY_ENUM:
        return check_enum(row, text, error);
    case VMX_PROPERTY_STRING:
    case VMX_PROPERTY_FILE:
        break;
    }
    return check_text(row, text, error);
}

vmx_status
vmx_property_check_file(const vmx_property_row *row, vmx_str path, vmx_str content, vmx_error *error)
{
    char buffer[64];
    const char *reason = row->check == VMX_CHECK_CERTIFICATES ? vmx_pem_check_certificates(content, buffer) : NULL;
    return reason ? refuse(row, path, error, reason, "; the file must hold certificates in PEM") : VMX_OK;
}
