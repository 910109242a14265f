#include "engine/engine.h"

#include <string.h>

#include "core/error.h"
#include "engine/milvus/milvus.h"
#include "engine/pinecone/pinecone.h"
#include "engine/qdrant/qdrant.h"

static const vmx_engine_vtable *const engines[] = {&vmx_pinecone_vtable, &vmx_milvus_vtable, &vmx_qdrant_vtable};

#define ENGINE_COUNT (sizeof engines / sizeof engines[0])

const vmx_engine_vtable *
vmx_engine_vtable_at(size_t i)
{
    return i < ENGINE_COUNT ? engines[i] : NULL;
}

vmx_status
vmx_engine_init(vmx_engine *engine, const vmx_config *config, const char *host, vmx_error *error)
{
    const char *name = vmx_config_text(config, "engine");
    *engine = (vmx_engine){.host = host};
    for (size_t i = 0; i < ENGINE_COUNT; i++)
        if (strcmp(engines[i]->name, name) == 0)
            engine->vtable = engines[i];
    return engine->vtable->init(engine, config, error); /* the property takes no other names */
}

void
vmx_engine_fini(vmx_engine *engine)
{
    if (engine->vtable != NULL && engine->vtable->fini != NULL)
        engine->vtable->fini(engine);
}

size_t
vmx_engine_limit(const vmx_config *config, const char *property, size_t own)
{
    int64_t value = vmx_config_int(config, property);
    return value > 0 ? (size_t)value : own;
}

void
vmx_engine_add_header(vmx_engine *engine, const char *key, const char *value)
{
    if (value[0] != '\0')
        engine->headers[engine->header_count++] = (vmx_header){vmx_str_from(key), vmx_str_from(value)};
}

vmx_status
vmx_engine_check(const vmx_engine *engine, vmx_capability capability, vmx_error *error)
{
    if (vmx_capability_of(engine->vtable, capability))
        return VMX_OK;
    const char *note = vmx_capability_note_of(engine->vtable, capability);
    return vmx_error_set(error, VMX_ERR_UNSUPPORTED,
                         "%s: the engine %s cannot do this%s%s; docs/engines.md lists what it can",
                         vmx_capability_name(capability), engine->vtable->name, note[0] != '\0' ? ": " : "", note);
}
