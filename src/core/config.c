#include "core/config.h"

#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "core/config_private.h"
#include "core/error.h"
#include "core/file.h"
#include "core/properties.h"

#define FILE_LIMIT_BYTES (16u << 20)

vmx_config *
vmx_config_new(void)
{
    size_t count = vmx_property_count();
    vmx_config *config = vmx_calloc(1, sizeof *config + count * sizeof config->settings[0]);
    if (!config)
        return NULL;
    config->count = count;
    for (size_t i = 0; i < count; i++) {
        const vmx_property_row *row = vmx_property_row_at(i);
        vmx_property_parse(row, vmx_str_from(row->default_value), &config->settings[i].value, NULL);
    }
    return config;
}

static void
setting_clear(vmx_setting *setting)
{
    vmx_dealloc(setting->text);
    vmx_dealloc(setting->file);
    *setting = (vmx_setting){0};
}

/* True when memory was enough; `to` can be cleared in any case. */
static bool
setting_copy(vmx_setting *to, const vmx_setting *from)
{
    *to = (vmx_setting){.value = from->value, .file_len = from->file_len};
    if (from->text && !(to->text = vmx_str_copy(vmx_str_from(from->text))))
        return false;
    return !from->file || (to->file = vmx_str_copy((vmx_str){from->file, from->file_len}));
}

vmx_config *
vmx_config_copy(const vmx_config *config)
{
    vmx_config *copy = vmx_config_new();
    if (!copy)
        return NULL;
    copy->log_sink = config->log_sink;
    copy->log_user = config->log_user;
    for (size_t i = 0; i < config->count; i++) {
        if (!setting_copy(&copy->settings[i], &config->settings[i])) {
            vmx_config_free(copy);
            return NULL;
        }
    }
    return copy;
}

void
vmx_config_free(vmx_config *config)
{
    if (!config)
        return;
    for (size_t i = 0; i < config->count; i++)
        setting_clear(&config->settings[i]);
    vmx_dealloc(config);
}

/* Reads and checks the file that `path` names; an empty path is no file. */
static vmx_status
load_setting_file(const vmx_property_row *row, vmx_str path, vmx_setting *setting, vmx_error *error)
{
    if (path.len == 0)
        return VMX_OK;
    vmx_buffer content = {0};
    vmx_error reason;
    vmx_status status = vmx_file_read(path, FILE_LIMIT_BYTES, &content, &reason);
    if (status != VMX_OK)
        vmx_error_set(error, status, "%s: %s", row->name, reason.message);
    else
        status = vmx_property_check_file(row, path, (vmx_str){(char *)content.data, content.len}, error);
    if (status == VMX_OK && !(setting->file = vmx_str_copy((vmx_str){(char *)content.data, content.len})))
        status = vmx_error_no_memory(error);
    setting->file_len = content.len;
    vmx_buffer_free(&content);
    return status;
}

static vmx_status
refuse_name(vmx_str name, vmx_error *error)
{
    const vmx_property_row *nearest = vmx_property_nearest(name);
    if (!nearest)
        return vmx_error_set(error, VMX_ERR_INVALID,
                             "unknown property \"%.*s\"; docs/CONFIGURATION.md lists the properties",
                             vmx_error_clip(name), name.ptr ? name.ptr : "");
    return vmx_error_set(error, VMX_ERR_INVALID, "unknown property \"%.*s\"; did you mean %s?", vmx_error_clip(name),
                         name.ptr, nearest->name);
}

vmx_status
vmx_config_set(vmx_config *config, vmx_str name, vmx_str value, vmx_error *error)
{
    size_t i = vmx_property_find(name);
    if (i == SIZE_MAX)
        return refuse_name(name, error);
    const vmx_property_row *row = vmx_property_row_at(i);
    vmx_setting setting = {0};
    vmx_status status = vmx_property_parse(row, value, &setting.value, error);
    if (status == VMX_OK && !(setting.text = vmx_str_copy(value)))
        status = vmx_error_no_memory(error);
    if (status == VMX_OK && row->type == VMX_PROPERTY_FILE)
        status = load_setting_file(row, value, &setting, error);
    if (status != VMX_OK) {
        setting_clear(&setting);
        return status;
    }
    setting_clear(&config->settings[i]);
    config->settings[i] = setting;
    return VMX_OK;
}

static const char *
setting_text(const vmx_config *config, size_t i)
{
    const char *text = config->settings[i].text;
    return text ? text : vmx_property_row_at(i)->default_value;
}

vmx_str
vmx_config_get(const vmx_config *config, vmx_str name)
{
    size_t i = vmx_property_find(name);
    return i == SIZE_MAX ? (vmx_str){0} : vmx_str_from(setting_text(config, i));
}

/* The index of a property that the library's own code names; a wrong name or type is a mistake in that code. */
static size_t
known(const char *name, bool (*fits)(vmx_property_type type))
{
    size_t i = vmx_property_find(vmx_str_from(name));
    if (i == SIZE_MAX || !fits(vmx_property_row_at(i)->type))
        abort();
    return i;
}

static bool
is_text(vmx_property_type type)
{
    return type == VMX_PROPERTY_STRING || type == VMX_PROPERTY_ENUM || type == VMX_PROPERTY_FILE;
}

static bool
is_integer(vmx_property_type type)
{
    return type == VMX_PROPERTY_INT;
}

static bool
is_float(vmx_property_type type)
{
    return type == VMX_PROPERTY_FLOAT;
}

static bool
is_bool(vmx_property_type type)
{
    return type == VMX_PROPERTY_BOOL;
}

static bool
is_file(vmx_property_type type)
{
    return type == VMX_PROPERTY_FILE;
}

static bool
is_any(vmx_property_type type)
{
    (void)type;
    return true;
}

const char *
vmx_config_text(const vmx_config *config, const char *name)
{
    return setting_text(config, known(name, is_text));
}

int64_t
vmx_config_int(const vmx_config *config, const char *name)
{
    return config->settings[known(name, is_integer)].value.integer;
}

double
vmx_config_float(const vmx_config *config, const char *name)
{
    return config->settings[known(name, is_float)].value.real;
}

bool
vmx_config_bool(const vmx_config *config, const char *name)
{
    return config->settings[known(name, is_bool)].value.integer != 0;
}

vmx_str
vmx_config_file(const vmx_config *config, const char *name)
{
    const vmx_setting *setting = &config->settings[known(name, is_file)];
    return setting->file ? (vmx_str){setting->file, setting->file_len} : vmx_str_from("");
}

bool
vmx_config_is_set(const vmx_config *config, const char *name)
{
    return config->settings[known(name, is_any)].text != NULL;
}
