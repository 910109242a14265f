#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "server/repository/name.h"
#include "server/repository/repository_private.h"

/* Locked. The directory takes the blob's place; `*exchanged`: what stood there has its own now. */
static bool
move_into_place(vmxd_repository *repository, const char *path, const char *place, bool *exchanged, vmxd_status *status)
{
    int fd = repository->fd;
    *exchanged = renameat(fd, path, fd, place) != 0; /* also of a blob that could not be read: it is in nobody's way */
    bool taken = *exchanged && (errno == ENOTEMPTY || errno == EEXIST);
    if (*exchanged && !(taken && renameat2(fd, path, fd, place, RENAME_EXCHANGE) == 0))
        return vmxd_refuse(status, GRPC_STATUS_INTERNAL, "%s: cannot be renamed: %s", path, strerror(errno));
    return true;
}

/* The blob is in the list and, unless it is discarded, in its place: both or none, for who looks under the lock. */
static bool
put(vmxd_repository *repository, vmxd_blob *made, const char *path, bool *exchanged, vmxd_status *status)
{
    pthread_mutex_lock(&repository->lock);
    bool done = vmxd_repository_make_room(repository) || vmxd_no_memory(status);
    done = done && (made->discarded || move_into_place(repository, path, made->path, exchanged, status));
    if (done)
        vmxd_repository_put(repository, vmxd_blob_ref(made));
    pthread_mutex_unlock(&repository->lock);
    return done;
}

/* From now on it is there whatever happens, and what stood there is not. */
static bool
settle(vmxd_repository *repository, const vmxd_blob *made, const char *path, bool exchanged, vmxd_status *status)
{
    if (made->discarded)
        return true;
    if (!vmxd_disk_sync_directory(repository->fd, "blobs", status))
        return false;
    if (exchanged)
        vmxd_repository_remove(repository, path);
    return true;
}

static bool
write_blob_file(vmxd_repository *repository, const Vmxd__StoredBlob *stored, const char *path, vmxd_status *status)
{
    char file[VMXD_PATH_BYTES + 8];
    snprintf(file, sizeof file, "%s/blob", path);
    return vmxd_disk_write_message(repository->fd, file, &stored->base, status);
}

/* `publishing` is held. */
static bool
publish(vmxd_repository *repository, const Vmxd__StoredBlob *stored, const char *path, bool replace, vmxd_blob **blob,
        vmxd_status *status)
{
    char place[VMXD_PATH_BYTES];
    const char *name = stored->blob->name;
    bool discards = repository->options.discards && stored->blob->build_id[0] == '\0';
    vmxd_blob *old = vmxd_repository_find(repository, name);
    vmxd_blob_unref(old); /* the list keeps it: only who publishes or deletes takes it off */
    if (old && !replace)
        return vmxd_refuse(status, GRPC_STATUS_ALREADY_EXISTS,
                           "a blob \"%.*s\" is there already; delete it, or set replace", vmxd_clip(name), name);
    if (!vmxd_blob_name_path(name, place, status) || (!discards && !write_blob_file(repository, stored, path, status)))
        return false;
    vmxd_blob *made = vmxd_blob_new(stored, place, discards);
    if (!made)
        return vmxd_no_memory(status);
    bool exchanged = false;
    if (!put(repository, made, path, &exchanged, status) || !settle(repository, made, path, exchanged, status)) {
        vmxd_blob_unref(made);
        return false;
    }
    *blob = made;
    return true;
}

bool
vmxd_repository_publish(vmxd_repository *repository, const Vmxd__StoredBlob *stored, const char *path, bool replace,
                        vmxd_blob **blob, vmxd_status *status)
{
    pthread_mutex_lock(&repository->publishing);
    bool done = publish(repository, stored, path, replace, blob, status);
    pthread_mutex_unlock(&repository->publishing);
    return done;
}

static bool
remove_named(vmxd_repository *repository, const char *name, const vmxd_blob *only)
{
    pthread_mutex_lock(&repository->publishing);
    vmxd_blob *blob = vmxd_repository_take_off(repository, name, only);
    if (blob && !blob->discarded)
        vmxd_repository_remove(repository, blob->path);
    pthread_mutex_unlock(&repository->publishing);
    vmxd_blob_unref(blob);
    return blob != NULL;
}

bool
vmxd_repository_delete(vmxd_repository *repository, const char *name)
{
    return remove_named(repository, name, NULL);
}

bool
vmxd_repository_delete_blob(vmxd_repository *repository, const vmxd_blob *blob)
{
    return remove_named(repository, vmxd_blob_info(blob)->name, blob);
}
