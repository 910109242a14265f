/*
 * server/metadata.h: the metadata of records: a flat map from text to a text, number, boolean or list of texts.
 *
 * It is stored packed (google.protobuf.Struct) and looked into without unpacking, because a filter looks into every
 * record of a namespace.
 */
#ifndef VMXD_METADATA_H
#define VMXD_METADATA_H

#include <google/protobuf/struct.pb-c.h>
#include <vecmux/types.h>

#include "core/arena.h"
#include "server/status.h"

/*
 * True if `metadata` may be stored. Of keys that occur twice the last one stays, as everywhere in protobuf; the others
 * are removed from the message. `arena` is scratch.
 */
bool
vmxd_metadata_check(Google__Protobuf__Struct *metadata, vmx_arena *arena, vmxd_status *status);

/* True if it fits into VMXD_MAX_METADATA_BYTES. */
bool
vmxd_metadata_check_size(const Google__Protobuf__Struct *metadata, vmxd_status *status);

/*
 * The packed metadata `stored` with the fields of `changes` set, in `arena`; NULL when memory is out. Both have passed
 * vmxd_metadata_check.
 */
Google__Protobuf__Struct *
vmxd_metadata_merge(vmx_str stored, const Google__Protobuf__Struct *changes, vmx_arena *arena);

typedef enum vmxd_value_kind { VMXD_BOOLEAN, VMXD_NUMBER, VMXD_TEXT, VMXD_LIST } vmxd_value_kind;

typedef struct vmxd_value {
    vmxd_value_kind kind;
    double number; /* VMXD_BOOLEAN: 0 or 1 */
    vmx_str text;  /* VMXD_LIST: the packed ListValue */
} vmxd_value;

/* Finds a field in packed metadata; the value points into it. */
bool
vmxd_metadata_find(vmx_str packed, vmx_str key, vmxd_value *value);

/* Takes the next text off a packed list; false at its end. */
bool
vmxd_list_next(vmx_str *list, vmx_str *text);

#endif
