/* A host that several threads drive and wake, without a transport: what the one may end while the other is inside. */
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <time.h>

#include "core/suite.h"
#include "core/sync.h"
#include "op/host.h"

static sem_t drives, may_return;
static atomic_bool waking, overtaken;

static uint64_t
now(vmx_host *host)
{
    (void)host;
    return vmx_monotonic_us();
}

static size_t
drive(vmx_host *host, uint64_t deadline_us)
{
    (void)host, (void)deadline_us;
    sem_post(&drives);
    sem_wait(&may_return);
    return 1;
}

/* The drive returns for a reason of its own while the wake is under way, which takes a while. */
static void
wake(vmx_host *host)
{
    (void)host;
    atomic_store(&waking, true);
    sem_post(&may_return);
    nanosleep(&(struct timespec){.tv_nsec = 200000000}, NULL);
    atomic_store(&waking, false);
}

static void
nothing(vmx_host *host)
{
    (void)host;
}

static const vmx_host_vtable vtable = {
    .now = now, .drive = drive, .wake = wake, .drained = nothing, .destroy = nothing};

/* As a client that is closed: once its last drive has returned, what drive and wake need is given back. */
static void *
drive_and_end(void *arg)
{
    vmx_host *host = arg;
    vmx_host_drive(host, VMX_NEVER, NULL, NULL);
    vmx_host_stop_driving(host);
    atomic_store(&overtaken, atomic_load(&waking));
    return NULL;
}

START_TEST(nobody_is_woken_after_the_last_drive)
{
    vmx_host host;
    pthread_t driver;
    sem_init(&drives, 0, 0);
    sem_init(&may_return, 0, 0);
    ck_assert(vmx_host_init(&host, &vtable, true));
    ck_assert_int_eq(pthread_create(&driver, NULL, drive_and_end, &host), 0);
    sem_wait(&drives);
    vmx_host_changed(&host);
    pthread_join(driver, NULL);
    ck_assert(!atomic_load(&overtaken));
    vmx_host_destroy(&host);
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {nobody_is_woken_after_the_last_drive, NULL};
    return run_suite("op_host", tests);
}
