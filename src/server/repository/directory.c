#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/repository/repository_private.h"

static bool
make_temporary(vmxd_repository *repository, vmxd_status *status)
{
    const char *parent = getenv("TMPDIR");
    snprintf(repository->temporary, sizeof repository->temporary, "%s/vecmuxd-XXXXXX", parent ? parent : "/tmp");
    if (mkdtemp(repository->temporary))
        return true;
    int error = errno;
    vmxd_refuse(status, GRPC_STATUS_INTERNAL, "%s: cannot be made: %s", repository->temporary, strerror(error));
    repository->temporary[0] = '\0';
    return false;
}

static const char *const folders[] = {"uploads", "blobs", "new", "gone"};

#define FOLDERS (sizeof folders / sizeof folders[0])

static bool
make_directories(int fd, vmxd_status *status)
{
    bool made = true;
    for (size_t i = 0; i < FOLDERS && made; i++)
        made = vmxd_disk_make_directory(fd, folders[i], status);
    return made;
}

/* Locked. */
static int
open_directory(vmxd_repository *repository, vmxd_status *status)
{
    char path[PATH_MAX + 16];
    bool kept = repository->options.directory != NULL;
    if (!kept && !make_temporary(repository, status))
        return -1;
    snprintf(path, sizeof path, "%s%s", kept ? repository->options.directory : repository->temporary,
             kept ? "/repository" : "");
    int fd = -1;
    if (vmxd_disk_make_directory(AT_FDCWD, path, status))
        fd = vmxd_disk_open(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, status);
    if (fd >= 0 && !make_directories(fd, status)) {
        close(fd);
        fd = -1;
    }
    return fd;
}

int
vmxd_repository_directory(vmxd_repository *repository, vmxd_status *status)
{
    pthread_mutex_lock(&repository->lock);
    if (repository->fd < 0)
        repository->fd = open_directory(repository, status);
    int fd = repository->fd;
    pthread_mutex_unlock(&repository->lock);
    return fd;
}

void
vmxd_repository_remove(const vmxd_repository *repository, const char *path)
{
    char id[33], gone[VMXD_PATH_BYTES];
    vmxd_status ignored;
    vmxd_random_id(id);
    snprintf(gone, sizeof gone, "gone/%s", id);
    vmxd_disk_rename(repository->fd, path, gone, &ignored);
    vmxd_disk_remove(repository->fd, gone);
    vmxd_disk_remove(repository->fd, path); /* if it could not be renamed */
}

static void
remove_entry(void *user, const char *name)
{
    const int *dir = user;
    vmxd_disk_remove(*dir, name);
}

void
vmxd_repository_clear_folder(const vmxd_repository *repository, const char *folder)
{
    vmxd_status ignored;
    int dir = openat(repository->fd, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        return;
    vmxd_disk_list(dir, ".", remove_entry, &dir, &ignored);
    close(dir);
}

void
vmxd_repository_remove_temporary(const vmxd_repository *repository)
{
    for (size_t i = 0; i < FOLDERS; i++) {
        vmxd_repository_clear_folder(repository, folders[i]);
        unlinkat(repository->fd, folders[i], AT_REMOVEDIR);
    }
    rmdir(repository->temporary);
}
