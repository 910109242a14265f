/* The layout of FAISS files: what is accepted, and that nothing which is cut, swapped or miscounted is. */
#include <stdio.h>
#include <string.h>

#include "build/faiss.h"
#include "core/suite.h"

#define VECTORS   3u
#define DIMENSION 2u
#define IMAGE_MAX 1024

/* A small file, put together here by hand, and where its counts stand. */
typedef struct image {
    uint8_t bytes[IMAGE_MAX];
    size_t len;
    size_t graph, counts[7], count_count; /* the inner header; counts of 8 bytes, of all vectors */
    size_t storage;
} image;

static void
put(image *out, const void *bytes, size_t len)
{
    ck_assert_uint_le(out->len + len, IMAGE_MAX);
    memcpy(out->bytes + out->len, bytes, len);
    out->len += len;
}

static void
put_header(image *out, const char *fourcc)
{
    const uint32_t dimension = DIMENSION, metric = 1;
    const uint64_t vectors = VECTORS, dummy = 1 << 20;
    put(out, fourcc, 4);
    put(out, &dimension, 4);
    put(out, &vectors, 8);
    put(out, &dummy, 8);
    put(out, &dummy, 8);
    put(out, "\1", 1);
    put(out, &metric, 4);
}

static void
put_vector(image *out, const void *elements, uint64_t count, size_t element_bytes)
{
    out->counts[out->count_count++] = out->len;
    put(out, &count, 8);
    put(out, elements, count * element_bytes);
}

static void
make(image *out, bool half, bool graph_only)
{
    const double probas[2] = {0.9, 0.1};
    const int32_t per_level[3] = {0, 4, 6}, levels[VECTORS] = {1, 1, 1}, neighbours[12] = {1, 2, -1, -1, 0},
                  numbers[5] = {0, 0, 40, 16, 1};
    const uint64_t offsets[VECTORS + 1] = {0, 4, 8, 12};
    const int64_t ids[VECTORS] = {30, 10, 20};
    const float vectors[VECTORS * DIMENSION] = {1, 2, 3, 4, 5, 6};
    uint8_t head[VMX_FAISS_HALF_HEAD];
    *out = (image){0};
    put_header(out, "IxMp");
    out->graph = out->len;
    put_header(out, half ? "IHNs" : "IHNf");
    put_vector(out, probas, 2, sizeof *probas);
    put_vector(out, per_level, 3, sizeof *per_level);
    put_vector(out, levels, VECTORS, sizeof *levels);
    put_vector(out, offsets, VECTORS + 1, sizeof *offsets);
    put_vector(out, neighbours, 12, sizeof *neighbours);
    put(out, numbers, sizeof numbers);
    out->storage = out->len;
    size_t head_bytes = vmx_faiss_storage_head(head, half, DIMENSION, VECTORS, 1);
    put(out, graph_only ? (const void *)"null" : head, graph_only ? 4 : head_bytes);
    if (!graph_only) {
        out->counts[out->count_count++] = out->len - 8;
        put(out, vectors, half ? sizeof vectors / 2 : sizeof vectors);
    }
    put_vector(out, ids, VECTORS, sizeof *ids);
}

static vmx_status
read_image(void *user, uint8_t *to, size_t len, uint64_t offset, vmx_error *error)
{
    const image *from = user;
    (void)error;
    ck_assert(offset <= from->len && len <= from->len - offset); /* what is asked for exists */
    memcpy(to, from->bytes + offset, len);
    return VMX_OK;
}

static vmx_status
parse(image *from, vmx_faiss_layout *layout, vmx_error *error)
{
    *error = (vmx_error){.code = VMX_OK};
    return vmx_faiss_parse(read_image, from, from->len, layout, error);
}

static void
refuse(image *from, const char *why)
{
    vmx_faiss_layout layout;
    vmx_error error;
    ck_assert_int_eq(parse(from, &layout, &error), VMX_ERR_PROTOCOL);
    ck_assert_msg(strstr(error.message, why) != NULL, "\"%s\" does not say \"%s\"", error.message, why);
    ck_assert_ptr_nonnull(strstr(error.message, "download the full form"));
}

START_TEST(test_every_kind_is_walked_through)
{
    for (int kind = 0; kind < 4; kind++) {
        bool half = kind & 1, graph_only = kind & 2;
        image file;
        vmx_faiss_layout layout;
        vmx_error error;
        make(&file, half, graph_only);
        ck_assert_msg(parse(&file, &layout, &error) == VMX_OK, "%s", error.message);
        ck_assert_uint_eq(layout.dimension, DIMENSION);
        ck_assert_uint_eq(layout.vectors, VECTORS);
        ck_assert_int_eq(layout.metric, 1);
        ck_assert_uint_eq(layout.storage_offset, file.storage);
        size_t head = half ? VMX_FAISS_HALF_HEAD : VMX_FAISS_FLAT_HEAD;
        ck_assert_uint_eq(layout.vectors_offset, graph_only ? 0 : file.storage + head);
        ck_assert_uint_eq(layout.id_map_offset, file.len - 8 - 8 * VECTORS);
    }
}
END_TEST

