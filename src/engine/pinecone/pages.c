#include "engine/pinecone/pages.h"

#include "core/error.h"

#define MAX_PAGE 100

static uint32_t
next_limit(const vmx_pages *pages)
{
    return pages->left < pages->page_size ? (uint32_t)pages->left : pages->page_size;
}

vmx_status
vmx_pages_begin(vmx_machine *machine, const char *what, const vmx_list *list,
                vmx_status (*ask)(vmx_machine *, const vmx_pages *, uint32_t, vmx_step *), vmx_step *first)
{
    if (list->page_size > MAX_PAGE)
        return vmx_error_set(machine->error, VMX_ERR_INVALID, "%s: page_size %u is outside 1 to %d", what,
                             list->page_size, MAX_PAGE);
    vmx_pages *pages = vmx_arena_calloc(machine->arena, 1, sizeof *pages);
    if (pages == NULL)
        return vmx_error_no_memory(machine->error);
    machine->state = pages;
    pages->ask = ask;
    pages->page_size = list->page_size != 0 ? list->page_size : MAX_PAGE;
    pages->left = list->limit != 0 ? list->limit : UINT64_MAX;
    if (list->prefix.len != 0)
        pages->prefix = vmx_exchange_text(machine->arena, list->prefix);
    if (list->token.len != 0)
        pages->token = vmx_exchange_text(machine->arena, list->token);
    if ((list->prefix.len != 0 && pages->prefix == NULL) || (list->token.len != 0 && pages->token == NULL))
        return vmx_error_no_memory(machine->error);
    return ask(machine, pages, next_limit(pages), first);
}

void
vmx_pages_next(vmx_machine *machine, size_t count, const Pinecone__Pagination *pagination, vmx_step *next)
{
    vmx_pages *pages = machine->state;
    if (pages->left != UINT64_MAX)
        pages->left -= count < pages->left ? count : pages->left;
    vmx_pinecone_note_page(machine, pagination);
    if (machine->result->next_token.ptr == NULL || pages->left == 0) {
        vmx_exchange_done(machine, next);
        return;
    }
    pages->token = machine->result->next_token.ptr;
    if (pages->ask(machine, pages, next_limit(pages), next) != VMX_OK)
        next->kind = VMX_STEP_DONE;
}
