#include "build/internal.h"
#include "core/error.h"

/* --- actors -------------------------------------------------------------------------------------------------------- */

void
vmx_actor_begin(vmx_build *build, vmx_actor *actor, void (*stop)(vmx_actor *actor))
{
    actor->stop = stop;
    actor->active = true;
    actor->stopped = false;
    actor->prev = NULL;
    actor->next = build->actors;
    if (actor->next != NULL)
        actor->next->prev = actor;
    build->actors = actor;
}

void
vmx_actor_end(vmx_build *build, vmx_actor *actor)
{
    actor->active = false;
    if (actor->prev != NULL)
        actor->prev->next = actor->next;
    else
        build->actors = actor->next;
    if (actor->next != NULL)
        actor->next->prev = actor->prev;
    vmx_build_wind_up(build);
}

void
vmx_actor_stop_nothing(vmx_actor *actor)
{
    (void)actor;
}

/* --- chores -------------------------------------------------------------------------------------------------------- */

static void
run_work(vmx_task *task)
{
    vmx_chore *chore = VMX_OWNER(vmx_chore, work_task, task);
    vmx_op *op = &chore->build->op;
    chore->run(chore);
    vmx_op_submit(op, &chore->done_task);
    vmx_op_release(op);
}

static void
run_done(vmx_task *task)
{
    vmx_chore *chore = VMX_OWNER(vmx_chore, done_task, task);
    chore->busy = false;
    chore->after(chore);
}

void
vmx_chore_start(vmx_chore *chore, vmx_build *build, void (*run)(vmx_chore *), void (*after)(vmx_chore *))
{
    chore->build = build;
    chore->run = run;
    chore->after = after;
    chore->busy = true;
    vmx_error_clear(&chore->error);
    chore->work_task.run = run_work;
    chore->done_task.run = run_done;
    vmx_op_acquire(&build->op);
    vmx_worker_submit(build->worker, &chore->work_task);
}
