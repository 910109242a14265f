/*
 * build/index_tally.h: what the builds of one client have come to, index by index. Any thread.
 *
 * The first VMX_TALLIED_INDEXES names have a tally each; all that come later share one, "(others)", so that a program
 * that makes up a name for each build cannot make the statistics grow.
 */
#ifndef VMX_BUILD_INDEX_TALLY_H
#define VMX_BUILD_INDEX_TALLY_H

#include <pthread.h>
#include <vecmux/types.h>

#define VMX_TALLIED_INDEXES  32
#define VMX_INDEX_NAME_BYTES 64 /* a longer name is cut */

typedef enum vmx_build_result {
    VMX_BUILD_SUCCEEDED = 0,
    VMX_BUILD_FELL_BACK = 1, /* of remote builds */
    VMX_BUILD_FAILED = 2,    /* of those in place */
    VMX_BUILD_CANCELLED = 3
} vmx_build_result;

#define VMX_BUILD_RESULTS 4

typedef struct vmx_index_tally {
    char name[VMX_INDEX_NAME_BYTES + 1];
    uint64_t results[VMX_BUILD_RESULTS];
    uint64_t duration_us; /* from launch to end, of those that succeeded */
    uint64_t sent_bytes, received_bytes;
} vmx_index_tally;

typedef struct vmx_index_tallies {
    pthread_mutex_t lock;
    struct {
        size_t count;
        vmx_index_tally of[VMX_TALLIED_INDEXES + 1];
    } locked;
} vmx_index_tallies;

void
vmx_index_tallies_init(vmx_index_tallies *tallies);
void
vmx_index_tallies_destroy(vmx_index_tallies *tallies);

/* One build has ended. `name` is UTF-8, or what is shown of it is not what was given. */
void
vmx_index_tallies_add(vmx_index_tallies *tallies, vmx_str name, vmx_build_result result, uint64_t duration_us,
                      uint64_t sent_bytes, uint64_t received_bytes);

/* Copies all of them; returns how many. */
size_t
vmx_index_tallies_read(vmx_index_tallies *tallies, vmx_index_tally out[VMX_TALLIED_INDEXES + 1]);

#endif
