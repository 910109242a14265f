/*
 * How a call went. Milvus answers with the gRPC status OK and says it in the reply's Status, twice: an older enum
 * (error_code) and newer numbers (code; pkg/util/merr/errors.go). Servers differ in which they fill, and milvus-lite has
 * an enum of its own; so the newer number decides, and the older one where it says more.
 */
#include <stdio.h>
#include <string.h>

#include "engine/milvus/milvus.h"
#include "wire/field_reader.h"
#include "wire/guard.h"

#define MAX_REASON 400

typedef struct status {
    int32_t code, older;
    vmx_str reason;
    bool retriable;
} status;

typedef struct row {
    int32_t code;
    int grpc_code;
    vmx_verdict verdict;
} row;

static const row by_code[] = {
    {2, VMX_GRPC_UNAVAILABLE, VMX_VERDICT_RETRIABLE},        /* unavailable */
    {3, VMX_GRPC_RESOURCE_EXHAUSTED, VMX_VERDICT_FINAL},     /* memory limit */
    {4, VMX_GRPC_RESOURCE_EXHAUSTED, VMX_VERDICT_THROTTLED}, /* too many requests at once */
    {6, VMX_GRPC_INVALID_ARGUMENT, VMX_VERDICT_FINAL},       /* milvus-lite: illegal argument */
    {7, VMX_GRPC_RESOURCE_EXHAUSTED, VMX_VERDICT_FINAL},     /* disk limit */
    {8, VMX_GRPC_RESOURCE_EXHAUSTED, VMX_VERDICT_THROTTLED}, /* rate limit */
    {9, VMX_GRPC_RESOURCE_EXHAUSTED, VMX_VERDICT_HOPELESS},  /* quota */
    {11, VMX_GRPC_UNAVAILABLE, VMX_VERDICT_FINAL},           /* the clock of its log stands still */
    {12, VMX_GRPC_UNAVAILABLE, VMX_VERDICT_RETRIABLE},       /* resources insufficient */
    {100, VMX_GRPC_NOT_FOUND, VMX_VERDICT_FINAL},            /* collection */
    {101, VMX_GRPC_FAILED_PRECONDITION, VMX_VERDICT_FINAL},  /* not loaded */
    {103, VMX_GRPC_UNAVAILABLE, VMX_VERDICT_RETRIABLE},      /* not fully loaded */
    {106, VMX_GRPC_UNAVAILABLE, VMX_VERDICT_RETRIABLE},      /* recovering */
    {200, VMX_GRPC_NOT_FOUND, VMX_VERDICT_FINAL},            /* partition */
    {202, VMX_GRPC_UNAVAILABLE, VMX_VERDICT_RETRIABLE},      /* partition not fully loaded */
    {700, VMX_GRPC_NOT_FOUND, VMX_VERDICT_FINAL},            /* index */
    {702, VMX_GRPC_ALREADY_EXISTS, VMX_VERDICT_FINAL},       /* index, another one */
    {800, VMX_GRPC_NOT_FOUND, VMX_VERDICT_FINAL},            /* database */
    {1002, VMX_GRPC_UNAVAILABLE, VMX_VERDICT_RETRIABLE},     /* its storage */
    {1100, VMX_GRPC_INVALID_ARGUMENT, VMX_VERDICT_FINAL},
    {1101, VMX_GRPC_INVALID_ARGUMENT, VMX_VERDICT_FINAL},
    {1102, VMX_GRPC_INVALID_ARGUMENT, VMX_VERDICT_FINAL},
    {1400, VMX_GRPC_UNAUTHENTICATED, VMX_VERDICT_FINAL},
    {1401, VMX_GRPC_PERMISSION_DENIED, VMX_VERDICT_FINAL},
    {2200, VMX_GRPC_UNAVAILABLE, VMX_VERDICT_RETRIABLE}, /* ask again */
};

static const row by_older[] = {
    {3, VMX_GRPC_PERMISSION_DENIED, VMX_VERDICT_FINAL},
    {4, VMX_GRPC_NOT_FOUND, VMX_VERDICT_FINAL},
    {5, VMX_GRPC_INVALID_ARGUMENT, VMX_VERDICT_FINAL},
    {25, VMX_GRPC_NOT_FOUND, VMX_VERDICT_FINAL},          /* index */
    {48, VMX_GRPC_RESOURCE_EXHAUSTED, VMX_VERDICT_FINAL}, /* writing is switched off */
    {49, VMX_GRPC_RESOURCE_EXHAUSTED, VMX_VERDICT_THROTTLED},
    {53, VMX_GRPC_RESOURCE_EXHAUSTED, VMX_VERDICT_FINAL}, /* memory */
    {54, VMX_GRPC_RESOURCE_EXHAUSTED, VMX_VERDICT_FINAL}, /* disk */
    {55, VMX_GRPC_UNAVAILABLE, VMX_VERDICT_FINAL},
    {56, VMX_GRPC_UNAVAILABLE, VMX_VERDICT_RETRIABLE},     /* not ready */
    {62, VMX_GRPC_FAILED_PRECONDITION, VMX_VERDICT_FINAL}, /* the schema is another one */
};

