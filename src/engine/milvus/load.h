/*
 * engine/milvus/load.h: the last steps that ensure and build have in common: an index is made, and the collection loaded
 * so that it can be searched.
 */
#ifndef VMX_ENGINE_MILVUS_LOAD_H
#define VMX_ENGINE_MILVUS_LOAD_H

#include "engine/milvus/milvus.h"
#include "engine/milvus/options.h"

/* Asks for the indexes' descriptions. */
vmx_status
vmx_milvus_ask_index(vmx_machine *machine, vmx_step *step);

/* Makes the index of a column; dense ones are HNSW unless the options say otherwise. */
vmx_status
vmx_milvus_make_index(vmx_machine *machine, const char *field, bool sparse, const char *metric,
                      const vmx_milvus_options *options, vmx_step *step);

/* Loads the collection, waits until it is, and reports (vmx_milvus_report). */
void
vmx_milvus_load(vmx_machine *machine, vmx_step *step);

/* The pause between looks at something that goes on in the server, which grows from 50 ms to 1 s. */
void
vmx_milvus_pause(int64_t *pause_ms, vmx_step *step);

#endif
