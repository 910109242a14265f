/*
 * rpc/budget.h: a limit on retries, so that many clients do not make a server's trouble worse (gRFC A6, "Throttling
 * Retry Attempts and Hedged RPCs").
 *
 * A token bucket per client: a failed attempt takes one token, a successful one gives `ratio` back, and retries and
 * hedges are made only while more than half of the tokens are there. Any thread.
 */
#ifndef VMX_RPC_BUDGET_H
#define VMX_RPC_BUDGET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct vmx_budget {
    _Atomic int64_t milli_tokens;
    int64_t max_milli_tokens; /* 0: no limit */
    int64_t ratio_milli_tokens;
} vmx_budget;

/* `max_tokens` 0 switches the budget off. */
void
vmx_budget_init(vmx_budget *budget, int64_t max_tokens, double ratio);

/* How many are there now. */
double
vmx_budget_tokens(const vmx_budget *budget);

bool
vmx_budget_allows(const vmx_budget *budget);

/* What a change of the tokens does to retries. */
typedef enum vmx_budget_change {
    VMX_BUDGET_AS_BEFORE = 0,
    VMX_BUDGET_EMPTIED = 1, /* they have just been stopped */
    VMX_BUDGET_REFILLED = 2 /* they are allowed again */
} vmx_budget_change;

vmx_budget_change
vmx_budget_success(vmx_budget *budget);

vmx_budget_change
vmx_budget_failure(vmx_budget *budget);

#endif
