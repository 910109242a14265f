/*
 * identity.h: what a journal of --resume belongs to.
 */
#ifndef VMX_CLI_LOAD_IDENTITY_H
#define VMX_CLI_LOAD_IDENTITY_H

#include "loader.h"

/*
 * The files (path, size, time of change) and everything on the command line that says which rows become which records
 * of which index. NULL when memory is out. Free it with json_decref.
 */
json_t *
load_identity(const load_options *options, const cli_connection *connection, vmx_str endpoint);

#endif