START_TEST(test_cut_anywhere_it_is_refused)
{
    for (int kind = 0; kind < 4; kind++) {
        image file;
        make(&file, kind & 1, kind & 2);
        for (size_t whole = file.len; file.len > 0;) {
            file.len--;
            refuse(&file, "");
            ck_assert_uint_lt(file.len, whole);
        }
    }
}
END_TEST

START_TEST(test_bytes_behind_the_ids_are_refused)
{
    image file;
    make(&file, false, true);
    put(&file, "x", 1);
    refuse(&file, "something stands behind the ids");
}
END_TEST

/* Counts that are off by one, that reach behind the end, and whose product with the element's size wraps around. */
START_TEST(test_wrong_counts_are_refused)
{
    const uint64_t wrong[] = {1000, 1u << 31, UINT64_C(1) << 32, UINT64_C(1) << 61, UINT64_C(1) << 62, UINT64_MAX};
    for (int kind = 0; kind < 4; kind++) {
        image file;
        make(&file, kind & 1, kind & 2);
        for (size_t at = 0; at < file.count_count; at++) {
            uint64_t right;
            memcpy(&right, file.bytes + file.counts[at], 8);
            for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
                memcpy(file.bytes + file.counts[at], &wrong[i], 8);
                refuse(&file, "");
            }
            uint64_t more = right + 1;
            memcpy(file.bytes + file.counts[at], &more, 8);
            refuse(&file, "");
            memcpy(file.bytes + file.counts[at], &right, 8);
        }
    }
}
END_TEST

START_TEST(test_headers_without_sense_are_refused)
{
    const uint64_t vectors[] = {0, VECTORS - 1, UINT64_C(1) << 31, UINT64_C(1) << 62, UINT64_MAX};
    image file;
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        make(&file, false, false);
        memcpy(file.bytes + 8, &vectors[i], 8);
        memcpy(file.bytes + file.graph + 8, &vectors[i], 8);
        refuse(&file, "");
    }
    make(&file, false, false);
    memset(file.bytes + file.graph + 4, 0xff, 4); /* the dimension */
    refuse(&file, "no sound counts");
    make(&file, false, false);
    file.bytes[file.graph + 33] = 7; /* a metric that has an argument behind it */
    refuse(&file, "no sound counts");
}
END_TEST

START_TEST(test_unknown_kinds_are_refused_by_name)
{
    const char *const kinds[] = {"IHc2", "IHNc", "IBHf", "IxF2", "null"};
    image file;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        make(&file, false, false);
        memcpy(file.bytes + file.graph, kinds[i], 4);
        refuse(&file, "no IndexIDMap over IndexHNSW");
    }
    make(&file, false, false);
    memcpy(file.bytes, "IxM2", 4);
    refuse(&file, "no IndexIDMap over IndexHNSW");
    const char *const storages[] = {"IxFI", "IxSQ", "IxPQ", "nul\n"};
    for (size_t i = 0; i < sizeof storages / sizeof *storages; i++) {
        make(&file, false, false);
        memcpy(file.bytes + file.storage, storages[i], 4);
        refuse(&file, "the storage is of an unknown kind");
    }
    make(&file, true, false);
    file.bytes[file.storage + VMX_FAISS_HEADER] = 8; /* QT_8bit_direct_signed */
    refuse(&file, "the storage has other counts");
}
END_TEST

START_TEST(test_a_failed_read_is_handed_on)
{
    image file;
    vmx_faiss_layout layout;
    vmx_error error = {.code = VMX_OK};
    make(&file, false, false);
    ck_assert_int_eq(vmx_faiss_parse(read_image, &file, 0, &layout, &error), VMX_ERR_PROTOCOL);
    ck_assert_ptr_nonnull(strstr(error.message, "it ends (byte 0 of 0)"));
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {test_every_kind_is_walked_through,      test_cut_anywhere_it_is_refused,
                                  test_bytes_behind_the_ids_are_refused,  test_wrong_counts_are_refused,
                                  test_headers_without_sense_are_refused, test_unknown_kinds_are_refused_by_name,
                                  test_a_failed_read_is_handed_on,        NULL};
    return run_suite("faiss", tests);
}
