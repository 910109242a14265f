#include "server/write.h"

bool
vmxd_write_submit(vmxd_service *service, vmxd_call *call, const char *name, vmxd_write *write, bool must_exist,
                  vmxd_status *status)
{
    vmxd_namespace *ns = must_exist ? vmxd_store_find(service->store, name) : vmxd_store_open(service->store, name);
    if (!ns) {
        if (must_exist)
            vmxd_refuse(status, GRPC_STATUS_NOT_FOUND, "Namespace not found: \"%.*s\"", vmxd_clip(name), name);
        else
            vmxd_no_memory(status);
        if (write->discard)
            write->discard(write);
        return false;
    }
    uint64_t lsn;
    write->arena = vmxd_call_take_arena(call);
    if (!vmxd_namespace_write(ns, write, must_exist, &lsn, status))
        return false;
    vmxd_call_add_header(call, VMXD_HEADER_REQUEST_LSN, lsn);
    return true;
}
