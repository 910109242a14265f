#include "wire/guard.h"

#include <stdio.h>
#include <string.h>

#include "core/error.h"
#include "wire/checked_reader.h"
#include "wire/text_check.h"

#define ALIGNMENT 16

/*
 * protobuf-c lists the fields of a message before it reads them: the first 16 on the stack, the others in memory of the
 * allocator, in pieces of 32, 64, ... entries of 32 bytes. An arena keeps that memory too.
 */
#define SCANNED_ON_STACK    16
#define SCANNED_ENTRY_BYTES 32

typedef struct guard_walk {
    const uint8_t *begin; /* of the outermost message */
    size_t unpacked_bytes;
    vmx_error *error;
} guard_walk;

/* One message of the nesting that is being looked at. */
typedef struct guard_level {
    const struct guard_level *parent;
    const ProtobufCMessageDescriptor *descriptor;
    const ProtobufCFieldDescriptor *field; /* now; NULL for an unknown one */
    uint32_t number;                       /* of that field; 0 before the first */
    unsigned depth;
    uint64_t seen;       /* the fields that occurred, by their place in the descriptor modulo 64 */
    size_t members;      /* fields on the wire, repeated ones each time */
    size_t single_bytes; /* what the submessages in fields that are not repeated unpack to */
} guard_level;

static size_t
saturating_add(size_t a, size_t b)
{
    return a > SIZE_MAX - b ? SIZE_MAX : a + b;
}

/* One allocation that unpacking will make. */
static void
count_allocation(guard_walk *walk, size_t bytes)
{
    size_t rounded = saturating_add(bytes, ALIGNMENT) / ALIGNMENT * ALIGNMENT;
    walk->unpacked_bytes = saturating_add(walk->unpacked_bytes, rounded);
}

/* Appends "UpsertRequest.vectors.metadata" to `path`, whose size it is given; what does not fit is left out. */
static size_t
write_path(const guard_level *level, char *path, size_t size)
{
    size_t len = level->parent ? write_path(level->parent, path, size)
                               : (size_t)snprintf(path, size, "%s", level->descriptor->short_name);
    if (len < size && level->field)
        len += (size_t)snprintf(path + len, size - len, ".%s", level->field->name);
    else if (len < size && level->number)
        len += (size_t)snprintf(path + len, size - len, ".%u", (unsigned)level->number);
    return len;
}

/* Always NULL, the end of a walk that failed. */
static const uint8_t *
refuse(const guard_walk *walk, const guard_level *level, const uint8_t *at, const char *reason)
{
    char path[160];
    size_t len = write_path(level, path, sizeof path);
    vmx_error_set(walk->error, VMX_ERR_PROTOCOL, "%s%s: %s at byte %zu", path, len < sizeof path ? "" : "...", reason,
                  (size_t)(at - walk->begin));
    return NULL;
}

static unsigned
wire_type_of(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_FLOAT:
        return VMX_WIRE_32BIT;
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return VMX_WIRE_64BIT;
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_BYTES:
    case PROTOBUF_C_TYPE_MESSAGE:
        return VMX_WIRE_BYTES;
    default:
        return VMX_WIRE_VARINT;
    }
}

/* What one element of a repeated field takes in protobuf-c's array. */
static size_t
element_bytes(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_FLOAT:
    case PROTOBUF_C_TYPE_ENUM:
    case PROTOBUF_C_TYPE_BOOL:
        return 4;
    case PROTOBUF_C_TYPE_BYTES:
        return sizeof(ProtobufCBinaryData);
    default:
        return 8;
    }
}

static const uint8_t *
check_string(const guard_walk *walk, const guard_level *level, const uint8_t *at, size_t len)
{
    vmx_str text = {(const char *)at, len};
    if (vmx_text_valid(text))
        return at + len;
    bool nul = memchr(at, '\0', len) != NULL;
    return refuse(walk, level, at, nul ? "a string with a NUL byte" : "a string that is not UTF-8");
}

