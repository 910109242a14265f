#include "server/repository/upload.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/alloc.h"
#include "server/message_copy.h"
#include "server/repository/part.h"
#include "server/repository/upload_private.h"

const Vmxd__StoredUpload *
vmxd_upload_stored(const vmxd_upload *upload)
{
    return upload->stored;
}

void
vmxd_upload_touch(vmxd_upload *upload)
{
    atomic_store(&upload->touched_ms, vmxd_unix_ms());
}

uint64_t
vmxd_upload_touched_ms(const vmxd_upload *upload)
{
    return atomic_load(&upload->touched_ms);
}

vmxd_upload *
vmxd_upload_ref(vmxd_upload *upload)
{
    atomic_fetch_add(&upload->refs, 1);
    return upload;
}

void
vmxd_upload_unref(vmxd_upload *upload)
{
    if (atomic_fetch_sub(&upload->refs, 1) != 1)
        return;
    for (size_t i = 0; i < upload->part_count; i++)
        vmxd_part_free(upload->parts[i]);
    if (upload->data_fd >= 0)
        close(upload->data_fd);
    if (upload->table_fd >= 0)
        close(upload->table_fd);
    pthread_mutex_destroy(&upload->lock);
    vmxd__stored_upload__free_unpacked(upload->stored, NULL);
    vmx_dealloc(upload->parts);
    vmx_dealloc(upload);
}

/* Takes `stored` over. */
static vmxd_upload *
upload_new(vmxd_repository *repository, Vmxd__StoredUpload *stored)
{
    vmxd_upload *upload = vmx_calloc(1, sizeof *upload);
    if (!upload) {
        vmxd__stored_upload__free_unpacked(stored, NULL);
        return NULL;
    }
    atomic_init(&upload->refs, 1);
    vmxd_upload_touch(upload);
    upload->repository = repository;
    upload->stored = stored;
    upload->data_fd = upload->table_fd = -1;
    upload->known = stored->begin->_total_bytes_case != REPOSITORY__BEGIN_UPLOAD_REQUEST___TOTAL_BYTES__NOT_SET;
    upload->total = upload->known ? stored->begin->total_bytes : 0;
    upload->part_bytes = stored->begin->part_bytes;
    upload->algorithm = (vmx_digest_algorithm)stored->begin->digest;
    pthread_mutex_init(&upload->lock, NULL);
    snprintf(upload->path, sizeof upload->path, "uploads/%.32s", stored->upload_id);
    return upload;
}

uint32_t
vmxd_upload_count_parts(uint64_t total, uint64_t part_bytes)
{
    return (uint32_t)((total + part_bytes - 1) / part_bytes);
}

/* --- parts --------------------------------------------------------------------------------------------------------- */

vmxd_part *
vmxd_upload_part(vmxd_upload *upload, uint32_t number, bool make)
{
    pthread_mutex_lock(&upload->lock);
    if (make && number >= upload->part_count) {
        size_t count = number + 16;
        vmxd_part **grown = vmx_realloc(upload->parts, count * sizeof(vmxd_part *));
        if (grown) {
            memset(grown + upload->part_count, 0, (count - upload->part_count) * sizeof(vmxd_part *));
            upload->parts = grown;
            upload->part_count = count;
        }
    }
    vmxd_part *part = number < upload->part_count ? upload->parts[number] : NULL;
    if (make && !part && number < upload->part_count)
        part = upload->parts[number] = vmxd_part_new(upload->algorithm);
    pthread_mutex_unlock(&upload->lock);
    return part;
}

uint64_t
vmxd_upload_part_limit(const vmxd_upload *upload, uint32_t number)
{
    uint64_t begin = number * upload->part_bytes;
    if (!upload->known)
        return number < VMXD_MAX_PARTS ? upload->part_bytes : 0;
    if (begin >= upload->total)
        return 0;
    return upload->total - begin < upload->part_bytes ? upload->total - begin : upload->part_bytes;
}

