/*
 * server/write.h: from a checked write request to its answer's LSN.
 */
#ifndef VMXD_WRITE_H
#define VMXD_WRITE_H

#include "server/service.h"

/*
 * Hands `write`, which is in the call's arena, to the namespace named `name`, and adds the LSN to the call's headers.
 * The arena goes with the write: nothing in it may be touched afterwards. With `must_exist` an unknown namespace is
 * NOT_FOUND.
 */
bool
vmxd_write_submit(vmxd_service *service, vmxd_call *call, const char *name, vmxd_write *write, bool must_exist,
                  vmxd_status *status);

#endif
