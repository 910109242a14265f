/*
 * processes.h: `vecmux load --processes N`: this program, spawned N times, each with a part of the rows.
 */
#ifndef VMX_CLI_LOAD_PROCESSES_H
#define VMX_CLI_LOAD_PROCESSES_H

#include "loader.h"

#define LOAD_PROCESSES_MAX 64

/*
 * Splits the rows of the input, spawns, shows the sum of the accounts, waits. `argv` are the arguments of this command
 * from its name on; `options` of them (the name included) stand before the files. Returns an exit code: 0 when every
 * process stored all.
 */
int
load_run_processes(const load_input *input, const load_options *options, uint64_t count, char **argv, int option_count);

#endif
