/*
 * build/actor.h: what is under way in a build, and work for its worker.
 *
 * All functions are called on the op's strand. A chore's `run` alone is on the worker's thread, and touches only what is
 * its actor's while the chore is busy.
 */
#ifndef VMX_BUILD_ACTOR_H
#define VMX_BUILD_ACTOR_H

#include <stddef.h>

#include "build/build.h"
#include "core/error.h"

#define VMX_OWNER(type, member, pointer) ((type *)((char *)(pointer)-offsetof(type, member)))

/* Something under way that can be asked to end soon. */
typedef struct vmx_actor {
    struct vmx_actor *prev, *next;
    void (*stop)(struct vmx_actor *actor); /* once; it may end inside */
    bool active, stopped;
} vmx_actor;

/* It runs from now on. `actor` belongs to the caller, and must stay until it has ended. */
void
vmx_actor_begin(vmx_build *build, vmx_actor *actor, void (*stop)(vmx_actor *actor));
/* It has ended, stopped or not. If it was the last that a build waits for, the build goes on. */
void
vmx_actor_end(vmx_build *build, vmx_actor *actor);
/* For an actor that is one chore: that cannot be stopped, and the actor ends with it. */
void
vmx_actor_stop_nothing(vmx_actor *actor);

/* Work for the worker thread; part of an actor, which does not end before it. */
typedef struct vmx_chore {
    vmx_build *build;
    void (*run)(struct vmx_chore *chore);   /* on the worker's thread; a failure goes into `error` */
    void (*after)(struct vmx_chore *chore); /* on the strand */
    bool busy;
    vmx_error error;
    vmx_task work_task, done_task;
} vmx_chore;

/* Starts `run`; `after` follows, never inside. One at a time for each chore. */
void
vmx_chore_start(vmx_chore *chore, vmx_build *build, void (*run)(vmx_chore *), void (*after)(vmx_chore *));

#endif
