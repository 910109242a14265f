#include "transport/grpc/guest.h"

#include "core/sync.h"

/* Signals are blocked here already: a loop's thread, or inside vmx_guest_enter. */
static _Thread_local bool is_blocked;

vmx_guest
vmx_guest_enter(void)
{
    vmx_guest guest = {.blocked = !is_blocked};
    if (guest.blocked) {
        guest.old = vmx_signals_block();
        is_blocked = true;
    }
    return guest;
}

void
vmx_guest_leave(const vmx_guest *guest)
{
    if (!guest->blocked)
        return;
    is_blocked = false;
    vmx_signals_restore(guest->old);
}

void
vmx_guest_is_home(void)
{
    is_blocked = true;
}