static bool
describe_parts(vmxd_upload *upload, vmx_arena *arena, Repository__Upload *out)
{
    pthread_mutex_lock(&upload->lock);
    size_t count = upload->part_count;
    pthread_mutex_unlock(&upload->lock);
    out->parts = vmx_arena_calloc(arena, count + 1, sizeof *out->parts);
    for (uint32_t i = 0; out->parts && i < count; i++) {
        vmxd_part *part = vmxd_upload_part(upload, i, false);
        if (!part)
            continue;
        Repository__Part *told = vmx_arena_alloc(arena, sizeof *told);
        uint8_t *digest = vmx_arena_alloc(arena, VMX_DIGEST_MAX_BYTES);
        if (!told || !digest)
            return false;
        pthread_mutex_lock(&part->lock);
        vmxd_part_describe(part, i, told, digest);
        pthread_mutex_unlock(&part->lock);
        if (told->confirmed_bytes > 0 || told->complete)
            out->parts[out->n_parts++] = told;
    }
    return out->parts != NULL;
}

Repository__Upload *
vmxd_upload_describe(vmxd_upload *upload, vmx_arena *arena)
{
    Repository__Upload *out = vmx_arena_alloc(arena, sizeof *out);
    if (!out)
        return NULL;
    repository__upload__init(out);
    out->upload_id = upload->stored->upload_id;
    out->name = upload->stored->begin->name;
    out->part_bytes = upload->part_bytes;
    out->digest = (Repository__DigestAlgorithm)upload->algorithm;
    if (upload->known) {
        out->_total_bytes_case = REPOSITORY__UPLOAD___TOTAL_BYTES_TOTAL_BYTES;
        out->total_bytes = upload->total;
    }
    return describe_parts(upload, arena, out) ? out : NULL;
}

/* --- new, and found ------------------------------------------------------------------------------------------------ */

static Vmxd__StoredUpload *
store_begin(const Repository__BeginUploadRequest *begin)
{
    char id[33];
    vmxd_random_id(id);
    Vmxd__StoredUpload draft;
    vmxd__stored_upload__init(&draft);
    draft.upload_id = id;
    draft.begin = (Repository__BeginUploadRequest *)begin;
    return vmxd_copy_message(&draft.base, NULL);
}

static bool
open_files(vmxd_upload *upload, int directory, int flags, vmxd_status *status)
{
    char path[VMXD_PATH_BYTES + 8];
    snprintf(path, sizeof path, "%s/data", upload->path);
    upload->data_fd = vmxd_disk_open(directory, path, O_RDWR | flags, status);
    snprintf(path, sizeof path, "%s/parts", upload->path);
    upload->table_fd = upload->data_fd < 0 ? -1 : vmxd_disk_open(directory, path, O_RDWR | flags, status);
    return upload->table_fd >= 0;
}

/* "upload" is written last: without it the directory is no upload. */
static bool
make_files(vmxd_upload *upload, vmxd_status *status)
{
    char path[VMXD_PATH_BYTES + 8];
    int directory = vmxd_repository_directory(upload->repository, status);
    if (directory < 0 || !vmxd_disk_make_directory(directory, upload->path, status))
        return false;
    snprintf(path, sizeof path, "%s/upload", upload->path);
    return open_files(upload, directory, O_CREAT, status) &&
           vmxd_disk_write_message(directory, path, &upload->stored->base, status) &&
           vmxd_disk_sync_directory(directory, "uploads", status);
}

vmxd_upload *
vmxd_upload_new(vmxd_repository *repository, const Repository__BeginUploadRequest *begin, vmxd_status *status)
{
    Vmxd__StoredUpload *stored = store_begin(begin);
    vmxd_upload *upload = stored ? upload_new(repository, stored) : NULL;
    if (!upload) {
        vmxd_no_memory(status);
        return NULL;
    }
    if (!vmxd_repository_reserve(repository, upload->total, status)) {
        vmxd_upload_unref(upload);
        return NULL;
    }
    bool made = vmxd_repository_discards(repository) || make_files(upload, status);
    if (made && vmxd_repository_add_upload(repository, upload))
        return upload;
    if (made)
        vmxd_no_memory(status);
    vmxd_upload_remove(upload);
    vmxd_repository_release(repository, upload->total);
    vmxd_upload_unref(upload);
    return NULL;
}

