#include "writer/ledger.h"

#include "writer/writer.h"

void
vmx_ledger_init(vmx_ledger *ledger)
{
    pthread_mutex_init(&ledger->lock, NULL);
}

void
vmx_ledger_destroy(vmx_ledger *ledger)
{
    pthread_mutex_destroy(&ledger->lock);
}

void
vmx_ledger_enter(vmx_ledger *ledger, vmx_writer *writer)
{
    pthread_mutex_lock(&ledger->lock);
    writer->ledger_next = ledger->writers;
    if (writer->ledger_next != NULL)
        writer->ledger_next->ledger_prev = writer;
    ledger->writers = writer;
    pthread_mutex_unlock(&ledger->lock);
}

/* Of counts that only grow, and of what is under way. */
static void
add_account(vmx_writer_account *sum, const vmx_writer_account *account)
{
    sum->taken += account->taken;
    sum->stored += account->stored;
    sum->failed += account->failed;
    sum->waiting += account->waiting;
    sum->in_flight += account->in_flight;
    sum->stored_bytes += account->stored_bytes;
    sum->batches += account->batches;
    sum->batches_in_flight += account->batches_in_flight;
    sum->retries += account->retries;
    sum->dead_letters += account->dead_letters;
    sum->dead_letters_lost += account->dead_letters_lost;
}

/* One look at a writer. */
static void
add_writer(vmx_writer_account *sum, vmx_writer *writer)
{
    pthread_mutex_lock(&writer->lock);
    vmx_writer_account account = writer->locked.account;
    account.batches_in_flight = writer->locked.flying_count;
    account.waiting = account.taken - account.stored - account.failed - account.in_flight;
    pthread_mutex_unlock(&writer->lock);
    add_account(sum, &account);
}

void
vmx_ledger_leave(vmx_ledger *ledger, vmx_writer *writer)
{
    pthread_mutex_lock(&ledger->lock);
    if (writer->ledger_prev != NULL)
        writer->ledger_prev->ledger_next = writer->ledger_next;
    else
        ledger->writers = writer->ledger_next;
    if (writer->ledger_next != NULL)
        writer->ledger_next->ledger_prev = writer->ledger_prev;
    add_writer(&ledger->past, writer);
    pthread_mutex_unlock(&ledger->lock);
}

void
vmx_ledger_read(vmx_ledger *ledger, vmx_ledger_figures *figures)
{
    pthread_mutex_lock(&ledger->lock);
    *figures = (vmx_ledger_figures){.sum = ledger->past};
    for (vmx_writer *writer = ledger->writers; writer != NULL; writer = writer->ledger_next) {
        figures->writers++;
        add_writer(&figures->sum, writer);
    }
    pthread_mutex_unlock(&ledger->lock);
}
