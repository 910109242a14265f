/*
 * core/config.h: reading properties inside the library. The table itself is in core/properties.c.
 */
#ifndef VMX_CORE_CONFIG_H
#define VMX_CORE_CONFIG_H

#include <stdbool.h>
#include <stdint.h>
#include <vecmux/config.h>

/*
 * The value of property `name`, which must exist with that type (the process aborts otherwise: it is a mistake in our code). Texts end in NUL and
 * are borrowed from `config`; "" when empty.
 */
const char *
vmx_config_text(const vmx_config *config, const char *name);
int64_t
vmx_config_int(const vmx_config *config, const char *name);
double
vmx_config_float(const vmx_config *config, const char *name);
bool
vmx_config_bool(const vmx_config *config, const char *name);

/* What a FILE property's file held when it was set; empty when it was never set. Borrowed. */
vmx_str
vmx_config_file(const vmx_config *config, const char *name);

/* True if the property was set, be it to its default. */
bool
vmx_config_is_set(const vmx_config *config, const char *name);

#endif
