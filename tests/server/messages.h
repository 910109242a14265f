/*
 * tests/server/messages.h: Struct messages from JSON, for the tests of the server's insides.
 */
#ifndef VMX_TESTS_SERVER_MESSAGES_H
#define VMX_TESTS_SERVER_MESSAGES_H

#include <check.h>

#include "wire/struct_json.h"

static inline Google__Protobuf__Struct *
struct_of(vmx_arena *arena, const char *json)
{
    Google__Protobuf__Struct *message = NULL;
    vmx_error error = {0};
    ck_assert_msg(vmx_struct_from_json(arena, vmx_str_from(json), "test", &message, &error) == VMX_OK, "%s: %s", json,
                  error.message);
    return message;
}

/* The packed form, as it is stored. */
static inline vmx_str
packed_of(vmx_arena *arena, const char *json)
{
    Google__Protobuf__Struct *message = struct_of(arena, json);
    size_t len = google__protobuf__struct__get_packed_size(message);
    uint8_t *bytes = vmx_arena_alloc(arena, len);
    ck_assert_ptr_nonnull(bytes);
    google__protobuf__struct__pack(message, bytes);
    return (vmx_str){(const char *)bytes, len};
}

#endif
