/*
 * build_show.h: how far a build has come, on stderr: a bar for each phase on a terminal, a line for each elsewhere. And
 * builds as JSON lines on stdout.
 */
#ifndef VMX_CLI_BUILD_SHOW_H
#define VMX_CLI_BUILD_SHOW_H

#include <stdbool.h>
#include <vecmux/vecmux.h>

/*
 * Shows the build until it has ended, and waits for that; a first SIGINT or SIGTERM cancels it. True if it succeeded;
 * otherwise one line on stderr. `status` and `error` are what starting it gave.
 */
bool
cli_build_watch(vmx_status status, const vmx_error *error, vmx_op *op, bool quiet);

/* Each build of the op as an object on a line of its own. */
void
cli_build_print_jobs(const vmx_op *op);

#endif
