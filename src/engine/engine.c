#include "engine/engine.h"

#include "engine/pinecone/pinecone.h"

void
vmx_engine_init(vmx_engine *engine, const vmx_config *config, const char *host)
{
    engine->host = host;
    vmx_pinecone_init(engine, config);
}
