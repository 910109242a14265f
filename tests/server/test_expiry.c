/* Uploads and blobs that go while somebody is at work on them. */
#include <stdio.h>
#include <time.h>

#include "core/suite.h"
#include "server/repository/repository.h"
#include "server/repository/upload_private.h"

#define EXPIRY_MS 4000 /* looked at four times as often */
#define PARTS     2000

static vmxd_repository *
open_repository(void)
{
    vmxd_status status;
    vmxd_repository_options options = {.upload_expiry_ms = EXPIRY_MS, .discards = true};
    vmxd_repository *repository = vmxd_repository_open(&options, &status);
    ck_assert_ptr_nonnull(repository);
    return repository;
}

static vmxd_upload *
begin_upload(vmxd_repository *repository, const char *name)
{
    vmxd_status status;
    Repository__BeginUploadRequest begin = REPOSITORY__BEGIN_UPLOAD_REQUEST__INIT;
    begin.name = (char *)name;
    begin.part_bytes = VMXD_MIN_PART_BYTES;
    begin.digest = REPOSITORY__DIGEST_ALGORITHM__DIGEST_ALGORITHM_CRC32C;
    vmxd_upload *upload = vmxd_upload_new(repository, &begin, &status);
    ck_assert_msg(upload != NULL, "%s", status.text);
    return upload;
}

static void
set_state(vmxd_upload *upload, vmxd_upload_state state)
{
    pthread_mutex_lock(&upload->lock);
    upload->state = state;
    pthread_mutex_unlock(&upload->lock);
}

static uint32_t
count_uploads(vmxd_repository *repository)
{
    Repository__RepositoryDescription description;
    vmxd_repository_describe(repository, &description);
    return description.upload_count;
}

static void
pause_ms(long ms)
{
    nanosleep(&(struct timespec){.tv_nsec = ms * 1000000}, NULL);
}

/* To make a blob durable may take longer than the expiry. */
START_TEST(an_upload_that_is_being_completed_stays)
{
    vmxd_repository *repository = open_repository();
    vmxd_upload *upload = begin_upload(repository, "slow");
    set_state(upload, VMXD_UPLOAD_COMPLETING);
    atomic_store(&upload->touched_ms, 1);
    for (int i = 0; i < 1000 && vmxd_upload_touched_ms(upload) == 1; i++)
        pause_ms(10);
    ck_assert_uint_ne(vmxd_upload_touched_ms(upload), 1);
    ck_assert(!upload->unwanted);
    ck_assert_uint_eq(count_uploads(repository), 1);

    set_state(upload, VMXD_UPLOAD_OPEN);
    atomic_store(&upload->touched_ms, 1);
    for (int i = 0; i < 1000 && count_uploads(repository) > 0; i++)
        pause_ms(10);
    ck_assert_uint_eq(count_uploads(repository), 0);
    vmxd_upload_unref(upload);
    vmxd_repository_close(repository);
}
END_TEST

static vmxd_blob *
publish(vmxd_repository *repository, const char *name)
{
    vmxd_status status;
    vmxd_blob *blob = NULL;
    Vmxd__StoredBlob stored;
    Repository__Blob info;
    Repository__BlobForm form, *forms[] = {&form};
    vmxd__stored_blob__init(&stored);
    repository__blob__init(&info);
    repository__blob_form__init(&form);
    info.name = (char *)name;
    info.n_forms = 1;
    info.forms = forms;
    stored.blob = &info;
    ck_assert_msg(vmxd_repository_publish(repository, &stored, "", true, &blob, &status), "%s", status.text);
    return blob;
}

/* Who decided to remove a blob may find another in its place by then. */
START_TEST(only_the_blob_that_is_meant_is_deleted)
{
    vmxd_repository *repository = open_repository();
    vmxd_blob *old = publish(repository, "x"), *made = publish(repository, "x");
    ck_assert(!vmxd_repository_delete_blob(repository, old));
    vmxd_blob *found = vmxd_repository_peek(repository, "x");
    ck_assert_ptr_eq(found, made);
    vmxd_blob_unref(found);
    ck_assert(vmxd_repository_delete_blob(repository, made));
    ck_assert_ptr_null(vmxd_repository_peek(repository, "x"));
    vmxd_blob_unref(old);
    vmxd_blob_unref(made);
    vmxd_repository_close(repository);
}
END_TEST

static void *
make_parts(void *arg)
{
    for (uint32_t i = 0; i < PARTS; i++)
        ck_assert_ptr_nonnull(vmxd_upload_part(arg, i, true));
    return NULL;
}

/* For the thread sanitizer. */
START_TEST(an_upload_is_described_while_it_grows)
{
    vmxd_repository *repository = open_repository();
    vmxd_upload *upload = begin_upload(repository, "grows");
    vmx_arena arena = {0};
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, make_parts, upload), 0);
    for (int i = 0; i < 100; i++) {
        ck_assert_ptr_nonnull(vmxd_upload_describe(upload, &arena));
        vmx_arena_reset(&arena);
    }
    pthread_join(thread, NULL);
    vmxd_upload_unref(upload);
    vmxd_repository_close(repository);
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {an_upload_that_is_being_completed_stays, only_the_blob_that_is_meant_is_deleted,
                                  an_upload_is_described_while_it_grows, NULL};
    return run_suite("server_expiry", tests);
}
