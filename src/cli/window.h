/*
 * window.h: several operations in flight, finished in the order in which they were started, so that output has the
 * order of the input.
 */
#ifndef VMX_CLI_WINDOW_H
#define VMX_CLI_WINDOW_H

#include <stdbool.h>
#include <vecmux/vecmux.h>

#define CLI_WINDOW_MAX 256

/* Lines of the input that an operation carries, for messages; 0 and 0 when there are none. */
typedef struct cli_range {
    uint64_t first, last;
} cli_range;

typedef struct cli_window {
    size_t limit; /* operations in flight, 1 to CLI_WINDOW_MAX */
    /* Called with each operation that succeeded. */
    void (*finish)(vmx_op *op, void *user);
    void *user;
    bool failed; /* an operation failed; its error was printed */

    struct {
        vmx_op *op;
        cli_range range;
    } slots[CLI_WINDOW_MAX];
    size_t head; /* the oldest */
    size_t count;
} cli_window;

/* Takes over a started operation, waiting for the oldest one first when the window is full. */
void
cli_window_add(cli_window *window, vmx_op *op, cli_range range);

/* Waits for all; true if none failed, now or before. */
bool
cli_window_drain(cli_window *window);

/* One line on stderr about operations of these lines; the window counts as failed. */
void
cli_window_error(cli_window *window, cli_range range, const vmx_error *error);

#endif
