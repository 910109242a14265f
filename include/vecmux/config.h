/*
 * vecmux/config.h: client settings, string properties in one table.
 *
 * docs/CONFIGURATION.md is printed from the same table. A value is checked when it is set: an unknown name, a value out
 * of range or an unreadable certificate fails here, with a message that says what is allowed.
 *
 * A vmx_config is not thread safe; clients copy what they need when they are opened.
 */
#ifndef VECMUX_CONFIG_H
#define VECMUX_CONFIG_H

#include <vecmux/types.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct vmx_config vmx_config;

/* A configuration with every property at its default; NULL when memory is out. Free it with vmx_config_free. */
VMX_API vmx_config *
vmx_config_new(void);

/* An independent copy; NULL when memory is out. */
VMX_API vmx_config *
vmx_config_copy(const vmx_config *config);

VMX_API void
vmx_config_free(vmx_config *config);

/*
 * Sets one property. The old value stays when the new one is refused.
 * Errors: VMX_ERR_INVALID (unknown name, wrong type, out of range, bad certificate), VMX_ERR_IO (a file that the value
 * names cannot be read), VMX_ERR_NO_MEMORY.
 */
VMX_API vmx_status
vmx_config_set(vmx_config *config, vmx_str name, vmx_str value, vmx_error *error);

/* The property's value as text (secrets as they were set), or its default; ptr is NULL for an unknown name. Borrowed
 * until the property is set again or the configuration freed. */
VMX_API vmx_str
vmx_config_get(const vmx_config *config, vmx_str name);

/*
 * Reads a text file of lines `name = value`; blank lines and lines that begin with # are skipped; blanks around name
 * and value are dropped. Nothing is changed when any line is refused; the message names file and line.
 * Errors: those of vmx_config_set; VMX_ERR_IO.
 */
VMX_API vmx_status
vmx_config_load_file(vmx_config *config, vmx_str path, vmx_error *error);

/*
 * Reads the environment: channel.count is VECMUX_CHANNEL_COUNT, and so on. Variables VECMUX_* that match no property are
 * refused. The library never reads the environment unless this is called. Errors: those of vmx_config_set.
 */
VMX_API vmx_status
vmx_config_load_env(vmx_config *config, vmx_error *error);

typedef enum vmx_property_type {
    VMX_PROPERTY_STRING = 0,
    VMX_PROPERTY_BOOL = 1, /* true, false */
    VMX_PROPERTY_INT = 2,  /* decimal; sizes also take the suffixes k, m, g (powers of 1024) */
    VMX_PROPERTY_FLOAT = 3,
    VMX_PROPERTY_ENUM = 4, /* one of `values` */
    VMX_PROPERTY_FILE = 5  /* a path that is read when it is set */
} vmx_property_type;

/* One row of the table; all texts are static. */
typedef struct vmx_property {
    size_t size;
    const char *name;
    vmx_property_type type;
    const char *default_value;
    const char *range; /* "1 to 64", "pinecone, milvus, qdrant", or "" */
    const char *unit;  /* "ms", "bytes", or "" */
    const char *help;  /* one or more sentences */
    bool secret;       /* never printed or logged */
} vmx_property;

VMX_API size_t
vmx_property_count(void);

/* Fills `property` (its `size` set by vmx_property_init) with row `i`; false when there is none. */
VMX_API bool
vmx_property_at(size_t i, vmx_property *property);

VMX_API void
vmx_property_init(vmx_property *property, size_t size);

#ifdef __cplusplus
}
#endif

#endif /* VECMUX_CONFIG_H */
