#include "rpc/budget.h"

#define MILLI 1000

void
vmx_budget_init(vmx_budget *budget, int64_t max_tokens, double ratio)
{
    budget->max_milli_tokens = max_tokens * MILLI;
    budget->ratio_milli_tokens = (int64_t)(ratio * MILLI);
    atomic_init(&budget->milli_tokens, budget->max_milli_tokens);
}

static bool
is_enough(const vmx_budget *budget, int64_t milli_tokens)
{
    return budget->max_milli_tokens == 0 || milli_tokens > budget->max_milli_tokens / 2;
}

double
vmx_budget_tokens(const vmx_budget *budget)
{
    return (double)atomic_load_explicit(&budget->milli_tokens, memory_order_relaxed) / MILLI;
}

bool
vmx_budget_allows(const vmx_budget *budget)
{
    return is_enough(budget, atomic_load_explicit(&budget->milli_tokens, memory_order_relaxed));
}

/* Adds, within 0 and the maximum. A full bucket is left alone: no write shared between threads while all is well. */
static vmx_budget_change
add(vmx_budget *budget, int64_t milli_tokens)
{
    int64_t old = atomic_load_explicit(&budget->milli_tokens, memory_order_relaxed);
    for (;;) {
        int64_t sum = old + milli_tokens;
        int64_t next = sum < 0 ? 0 : sum > budget->max_milli_tokens ? budget->max_milli_tokens : sum;
        if (next == old)
            return VMX_BUDGET_AS_BEFORE;
        if (!atomic_compare_exchange_weak_explicit(&budget->milli_tokens, &old, next, memory_order_relaxed,
                                                   memory_order_relaxed))
            continue;
        if (is_enough(budget, next) == is_enough(budget, old))
            return VMX_BUDGET_AS_BEFORE;
        return is_enough(budget, next) ? VMX_BUDGET_REFILLED : VMX_BUDGET_EMPTIED;
    }
}

vmx_budget_change
vmx_budget_success(vmx_budget *budget)
{
    return add(budget, budget->ratio_milli_tokens);
}

vmx_budget_change
vmx_budget_failure(vmx_budget *budget)
{
    return add(budget, -MILLI);
}
