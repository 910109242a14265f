/*
 * server/repository/disk.h: files of a directory, by paths relative to its descriptor. What fails is in `status`: a full
 * disk is RESOURCE_EXHAUSTED, everything else INTERNAL; texts name the path. Blocks.
 */
#ifndef VMXD_REPOSITORY_DISK_H
#define VMXD_REPOSITORY_DISK_H

#include <protobuf-c/protobuf-c.h>

#include "core/buffer.h"
#include "server/status.h"

#define VMXD_PATH_BYTES 160 /* "uploads/", 32 digits, "/", a file's name and ".new"; with 64 digits likewise */

/* Not an error if it is there. */
bool
vmxd_disk_make_directory(int dir, const char *path, vmxd_status *status);

/* A descriptor, or -1. */
int
vmxd_disk_open(int dir, const char *path, int flags, vmxd_status *status);

bool
vmxd_disk_write(int fd, const void *data, size_t len, uint64_t offset, const char *path, vmxd_status *status);

/* All `len` bytes; fewer are DATA_LOSS. */
bool
vmxd_disk_read(int fd, void *data, size_t len, uint64_t offset, const char *path, vmxd_status *status);

/* Made durable; of a directory: the names in it. */
bool
vmxd_disk_sync(int fd, const char *path, vmxd_status *status);
bool
vmxd_disk_sync_directory(int dir, const char *path, vmxd_status *status);

/* The message as a file, whole or not at all: written aside, made durable, renamed. */
bool
vmxd_disk_write_message(int dir, const char *path, const ProtobufCMessage *message, vmxd_status *status);

/* For protobuf_c_message_free_unpacked; NULL: it is not there, or damaged (DATA_LOSS). */
ProtobufCMessage *
vmxd_disk_read_message(int dir, const char *path, const ProtobufCMessageDescriptor *descriptor, vmxd_status *status);

/* Durable once the name is out of the directory that it was in. */
bool
vmxd_disk_rename(int dir, const char *from, const char *to, vmxd_status *status);

/* Removes a directory and the files in it; what cannot be removed is told on stderr. */
void
vmxd_disk_remove(int dir, const char *path);

/* Calls `found` with the name of each entry but "." and ".."; false when it cannot be read. */
bool
vmxd_disk_list(int dir, const char *path, void (*found)(void *user, const char *name), void *user, vmxd_status *status);

/* 32 hexadecimal digits from the system's generator, and NUL. */
void
vmxd_random_id(char out[33]);

#endif
