#include "server/page.h"

#include <stdlib.h>
#include <string.h>

#include "server/limits.h"

/* The smallest ids found so far, the largest of them on top, so that it can be thrown out for a smaller one. */
typedef struct heap {
    vmxd_record *const *records;
    uint32_t *slots;
    size_t count;
} heap;

static bool
is_below(const heap *self, uint32_t a, uint32_t b)
{
    return strcmp(self->records[a]->id, self->records[b]->id) < 0;
}

static void
swap(uint32_t *a, uint32_t *b)
{
    uint32_t old = *a;
    *a = *b;
    *b = old;
}

static void
sift_up(heap *self, size_t at)
{
    while (at > 0 && is_below(self, self->slots[(at - 1) / 2], self->slots[at])) {
        swap(&self->slots[(at - 1) / 2], &self->slots[at]);
        at = (at - 1) / 2;
    }
}

static void
sift_down(heap *self, size_t count)
{
    for (size_t at = 0, child; (child = at * 2 + 1) < count; at = child) {
        if (child + 1 < count && is_below(self, self->slots[child], self->slots[child + 1]))
            child++;
        if (!is_below(self, self->slots[at], self->slots[child]))
            return;
        swap(&self->slots[at], &self->slots[child]);
    }
}

static void
offer(heap *self, uint32_t slot, size_t limit)
{
    if (self->count < limit) {
        self->slots[self->count] = slot;
        sift_up(self, self->count++);
    } else if (is_below(self, slot, self->slots[0])) {
        self->slots[0] = slot;
        sift_down(self, self->count);
    }
}

static void
sort(heap *self)
{
    for (size_t count = self->count; count > 1; count--) {
        swap(&self->slots[0], &self->slots[count - 1]);
        sift_down(self, count - 1);
    }
}

static bool
is_wanted(const vmxd_page_request *request, size_t prefix_len, const vmxd_record *record)
{
    return strcmp(record->id, request->after) > 0 && strncmp(record->id, request->prefix, prefix_len) == 0 &&
           (!request->filter || vmxd_filter_match(request->filter, vmxd_record_metadata(record)));
}

bool
vmxd_page_find(const vmxd_records *records, const vmxd_page_request *request, vmx_arena *arena, vmxd_page *page)
{
    heap found = {records->slots, vmx_arena_calloc(arena, request->limit + 1, sizeof(uint32_t)), 0};
    if (!found.slots)
        return false;
    size_t prefix_len = strlen(request->prefix);
    for (uint32_t slot = 0; slot < records->count; slot++)
        if (is_wanted(request, prefix_len, records->slots[slot]))
            offer(&found, slot, request->limit + 1);
    sort(&found);
    page->slots = found.slots;
    page->more = found.count > request->limit;
    page->count = page->more ? request->limit : found.count;
    return true;
}

/* Clients must not look into tokens: hexadecimal digits keep them from it, and from trouble with odd ids. */
char *
vmxd_page_token(const char *name, vmx_arena *arena)
{
    size_t len = strlen(name);
    char *token = vmx_arena_alloc(arena, len * 2 + 1);
    if (!token)
        return NULL;
    for (size_t i = 0; i < len; i++) {
        token[i * 2] = "0123456789abcdef"[(unsigned char)name[i] >> 4];
        token[i * 2 + 1] = "0123456789abcdef"[name[i] & 15];
    }
    token[len * 2] = '\0';
    return token;
}

static int
digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

const char *
vmxd_page_token_name(const char *token, vmx_arena *arena, vmxd_status *status)
{
    size_t len = strlen(token) / 2;
    char *name = vmx_arena_calloc(arena, len + 1, 1);
    if (!name) {
        vmxd_no_memory(status);
        return NULL;
    }
    bool valid = len <= VMXD_MAX_ID_BYTES && token[len * 2] == '\0';
    for (size_t i = 0; valid && i < len; i++) {
        int high = digit(token[i * 2]), low = digit(token[i * 2 + 1]);
        name[i] = (char)(high * 16 + low);
        valid = high >= 0 && low >= 0 && name[i] != '\0';
    }
    if (valid)
        return name;
    vmxd_invalid(status, "Pagination token '%.*s' was not made by this index", vmxd_clip(token), token);
    return NULL;
}
