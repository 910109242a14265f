#include "rpc/gate.h"

#include <string.h>

#define DECREASE  0.9
#define INCREASE  0.1
#define MIN_LIMIT 1.0

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

static void
decrease(vmx_gate *gate)
{
    double from = gate->limit != 0 ? gate->limit : (double)gate->in_flight;
    gate->limit = from * DECREASE > MIN_LIMIT ? from * DECREASE : MIN_LIMIT;
    gate->successes = 0;
    gate->round++;
}

/* Only while the limit is what holds calls back does a success say that there is room for more. */
static void
count_success(vmx_gate *gate)
{
    if (gate->limit == 0 || (double)gate->in_flight < gate->limit - 1)
        return;
    gate->successes++;
    if ((double)gate->successes < gate->limit)
        return;
    gate->successes = 0;
    gate->limit += INCREASE;
}

void
vmx_gate_leave(vmx_gate *gate, uint64_t round, vmx_gate_report report)
{
    if (gate->enabled && report == VMX_GATE_ACCEPTED)
        count_success(gate);
    else if (gate->enabled && report == VMX_GATE_THROTTLED && round == gate->round)
        decrease(gate);
    gate->in_flight--;
}
