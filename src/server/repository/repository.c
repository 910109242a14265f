#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/sync.h"
#include "server/repository/expiry.h"
#include "server/repository/repository_private.h"
#include "server/repository/upload.h"

uint64_t
vmxd_unix_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
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

bool
vmxd_repository_make_room(vmxd_repository *repository)
{
    return make_room(&repository->blobs, repository->blob_count, &repository->blob_room, sizeof(vmxd_blob *));
}

void
vmxd_repository_put(vmxd_repository *repository, vmxd_blob *blob)
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
vmxd_repository_take_off(vmxd_repository *repository, const char *name, const vmxd_blob *only)
{
    bool found;
    pthread_mutex_lock(&repository->lock);
    size_t at = position(repository, name, &found);
    vmxd_blob *blob = found && (!only || repository->blobs[at] == only) ? repository->blobs[at] : NULL;
    if (blob) {
        memmove(repository->blobs + at, repository->blobs + at + 1,
                (--repository->blob_count - at) * sizeof *repository->blobs);
        repository->used_bytes -= blob->bytes;
    }
    pthread_mutex_unlock(&repository->lock);
    return blob;
}

vmxd_blob *
vmxd_repository_peek(vmxd_repository *repository, const char *name)
{
    bool found;
    pthread_mutex_lock(&repository->lock);
    size_t at = position(repository, name, &found);
    vmxd_blob *blob = found ? vmxd_blob_ref(repository->blobs[at]) : NULL;
    pthread_mutex_unlock(&repository->lock);
    return blob;
}

vmxd_blob *
vmxd_repository_find(vmxd_repository *repository, const char *name)
{
    vmxd_blob *blob = vmxd_repository_peek(repository, name);
    if (blob)
        vmxd_blob_touch(blob);
    return blob;
}

vmxd_blob *
vmxd_repository_open_blob(vmxd_repository *repository, const char *name, int *data, vmxd_status *status)
{
    bool found;
    char path[VMXD_PATH_BYTES + 8];
    *data = -1;
    pthread_mutex_lock(&repository->lock); /* the list and the directory say the same */
    size_t at = position(repository, name, &found);
    vmxd_blob *blob = found ? vmxd_blob_ref(repository->blobs[at]) : NULL;
    if (blob && !blob->discarded) {
        snprintf(path, sizeof path, "%s/data", blob->path);
        *data = vmxd_disk_open(repository->fd, path, O_RDONLY, status);
    }
    pthread_mutex_unlock(&repository->lock);
    if (blob)
        vmxd_blob_touch(blob);
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
    if (found)
        vmxd_upload_touch(found);
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
    if (found)
        vmxd_upload_touch(found);
    return found;
}

void
vmxd_repository_lock_beginning(vmxd_repository *repository)
{
    pthread_mutex_lock(&repository->beginning);
}

void
vmxd_repository_unlock_beginning(vmxd_repository *repository)
{
    pthread_mutex_unlock(&repository->beginning);
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
    if (!blob || !vmxd_repository_make_room(repository)) {
        fprintf(stderr, "vecmuxd: a blob is left out: %s\n", stored ? "memory is out" : status.text);
        vmxd_blob_unref(blob);
        return;
    }
    repository->used_bytes += blob->bytes;
    vmxd_repository_put(repository, blob);
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
    vmxd_repository_clear_folder(repository, "new");
    vmxd_repository_clear_folder(repository, "gone");
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
    pthread_mutex_init(&repository->beginning, NULL);
    vmx_cond_init(&repository->wake);
    if ((!options->directory || load(repository, status)) && vmxd_expiry_start(repository, status))
        return repository;
    vmxd_repository_close(repository);
    return NULL;
}

void
vmxd_repository_close(vmxd_repository *repository)
{
    if (!repository)
        return;
    vmxd_expiry_stop(repository);
    for (size_t i = 0; i < repository->upload_count; i++)
        vmxd_upload_unref(repository->uploads[i]);
    for (size_t i = 0; i < repository->blob_count; i++)
        vmxd_blob_unref(repository->blobs[i]);
    if (repository->temporary[0] != '\0' && repository->fd >= 0)
        vmxd_repository_remove_temporary(repository);
    if (repository->fd >= 0)
        close(repository->fd);
    pthread_mutex_destroy(&repository->lock);
    pthread_mutex_destroy(&repository->publishing);
    pthread_mutex_destroy(&repository->beginning);
    pthread_cond_destroy(&repository->wake);
    vmx_dealloc(repository->uploads);
    vmx_dealloc(repository->blobs);
    vmx_dealloc(repository);
}
