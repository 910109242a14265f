#include "mock/loop.h"

#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/sync.h"

enum { MAX_EVENTS = 64 };

/* --- timers -------------------------------------------------------------------------------------------------------- */

void
vmx_mock_timer_set(vmx_mock_loop *loop, vmx_mock_timer *timer, int64_t in_ms)
{
    vmx_mock_timer_cancel(loop, timer);
    timer->due_us = vmx_deadline_us(vmx_monotonic_us(), in_ms);
    timer->armed = true;
    timer->prev = NULL;
    timer->next = loop->timers;
    if (timer->next != NULL)
        timer->next->prev = timer;
    loop->timers = timer;
}

void
vmx_mock_timer_cancel(vmx_mock_loop *loop, vmx_mock_timer *timer)
{
    if (!timer->armed)
        return;
    timer->armed = false;
    if (timer->prev != NULL)
        timer->prev->next = timer->next;
    else
        loop->timers = timer->next;
    if (timer->next != NULL)
        timer->next->prev = timer->prev;
}

static vmx_mock_timer *
first_due(const vmx_mock_loop *loop)
{
    vmx_mock_timer *first = loop->timers;
    for (vmx_mock_timer *timer = loop->timers; timer != NULL; timer = timer->next)
        if (timer->due_us < first->due_us)
            first = timer;
    return first;
}

/* Those that are due now, in their order; not those that they arm. */
static void
fire_timers(vmx_mock_loop *loop)
{
    uint64_t now_us = vmx_monotonic_us();
    for (vmx_mock_timer *timer; (timer = first_due(loop)) != NULL && timer->due_us <= now_us;) {
        vmx_mock_timer_cancel(loop, timer);
        timer->fire(timer);
    }
}

/* Rounded up, so that nothing fires early and the loop does not spin. */
static int
wait_ms(const vmx_mock_loop *loop)
{
    const vmx_mock_timer *first = first_due(loop);
    if (first == NULL || first->due_us == VMX_NEVER)
        return -1;
    uint64_t now_us = vmx_monotonic_us();
    uint64_t left_ms = first->due_us > now_us ? (first->due_us - now_us + 999) / 1000 : 0;
    return left_ms < 60000 ? (int)left_ms : 60000;
}

/* --- sources ------------------------------------------------------------------------------------------------------- */

bool
vmx_mock_loop_add(vmx_mock_loop *loop, vmx_mock_source *source, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = source};
    source->events = events;
    return epoll_ctl(loop->epoll, EPOLL_CTL_ADD, source->fd, &event) == 0;
}

void
vmx_mock_loop_watch(vmx_mock_loop *loop, vmx_mock_source *source, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = source};
    if (source->events != events)
        epoll_ctl(loop->epoll, EPOLL_CTL_MOD, source->fd, &event);
    source->events = events;
}

void
vmx_mock_loop_remove(vmx_mock_loop *loop, vmx_mock_source *source)
{
    epoll_ctl(loop->epoll, EPOLL_CTL_DEL, source->fd, NULL);
    source->ready = NULL;
}

/* --- the thread ---------------------------------------------------------------------------------------------------- */

static void
handle_event(vmx_mock_loop *loop, const struct epoll_event *event)
{
    vmx_mock_source *source = event->data.ptr;
    uint64_t count;
    if (source == NULL && read(loop->wake, &count, sizeof count) < 0)
        return; /* taken by an earlier read: a wake-up is a wake-up */
    if (source != NULL && source->ready != NULL)
        source->ready(source, event->events);
}

/* One turn; false when the loop is stopping. */
static bool
turn(vmx_mock_loop *loop, const struct epoll_event *events, int count, int *timeout_ms)
{
    pthread_mutex_lock(&loop->lock);
    for (int i = 0; i < count; i++)
        handle_event(loop, &events[i]);
    fire_timers(loop);
    if (loop->turned != NULL)
        loop->turned(loop);
    bool stopping = loop->stopping;
    *timeout_ms = wait_ms(loop);
    pthread_mutex_unlock(&loop->lock);
    if (!stopping && loop->unlocked != NULL && loop->unlocked(loop))
        *timeout_ms = 0;
    return !stopping;
}

static void *
loop_main(void *arg)
{
    vmx_mock_loop *loop = arg;
    struct epoll_event events[MAX_EVENTS];
    int timeout_ms = 0, count = 0;
    while (turn(loop, events, count, &timeout_ms)) {
        count = epoll_wait(loop->epoll, events, MAX_EVENTS, timeout_ms);
        count = count < 0 ? 0 : count;
    }
    return NULL;
}

bool
vmx_mock_loop_start(vmx_mock_loop *loop, const char *name)
{
    loop->epoll = epoll_create1(EPOLL_CLOEXEC);
    loop->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    pthread_mutex_init(&loop->lock, NULL);
    if (loop->epoll >= 0 && loop->wake >= 0 && epoll_ctl(loop->epoll, EPOLL_CTL_ADD, loop->wake, &event) == 0 &&
        vmx_thread_start(&loop->thread, name, loop_main, loop))
        return true;
    pthread_mutex_destroy(&loop->lock);
    if (loop->epoll >= 0)
        close(loop->epoll);
    if (loop->wake >= 0)
        close(loop->wake);
    return false;
}

void
vmx_mock_loop_wake(vmx_mock_loop *loop)
{
    uint64_t one = 1;
    ssize_t written = write(loop->wake, &one, sizeof one);
    (void)written; /* full means: a wake-up is on its way */
}

void
vmx_mock_loop_stop(vmx_mock_loop *loop)
{
    pthread_mutex_lock(&loop->lock);
    loop->stopping = true;
    pthread_mutex_unlock(&loop->lock);
    vmx_mock_loop_wake(loop);
    pthread_join(loop->thread, NULL);
    close(loop->epoll);
    close(loop->wake);
}
