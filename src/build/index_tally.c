#include "build/index_tally.h"

#include <string.h>

#include "core/utf8.h"

void
vmx_index_tallies_init(vmx_index_tallies *tallies)
{
    memset(&tallies->locked, 0, sizeof tallies->locked);
    pthread_mutex_init(&tallies->lock, NULL);
}

void
vmx_index_tallies_destroy(vmx_index_tallies *tallies)
{
    pthread_mutex_destroy(&tallies->lock);
}

/* Whole characters only; '?' stands for bytes that are none. */
static void
keep_name(vmx_str name, char out[VMX_INDEX_NAME_BYTES + 1])
{
    size_t to = 0;
    for (size_t at = 0, len; at < name.len; at += len) {
        size_t found = vmx_utf8_character((const unsigned char *)name.ptr + at, name.len - at);
        bool sound = found > 0 && name.ptr[at] != '\0';
        len = sound ? found : 1;
        if (to + len > VMX_INDEX_NAME_BYTES)
            break;
        memcpy(out + to, sound ? name.ptr + at : "?", len);
        to += len;
    }
    out[to] = '\0';
}

static vmx_index_tally *
find_locked(vmx_index_tallies *tallies, const char *name)
{
    for (size_t i = 0; i < tallies->locked.count; i++)
        if (strcmp(tallies->locked.of[i].name, name) == 0)
            return &tallies->locked.of[i];
    vmx_index_tally *last = &tallies->locked.of[VMX_TALLIED_INDEXES];
    if (tallies->locked.count > VMX_TALLIED_INDEXES)
        return last;
    vmx_index_tally *added = &tallies->locked.of[tallies->locked.count++];
    strcpy(added->name, added == last ? "(others)" : name);
    return added;
}

void
vmx_index_tallies_add(vmx_index_tallies *tallies, vmx_str name, vmx_build_result result, uint64_t duration_us,
                      uint64_t sent_bytes, uint64_t received_bytes)
{
    char kept[VMX_INDEX_NAME_BYTES + 1];
    keep_name(name, kept);
    pthread_mutex_lock(&tallies->lock);
    vmx_index_tally *tally = find_locked(tallies, kept);
    tally->results[result]++;
    tally->duration_us += result == VMX_BUILD_SUCCEEDED ? duration_us : 0;
    tally->sent_bytes += sent_bytes;
    tally->received_bytes += received_bytes;
    pthread_mutex_unlock(&tallies->lock);
}

size_t
vmx_index_tallies_read(vmx_index_tallies *tallies, vmx_index_tally out[VMX_TALLIED_INDEXES + 1])
{
    pthread_mutex_lock(&tallies->lock);
    size_t count = tallies->locked.count;
    memcpy(out, tallies->locked.of, count * sizeof *out);
    pthread_mutex_unlock(&tallies->lock);
    return count;
}
