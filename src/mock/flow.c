#include "mock/flow.h"

#include <errno.h>
#include <sys/socket.h>

#include "core/alloc.h"
#include "core/sync.h"

enum { CHUNK_BYTES = 65536, HELD_BYTES = 1 << 20, SECOND_US = 1000000 };

/* A throttled flow sends what this long pays for, so that it neither spins nor bursts. */
enum { STEP_US = 10000 };

vmx_mock_flow_result
vmx_mock_flow_read(vmx_mock_flow *flow, int fd, uint64_t now_us)
{
    vmx_mock_chunk *chunk = vmx_alloc(sizeof *chunk + CHUNK_BYTES);
    if (chunk == NULL)
        return VMX_MOCK_FLOW_BROKEN;
    ssize_t len = recv(fd, chunk->data, CHUNK_BYTES, 0);
    if (len <= 0) {
        bool none = len < 0 && (errno == EAGAIN || errno == EINTR);
        vmx_dealloc(chunk);
        return none ? VMX_MOCK_FLOW_GOES_ON : len == 0 ? VMX_MOCK_FLOW_END : VMX_MOCK_FLOW_BROKEN;
    }
    chunk->next = NULL;
    chunk->came_us = now_us;
    chunk->len = (size_t)len;
    chunk->at = 0;
    if (flow->first == NULL)
        flow->last = &flow->first;
    *flow->last = chunk;
    flow->last = &chunk->next;
    flow->held += chunk->len;
    return VMX_MOCK_FLOW_GOES_ON;
}

/* How many of the first chunk's bytes may go now. */
static size_t
allowance(const vmx_mock_flow *flow, const vmx_mock_flow_rules *rules, uint64_t now_us)
{
    const vmx_mock_chunk *chunk = flow->first;
    if (chunk == NULL || rules->stall || now_us < vmx_deadline_us(chunk->came_us, rules->delay_ms))
        return 0;
    size_t count = chunk->len - chunk->at;
    if (rules->bytes_per_second > 0) {
        if (now_us < flow->free_us)
            return 0;
        uint64_t step = (uint64_t)rules->bytes_per_second * STEP_US / SECOND_US;
        step = step > 0 ? step : 1;
        count = step < count ? (size_t)step : count;
    }
    if (flow->cut_at > 0 && flow->cut_at - flow->forwarded < count)
        count = (size_t)(flow->cut_at - flow->forwarded);
    return count;
}

/* Inverts the bit that is to be, if it is among the next `count` bytes. */
static void
flip(vmx_mock_flow *flow, size_t count)
{
    if (flow->flip_at == 0 || flow->flip_at - flow->forwarded > count)
        return;
    vmx_mock_chunk *chunk = flow->first;
    chunk->data[chunk->at + (flow->flip_at - flow->forwarded) - 1] ^= 1;
    flow->flip_at = 0;
}

static void
note_sent(vmx_mock_flow *flow, const vmx_mock_flow_rules *rules, size_t count, uint64_t now_us)
{
    vmx_mock_chunk *chunk = flow->first;
    chunk->at += count;
    flow->held -= count;
    flow->forwarded += count;
    if (rules->bytes_per_second > 0)
        flow->free_us = now_us + count * (uint64_t)SECOND_US / (uint64_t)rules->bytes_per_second;
    if (chunk->at < chunk->len)
        return;
    flow->first = chunk->next;
    vmx_dealloc(chunk);
}

vmx_mock_flow_result
vmx_mock_flow_write(vmx_mock_flow *flow, const vmx_mock_flow_rules *rules, int fd, uint64_t now_us)
{
    flow->blocked = false;
    for (size_t count; (count = allowance(flow, rules, now_us)) > 0;) {
        flip(flow, count);
        ssize_t sent = send(fd, flow->first->data + flow->first->at, count, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN && errno != EINTR)
            return VMX_MOCK_FLOW_BROKEN;
        if (sent <= 0) {
            flow->blocked = true;
            return VMX_MOCK_FLOW_GOES_ON;
        }
        note_sent(flow, rules, (size_t)sent, now_us);
        if (flow->cut_at > 0 && flow->forwarded == flow->cut_at)
            return VMX_MOCK_FLOW_CUT;
    }
    return VMX_MOCK_FLOW_GOES_ON;
}

uint64_t
vmx_mock_flow_due(const vmx_mock_flow *flow, const vmx_mock_flow_rules *rules)
{
    if (flow->first == NULL || rules->stall || flow->blocked)
        return VMX_NEVER;
    uint64_t due_us = vmx_deadline_us(flow->first->came_us, rules->delay_ms);
    return rules->bytes_per_second > 0 && flow->free_us > due_us ? flow->free_us : due_us;
}

bool
vmx_mock_flow_has_room(const vmx_mock_flow *flow)
{
    return flow->held < HELD_BYTES;
}

bool
vmx_mock_flow_is_empty(const vmx_mock_flow *flow)
{
    return flow->first == NULL;
}

void
vmx_mock_flow_set_cut(vmx_mock_flow *flow, int64_t bytes)
{
    flow->cut_at = bytes > 0 ? flow->forwarded + (uint64_t)bytes : 0;
}

void
vmx_mock_flow_set_flip(vmx_mock_flow *flow, int64_t bytes)
{
    flow->flip_at = bytes > 0 ? flow->forwarded + (uint64_t)bytes : 0;
}

void
vmx_mock_flow_clear(vmx_mock_flow *flow)
{
    while (flow->first != NULL) {
        vmx_mock_chunk *chunk = flow->first;
        flow->first = chunk->next;
        vmx_dealloc(chunk);
    }
    flow->held = 0;
}
