/*
 * core/pem.h: a look at certificates before gRPC gets them, which would only fail to connect.
 */
#ifndef VMX_CORE_PEM_H
#define VMX_CORE_PEM_H

#include <vecmux/types.h>

/* Why `pem` is no list of certificates ("no certificate in it", "certificate 2 is damaged"); NULL if it is one. Other
 * PEM blocks and text between the blocks are skipped. Any thread. */
const char *
vmx_pem_check_certificates(vmx_str pem, char reason[64]);

#endif
