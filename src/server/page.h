/*
 * server/page.h: pages of records in bytewise order of their ids, and the tokens that continue them.
 */
#ifndef VMXD_PAGE_H
#define VMXD_PAGE_H

#include "core/arena.h"
#include "server/filter.h"
#include "server/records.h"

typedef struct vmxd_page_request {
    const char *after;         /* ids above this one; "" for the first page */
    const char *prefix;        /* ids that begin so */
    const vmxd_filter *filter; /* NULL: all */
    size_t limit;              /* at least 1 */
} vmxd_page_request;

typedef struct vmxd_page {
    uint32_t *slots; /* in the arena, in order */
    size_t count;
    bool more; /* another page follows */
} vmxd_page;

/* False when memory is out. */
bool
vmxd_page_find(const vmxd_records *records, const vmxd_page_request *request, vmx_arena *arena, vmxd_page *page);

/* A token that stands for "after `name`", in `arena`; NULL when memory is out. */
char *
vmxd_page_token(const char *name, vmx_arena *arena);

/* The name a token stands for, in `arena`; NULL with the reason in `status`. */
const char *
vmxd_page_token_name(const char *token, vmx_arena *arena, vmxd_status *status);

#endif
