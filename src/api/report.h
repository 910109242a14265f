/*
 * api/report.h: what a client tells the log of its own life (docs/logging.md). No lock may be held.
 */
#ifndef VMX_API_REPORT_H
#define VMX_API_REPORT_H

#include "api/client.h"

/* Before its connections are opened. */
void
vmx_report_opened(const vmx_client *client);

/* Its last record; nothing for a client that was never opened. */
void
vmx_report_closed(const vmx_client *client);

/* `running` says what still runs, by kind. */
void
vmx_report_close_timeout(const vmx_client *client, int64_t timeout_ms, const char *running);

#endif
