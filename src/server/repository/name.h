/*
 * server/repository/name.h: names of blobs, as proto/vecmux/repository.proto allows them, and where they are stored.
 */
#ifndef VMXD_REPOSITORY_NAME_H
#define VMXD_REPOSITORY_NAME_H

#include "server/repository/disk.h"

#define VMXD_MAX_BLOB_NAME_BYTES 512
#define VMXD_MAX_SEGMENT_BYTES   255

/* INVALID_ARGUMENT, naming `field`, if it is no name of a blob. */
bool
vmxd_blob_name_check(const char *field, const char *name, vmxd_status *status);

/* "blobs/" and the SHA-256 of the name in hexadecimal: no name can reach a file of another. False: memory is out. */
bool
vmxd_blob_name_path(const char *name, char out[VMXD_PATH_BYTES], vmxd_status *status);

#endif
