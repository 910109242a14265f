/*
 * HDF5 as ann-benchmarks writes it (https://github.com/erikbern/ann-benchmarks): an array of two axes by a name,
 * "train" for the vectors. libhdf5 reads it and converts it to float32. Nothing outside the file is followed: no
 * external link, no external storage, no virtual dataset, no filter plug-in.
 */
#include "buffers.h"
#include "matrix.h"
#include "reader.h"

#include <hdf5.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define AXES_MAX    8
#define CHUNK_MAX   (64u << 20) /* a chunk is unpacked whole */
#define CACHE_BYTES (1u << 20)
#define CACHE_SLOTS 521

typedef struct hdf5_reader {
    load_reader base;
    hid_t file, dataset, space; /* -1: not open */
    hsize_t axes[AXES_MAX];
    size_t rank;
    uint64_t next;
    size_t block_rows;
    size_t cache_bytes; /* libhdf5's, for chunks */
    float *floats;
    vmx_vector *vectors;
} hdf5_reader;

/* Takes the innermost description of the error stack. */
static herr_t
take_text(unsigned int depth, const H5E_error2_t *error, void *user)
{
    cli_reason *reason = user;
    if (depth == 0 && error->desc)
        cli_refuse(reason, "HDF5: %s", error->desc);
    return 0;
}

static bool
refuse_hdf5(cli_reason *reason, const char *what)
{
    cli_reason inner = {"HDF5: unknown error"};
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, take_text, &inner);
    return cli_refuse(reason, "%s: %.180s", what, inner.text);
}

static herr_t
refuse_link(const char *parent_file, const char *parent, const char *child_file, const char *child, unsigned int *flags,
            hid_t fapl, void *user)
{
    (void)parent_file, (void)parent, (void)child_file, (void)child, (void)flags, (void)fapl, (void)user;
    return -1;
}

/* Opens the dataset with the cache that fits its chunks; links that leave the file are refused. */
static hid_t
open_dataset(hid_t file, const char *name, size_t cache_bytes)
{
    hid_t access = H5Pcreate(H5P_DATASET_ACCESS);
    hid_t dataset = -1;
    if (access >= 0 && H5Pset_elink_cb(access, refuse_link, NULL) >= 0 &&
        H5Pset_chunk_cache(access, CACHE_SLOTS, cache_bytes, H5D_CHUNK_CACHE_W0_DEFAULT) >= 0)
        dataset = H5Dopen2(file, name, access);
    if (access >= 0)
        H5Pclose(access);
    return dataset;
}

/* Bytes of one chunk, 0 when the array lies in one piece; refuses what would need other files. */
static bool
check_storage(const hdf5_reader *reader, size_t element_bytes, size_t *chunk_bytes, cli_reason *reason)
{
    hsize_t chunk[AXES_MAX];
    hid_t plist = H5Dget_create_plist(reader->dataset);
    if (plist < 0)
        return refuse_hdf5(reason, "the dataset's properties");
    H5D_layout_t layout = H5Pget_layout(plist);
    bool inside = layout != H5D_VIRTUAL && layout >= 0 && H5Pget_external_count(plist) == 0;
    int rank = layout == H5D_CHUNKED ? H5Pget_chunk(plist, AXES_MAX, chunk) : 0;
    H5Pclose(plist);
    if (!inside)
        return cli_refuse(reason, "the dataset is stored in other files, which are not followed");
    uint64_t bytes = rank > 0 ? element_bytes : 0;
    for (int i = 0; i < rank && i < AXES_MAX; i++) {
        if (chunk[i] > CHUNK_MAX / (bytes ? bytes : 1))
            return cli_refuse(reason, "chunks of more than %u bytes; h5repack can make them smaller", CHUNK_MAX);
        bytes *= chunk[i];
    }
    *chunk_bytes = (size_t)bytes;
    return true;
}

