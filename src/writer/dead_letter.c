/*
 * The dead letter file. A worker takes all failed sends that wait, appends their lines, brings them to the disk with one
 * fdatasync, and only then makes the outcomes known: who sees a vector counted as failed finds it in the file.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/error.h"
#include "writer/writer.h"

/* Lines are written when so many bytes have gathered: a batch as JSON may be several times its own size. */
#define WRITE_BYTES (64 * 1024)

/* --- the file ------------------------------------------------------------------------------------------------------ */

static bool
write_all(int descriptor, const uint8_t *data, size_t len)
{
    while (len > 0) {
        ssize_t written = write(descriptor, data, len);
        if (written < 0 && errno != EINTR)
            return false;
        data += written > 0 ? written : 0;
        len -= written > 0 ? (size_t)written : 0;
    }
    return true;
}

/* Appends whole lines; errno of the failure, or 0. What a full disk has cut off is taken away again, so that the next
 * line begins a line. */
static int
append(int descriptor, vmx_buffer *lines)
{
    struct stat before = {0};
    int reason = 0;
    bool known = fstat(descriptor, &before) == 0 && S_ISREG(before.st_mode);
    if (!write_all(descriptor, lines->data, lines->len))
        reason = errno;
    if (reason != 0 && known && ftruncate(descriptor, before.st_size) != 0)
        reason = errno;
    lines->len = 0;
    return reason;
}

/* A pipe or a terminal cannot be brought to a disk, and need not. */
static int
reach_disk(int descriptor)
{
    return fdatasync(descriptor) == 0 || errno == EINVAL || errno == EROFS ? 0 : errno;
}

/* Appends a send's records; errno of the first failure, or 0. */
static int
write_send(const vmx_send *send, vmx_buffer *lines)
{
    int descriptor = send->writer->dead_letters, reason = 0;
    for (size_t i = send->from; i < send->to && reason == 0; i++) {
        if (!vmx_dead_letter_line(send, i, lines))
            reason = ENOMEM;
        else if (lines->len >= WRITE_BYTES)
            reason = append(descriptor, lines);
    }
    if (reason == 0 && lines->len > 0)
        reason = append(descriptor, lines);
    lines->len = 0;
    lines->failed = false;
    return reason;
}

/* --- telling ------------------------------------------------------------------------------------------------------- */

/* In English whatever the host's locale is, as the rest of the message. */
static const char *
describe(int number)
{
    const char *text = strerrordesc_np(number);
    return text != NULL ? text : "unknown error";
}

/* Appends to a message, of which as many characters stay as there is room for. */
static void
append_text(char message[VMX_ERROR_MESSAGE_SIZE], const char *text, size_t text_len)
{
    size_t len = strlen(message), room = VMX_ERROR_MESSAGE_SIZE - 1 - text_len;
    if (len > room)
        len = room;
    while (len > 0 && ((unsigned char)message[len] & 0xC0) == 0x80)
        len--;
    memcpy(message + len, text, text_len + 1);
}

/* The reason of the failure stays; what became of the file is added. */
static void
note_lost(vmx_send *send, int reason)
{
    vmx_log *log = send->writer->parts.caller->log;
    char text[128]; /* of the system's descriptions none has 60 bytes */
    int len = snprintf(text, sizeof text, " (and the dead letter file could not be written: %s)", describe(reason));
    append_text(send->op.error.message, text, (size_t)len);
    send->unwritten = true;
    if (!vmx_log_wants(log, VMX_LOG_EVENT_DEAD_LETTERS_LOST))
        return;
    const vmx_log_field fields[] = {
        vmx_log_integer("vectors", (int64_t)(send->to - send->from)),
        vmx_log_text("reason", describe(reason)),
    };
    vmx_log_write(log, VMX_LOG_EVENT_DEAD_LETTERS_LOST, fields, sizeof fields / sizeof fields[0]);
}

static void
count(vmx_send *send, bool written)
{
    vmx_writer *writer = send->writer;
    pthread_mutex_lock(&writer->lock);
    if (written)
        writer->locked.account.dead_letters += send->to - send->from;
    else
        writer->locked.account.dead_letters_lost += send->to - send->from;
    pthread_mutex_unlock(&writer->lock);
}

static void
run_settle(vmx_task *task)
{
    vmx_send *send = (vmx_send *)((char *)task - offsetof(vmx_send, settle_task));
    vmx_writer *writer = vmx_writer_acquire(send->writer);
    vmx_send_make_known(send);
    vmx_writer_service(writer);
    vmx_writer_release(writer);
}

/* --- the worker's task --------------------------------------------------------------------------------------------- */

/* What waits; when nothing does the task is over. */
static vmx_send_list
take_letters(vmx_writer *writer)
{
    pthread_mutex_lock(&writer->lock);
    vmx_send_list letters = writer->locked.letters;
    writer->locked.letters = (vmx_send_list){0};
    writer->locked.writing = letters.head != NULL;
    pthread_mutex_unlock(&writer->lock);
    return letters;
}

static void
write_letters(vmx_send_list *letters, int descriptor)
{
    vmx_buffer lines = {0};
    for (vmx_send *send = letters->head; send != NULL; send = send->next) {
        int reason = write_send(send, &lines);
        if (reason != 0)
            note_lost(send, reason);
    }
    vmx_buffer_free(&lines);
    int reason = reach_disk(descriptor);
    for (vmx_send *send = letters->head; send != NULL; send = send->next)
        if (reason != 0 && !send->unwritten)
            note_lost(send, reason);
}

static void
run_letters(vmx_task *task)
{
    vmx_writer *writer = (vmx_writer *)((char *)task - offsetof(vmx_writer, letters_task));
    vmx_send_list letters = take_letters(writer);
    if (letters.head == NULL) {
        vmx_writer_release(writer);
        return;
    }
    write_letters(&letters, writer->dead_letters);
    for (vmx_send *send; (send = vmx_send_pop(&letters)) != NULL;) {
        count(send, !send->unwritten);
        vmx_op_submit(&send->op, &send->settle_task);
    }
    vmx_worker_submit(writer->worker, task); /* more may have come; others have their turn first */
}

/* --- the door ------------------------------------------------------------------------------------------------------ */

void
vmx_dead_letters_submit(vmx_send *send)
{
    vmx_writer *writer = send->writer;
    send->settle_task.run = run_settle;
    pthread_mutex_lock(&writer->lock);
    vmx_send_push(&writer->locked.letters, send);
    bool begins = !writer->locked.writing;
    writer->locked.writing = true;
    pthread_mutex_unlock(&writer->lock);
    if (!begins)
        return;
    vmx_writer_acquire(writer);
    vmx_worker_submit(writer->worker, &writer->letters_task);
}

vmx_status
vmx_dead_letters_open(vmx_writer *writer, vmx_str path, vmx_error *error)
{
    if (path.len == 0)
        return VMX_OK;
    char *name = vmx_str_copy(path);
    if (name == NULL)
        return vmx_error_no_memory(error);
    writer->dead_letters = open(name, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    int reason = errno;
    vmx_dealloc(name);
    if (writer->dead_letters < 0)
        return vmx_error_set(error, VMX_ERR_IO, "dead letter file \"%.*s\": %s", (int)path.len, path.ptr,
                             describe(reason));
    writer->letters_task.run = run_letters;
    return vmx_workers_choose(writer->parts.workers, &writer->worker, error);
}
