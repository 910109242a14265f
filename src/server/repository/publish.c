#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "server/repository/name.h"
#include "server/repository/repository_private.h"

/* The directory takes the blob's place; what stood there is removed. */
static bool
move_into_place(vmxd_repository *repository, const char *path, const char *place, bool exists, vmxd_status *status)
{
    bool moved = renameat2(repository->fd, path, repository->fd, place, exists ? RENAME_EXCHANGE : 0) == 0;
    if (!moved && !exists &&
        (errno == ENOTEMPTY || errno == EEXIST)) { /* a blob that could not be read: in nobody's way */
        exists = true;
        moved = renameat2(repository->fd, path, repository->fd, place, RENAME_EXCHANGE) == 0;
    }
    if (!moved)
        return vmxd_refuse(status, GRPC_STATUS_INTERNAL, "%s: cannot be renamed: %s", path, strerror(errno));
    if (!vmxd_disk_sync_directory(repository->fd, "blobs", status))
        return false;
    if (exists)
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
    pthread_mutex_lock(&repository->lock);
    bool room = vmxd_repository_make_room(repository);
    pthread_mutex_unlock(&repository->lock);
    if (!room || (!discards && !move_into_place(repository, path, place, old != NULL, status))) {
        vmxd_blob_unref(made);
        return room ? false : vmxd_no_memory(status);
    }
    pthread_mutex_lock(&repository->lock);
    vmxd_repository_put(repository, vmxd_blob_ref(made));
    pthread_mutex_unlock(&repository->lock);
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

static bool delete (vmxd_repository *repository, const char *name, const vmxd_blob *only)
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
    return delete (repository, name, NULL);
}

bool
vmxd_repository_delete_blob(vmxd_repository *repository, const vmxd_blob *blob)
{
    return delete (repository, vmxd_blob_info(blob)->name, blob);
}