static bool
read_type(hid_t dataset, load_type *type, cli_reason *reason)
{
    hid_t id = H5Dget_type(dataset);
    if (id < 0)
        return refuse_hdf5(reason, "the dataset's type");
    H5T_class_t class = H5Tget_class(id);
    size_t size = H5Tget_size(id);
    bool is_signed = class == H5T_INTEGER && H5Tget_sign(id) == H5T_SGN_2;
    type->kind = class == H5T_FLOAT ? LOAD_FLOAT : is_signed ? LOAD_INT : LOAD_UINT;
    type->bytes = size <= 8 ? (uint8_t)size : 0;
    type->big_endian = H5Tget_order(id) == H5T_ORDER_BE;
    H5Tclose(id);
    if ((class == H5T_FLOAT || class == H5T_INTEGER) && load_type_valid(*type))
        return true;
    return cli_refuse(reason, "the dataset holds no numbers of 1, 2, 4 or 8 bytes; such an array was expected");
}

static bool
read_shape(hdf5_reader *reader, load_layout *layout, cli_reason *reason)
{
    uint64_t shape[AXES_MAX] = {0};
    reader->space = H5Dget_space(reader->dataset);
    int rank = reader->space < 0 ? -1 : H5Sget_simple_extent_ndims(reader->space);
    if (rank < 0)
        return refuse_hdf5(reason, "the dataset's axes");
    if (rank < 2 || rank > AXES_MAX)
        return cli_refuse(reason, "the dataset has %d axes; 2 to %d were expected", rank, AXES_MAX);
    if (H5Sget_simple_extent_dims(reader->space, reader->axes, NULL) < 0)
        return refuse_hdf5(reason, "the dataset's axes");
    reader->rank = (size_t)rank;
    for (size_t i = 0; i < reader->rank; i++)
        shape[i] = reader->axes[i];
    return load_layout_set_shape(layout, shape, reader->rank, reason);
}

/* The names of the arrays at the top of a file, for the message about one that is not there. */
typedef struct hdf5_names {
    char text[160];
    size_t length;
} hdf5_names;

static herr_t
add_name(hid_t group, const char *name, const H5L_info_t *info, void *user)
{
    hdf5_names *names = user;
    size_t room = sizeof names->text - names->length;
    (void)group, (void)info;
    if (strlen(name) + 3 > room)
        return 1;
    int length = snprintf(names->text + names->length, room, "%s%s", names->length > 0 ? ", " : "", name);
    names->length += length > 0 ? (size_t)length : 0;
    return 0;
}

static bool
refuse_name(const hdf5_reader *reader, const char *name, cli_reason *reason)
{
    hdf5_names names = {.text = ""};
    cli_reason inner = {"HDF5: unknown error"};
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, take_text, &inner);
    H5Literate(reader->file, H5_INDEX_NAME, H5_ITER_INC, NULL, add_name, &names);
    if (names.length > 0)
        return cli_refuse(reason, "no dataset \"%.48s\"; the file has: %s; name one with --dataset", name, names.text);
    return cli_refuse(reason, "no dataset \"%.48s\": %.160s", name, inner.text);
}

static bool
open_array(hdf5_reader *reader, const char *name, load_layout *layout, cli_reason *reason)
{
    size_t chunk_bytes = 0;
    reader->dataset = open_dataset(reader->file, name, CACHE_BYTES);
    if (reader->dataset < 0)
        return refuse_name(reader, name, reason);
    if (!read_type(reader->dataset, &layout->type, reason) || !read_shape(reader, layout, reason) ||
        !check_storage(reader, layout->type.bytes, &chunk_bytes, reason))
        return false;
    if (chunk_bytes > 0) {
        reader->cache_bytes = chunk_bytes <= CACHE_BYTES ? CACHE_BYTES : chunk_bytes;
        load_buffers_add(reader->cache_bytes);
    }
    if (chunk_bytes <= CACHE_BYTES)
        return true;
    /* a chunk that does not fit the cache would be unpacked again for every block of rows */
    H5Dclose(reader->dataset);
    reader->dataset = open_dataset(reader->file, name, chunk_bytes);
    return reader->dataset >= 0 || refuse_hdf5(reason, "the dataset");
}

