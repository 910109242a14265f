/*
 * mock/loop.h: one thread and one lock around everything of a server or a proxy: sockets, timers, a wake-up.
 *
 * The thread waits without the lock and does everything else with it; other threads take the lock, change what they
 * like, and wake the loop.
 */
#ifndef VMX_MOCK_LOOP_H
#define VMX_MOCK_LOOP_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* A socket. Its memory must outlive the turn in which it was removed. */
typedef struct vmx_mock_source {
    int fd;
    uint32_t events;                                                /* EPOLLIN, ... */
    void (*ready)(struct vmx_mock_source *source, uint32_t events); /* NULL once removed */
} vmx_mock_source;

typedef struct vmx_mock_timer {
    struct vmx_mock_timer *prev, *next;
    bool armed;
    uint64_t due_us;
    void (*fire)(struct vmx_mock_timer *timer);
} vmx_mock_timer;

typedef struct vmx_mock_loop {
    int epoll, wake;
    pthread_t thread;
    pthread_mutex_t lock;
    vmx_mock_timer *timers; /* unordered: a test has few */
    bool stopping;
    /* Set before start, may be NULL. After each turn's events: with the lock; and then without it, true if the loop is
     * to turn again at once. */
    void (*turned)(struct vmx_mock_loop *loop);
    bool (*unlocked)(struct vmx_mock_loop *loop);
} vmx_mock_loop;

/* False when descriptors or threads are out; nothing is to be undone then. */
bool
vmx_mock_loop_start(vmx_mock_loop *loop, const char *name);

/* Ends the thread. What was in the loop is the caller's to close. */
void
vmx_mock_loop_stop(vmx_mock_loop *loop);

void
vmx_mock_loop_wake(vmx_mock_loop *loop);

/* With the lock, all of them: */

/* False when the system takes no more. */
bool
vmx_mock_loop_add(vmx_mock_loop *loop, vmx_mock_source *source, uint32_t events);
void
vmx_mock_loop_watch(vmx_mock_loop *loop, vmx_mock_source *source, uint32_t events);
void
vmx_mock_loop_remove(vmx_mock_loop *loop, vmx_mock_source *source);

void
vmx_mock_timer_set(vmx_mock_loop *loop, vmx_mock_timer *timer, int64_t in_ms);
void
vmx_mock_timer_cancel(vmx_mock_loop *loop, vmx_mock_timer *timer);

#endif
