/*
 * paths.h: what files are, before one is replaced.
 */
#ifndef VMX_CLI_PATHS_H
#define VMX_CLI_PATHS_H

#include <stdbool.h>

/* Both are there, and one regular file. NULL is no file. */
bool
cli_same_file(const char *a, const char *b);

/* A device, a pipe, a directory: a file that takes its name would put an end to it. */
bool
cli_special_file(const char *path);

#endif
