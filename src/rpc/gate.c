#include "rpc/gate.h"

#include <string.h>

#define DECREASE  0.9
#define INCREASE  0.1
#define MIN_LIMIT 1.0
#define MIN_RUN   10.0

void
vmx_gate_init(vmx_gate *gate, bool enabled)
{
    memset(gate, 0, sizeof *gate);
    gate->enabled = enabled;
}

bool
vmx_gate_is_open(const vmx_gate *gate)
{
    return !gate->enabled || gate->limit == 0 || (double)(gate->in_flight + 1) <= gate->limit;
}

uint64_t
vmx_gate_enter(vmx_gate *gate)
{
    gate->in_flight++;
    return gate->round;
}

/* `fresh`: the call had started after the last cut, so this is news of the limit as it is now. */
static void
decrease(vmx_gate *gate, bool fresh)
{
    double taken = (double)gate->in_flight - 1;
    double limit = gate->limit != 0 ? gate->limit : (double)gate->in_flight;
    if (fresh) {
        limit *= DECREASE;
        gate->round++;
    }
    limit = limit < taken ? limit : taken;
    gate->limit = limit > MIN_LIMIT ? limit : MIN_LIMIT;
    gate->successes = 0;
}

/* Only while the limit is what holds calls back does a success say that there is room for more. */
static void
count_success(vmx_gate *gate)
{
    if (gate->limit == 0 || (double)gate->in_flight < gate->limit - 1)
        return;
    gate->successes++;
    if ((double)gate->successes < (gate->limit > MIN_RUN ? gate->limit : MIN_RUN))
        return;
    gate->successes = 0;
    gate->limit += INCREASE;
}

void
vmx_gate_leave(vmx_gate *gate, uint64_t round, vmx_gate_report report)
{
    if (gate->enabled && report == VMX_GATE_ACCEPTED)
        count_success(gate);
    else if (gate->enabled && report == VMX_GATE_THROTTLED)
        decrease(gate, round == gate->round);
    gate->in_flight--;
}
