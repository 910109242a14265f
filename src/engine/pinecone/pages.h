/*
 * engine/pinecone/pages.h: reading a list page by page, for list and list_namespaces.
 */
#ifndef VMX_ENGINE_PINECONE_PAGES_H
#define VMX_ENGINE_PINECONE_PAGES_H

#include "engine/pinecone/pinecone.h"

/* Where a paged list stands; lies in the op's arena. */
typedef struct vmx_pages {
    const char *prefix; /* NULL: none */
    const char *token;  /* of the next page; NULL: the first */
    uint64_t left;      /* how many are still wanted; UINT64_MAX: all */
    uint32_t page_size;
    /* Asks for the next page. */
    vmx_status (*ask)(vmx_machine *machine, const struct vmx_pages *pages, uint32_t limit, vmx_step *step);
} vmx_pages;

/* Checks `list` and asks for the first page. `what` begins messages: "list". */
vmx_status
vmx_pages_begin(vmx_machine *machine, const char *what, const vmx_list *list,
                vmx_status (*ask)(vmx_machine *, const vmx_pages *, uint32_t, vmx_step *), vmx_step *first);

/* After a page with `count` items was taken in: asks for the next, or ends the operation. */
void
vmx_pages_next(vmx_machine *machine, size_t count, const Pinecone__Pagination *pagination, vmx_step *next);

#endif
