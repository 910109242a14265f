/*
 * writer/run.h: records by the run: checked and measured without the writer's lock, then taken in one hold of it.
 */
#ifndef VMX_WRITER_RUN_H
#define VMX_WRITER_RUN_H

#include "writer/batch.h"
#include "writer/columns.h"

struct vmx_writer;

typedef struct vmx_run {
    vmx_measured records[VMX_SOURCE_RUN];
    size_t next, count;                          /* records [next, count) are to be taken */
    size_t first;                                /* the number of records[0] in errors */
    vmx_vector_frame frames[1 + VMX_SOURCE_RUN]; /* the last run's last one, and one for each record */
    size_t frame_count;                          /* the last one serves again while lengths stay the same */
    vmx_arena scratch;                           /* metadata, converted */
} vmx_run;

static inline void
vmx_run_init(vmx_run *run)
{
    run->next = run->count = run->frame_count = 0;
    run->scratch = (vmx_arena){0};
}

static inline void
vmx_run_clear(vmx_run *run)
{
    vmx_arena_reset(&run->scratch);
}

/* What is wrong with the next record, whose values were not all finite when they were copied. VMX_OK if they are by now. */
vmx_status
vmx_run_refuse_next(const vmx_run *run, const struct vmx_writer *writer, vmx_error *error);

/* Prepares the source's records from `from` on: a run of them, or those before a bad one, whose error is returned. Errors:
 * those of the source, of vmx_check_vector and of the codec; VMX_ERR_TOO_LARGE. */
vmx_status
vmx_run_prepare(vmx_run *run, const struct vmx_writer *writer, const vmx_record_source *source, size_t from,
                const vmx_block *lender, vmx_error *error);

#endif
