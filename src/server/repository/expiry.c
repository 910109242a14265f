/* What nobody wants any more goes: unfinished uploads and blobs that have not been touched for a time. */
#include "server/repository/expiry.h"

#include <stdio.h>

#include "core/sync.h"
#include "server/repository/repository_private.h"
#include "server/repository/upload.h"

#define MIN_LOOK_MS 5
#define MAX_LOOK_MS 60000

static bool
is_over(uint64_t touched_ms, uint64_t expiry_ms, uint64_t now_ms)
{
    return expiry_ms > 0 && now_ms > touched_ms && now_ms - touched_ms >= expiry_ms;
}

/* A reference to one that is over, or NULL. */
static vmxd_upload *
find_upload(vmxd_repository *repository, uint64_t now_ms)
{
    vmxd_upload *found = NULL;
    pthread_mutex_lock(&repository->lock);
    for (size_t i = 0; i < repository->upload_count && !found; i++)
        if (is_over(vmxd_upload_touched_ms(repository->uploads[i]), repository->options.upload_expiry_ms, now_ms))
            found = vmxd_upload_ref(repository->uploads[i]);
    pthread_mutex_unlock(&repository->lock);
    return found;
}

static vmxd_blob *
find_blob(vmxd_repository *repository, uint64_t now_ms)
{
    vmxd_blob *found = NULL;
    pthread_mutex_lock(&repository->lock);
    for (size_t i = 0; i < repository->blob_count && !found; i++)
        if (is_over(atomic_load(&repository->blobs[i]->touched_ms), repository->options.blob_expiry_ms, now_ms))
            found = vmxd_blob_ref(repository->blobs[i]);
    pthread_mutex_unlock(&repository->lock);
    return found;
}

static void
look(vmxd_repository *repository)
{
    uint64_t now_ms = vmxd_unix_ms();
    vmxd_upload *upload;
    vmxd_blob *blob;
    while ((upload = find_upload(repository, now_ms)) != NULL) {
        if (vmxd_upload_expire(upload))
            fprintf(stderr, "vecmuxd: unfinished upload of \"%s\" expired\n", vmxd_upload_stored(upload)->begin->name);
        vmxd_upload_unref(upload);
    }
    while ((blob = find_blob(repository, now_ms)) != NULL) {
        if (vmxd_repository_delete_blob(repository, blob))
            fprintf(stderr, "vecmuxd: blob \"%s\" expired\n", vmxd_blob_info(blob)->name);
        vmxd_blob_unref(blob);
    }
}

static uint64_t
look_interval_ms(const vmxd_repository_options *options)
{
    uint64_t least = options->upload_expiry_ms, blob = options->blob_expiry_ms;
    if (least == 0 || (blob > 0 && blob < least))
        least = blob;
    least /= 4;
    return least < MIN_LOOK_MS ? MIN_LOOK_MS : least > MAX_LOOK_MS ? MAX_LOOK_MS : least;
}

static void *
expiry_main(void *arg)
{
    vmxd_repository *repository = arg;
    uint64_t interval_us = look_interval_ms(&repository->options) * 1000;
    pthread_mutex_lock(&repository->lock);
    while (!repository->closing) {
        pthread_mutex_unlock(&repository->lock);
        look(repository);
        pthread_mutex_lock(&repository->lock);
        uint64_t due_us = vmx_monotonic_us() + interval_us;
        while (!repository->closing && vmx_cond_wait(&repository->wake, &repository->lock, due_us))
            continue;
    }
    pthread_mutex_unlock(&repository->lock);
    return NULL;
}

bool
vmxd_expiry_start(vmxd_repository *repository, vmxd_status *status)
{
    const vmxd_repository_options *options = &repository->options;
    if (options->upload_expiry_ms == 0 && options->blob_expiry_ms == 0)
        return true;
    repository->expires = vmx_thread_start(&repository->expiry, "vecmuxd-expiry", expiry_main, repository);
    return repository->expires || vmxd_refuse(status, GRPC_STATUS_INTERNAL, "cannot start a thread");
}

void
vmxd_expiry_stop(vmxd_repository *repository)
{
    if (!repository->expires)
        return;
    pthread_mutex_lock(&repository->lock);
    repository->closing = true;
    pthread_cond_signal(&repository->wake);
    pthread_mutex_unlock(&repository->lock);
    pthread_join(repository->expiry, NULL);
    repository->expires = false;
}