/* The elements of a packed field, [at, end). */
static const uint8_t *
check_packed(guard_walk *walk, const guard_level *level, const uint8_t *at, const uint8_t *end)
{
    ProtobufCType type = level->field->type;
    unsigned wire = wire_type_of(type);
    size_t count = 0;
    if (wire == VMX_WIRE_VARINT) {
        uint64_t value;
        for (const uint8_t *next = at; next < end; count++) {
            const uint8_t *element = next;
            next = vmx_checked_varint(next, end, VMX_MAX_VARINT_BYTES, &value);
            if (!next)
                return refuse(walk, level, element, "a malformed number");
        }
    } else {
        size_t width = wire == VMX_WIRE_32BIT ? 4 : 8;
        count = (size_t)(end - at) / width;
        if ((size_t)(end - at) % width)
            return refuse(walk, level, at, "a packed field with a broken last element");
    }
    walk->unpacked_bytes = saturating_add(walk->unpacked_bytes, count * element_bytes(type));
    return end;
}

static const uint8_t *
check_message(guard_walk *walk, guard_level *level, const uint8_t *at, const uint8_t *end);

/*
 * A submessage, [at, end). protobuf-c merges a repeated occurrence of a single one into what it has: it copies the
 * arrays of both each time, which grows with the square of the occurrences; so they are counted again each time.
 */
static const uint8_t *
check_submessage(guard_walk *walk, guard_level *level, const uint8_t *at, const uint8_t *end, bool again)
{
    if (level->depth == VMX_GUARD_MAX_DEPTH)
        return refuse(walk, level, at, "nested deeper than 100 messages");
    guard_level below = {.parent = level, .descriptor = level->field->descriptor, .depth = level->depth + 1};
    size_t before = walk->unpacked_bytes;
    if (!check_message(walk, &below, at, end))
        return NULL;
    if (level->field->label == PROTOBUF_C_LABEL_REPEATED)
        return end;
    level->single_bytes = saturating_add(level->single_bytes, walk->unpacked_bytes - before);
    if (again)
        walk->unpacked_bytes = saturating_add(walk->unpacked_bytes, level->single_bytes);
    return end;
}

/* The content of a known field of wire type 2. */
static const uint8_t *
check_content(guard_walk *walk, guard_level *level, const uint8_t *at, size_t len, bool again)
{
    switch (level->field->type) {
    case PROTOBUF_C_TYPE_STRING:
        count_allocation(walk, saturating_add(len, 1));
        return check_string(walk, level, at, len);
    case PROTOBUF_C_TYPE_BYTES:
        count_allocation(walk, len);
        return at + len;
    case PROTOBUF_C_TYPE_MESSAGE:
        return check_submessage(walk, level, at, at + len, again);
    default:
        return check_packed(walk, level, at, at + len);
    }
}

/* Where a value of this wire type ends; for VMX_WIRE_BYTES *content is where its bytes begin. */
static const uint8_t *
skip_value(const guard_walk *walk, const guard_level *level, unsigned wire, const uint8_t *at, const uint8_t *end,
           const uint8_t **content)
{
    uint64_t value = 0;
    size_t left = (size_t)(end - at);
    *content = at;
    switch (wire) {
    case VMX_WIRE_VARINT:
        at = vmx_checked_varint(at, end, VMX_MAX_VARINT_BYTES, &value);
        return at ? at : refuse(walk, level, *content, "a malformed number");
    case VMX_WIRE_32BIT:
        return left >= 4 ? at + 4 : refuse(walk, level, at, "a number that is cut off");
    case VMX_WIRE_64BIT:
        return left >= 8 ? at + 8 : refuse(walk, level, at, "a number that is cut off");
    case VMX_WIRE_BYTES:
        *content = vmx_checked_varint(at, end, VMX_MAX_TAG_BYTES, &value);
        if (!*content)
            return refuse(walk, level, at, "a malformed length");
        if (value > (uint64_t)(end - *content))
            return refuse(walk, level, at, "a length beyond the end of its message");
        return *content + value;
    case 3:
    case 4:
        return refuse(walk, level, at, "a group, which is not supported,");
    default:
        return refuse(walk, level, at, "an unknown wire type");
    }
}

