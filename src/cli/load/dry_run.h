/*
 * dry_run.h: what `vecmux load --dry-run` does: everything is read and checked, nothing is sent.
 */
#ifndef VMX_CLI_LOAD_DRY_RUN_H
#define VMX_CLI_LOAD_DRY_RUN_H

#include "input.h"

/* Prints what the input holds on stdout, for people or as one JSON object. Returns an exit code. */
int
load_dry_run(load_input *input, bool json);

#endif
