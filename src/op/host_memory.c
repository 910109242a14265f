#include "op/host_memory.h"

typedef struct memory_wait {
    vmx_memory *memory;
    vmx_reservation reservation;
} memory_wait;

static bool
is_granted(void *arg)
{
    memory_wait *wait = arg;
    return vmx_memory_is_granted(wait->memory, &wait->reservation);
}

bool
vmx_host_reserve(vmx_host *host, vmx_memory *memory, size_t bytes, uint64_t deadline_us)
{
    memory_wait wait = {.memory = memory};
    bool granted = vmx_memory_queue(memory, &wait.reservation, bytes);
    while (!granted && host->vtable->now(host) < deadline_us) {
        vmx_host_drive(host, deadline_us, is_granted, &wait);
        granted = is_granted(&wait);
    }
    granted = granted || is_granted(&wait);
    if (!granted)
        vmx_memory_cancel(memory, &wait.reservation);
    return granted;
}
