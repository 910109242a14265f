#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "rpc/seed.h"

#define STUCK_S 20

static volatile uint64_t running;

void
seed_begin(uint64_t seed)
{
    running = seed;
    alarm(STUCK_S);
}

void
seed_tell(void)
{
    char text[32];
    size_t at = sizeof text;
    uint64_t seed = running;
    text[--at] = '\n';
    do
        text[--at] = (char)('0' + seed % 10);
    while ((seed /= 10) != 0);
    const char lead[] = "again: rpc_schedules --seed ";
    if (write(STDERR_FILENO, lead, sizeof lead - 1) < 0 || write(STDERR_FILENO, text + at, sizeof text - at) < 0)
        _exit(EXIT_FAILURE);
}

static void
on_signal(int signal_number)
{
    const char stuck[] = "a schedule does not end\n", crash[] = "a schedule crashed\n";
    bool late = signal_number == SIGALRM;
    if (write(STDERR_FILENO, late ? stuck : crash, (late ? sizeof stuck : sizeof crash) - 1) >= 0)
        seed_tell();
    _exit(EXIT_FAILURE);
}

/* Sanitizers have their own handlers, and a way to add to them. */
extern void
__sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

void
seed_watch(void)
{
    signal(SIGALRM, on_signal);
    if (__sanitizer_set_death_callback != NULL) {
        __sanitizer_set_death_callback(seed_tell);
        return;
    }
    signal(SIGSEGV, on_signal);
    signal(SIGBUS, on_signal);
    signal(SIGABRT, on_signal);
}
