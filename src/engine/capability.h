/*
 * engine/capability.h: what an engine can do, from one place: its vtable (operations) and its features.
 */
#ifndef VMX_ENGINE_CAPABILITY_H
#define VMX_ENGINE_CAPABILITY_H

#include <stdbool.h>
#include <stdint.h>
#include <vecmux/engine.h>

struct vmx_engine_vtable;

/* The bit of a capability in vmx_engine_vtable.features. */
#define VMX_FEATURE(capability) (UINT64_C(1) << (capability))

typedef struct vmx_capability_note {
    vmx_capability capability;
    const char *text;
} vmx_capability_note;

/* Of an operation: whether the vtable has it; else the feature's bit. False for numbers that are none. */
bool
vmx_capability_of(const struct vmx_engine_vtable *vtable, vmx_capability capability);

/* The engine's note on it; "" for none. */
const char *
vmx_capability_note_of(const struct vmx_engine_vtable *vtable, vmx_capability capability);

#endif
