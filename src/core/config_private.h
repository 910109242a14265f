/*
 * core/config_private.h: what config.c and config_load.c share.
 */
#ifndef VMX_CORE_CONFIG_PRIVATE_H
#define VMX_CORE_CONFIG_PRIVATE_H

#include <vecmux/log.h>

#include "core/properties.h"

/* One property's value. */
typedef struct vmx_setting {
    char *text; /* as it was set; NULL: the default */
    char *file; /* FILE: what the file held, and a NUL */
    size_t file_len;
    vmx_property_value value; /* of the text or the default */
} vmx_setting;

struct vmx_config {
    vmx_log_sink log_sink; /* vmx_config_set_log_sink */
    void *log_user;
    size_t count; /* of settings: as many as there are properties, in the table's order */
    vmx_setting settings[];
};

#endif
