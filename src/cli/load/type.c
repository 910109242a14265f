#include "type.h"

#include <endian.h>
#include <string.h>

bool
load_type_valid(load_type type)
{
    bool power = type.bytes == 2 || type.bytes == 4 || type.bytes == 8;
    return power || (type.bytes == 1 && type.kind != LOAD_FLOAT);
}

const char *
load_type_name(load_type type)
{
    static const char *const names[3][9] = {
        [LOAD_INT] = {[1] = "int8", [2] = "int16", [4] = "int32", [8] = "int64"},
        [LOAD_UINT] = {[1] = "uint8", [2] = "uint16", [4] = "uint32", [8] = "uint64"},
        [LOAD_FLOAT] = {[2] = "float16", [4] = "float32", [8] = "float64"},
    };
    return load_type_valid(type) ? names[type.kind][type.bytes] : "?";
}

static uint16_t
bits16(const uint8_t *raw, bool big_endian)
{
    uint16_t bits;
    memcpy(&bits, raw, sizeof bits);
    return big_endian ? be16toh(bits) : le16toh(bits);
}

static uint32_t
bits32(const uint8_t *raw, bool big_endian)
{
    uint32_t bits;
    memcpy(&bits, raw, sizeof bits);
    return big_endian ? be32toh(bits) : le32toh(bits);
}

static uint64_t
bits64(const uint8_t *raw, bool big_endian)
{
    uint64_t bits;
    memcpy(&bits, raw, sizeof bits);
    return big_endian ? be64toh(bits) : le64toh(bits);
}

static float
float_of_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* IEEE 754 binary16: 1 sign bit, 5 of exponent (bias 15), 10 of fraction. Every value is a float32. */
static float
half_to_float(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000u) << 16;
    uint32_t exponent = (half >> 10) & 0x1fu;
    uint32_t fraction = half & 0x3ffu;
    if (exponent == 0x1f)
        return float_of_bits(sign | 0x7f800000u | fraction << 13);
    if (exponent > 0)
        return float_of_bits(sign | (exponent + 112) << 23 | fraction << 13);
    float subnormal = (float)fraction * 0x1p-24f;
    return sign ? -subnormal : subnormal;
}

double
load_type_to_double(load_type type, const uint8_t *raw)
{
    if (type.bytes == 2)
        return (double)half_to_float(bits16(raw, type.big_endian));
    if (type.bytes == 4)
        return (double)float_of_bits(bits32(raw, type.big_endian));
    uint64_t bits = bits64(raw, type.big_endian);
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static int64_t
int_at(load_type type, const uint8_t *raw)
{
    switch (type.bytes) {
    case 1:
        return (int8_t)*raw;
    case 2:
        return (int16_t)bits16(raw, type.big_endian);
    case 4:
        return (int32_t)bits32(raw, type.big_endian);
    default:
        return (int64_t)bits64(raw, type.big_endian);
    }
}

static uint64_t
uint_at(load_type type, const uint8_t *raw)
{
    switch (type.bytes) {
    case 1:
        return *raw;
    case 2:
        return bits16(raw, type.big_endian);
    case 4:
        return bits32(raw, type.big_endian);
    default:
        return bits64(raw, type.big_endian);
    }
}

void
load_type_to_floats(load_type type, const uint8_t *raw, size_t count, float *floats)
{
    bool same = type.kind == LOAD_FLOAT && type.bytes == 4 && type.big_endian == (BYTE_ORDER == BIG_ENDIAN);
    if (same) {
        memcpy(floats, raw, count * sizeof *floats);
    } else if (type.kind == LOAD_FLOAT) {
        for (size_t i = 0; i < count; i++)
            floats[i] = (float)load_type_to_double(type, raw + i * type.bytes);
    } else if (type.kind == LOAD_INT) {
        for (size_t i = 0; i < count; i++)
            floats[i] = (float)int_at(type, raw + i * type.bytes);
    } else {
        for (size_t i = 0; i < count; i++)
            floats[i] = (float)uint_at(type, raw + i * type.bytes);
    }
}

bool
load_type_to_whole(load_type type, const uint8_t *raw, uint64_t *number)
{
    if (type.kind == LOAD_FLOAT)
        return false;
    int64_t value = type.kind == LOAD_INT ? int_at(type, raw) : 0;
    *number = type.kind == LOAD_INT ? (uint64_t)value : uint_at(type, raw);
    return value >= 0;
}
