/*
 * core/lender.h: memory that the caller lends, until every reference on it is gone.
 */
#ifndef VMX_CORE_LENDER_H
#define VMX_CORE_LENDER_H

#include "core/slice.h"

/* A block with one reference; its release calls `release(user)` as a user callback. NULL when memory is out. */
vmx_block *
vmx_lender_new(void (*release)(void *user), void *user);

/* Drops the reference of vmx_lender_new without calling `release`: nobody else may hold one. */
void
vmx_lender_discard(vmx_block *lender);

#endif
