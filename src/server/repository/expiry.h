/*
 * server/repository/expiry.h: a thread that removes unfinished uploads and blobs which nobody has touched for as long as
 * the repository's options say.
 */
#ifndef VMXD_REPOSITORY_EXPIRY_H
#define VMXD_REPOSITORY_EXPIRY_H

#include "server/repository/repository.h"

/* Nothing happens if neither expires. False with the reason. */
bool
vmxd_expiry_start(vmxd_repository *repository, vmxd_status *status);

/* Waits for the thread; nothing happens if there is none. */
void
vmxd_expiry_stop(vmxd_repository *repository);

#endif
