#include "stats/slot.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#define UNKNOWN SIZE_MAX

static _Thread_local size_t slot_here = UNKNOWN;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key; /* its destructor sees threads end */
static bool has_key;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool taken[VMX_SLOTS + 1]; /* under lock */

/* The thread ends; a destructor that runs after this one may count once more, and takes a number anew. */
static void
give_back(void *value)
{
    pthread_mutex_lock(&lock);
    taken[(uintptr_t)value] = false;
    pthread_mutex_unlock(&lock);
    slot_here = UNKNOWN;
}

static void
make_key(void)
{
    has_key = pthread_key_create(&key, give_back) == 0;
}

static size_t
take(void)
{
    size_t slot = 1;
    pthread_once(&once, make_key);
    pthread_mutex_lock(&lock);
    while (slot <= VMX_SLOTS && taken[slot])
        slot++;
    bool found = has_key && slot <= VMX_SLOTS && pthread_setspecific(key, (const void *)(uintptr_t)slot) == 0;
    if (found)
        taken[slot] = true;
    pthread_mutex_unlock(&lock);
    return found ? slot : VMX_SLOT_SHARED;
}

size_t
vmx_slot_here(void)
{
    if (slot_here == UNKNOWN)
        slot_here = take();
    return slot_here;
}
