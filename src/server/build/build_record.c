/* Builds in memory and on disk. */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/sync.h"
#include "server/build/builds_private.h"

/* Takes the record over. NULL when memory is out. */
vmxd_build *
vmxd_build_new(Build__Build *record)
{
    vmxd_build *build = vmx_calloc(1, sizeof *build);
    if (!build) {
        build__build__free_unpacked(record, NULL);
        return NULL;
    }
    build->record = record;
    build->deadline_us = VMX_NEVER;
    build->seen_us = vmx_monotonic_us();
    atomic_init(&build->stop, VMXD_STOP_NOT);
    return build;
}

void
vmxd_build_free(vmxd_build *build)
{
    build__build__free_unpacked(build->record, NULL);
    vmx_dealloc(build);
}

bool
vmxd_builds_add(vmxd_builds *builds, vmxd_build *build)
{
    if (builds->count == builds->room) {
        size_t room = builds->room * 2 + 16;
        vmxd_build **grown = vmx_realloc(builds->all, room * sizeof(vmxd_build *));
        if (!grown)
            return false;
        builds->all = grown;
        builds->room = room;
    }
    size_t at = builds->count++;
    for (; at > 0 && builds->all[at - 1]->sequence > build->sequence; at--)
        builds->all[at] = builds->all[at - 1];
    builds->all[at] = build;
    if (build->sequence >= builds->next_sequence)
        builds->next_sequence = build->sequence + 1;
    return true;
}

void
vmxd_build_forget(vmxd_builds *builds, vmxd_build *build)
{
    size_t at = 0;
    while (builds->all[at] != build)
        at++;
    memmove(builds->all + at, builds->all + at + 1, (--builds->count - at) * sizeof *builds->all);
    if (builds->fd >= 0)
        unlinkat(builds->fd, build->record->build_id, 0);
    vmxd_build_free(build);
}

void
vmxd_build_save(vmxd_builds *builds, const vmxd_build *build)
{
    Vmxd__StoredBuild stored;
    vmxd_status status;
    if (builds->fd < 0)
        return;
    vmxd__stored_build__init(&stored);
    stored.build = build->record;
    stored.sequence = build->sequence;
    stored.deadline_unix_ms = build->deadline_unix_ms;
    stored.in_use = build->in_use;
    if (!vmxd_disk_write_message(builds->fd, build->record->build_id, &stored.base, &status))
        fprintf(stderr, "vecmuxd: a build is not kept: %s\n", status.text);
}

/* What had not ended begins again, and so does a graph in place, which was in memory only. */
static void
resume(vmxd_build *build, uint64_t deadline_unix_ms, bool in_use)
{
    uint64_t now_ms = vmxd_unix_ms();
    build->deadline_unix_ms = deadline_unix_ms;
    if (vmxd_build_ended(build) && !in_use)
        return;
    build->record->state = BUILD__STATE__STATE_QUEUED;
    build->record->phase = BUILD__PHASE__PHASE_UNSPECIFIED;
    build->record->attempt++;
    build->record->started_ms = build->record->finished_ms = 0;
    if (deadline_unix_ms > 0 && !in_use)
        build->deadline_us = vmx_monotonic_us() + (deadline_unix_ms > now_ms ? (deadline_unix_ms - now_ms) * 1000 : 0);
    if (in_use) /* its owner has long had what it waited for */
        build->record->request->lease_ms = 0;
}

static void
load_build(void *user, const char *name)
{
    vmxd_builds *builds = user;
    vmxd_status status;
    if (strlen(name) != 32) { /* being written when the server ended */
        unlinkat(builds->fd, name, 0);
        return;
    }
    Vmxd__StoredBuild *stored =
        (Vmxd__StoredBuild *)vmxd_disk_read_message(builds->fd, name, &vmxd__stored_build__descriptor, &status);
    if (!stored || !stored->build || !stored->build->request) {
        fprintf(stderr, "vecmuxd: a build is left out: %s\n", stored ? "its file is incomplete" : status.text);
        if (stored)
            vmxd__stored_build__free_unpacked(stored, NULL);
        return;
    }
    Build__Build *record = stored->build;
    stored->build = NULL;
    vmxd_build *build = vmxd_build_new(record);
    if (build) {
        build->sequence = stored->sequence;
        resume(build, stored->deadline_unix_ms, stored->in_use);
        if (!vmxd_builds_add(builds, build))
            vmxd_build_free(build);
    }
    vmxd__stored_build__free_unpacked(stored, NULL);
}

bool
vmxd_builds_load(vmxd_builds *builds, vmxd_status *status)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/builds", builds->options.directory);
    if (!vmxd_disk_make_directory(AT_FDCWD, path, status))
        return false;
    builds->fd = vmxd_disk_open(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, status);
    return builds->fd >= 0 && vmxd_disk_list(builds->fd, ".", load_build, builds, status);
}
