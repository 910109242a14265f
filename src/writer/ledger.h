/*
 * writer/ledger.h: the sums over all bulk writers of a client, those that are gone included.
 */
#ifndef VMX_WRITER_LEDGER_H
#define VMX_WRITER_LEDGER_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <vecmux/writer.h>

/* The client's. Its lock is taken before a writer's. */
typedef struct vmx_ledger {
    pthread_mutex_t lock;
    vmx_writer *writers;     /* under lock */
    vmx_writer_account past; /* under lock; of writers that are gone */
} vmx_ledger;

void
vmx_ledger_init(vmx_ledger *ledger);
void
vmx_ledger_destroy(vmx_ledger *ledger);

/* A writer begins, and ends. */
void
vmx_ledger_enter(vmx_ledger *ledger, vmx_writer *writer);
void
vmx_ledger_leave(vmx_ledger *ledger, vmx_writer *writer);

typedef struct vmx_ledger_figures {
    size_t writers;
    vmx_writer_account sum; /* without rates */
} vmx_ledger_figures;

/* At every instant taken = stored + failed + waiting + in flight of each writer, and so of the sums. */
void
vmx_ledger_read(vmx_ledger *ledger, vmx_ledger_figures *figures);

#endif