/* Notes that the current field occurs, and what its place in a repeated field's array takes; true if it is not new. */
static bool
note_occurrence(guard_walk *walk, guard_level *level, unsigned wire)
{
    const ProtobufCFieldDescriptor *field = level->field;
    uint64_t bit = UINT64_C(1) << ((size_t)(field - level->descriptor->fields) % 64);
    bool again = (level->seen & bit) != 0;
    level->seen |= bit;
    if (field->label != PROTOBUF_C_LABEL_REPEATED)
        return again;
    if (!again)
        count_allocation(walk, 0); /* the array's rounding */
    if (wire == wire_type_of(field->type))
        walk->unpacked_bytes = saturating_add(walk->unpacked_bytes, element_bytes(field->type));
    return again;
}

/* One field behind its tag. */
static const uint8_t *
check_field(guard_walk *walk, guard_level *level, unsigned wire, const uint8_t *at, const uint8_t *end)
{
    const uint8_t *content;
    const uint8_t *next = skip_value(walk, level, wire, at, end, &content);
    if (!next)
        return NULL;
    const ProtobufCFieldDescriptor *field = level->field;
    if (!field) {
        count_allocation(walk, sizeof(ProtobufCMessageUnknownField));
        count_allocation(walk, (size_t)(next - at));
        return next;
    }
    unsigned declared = wire_type_of(field->type);
    bool packed = wire == VMX_WIRE_BYTES && field->label == PROTOBUF_C_LABEL_REPEATED && declared != VMX_WIRE_BYTES;
    if (wire != declared && !packed)
        return refuse(walk, level, at, "a wire type other than the declared one");
    bool again = note_occurrence(walk, level, wire);
    return wire == VMX_WIRE_BYTES ? check_content(walk, level, content, (size_t)(next - content), again) : next;
}

/* The pieces of 32, 64, ... entries that protobuf-c makes for its list of the message's fields. */
static void
count_scanned(guard_walk *walk, size_t members)
{
    size_t piece = SCANNED_ON_STACK;
    for (size_t room = piece; room < members; room += piece) {
        piece *= 2;
        count_allocation(walk, piece * SCANNED_ENTRY_BYTES);
    }
}

static const uint8_t *
check_message(guard_walk *walk, guard_level *level, const uint8_t *at, const uint8_t *end)
{
    count_allocation(walk, level->descriptor->sizeof_message);
    while (at < end) {
        uint64_t tag;
        const uint8_t *value = vmx_checked_varint(at, end, VMX_MAX_TAG_BYTES, &tag);
        if (!value || tag >> 3 == 0 || tag >> 3 > VMX_MAX_FIELD_NUMBER) {
            level->field = NULL;
            level->number = 0;
            return refuse(walk, level, at, "a malformed tag");
        }
        if (level->number != tag >> 3) { /* elements of a repeated field mostly stand together */
            level->number = (uint32_t)(tag >> 3);
            level->field = protobuf_c_message_descriptor_get_field(level->descriptor, level->number);
        }
        level->members++;
        at = check_field(walk, level, (unsigned)(tag & 7), value, end);
        if (!at)
            return NULL;
    }
    count_scanned(walk, level->members);
    return end;
}

vmx_status
vmx_guard_check(const ProtobufCMessageDescriptor *descriptor, const uint8_t *bytes, size_t len, size_t *unpacked_bytes,
                vmx_error *error)
{
    static const uint8_t none[1];
    const uint8_t *begin = bytes ? bytes : none;
    guard_walk walk = {.begin = begin, .error = error};
    guard_level outermost = {.descriptor = descriptor, .depth = 1};
    bool good = check_message(&walk, &outermost, begin, begin + len) != NULL;
    if (unpacked_bytes)
        *unpacked_bytes = walk.unpacked_bytes;
    return good ? VMX_OK : VMX_ERR_PROTOCOL;
}
