#include "rpc/budget.h"

#define MILLI 1000

void
vmx_budget_init(vmx_budget *budget, int64_t max_tokens, double ratio)
{
    budget->max_milli_tokens = max_tokens * MILLI;
    budget->ratio_milli_tokens = (int64_t)(ratio * MILLI);
    atomic_init(&budget->milli_tokens, budget->max_milli_tokens);
}

bool
vmx_budget_allows(const vmx_budget *budget)
{
    int64_t tokens = atomic_load_explicit(&budget->milli_tokens, memory_order_relaxed);
    return budget->max_milli_tokens == 0 || tokens > budget->max_milli_tokens / 2;
}

/* Adds, within 0 and the maximum. A full bucket is left alone: no write shared between threads while all is well. */
static void
add(vmx_budget *budget, int64_t milli_tokens)
{
    int64_t old = atomic_load_explicit(&budget->milli_tokens, memory_order_relaxed);
    for (;;) {
        int64_t sum = old + milli_tokens;
        int64_t next = sum < 0 ? 0 : sum > budget->max_milli_tokens ? budget->max_milli_tokens : sum;
        if (next == old || atomic_compare_exchange_weak_explicit(&budget->milli_tokens, &old, next,
                                                                 memory_order_relaxed, memory_order_relaxed))
            return;
    }
}

void
vmx_budget_success(vmx_budget *budget)
{
    add(budget, budget->ratio_milli_tokens);
}

void
vmx_budget_failure(vmx_budget *budget)
{
    add(budget, -MILLI);
}
