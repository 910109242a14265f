#include "hdf5_image.h"

#include <hdf5.h>
#include <stdbool.h>
#include <string.h>

#define AXES_MAX 4
#define AXIS_MAX 8
#define GROWTH   4096
#define KEEP     (8 << 20) /* bytes that libhdf5 keeps of what it has freed */

typedef struct plan {
    const uint8_t *bytes;
    size_t size, at;
} plan;

static uint8_t
next(plan *p)
{
    return p->at < p->size ? p->bytes[p->at++] : 0;
}

static hid_t
type_of(uint8_t code)
{
    const hid_t types[] = {H5T_IEEE_F32LE, H5T_IEEE_F32BE, H5T_IEEE_F64LE,     H5T_IEEE_F64BE, H5T_STD_I8LE,
                           H5T_STD_U8LE,   H5T_STD_I16BE,  H5T_STD_U32LE,      H5T_STD_I64LE,  H5T_STD_U64BE,
                           H5T_C_S1,       H5T_STD_B8LE,   H5T_NATIVE_LDOUBLE, H5T_UNIX_D32LE, H5T_STD_REF_OBJ};
    return types[code % (sizeof types / sizeof *types)];
}

/* Storage: in one piece, compact, or in chunks with or without filters. */
static hid_t
storage_of(plan *p, int rank)
{
    hid_t plist = H5Pcreate(H5P_DATASET_CREATE);
    uint8_t kind = next(p);
    hsize_t chunk[AXES_MAX];
    for (int i = 0; i < rank; i++)
        chunk[i] = 1 + next(p) % AXIS_MAX;
    if (kind % 4 == 1)
        H5Pset_layout(plist, H5D_COMPACT);
    if (kind % 4 >= 2 && rank > 0)
        H5Pset_chunk(plist, rank, chunk);
    if (kind % 4 == 3 && rank > 0) {
        H5Pset_shuffle(plist);
        H5Pset_deflate(plist, 1);
        H5Pset_fletcher32(plist);
    }
    return plist;
}

static void
add_array(hid_t file, plan *p, const char *name)
{
    hsize_t axes[AXES_MAX];
    int rank = next(p) % (AXES_MAX + 1);
    hid_t type = type_of(next(p));
    hid_t storage = storage_of(p, rank);
    for (int i = 0; i < rank; i++)
        axes[i] = next(p) % (AXIS_MAX + 1);
    hid_t space = rank > 0 ? H5Screate_simple(rank, axes, NULL) : H5Screate(next(p) % 2 ? H5S_SCALAR : H5S_NULL);
    hid_t array = H5Dcreate2(file, name, type, space, H5P_DEFAULT, storage, H5P_DEFAULT);
    static uint8_t values[AXIS_MAX * AXIS_MAX * AXIS_MAX * AXIS_MAX * 16];
    memset(values, 0, sizeof values);
    if (p->at < p->size)
        memcpy(values, p->bytes + p->at, p->size - p->at < sizeof values ? p->size - p->at : sizeof values);
    if (array >= 0)
        H5Dwrite(array, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values);
    H5Dclose(array);
    H5Sclose(space);
    H5Pclose(storage);
}

/* What stands under the name "train": the array, a link to it, something else, or nothing. */
static void
fill(hid_t file, plan *p)
{
    switch (next(p) % 6) {
    case 0:
        H5Lcreate_soft("/other", file, "train", H5P_DEFAULT, H5P_DEFAULT);
        add_array(file, p, "other");
        break;
    case 1:
        H5Lcreate_external("elsewhere.hdf5", "/train", file, "train", H5P_DEFAULT, H5P_DEFAULT);
        break;
    case 2:
        H5Gclose(H5Gcreate2(file, "train", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
        break;
    default:
        add_array(file, p, "train");
    }
}

/*
 * Errors are not printed. The metadata cache of an open file is 700 KB, which libhdf5 by its defaults gives back to the
 * kernel at each close: three quarters of the target's time were page faults.
 */
static void
prepare_library(void)
{
    static bool prepared;
    if (prepared)
        return;
    prepared = true;
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    H5set_free_list_limits(KEEP, KEEP, KEEP, KEEP, KEEP, KEEP);
}

size_t
hdf5_image(const uint8_t *bytes, size_t size, uint8_t *image, size_t max)
{
    plan p = {bytes, size, 0};
    prepare_library();
    hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    H5Pset_fapl_core(access, GROWTH, 0);
    H5Pset_libver_bounds(access, next(&p) % 2 ? H5F_LIBVER_LATEST : H5F_LIBVER_EARLIEST, H5F_LIBVER_LATEST);
    hid_t file = H5Fcreate("image", H5F_ACC_TRUNC, H5P_DEFAULT, access);
    fill(file, &p);
    H5Fflush(file, H5F_SCOPE_GLOBAL);
    ssize_t length = H5Fget_file_image(file, image, max);
    H5Fclose(file);
    H5Pclose(access);
    return length > 0 ? (size_t)length : 0;
}