static bool
load_parts(vmxd_upload *upload, vmxd_status *status)
{
    off_t end = lseek(upload->table_fd, 0, SEEK_END);
    for (uint32_t i = 0; (off_t)(i + 1) * VMXD_PART_RECORD_BYTES <= end && i < VMXD_MAX_PARTS; i++) {
        uint8_t record[VMXD_PART_RECORD_BYTES];
        vmxd_part *part = vmxd_upload_part(upload, i, true);
        if (!vmxd_disk_read(upload->table_fd, record, sizeof record, (uint64_t)i * sizeof record, upload->path, status))
            return false;
        if (!part ||
            !vmxd_part_load(part, record, upload->data_fd, i * upload->part_bytes, vmxd_upload_part_limit(upload, i)))
            return vmxd_no_memory(status);
        part->reserved = part->confirmed;
        if (!upload->known)
            upload->total += part->confirmed;
    }
    return true;
}

/* A restart is no touch: what counts is when a part was last written. */
static void
load_touched(vmxd_upload *upload)
{
    struct stat facts;
    if (fstat(upload->table_fd, &facts) == 0)
        atomic_store(&upload->touched_ms,
                     (uint64_t)facts.st_mtim.tv_sec * 1000 + (uint64_t)facts.st_mtim.tv_nsec / 1000000);
}

vmxd_upload *
vmxd_upload_load(vmxd_repository *repository, const char *id, vmxd_status *status)
{
    char path[VMXD_PATH_BYTES];
    int directory = vmxd_repository_directory(repository, status);
    snprintf(path, sizeof path, "uploads/%.32s/upload", id);
    Vmxd__StoredUpload *stored =
        (Vmxd__StoredUpload *)vmxd_disk_read_message(directory, path, &vmxd__stored_upload__descriptor, status);
    if (!stored && faccessat(directory, path, F_OK, 0) == 0)
        return NULL; /* what was uploaded stays where it is */
    if (!stored || !stored->begin || strcmp(stored->upload_id, id) != 0) {
        /* never begun, or a blob that was replaced just before the server ended */
        if (stored)
            vmxd__stored_upload__free_unpacked(stored, NULL);
        snprintf(path, sizeof path, "uploads/%.32s", id);
        vmxd_disk_remove(directory, path);
        status->text[0] = '\0';
        return NULL;
    }
    vmxd_upload *upload = upload_new(repository, stored);
    if (!upload) {
        vmxd_no_memory(status);
        return NULL;
    }
    if (open_files(upload, directory, 0, status) && load_parts(upload, status)) {
        load_touched(upload);
        vmxd_repository_take(repository, upload->total);
        return upload;
    }
    vmxd_upload_unref(upload);
    return NULL;
}

/* --- the end ------------------------------------------------------------------------------------------------------- */

void
vmxd_upload_remove(vmxd_upload *upload)
{
    if (!vmxd_repository_discards(upload->repository))
        vmxd_repository_remove(upload->repository, upload->path);
}

/* Its state is GONE, by the caller. */
static void
leave(vmxd_upload *upload, uint64_t reserved)
{
    vmxd_repository_drop_upload(upload->repository, upload);
    vmxd_upload_remove(upload);
    vmxd_repository_release(upload->repository, reserved);
}

bool
vmxd_upload_expire(vmxd_upload *upload)
{
    pthread_mutex_lock(&upload->lock);
    bool mine = upload->state == VMXD_UPLOAD_OPEN;
    if (mine)
        upload->state = VMXD_UPLOAD_GONE;
    uint64_t reserved = upload->total;
    pthread_mutex_unlock(&upload->lock);
    if (mine)
        leave(upload, reserved);
    else
        vmxd_upload_touch(upload);
    return mine;
}

bool
vmxd_upload_abort(vmxd_upload *upload)
{
    pthread_mutex_lock(&upload->lock);
    bool mine = upload->state == VMXD_UPLOAD_OPEN, completing = upload->state == VMXD_UPLOAD_COMPLETING;
    if (mine)
        upload->state = VMXD_UPLOAD_GONE;
    upload->unwanted = upload->unwanted || completing; /* then its completion takes it back */
    uint64_t reserved = upload->total;
    pthread_mutex_unlock(&upload->lock);
    if (mine)
        leave(upload, reserved);
    return mine || completing;
}
