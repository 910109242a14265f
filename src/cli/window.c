#include "window.h"

#include "cli.h"

#include <stdio.h>

void
cli_window_error(cli_window *window, cli_range range, const vmx_error *error)
{
    unsigned long long first = range.first, last = range.last;
    char where[80] = "";
    if (first == last && first > 0)
        snprintf(where, sizeof where, "line %llu: ", first);
    else if (first > 0)
        snprintf(where, sizeof where, "lines %llu to %llu: ", first, last);
    cli_error("%s%s", where, error->message);
    window->failed = true;
}

static void
finish_oldest(cli_window *window)
{
    vmx_op *op = window->slots[window->head].op;
    cli_range range = window->slots[window->head].range;
    window->head = (window->head + 1) % CLI_WINDOW_MAX;
    window->count--;
    if (vmx_op_wait(op, VMX_FOREVER) == VMX_OK)
        window->finish(op, window->user);
    else
        cli_window_error(window, range, vmx_op_error(op));
    vmx_op_free(op);
}

void
cli_window_add(cli_window *window, vmx_op *op, cli_range range)
{
    if (window->count >= window->limit)
        finish_oldest(window);
    size_t tail = (window->head + window->count) % CLI_WINDOW_MAX;
    window->slots[tail].op = op;
    window->slots[tail].range = range;
    window->count++;
}

bool
cli_window_drain(cli_window *window)
{
    while (window->count > 0)
        finish_oldest(window);
    return !window->failed;
}
