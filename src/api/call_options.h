/*
 * api/call_options.h: from the user's vmx_call_options to the settings of a call.
 */
#ifndef VMX_API_CALL_OPTIONS_H
#define VMX_API_CALL_OPTIONS_H

#include "api/client.h"

/* Reads options of whatever version (NULL: all defaults) and checks them. Errors: VMX_ERR_INVALID. */
vmx_status
vmx_call_options_check(vmx_client *client, const vmx_call_options *theirs, vmx_call_options *options, vmx_error *error);

/* Resolves checked options against the client's defaults; headers are copied into `arena`. Errors: VMX_ERR_INVALID
 * (the retry policy), VMX_ERR_NO_MEMORY. */
vmx_status
vmx_call_settings_make(vmx_arena *arena, vmx_client *client, const vmx_call_options *options,
                       vmx_call_settings *settings, vmx_error *error);

#endif
