/* What expires, and what does not because somebody is at work on it. */
#include <stdio.h>
#include <time.h>

#include "core/suite.h"
#include "server/repository/repository.h"
#include "server/repository/upload_private.h"

#define EXPIRY_MS 4000 /* looked at four times as often */

static vmxd_repository *
open_repository(void)
{
    vmxd_status status;
    vmxd_repository_options options = {.upload_expiry_ms = EXPIRY_MS, .blob_expiry_ms = EXPIRY_MS};
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

int
main(void)
{
    const TTest *const tests[] = {an_upload_that_is_being_completed_stays, NULL};
    return run_suite("server_expiry", tests);
}