static const row *
find(const row *rows, size_t count, int32_t code)
{
    for (size_t i = 0; i < count; i++)
        if (rows[i].code == code)
            return &rows[i];
    return NULL;
}

/* Milvus 2.3 has no number of its own for a search in a partition that is not there. */
static bool
is_no_partition(const status *s)
{
    static const char words[] = "partition name ", end[] = " not found";
    size_t len = sizeof end - 1;
    return s->code == 65535 && s->reason.len > sizeof words - 1 + len &&
           memcmp(s->reason.ptr, words, sizeof words - 1) == 0 &&
           memcmp(s->reason.ptr + s->reason.len - len, end, len) == 0;
}

/* The newer number says most; 1 and 65535 are the servers' "something", where the older one may know more. */
static row
judgement(const status *s)
{
    const row *found = find(by_code, sizeof by_code / sizeof by_code[0], s->code);
    if (found == NULL)
        found = find(by_older, sizeof by_older / sizeof by_older[0], s->older);
    row result = found != NULL ? *found : (row){s->code, VMX_GRPC_UNKNOWN, VMX_VERDICT_FINAL};
    if (found == NULL && is_no_partition(s))
        result.grpc_code = VMX_GRPC_NOT_FOUND;
    if (s->retriable && result.verdict == VMX_VERDICT_FINAL)
        result.verdict = VMX_VERDICT_RETRIABLE;
    return result;
}

/* Field numbers of common.proto's Status. */
static status
read_status(vmx_str bytes)
{
    status s = {.reason = {"", 0}};
    vmx_field_reader reader = vmx_field_reader_on(bytes);
    for (vmx_field field; vmx_field_next(&reader, &field);) {
        if (field.number == 1)
            s.older = (int32_t)field.value;
        else if (field.number == 2)
            s.reason = field.bytes;
        else if (field.number == 3)
            s.code = (int32_t)field.value;
        else if (field.number == 4)
            s.retriable = field.value != 0;
    }
    return s;
}

static void
write_text(const status *s, vmx_reply *reply, vmx_arena *arena)
{
    char *text = vmx_arena_alloc(arena, MAX_REASON + 64);
    int len = (int)(s->reason.len < MAX_REASON ? s->reason.len : MAX_REASON);
    reply->text = VMX_STR("Milvus gives no reason");
    if (text == NULL)
        return;
    snprintf(text, MAX_REASON + 64, "%.*s (Milvus's code %d)", len, s->reason.ptr, s->code != 0 ? s->code : s->older);
    for (char *at = text; *at != '\0'; at++)
        if (*at == '\n' || *at == '\r')
            *at = ' ';
    reply->text = vmx_str_from(text);
}

static vmx_verdict
judge_status(vmx_str bytes, vmx_reply *reply, vmx_arena *arena)
{
    status s = read_status(bytes);
    if (s.code == 0 && s.older == 0)
        return VMX_VERDICT_OK;
    row result = judgement(&s);
    reply->grpc_code = result.grpc_code;
    write_text(&s, reply, arena);
    return result.verdict;
}

/* What is no sound message is left to the machine, which says so. */
static bool
is_sound(vmx_str bytes, const ProtobufCMessageDescriptor *descriptor)
{
    return bytes.ptr != NULL &&
           vmx_guard_check(descriptor, (const uint8_t *)bytes.ptr, bytes.len, NULL, NULL) == VMX_OK;
}

vmx_verdict
vmx_milvus_judge_plain(const vmx_message *message, vmx_reply *reply, vmx_arena *arena)
{
    vmx_str bytes = vmx_exchange_flatten(arena, message);
    return is_sound(bytes, &milvus__status__descriptor) ? judge_status(bytes, reply, arena) : VMX_VERDICT_OK;
}

vmx_verdict
vmx_milvus_judge(const vmx_message *message, vmx_reply *reply, vmx_arena *arena)
{
    vmx_str bytes = vmx_exchange_flatten(arena, message);
    if (!is_sound(bytes, &milvus__any_response__descriptor))
        return VMX_VERDICT_OK;
    vmx_verdict verdict = VMX_VERDICT_OK;
    vmx_field_reader reader = vmx_field_reader_on(bytes);
    for (vmx_field field; verdict == VMX_VERDICT_OK && vmx_field_next(&reader, &field);)
        if (field.number == 1)
            verdict = judge_status(field.bytes, reply, arena);
    return verdict;
}

vmx_verdict
vmx_milvus_classify(const vmx_reply *reply)
{
    switch (reply->grpc_code) {
    case VMX_GRPC_OK:
        return VMX_VERDICT_OK;
    case VMX_GRPC_UNAVAILABLE:
    case VMX_GRPC_ABORTED:
        return VMX_VERDICT_RETRIABLE;
    case VMX_GRPC_RESOURCE_EXHAUSTED: /* by gRPC itself: a message over the server's or our own limit */
        return VMX_VERDICT_HOPELESS;
    default:
        return VMX_VERDICT_FINAL;
    }
}
