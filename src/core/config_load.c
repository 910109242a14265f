#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/buffer.h"
#include "core/config_private.h"
#include "core/error.h"
#include "core/file.h"

#define CONFIG_LIMIT_BYTES (1u << 20)
#define ENV_PREFIX         "VECMUX_"
#define ENV_TEST_PREFIX    "VECMUX_TEST_"
#define ENV_NAME_SIZE      64

static vmx_str
trim(vmx_str text)
{
    while (text.len && strchr(" \t\r", text.ptr[0]))
        text = (vmx_str){text.ptr + 1, text.len - 1};
    while (text.len && strchr(" \t\r", text.ptr[text.len - 1]))
        text.len--;
    return text;
}

/* The line is not quoted in errors: it may be a secret with a slip in it. */
static vmx_status
set_line(vmx_config *config, vmx_str line, vmx_error *error)
{
    line = trim(line);
    if (line.len == 0 || line.ptr[0] == '#')
        return VMX_OK;
    const char *equals = memchr(line.ptr, '=', line.len);
    if (!equals)
        return vmx_error_set(error, VMX_ERR_INVALID, "no \"=\" in the line; write name = value");
    size_t name_len = (size_t)(equals - line.ptr);
    return vmx_config_set(config, trim((vmx_str){line.ptr, name_len}),
                          trim((vmx_str){equals + 1, line.len - name_len - 1}), error);
}

static vmx_status
set_lines(vmx_config *config, vmx_str path, vmx_str text, vmx_error *error)
{
    for (unsigned number = 1; text.len; number++) {
        const char *newline = memchr(text.ptr, '\n', text.len);
        size_t len = newline ? (size_t)(newline - text.ptr) : text.len;
        vmx_error reason;
        vmx_status status = set_line(config, (vmx_str){text.ptr, len}, &reason);
        if (status != VMX_OK)
            return vmx_error_set(error, status, "%.*s:%u: %s", vmx_file_path_clip(path), path.ptr, number,
                                 reason.message);
        len += newline != NULL;
        text = (vmx_str){text.ptr + len, text.len - len};
    }
    return VMX_OK;
}

/* Takes over the settings of `from`, which is freed with the old ones. */
static void
replace(vmx_config *config, vmx_config *from)
{
    for (size_t i = 0; i < config->count; i++) {
        vmx_setting old = config->settings[i];
        config->settings[i] = from->settings[i];
        from->settings[i] = old;
    }
}

vmx_status
vmx_config_load_file(vmx_config *config, vmx_str path, vmx_error *error)
{
    vmx_config *draft = vmx_config_copy(config);
    if (!draft)
        return vmx_error_no_memory(error);
    vmx_buffer content = {0};
    vmx_status status = vmx_file_read(path, CONFIG_LIMIT_BYTES, &content, error);
    if (status == VMX_OK)
        status = set_lines(draft, path, (vmx_str){(char *)content.data, content.len}, error);
    if (status == VMX_OK)
        replace(config, draft);
    vmx_buffer_free(&content);
    vmx_config_free(draft);
    return status;
}

/* channel.count -> VECMUX_CHANNEL_COUNT */
static void
env_name(const char *property, char out[ENV_NAME_SIZE])
{
    snprintf(out, ENV_NAME_SIZE, ENV_PREFIX "%s", property);
    for (char *at = out; *at; at++)
        *at = *at == '.' ? '_' : (char)toupper((unsigned char)*at);
}

/* VECMUX_CHANNEL_COUNT -> channel.count; only for names that differ from properties in nothing else. */
static vmx_str
property_name(vmx_str variable, char out[ENV_NAME_SIZE])
{
    size_t prefix = strlen(ENV_PREFIX);
    size_t len = variable.len - prefix < ENV_NAME_SIZE ? variable.len - prefix : ENV_NAME_SIZE;
    for (size_t i = 0; i < len; i++) {
        char c = variable.ptr[prefix + i];
        out[i] = c == '_' ? '.' : (char)tolower((unsigned char)c);
    }
    return (vmx_str){out, len};
}

static vmx_status
refuse_variable(vmx_str variable, vmx_str guess, vmx_error *error)
{
    const vmx_property_row *nearest = vmx_property_nearest(guess);
    char remedy[ENV_NAME_SIZE] = "";
    if (nearest)
        env_name(nearest->name, remedy);
    return vmx_error_set(error, VMX_ERR_INVALID, "environment: %.*s matches no property%s%s%s",
                         vmx_error_clip(variable), variable.ptr, nearest ? "; did you mean " : "", remedy,
                         nearest ? "?" : "; docs/CONFIGURATION.md lists the properties");
}

/* `entry` is "NAME=value" and begins with the prefix. */
static vmx_status
set_variable(vmx_config *config, const char *entry, vmx_error *error)
{
    vmx_str variable = {entry, strcspn(entry, "=")};
    char lower[ENV_NAME_SIZE], expected[ENV_NAME_SIZE];
    vmx_str name = property_name(variable, lower);
    size_t i = vmx_property_find(name);
    if (i == SIZE_MAX)
        return refuse_variable(variable, name, error);
    env_name(vmx_property_row_at(i)->name, expected);
    if (variable.len != strlen(expected) || memcmp(variable.ptr, expected, variable.len) != 0)
        return refuse_variable(variable, name, error);

    const char *value = entry + variable.len + (entry[variable.len] == '=');
    vmx_error reason;
    vmx_status status = vmx_config_set(config, name, vmx_str_from(value), &reason);
    if (status != VMX_OK)
        vmx_error_set(error, status, "environment: %.*s: %s", vmx_error_clip(variable), variable.ptr, reason.message);
    return status;
}

vmx_status
vmx_config_load_env(vmx_config *config, vmx_error *error)
{
    vmx_config *draft = vmx_config_copy(config);
    if (!draft)
        return vmx_error_no_memory(error);
    vmx_status status = VMX_OK;
    for (char **entry = environ; entry && *entry && status == VMX_OK; entry++)
        if (strncmp(*entry, ENV_PREFIX, strlen(ENV_PREFIX)) == 0 &&
            strncmp(*entry, ENV_TEST_PREFIX, strlen(ENV_TEST_PREFIX)) != 0)
            status = set_variable(draft, *entry, error);
    if (status == VMX_OK)
        replace(config, draft);
    vmx_config_free(draft);
    return status;
}
