#include "transport/grpc/guest.h"

#include <pthread.h>

/* Signals are blocked here already: a loop's thread, or inside vmx_guest_enter. */
static _Thread_local bool is_blocked;

void
vmx_guest_enter(vmx_guest *guest, const vmx_grpc_loop *loop)
{
    guest->blocked = !is_blocked && !loop->leaves_signals;
    if (!guest->blocked)
        return;
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &guest->old);
    is_blocked = true;
}

void
vmx_guest_leave(const vmx_guest *guest)
{
    if (!guest->blocked)
        return;
    is_blocked = false;
    pthread_sigmask(SIG_SETMASK, &guest->old, NULL);
}

void
vmx_guest_is_home(void)
{
    is_blocked = true;
}
