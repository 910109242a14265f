/*
 * The filter language: any bytes as a filter, parsed and translated for every engine. What is refused has a reason in one
 * line. What is accepted: Pinecone's and Qdrant's forms pass the guard that a peer would apply; Milvus's expression has,
 * outside its quoted texts, the same characters when every text and name in the filter is another, so none of them can
 * have changed its structure.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/filter.h"
#include "engine/milvus/milvus.h"
#include "engine/qdrant/qdrant.h"
#include "wire/guard.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(bool sound, const char *what)
{
    if (sound)
        return;
    fprintf(stderr, "fuzz_filter: %s\n", what);
    abort();
}

static void
check_reason(const vmx_error *error)
{
    check(error->message[0] != '\0' && strchr(error->message, '\n') == NULL, "no reason, or one of two lines");
}

static void
check_packed(const ProtobufCMessage *message)
{
    vmx_error error;
    size_t len = protobuf_c_message_get_packed_size(message);
    uint8_t *bytes = malloc(len + 1);
    check(bytes != NULL && protobuf_c_message_pack(message, bytes) == len, "a message of another size");
    bool passes = vmx_guard_check(message->descriptor, bytes, len, NULL, &error) == VMX_OK;
    check(passes, "a message that no peer would read");
    free(bytes);
}

static void
check_qdrant(vmx_str json)
{
    vmx_arena arena = {0};
    vmx_error error;
    Qdrant__Filter *filter;
    if (vmx_qdrant_filter(&arena, json, "filter", &filter, &error) != VMX_OK)
        check_reason(&error);
    else if (filter != NULL)
        check_packed(&filter->base);
    vmx_arena_reset(&arena);
}

/* Texts and names become others; the tree is the fuzz target's own. */
static void
disguise(const vmx_filter *filter)
{
    vmx_filter *ours = (vmx_filter *)(uintptr_t)filter;
    if (filter->kind > VMX_FILTER_NOT)
        ours->field = VMX_STR("x");
    for (size_t i = 0; i < filter->value_count; i++)
        if (filter->values[i].type == VMX_FILTER_TEXT)
            ((vmx_filter_value *)(uintptr_t)filter->values)[i].text = VMX_STR("y");
    for (size_t i = 0; i < filter->child_count; i++)
        disguise(filter->children[i]);
}

/* The expression without what stands in quotes; in place. */
static void
strip(char *text)
{
    char *to = text;
    bool quoted = false;
    for (const char *at = text; *at != '\0'; at++) {
        check(quoted || (unsigned char)*at >= 0x20,
              "a control character outside a text"); /* milvus-lite has them inside */
        if (quoted && *at == '\\' && at[1] != '\0')
            at++;
        else if (*at == '"')
            quoted = !quoted;
        else if (!quoted)
            *to++ = *at;
    }
    check(!quoted, "a text that does not end");
    *to = '\0';
}

static void
check_milvus(vmx_arena *arena, const vmx_filter *filter, bool lite)
{
    static vmx_milvus_schema schema = {.id = "id", .vector = "vector", .metadata = "metadata", .has_version = true};
    vmx_error error;
    char *text, *other;
    schema.lite = lite;
    if (vmx_milvus_expression(arena, &schema, filter, "filter", &text, &error) != VMX_OK) {
        check_reason(&error);
        return;
    }
    disguise(filter);
    check(vmx_milvus_expression(arena, &schema, filter, "filter", &other, &error) == VMX_OK,
          "another filter is refused");
    strip(text);
    strip(other);
    check(strcmp(text, other) == 0, "a value changed the expression");
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vmx_arena arena = {0};
    vmx_error error;
    const vmx_filter *filter;
    Google__Protobuf__Struct *message;
    vmx_str json = {(const char *)data, size};
    vmx_status status = vmx_filter_parse(&arena, json, "filter", &filter, &message, &error);
    if (status != VMX_OK)
        check_reason(&error);
    check((status == VMX_OK && size > 0) == (filter != NULL && message != NULL), "a filter too many or too few");
    if (filter != NULL) {
        check_packed(&message->base);
        check_qdrant(json);
        check_milvus(&arena, filter, size % 2 == 0);
    }
    vmx_arena_reset(&arena);
    return 0;
}
