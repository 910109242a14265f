#include "server/repository/repository.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/alloc.h"
#include "server/repository/name.h"
#include "server/repository/upload.h"

struct vmxd_repository {
    vmxd_repository_options options;
    pthread_mutex_t publishing; /* one at a time; taken before `lock` */
    pthread_mutex_t lock;
    int fd;                           /* locked; -1: not made yet */
    char temporary[PATH_MAX];         /* locked; "" if it is not */
    vmxd_blob **blobs;                /* locked; in bytewise order of their names */
    size_t blob_count, blob_room;     /* locked */
    vmxd_upload **uploads;            /* locked */
    size_t upload_count, upload_room; /* locked */
    uint64_t used_bytes;              /* locked */
    _Atomic uint64_t received_bytes, sent_bytes;
};

uint64_t
vmxd_unix_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* --- directories --------------------------------------------------------------------------------------------------- */

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

static bool
make_directories(int fd, vmxd_status *status)
{
    return vmxd_disk_make_directory(fd, "uploads", status) && vmxd_disk_make_directory(fd, "blobs", status) &&
           vmxd_disk_make_directory(fd, "new", status);
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

static void
remove_entry(void *user, const char *name)
{
    const int *dir = user;
    vmxd_disk_remove(*dir, name);
}

static void
remove_entries(int fd, const char *path)
{
    vmxd_status ignored;
    int dir = openat(fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        return;
    vmxd_disk_list(dir, ".", remove_entry, &dir, &ignored);
    close(dir);
}

static void
remove_temporary(vmxd_repository *repository)
{
    static const char *const folders[] = {"uploads", "blobs", "new"};
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        remove_entries(repository->fd, folders[i]);
        unlinkat(repository->fd, folders[i], AT_REMOVEDIR);
    }
    rmdir(repository->temporary);
}

/* --- the list of blobs --------------------------------------------------------------------------------------------- */

/* Where `name` stands, or would stand. Locked. */
static size_t
position(const vmxd_repository *repository, const char *name, bool *found)
{
    size_t low = 0, high = repository->blob_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(vmxd_blob_info(repository->blobs[middle])->name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *found = low < repository->blob_count && strcmp(vmxd_blob_info(repository->blobs[low])->name, name) == 0;
    return low;
}

static bool
make_room(void *array, size_t count, size_t *room, size_t width)
{
    void **at = array;
    if (count < *room)
        return true;
    void *grown = vmx_realloc(*at, (*room * 2 + 16) * width);
    if (!grown)
        return false;
    *at = grown;
    *room = *room * 2 + 16;
    return true;
}

/* Locked. Takes the reference; one of the same name goes. The list has room. */
static void
put_blob(vmxd_repository *repository, vmxd_blob *blob)
{
    bool found;
    size_t at = position(repository, vmxd_blob_info(blob)->name, &found);
    vmxd_blob **place = repository->blobs + at;
    if (found) {
        repository->used_bytes -= (*place)->bytes;
        vmxd_blob_unref(*place);
    } else {
        memmove(place + 1, place, (repository->blob_count++ - at) * sizeof *place);
    }
    *place = blob;
}

vmxd_blob *
vmxd_repository_find(vmxd_repository *repository, const char *name)
{
    bool found;
    pthread_mutex_lock(&repository->lock);
    size_t at = position(repository, name, &found);
    vmxd_blob *blob = found ? vmxd_blob_ref(repository->blobs[at]) : NULL;
    pthread_mutex_unlock(&repository->lock);
    return blob;
}

vmxd_blob *
vmxd_repository_find_uploaded(vmxd_repository *repository, const char *upload_id)
{
    vmxd_blob *blob = NULL;
    pthread_mutex_lock(&repository->lock);
    for (size_t i = 0; i < repository->blob_count && !blob; i++)
        if (strcmp(repository->blobs[i]->stored->upload_id, upload_id) == 0)
            blob = vmxd_blob_ref(repository->blobs[i]);
    pthread_mutex_unlock(&repository->lock);
    return blob;
}

void
vmxd_repository_list(vmxd_repository *repository, const char *prefix, const char *after, vmxd_blob **blobs,
                     size_t *count, bool *more)
{
    bool found;
    size_t room = *count;
    *count = 0;
    *more = false;
    pthread_mutex_lock(&repository->lock);
    size_t at = position(repository, strcmp(after, prefix) > 0 ? after : prefix, &found);
    if (found && strcmp(vmxd_blob_info(repository->blobs[at])->name, after) == 0)
        at++;
    for (; at < repository->blob_count && !*more; at++) {
        if (strncmp(vmxd_blob_info(repository->blobs[at])->name, prefix, strlen(prefix)) != 0)
            break;
        *more = *count == room;
        if (!*more)
            blobs[(*count)++] = vmxd_blob_ref(repository->blobs[at]);
    }
    pthread_mutex_unlock(&repository->lock);
}

/* --- publishing ---------------------------------------------------------------------------------------------------- */

/* The directory takes the blob's place; what stood there is removed. */
static bool
move_into_place(vmxd_repository *repository, const char *path, const char *place, bool exists, vmxd_status *status)
{
    unsigned flags = exists ? RENAME_EXCHANGE : 0;
    if (renameat2(repository->fd, path, repository->fd, place, flags) != 0)
        return vmxd_refuse(status, GRPC_STATUS_INTERNAL, "%s: cannot be renamed: %s", path, strerror(errno));
    if (!vmxd_disk_sync_directory(repository->fd, "blobs", status))
        return false;
    if (exists)
        vmxd_disk_remove(repository->fd, path);
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
    bool room = make_room(&repository->blobs, repository->blob_count, &repository->blob_room, sizeof(vmxd_blob *));
    pthread_mutex_unlock(&repository->lock);
    if (!room || (!discards && !move_into_place(repository, path, place, old != NULL, status))) {
        vmxd_blob_unref(made);
        return room ? false : vmxd_no_memory(status);
    }
    pthread_mutex_lock(&repository->lock);
    put_blob(repository, vmxd_blob_ref(made));
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

/* Takes the blob off the list; the list's reference, or NULL. */
static vmxd_blob *
take_off(vmxd_repository *repository, const char *name)
{
    bool found;
    pthread_mutex_lock(&repository->lock);
    size_t at = position(repository, name, &found);
    vmxd_blob *blob = found ? repository->blobs[at] : NULL;
    if (found) {
        memmove(repository->blobs + at, repository->blobs + at + 1,
                (--repository->blob_count - at) * sizeof *repository->blobs);
        repository->used_bytes -= blob->bytes;
    }
    pthread_mutex_unlock(&repository->lock);
    return blob;
}

bool
vmxd_repository_delete(vmxd_repository *repository, const char *name)
{
    vmxd_status ignored;
    pthread_mutex_lock(&repository->publishing);
    vmxd_blob *blob = take_off(repository, name);
    if (blob && !blob->discarded) {
        vmxd_disk_remove(repository->fd, blob->path);
        vmxd_disk_sync_directory(repository->fd, "blobs", &ignored);
    }
    pthread_mutex_unlock(&repository->publishing);
    vmxd_blob_unref(blob);
    return blob != NULL;
}

/* --- space --------------------------------------------------------------------------------------------------------- */

bool
vmxd_repository_reserve(vmxd_repository *repository, uint64_t bytes, vmxd_status *status)
{
    pthread_mutex_lock(&repository->lock);
    uint64_t used = repository->used_bytes, quota = repository->options.quota_bytes;
    bool fits = quota == 0 || (bytes <= quota && used <= quota - bytes);
    if (fits)
        repository->used_bytes += bytes;
    pthread_mutex_unlock(&repository->lock);
    return fits || vmxd_refuse(status, GRPC_STATUS_RESOURCE_EXHAUSTED,
                               "%" PRIu64 " bytes more do not fit the repository's quota: %" PRIu64 " of %" PRIu64
                               " are used; delete blobs, abort uploads, or raise --quota",
                               bytes, used, quota);
}

void
vmxd_repository_take(vmxd_repository *repository, uint64_t bytes)
{
    pthread_mutex_lock(&repository->lock);
    repository->used_bytes += bytes;
    pthread_mutex_unlock(&repository->lock);
}

void
vmxd_repository_release(vmxd_repository *repository, uint64_t bytes)
{
    pthread_mutex_lock(&repository->lock);
    repository->used_bytes -= bytes;
    pthread_mutex_unlock(&repository->lock);
}

void
vmxd_repository_count(vmxd_repository *repository, uint64_t received, uint64_t sent)
{
    atomic_fetch_add(&repository->received_bytes, received);
    atomic_fetch_add(&repository->sent_bytes, sent);
}

void
vmxd_repository_describe(vmxd_repository *repository, Repository__RepositoryDescription *out)
{
    repository__repository_description__init(out);
    pthread_mutex_lock(&repository->lock);
    out->quota_bytes = repository->options.quota_bytes;
    out->used_bytes = repository->used_bytes;
    out->blob_count = (uint32_t)repository->blob_count;
    out->upload_count = (uint32_t)repository->upload_count;
    pthread_mutex_unlock(&repository->lock);
    out->durable = repository->options.directory != NULL && !repository->options.discards;
    out->discards = repository->options.discards;
    out->default_part_bytes = VMXD_DEFAULT_PART_BYTES;
    out->max_chunk_bytes = VMXD_MAX_CHUNK_BYTES;
    out->received_bytes = atomic_load(&repository->received_bytes);
    out->sent_bytes = atomic_load(&repository->sent_bytes);
}

bool
vmxd_repository_discards(const vmxd_repository *repository)
{
    return repository->options.discards;
}

/* --- uploads ------------------------------------------------------------------------------------------------------- */

vmxd_upload *
vmxd_repository_upload(vmxd_repository *repository, const char *upload_id)
{
    vmxd_upload *found = NULL;
    pthread_mutex_lock(&repository->lock);
    for (size_t i = 0; i < repository->upload_count && !found; i++)
        if (strcmp(vmxd_upload_stored(repository->uploads[i])->upload_id, upload_id) == 0)
            found = vmxd_upload_ref(repository->uploads[i]);
    pthread_mutex_unlock(&repository->lock);
    return found;
}

vmxd_upload *
vmxd_repository_upload_of(vmxd_repository *repository, const char *name, const char *key)
{
    vmxd_upload *found = NULL;
    pthread_mutex_lock(&repository->lock);
    for (size_t i = 0; i < repository->upload_count && !found; i++) {
        const Repository__BeginUploadRequest *begin = vmxd_upload_stored(repository->uploads[i])->begin;
        if (strcmp(begin->name, name) == 0 && strcmp(begin->upload_key, key) == 0)
            found = vmxd_upload_ref(repository->uploads[i]);
    }
    pthread_mutex_unlock(&repository->lock);
    return found;
}

bool
vmxd_repository_add_upload(vmxd_repository *repository, vmxd_upload *upload)
{
    pthread_mutex_lock(&repository->lock);
    bool room =
        make_room(&repository->uploads, repository->upload_count, &repository->upload_room, sizeof(vmxd_upload *));
    if (room)
        repository->uploads[repository->upload_count++] = vmxd_upload_ref(upload);
    pthread_mutex_unlock(&repository->lock);
    return room;
}

bool
vmxd_repository_drop_upload(vmxd_repository *repository, vmxd_upload *upload)
{
    bool found = false;
    pthread_mutex_lock(&repository->lock);
    for (size_t i = 0; i < repository->upload_count && !found; i++) {
        found = repository->uploads[i] == upload;
        if (found)
            repository->uploads[i] = repository->uploads[--repository->upload_count];
    }
    pthread_mutex_unlock(&repository->lock);
    if (found)
        vmxd_upload_unref(upload);
    return found;
}

/* --- opening and closing ------------------------------------------------------------------------------------------- */

/* What cannot be read is told, and left where it is. */
static void
load_blob(void *user, const char *name)
{
    vmxd_repository *repository = user;
    vmxd_status status;
    char path[VMXD_PATH_BYTES], file[VMXD_PATH_BYTES + 8];
    snprintf(path, sizeof path, "blobs/%.64s", name);
    snprintf(file, sizeof file, "%s/blob", path);
    Vmxd__StoredBlob *stored =
        (Vmxd__StoredBlob *)vmxd_disk_read_message(repository->fd, file, &vmxd__stored_blob__descriptor, &status);
    bool whole = stored && stored->blob && stored->blob->n_forms > 0;
    vmxd_blob *blob = whole ? vmxd_blob_adopt(stored, path, false) : NULL;
    if (!blob || !make_room(&repository->blobs, repository->blob_count, &repository->blob_room, sizeof(vmxd_blob *))) {
        fprintf(stderr, "vecmuxd: a blob is left out: %s\n", stored ? "memory is out" : status.text);
        vmxd_blob_unref(blob);
        return;
    }
    repository->used_bytes += blob->bytes;
    put_blob(repository, blob);
}

static void
load_upload(void *user, const char *name)
{
    vmxd_repository *repository = user;
    vmxd_status status;
    vmxd_upload *upload = vmxd_upload_load(repository, name, &status);
    if (upload && !vmxd_repository_add_upload(repository, upload))
        vmxd_no_memory(&status);
    else if (upload)
        status.text[0] = '\0';
    if (status.text[0] != '\0')
        fprintf(stderr, "vecmuxd: an unfinished upload is left out: %s\n", status.text);
    if (upload)
        vmxd_upload_unref(upload);
}

static bool
load(vmxd_repository *repository, vmxd_status *status)
{
    if (vmxd_repository_directory(repository, status) < 0)
        return false;
    remove_entries(repository->fd, "new");
    return vmxd_disk_list(repository->fd, "blobs", load_blob, repository, status) &&
           vmxd_disk_list(repository->fd, "uploads", load_upload, repository, status);
}

vmxd_repository *
vmxd_repository_open(const vmxd_repository_options *options, vmxd_status *status)
{
    vmxd_repository *repository = vmx_calloc(1, sizeof *repository);
    if (!repository) {
        vmxd_no_memory(status);
        return NULL;
    }
    repository->options = *options;
    repository->fd = -1;
    pthread_mutex_init(&repository->lock, NULL);
    pthread_mutex_init(&repository->publishing, NULL);
    if (!options->directory || load(repository, status))
        return repository;
    vmxd_repository_close(repository);
    return NULL;
}

void
vmxd_repository_close(vmxd_repository *repository)
{
    if (!repository)
        return;
    for (size_t i = 0; i < repository->upload_count; i++)
        vmxd_upload_unref(repository->uploads[i]);
    for (size_t i = 0; i < repository->blob_count; i++)
        vmxd_blob_unref(repository->blobs[i]);
    if (repository->temporary[0] != '\0' && repository->fd >= 0)
        remove_temporary(repository);
    if (repository->fd >= 0)
        close(repository->fd);
    pthread_mutex_destroy(&repository->lock);
    pthread_mutex_destroy(&repository->publishing);
    vmx_dealloc(repository->uploads);
    vmx_dealloc(repository->blobs);
    vmx_dealloc(repository);
}
