/*
 * server/port_file.h: tells whoever started the server where it listens.
 */
#ifndef VMXD_PORT_FILE_H
#define VMXD_PORT_FILE_H

#include "server/status.h"

/* Writes the port and a line end to a temporary file beside `path` and renames it: a reader sees all or nothing. */
bool
vmxd_port_file_write(const char *path, int port, vmxd_status *status);

#endif