static bool
open_file(hdf5_reader *reader, const char *path, const char *name, cli_reason *reason)
{
    load_layout layout = {0};
    load_bytes bytes;
    if (!load_bytes_open(&bytes, path, reason))
        return false;
    uint64_t size = bytes.packed;
    bool plain = bytes.seekable && !bytes.gz;
    load_bytes_close(&bytes);
    if (!plain)
        return cli_refuse(reason, "not a plain file; HDF5 can be read from no stream and not through gzip");
    reader->file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
    if (reader->file < 0)
        return refuse_hdf5(reason, "the file cannot be opened");
    if (!open_array(reader, name, &layout, reason))
        return false;
    reader->block_rows = load_block_rows(layout.dimension * sizeof(float), layout.dimension, layout.rows);
    reader->floats = load_buffer_new(reader->block_rows * layout.dimension * sizeof *reader->floats);
    reader->vectors = load_buffer_new(reader->block_rows * sizeof *reader->vectors);
    reader->base.description = (load_description){
        .format = reader->base.format->title,
        .type = load_type_name(layout.type),
        .rows = layout.rows,
        .dimension = layout.dimension,
        .rank = layout.rank,
        .big_endian = layout.type.big_endian && layout.type.bytes > 1,
        .file_bytes = size,
    };
    return (reader->floats && reader->vectors) || cli_refuse(reason, "out of memory");
}

load_reader *
load_hdf5_open(const load_format *format, const char *path, const char *dataset, cli_reason *reason)
{
    hdf5_reader *reader = calloc(1, sizeof *reader);
    if (!reader) {
        cli_refuse(reason, "out of memory");
        return NULL;
    }
    reader->base.format = format;
    reader->file = reader->dataset = reader->space = -1;
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL); /* errors are told by us, in one line */
    H5PLset_loading_state(0);
    if (open_file(reader, path, dataset, reason))
        return &reader->base;
    load_hdf5_close(&reader->base);
    return NULL;
}

/* Selects `count` rows from `next` on and reads them. */
static bool
read_block(hdf5_reader *reader, size_t count)
{
    hsize_t start[AXES_MAX] = {reader->next};
    hsize_t length[AXES_MAX];
    memcpy(length, reader->axes, sizeof length);
    length[0] = count;
    hid_t memory = H5Screate_simple((int)reader->rank, length, NULL);
    bool good = memory >= 0 && H5Sselect_hyperslab(reader->space, H5S_SELECT_SET, start, NULL, length, NULL) >= 0 &&
                H5Dread(reader->dataset, H5T_NATIVE_FLOAT, memory, reader->space, H5P_DEFAULT, reader->floats) >= 0;
    if (memory >= 0)
        H5Sclose(memory);
    return good;
}

load_result
load_hdf5_next(load_reader *base, size_t max, load_rows *rows, cli_reason *reason)
{
    hdf5_reader *reader = (hdf5_reader *)base;
    size_t dimension = base->description.dimension;
    uint64_t left = reader->next < base->description.rows ? base->description.rows - reader->next : 0;
    size_t count = max < reader->block_rows ? max : reader->block_rows;
    count = left < count ? (size_t)left : count;
    if (count == 0)
        return LOAD_END;
    if (!read_block(reader, count)) {
        char what[64];
        snprintf(what, sizeof what, "rows %llu to %llu", (unsigned long long)reader->next,
                 (unsigned long long)(reader->next + count - 1));
        refuse_hdf5(reason, what);
        return LOAD_FAILED;
    }
    for (size_t i = 0; i < count; i++) {
        vmx_vector_init(&reader->vectors[i], sizeof *reader->vectors);
        reader->vectors[i].values = (vmx_floats){reader->floats + i * dimension, dimension};
    }
    *rows = (load_rows){.first = reader->next, .count = count, .vectors = reader->vectors};
    reader->next += count;
    return LOAD_ROWS;
}

bool
load_hdf5_seek(load_reader *base, uint64_t row, cli_reason *reason)
{
    (void)reason;
    ((hdf5_reader *)base)->next = row;
    return true;
}

uint64_t
load_hdf5_consumed(const load_reader *base)
{
    const hdf5_reader *reader = (const hdf5_reader *)base;
    const load_description *d = &base->description;
    return d->rows ? (uint64_t)((double)d->file_bytes * (double)reader->next / (double)d->rows) : d->file_bytes;
}

void
load_hdf5_close(load_reader *base)
{
    hdf5_reader *reader = (hdf5_reader *)base;
    if (reader->space >= 0)
        H5Sclose(reader->space);
    if (reader->dataset >= 0)
        H5Dclose(reader->dataset);
    if (reader->file >= 0)
        H5Fclose(reader->file);
    load_buffer_free(reader->floats);
    load_buffer_free(reader->vectors);
    load_buffers_remove(reader->cache_bytes);
    free(reader);
}
