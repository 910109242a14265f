/*
 * For LD_PRELOAD: threads wait a little, by chance, where they meet others: at locks, signals, reads and writes, and when they
 * begin. So they overtake each other as they do on other machines once in a thousand runs (scripts/test.sh --perturb SEED).
 *
 * VMX_PERTURB in the environment is the seed; 0, or none: nobody waits. The same seed does not make the same run, as the
 * system has its say too.
 */
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static uint64_t seed;
static _Thread_local uint64_t state;
static _Thread_local uint32_t chances;

__attribute__((constructor)) static void
begin(void)
{
    const char *text = getenv("VMX_PERTURB");
    uint64_t wanted = text != NULL ? strtoull(text, NULL, 10) : 0;
    seed = wanted > 0 ? wanted * 0x9e3779b97f4a7c15u + (uint64_t)getpid() : 0;
}

/* xorshift64*, of each thread its own. */
static uint32_t
next_random(void)
{
    if (state == 0)
        state = seed ^ (uintptr_t)&state ^ (uint64_t)gettid() << 32;
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return (uint32_t)(state * 0x2545f4914f6cdd1du >> 32);
}

static void
sleep_us(long us)
{
    nanosleep(&(struct timespec){.tv_nsec = us * 1000}, NULL);
}

/* Of a thread's first 4,096 chances it waits at one in 8, later at fewer: short tests are disturbed much, and long ones go
 * on. */
static uint32_t
chances_for_one(void)
{
    uint32_t count = chances++;
    return count < 4096 ? 8 : count < 65536 ? 512 : 8192;
}

/* One wait in 16 lasts up to 16 ms, the others up to a quarter. */
static void
perturb(void)
{
    if (seed == 0)
        return;
    int kept = errno;
    if (next_random() % chances_for_one() == 0)
        sleep_us(next_random() & (next_random() % 16 == 0 ? 16383 : 255));
    errno = kept;
}

/* Before and after the function of the same name in the library that comes next. */
#define WRAP(type, name, declared, passed)                                                                             \
    type name declared                                                                                                 \
    {                                                                                                                  \
        static type(*next) declared;                                                                                   \
        if (next == NULL)                                                                                              \
            next = (type(*) declared)dlsym(RTLD_NEXT, #name);                                                          \
        perturb();                                                                                                     \
        type result = next passed;                                                                                     \
        perturb();                                                                                                     \
        return result;                                                                                                 \
    }

WRAP(int, pthread_mutex_lock, (pthread_mutex_t * lock), (lock))
WRAP(int, pthread_mutex_unlock, (pthread_mutex_t * lock), (lock))
WRAP(int, pthread_cond_signal, (pthread_cond_t * changed), (changed))
WRAP(int, pthread_cond_broadcast, (pthread_cond_t * changed), (changed))
WRAP(ssize_t, sendmsg, (int fd, const struct msghdr *message, int flags), (fd, message, flags))
WRAP(ssize_t, recvmsg, (int fd, struct msghdr *message, int flags), (fd, message, flags))
WRAP(ssize_t, write, (int fd, const void *bytes, size_t len), (fd, bytes, len))
WRAP(ssize_t, pwrite, (int fd, const void *bytes, size_t len, off_t at), (fd, bytes, len, at))
WRAP(ssize_t, pread, (int fd, void *bytes, size_t len, off_t at), (fd, bytes, len, at))
WRAP(int, epoll_wait, (int fd, struct epoll_event *events, int count, int timeout), (fd, events, count, timeout))

typedef struct beginning {
    void *(*run)(void *);
    void *user;
} beginning;

static void *
run_late(void *user)
{
    beginning what = *(beginning *)user;
    free(user);
    if (seed != 0)
        sleep_us(next_random() & 4095);
    return what.run(what.user);
}

int
pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *user)
{
    static int (*next)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    if (next == NULL)
        next =
            (int (*)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *))dlsym(RTLD_NEXT, "pthread_create");
    beginning *late = seed != 0 ? malloc(sizeof *late) : NULL;
    if (late == NULL)
        return next(thread, attributes, run, user);
    *late = (beginning){run, user};
    int failed = next(thread, attributes, run_late, late);
    if (failed)
        free(late);
    return failed;
}
