#include "transport/timer_heap.h"

/*
 * `child` is a timer's first child and `next` its right sibling; `prev` is the left sibling, or of a first child the
 * parent.
 */

static bool
earlier(const vmx_timer *a, const vmx_timer *b)
{
    return a->due_us != b->due_us ? a->due_us < b->due_us : a->order < b->order;
}

/* Both are roots without siblings, or NULL; the later one becomes a child of the earlier. */
static vmx_timer *
merge(vmx_timer *a, vmx_timer *b)
{
    if (!a || !b)
        return a ? a : b;
    vmx_timer *top = earlier(a, b) ? a : b;
    vmx_timer *below = top == a ? b : a;
    below->prev = top;
    below->next = top->child;
    if (top->child)
        top->child->prev = below;
    top->child = below;
    return top;
}

static vmx_timer *
take_off(vmx_timer **list)
{
    vmx_timer *timer = *list;
    if (timer) {
        *list = timer->next;
        timer->next = timer->prev = NULL;
    }
    return timer;
}

/* One root of a list of siblings: pairs from left to right, then the pairs from right to left. */
static vmx_timer *
merge_siblings(vmx_timer *siblings)
{
    vmx_timer *pairs = NULL;
    while (siblings) {
        vmx_timer *left = take_off(&siblings);
        vmx_timer *pair = merge(left, take_off(&siblings));
        pair->next = pairs;
        pairs = pair;
    }
    vmx_timer *root = NULL;
    while (pairs)
        root = merge(root, take_off(&pairs));
    return root;
}

void
vmx_timer_heap_add(vmx_timer_heap *heap, vmx_timer *timer, uint64_t due_us)
{
    timer->due_us = due_us;
    timer->order = heap->armed++;
    timer->child = timer->next = timer->prev = NULL;
    timer->armed = true;
    heap->first = merge(heap->first, timer);
}

void
vmx_timer_heap_remove(vmx_timer_heap *heap, vmx_timer *timer)
{
    vmx_timer *children = merge_siblings(timer->child);
    if (heap->first == timer) {
        heap->first = children;
    } else {
        if (timer->prev->child == timer)
            timer->prev->child = timer->next;
        else
            timer->prev->next = timer->next;
        if (timer->next)
            timer->next->prev = timer->prev;
        heap->first = merge(heap->first, children);
    }
    timer->child = timer->next = timer->prev = NULL;
    timer->armed = false;
}
