/* A bad network on loopback: bytes between a listening port and a target, late, slow, cut or not at all. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>
#include <vecmux/mock.h>

#include "core/alloc.h"
#include "core/error.h"
#include "core/number.h"
#include "core/sized.h"
#include "core/sync.h"
#include "mock/flow.h"
#include "mock/listener.h"

typedef struct pair pair;

/* One of the two sockets of a connection. What it reads goes into `flow`, and from there to the other. */
typedef struct side {
    vmx_mock_source source; /* first */
    pair *pair;
    struct side *other;
    vmx_mock_flow flow; /* to the other side */
    bool ended;         /* its peer has sent FIN */
    bool told;          /* and the other side has been told */
} side;

struct pair {
    pair *prev, *next;
    vmx_mock_proxy *proxy;
    uint64_t number;
    side client, server;
    vmx_mock_network network;
    vmx_mock_timer timer;
    bool dirty;
    bool connected; /* to the target */
    bool dead;
};

struct vmx_mock_proxy {
    vmx_mock_loop loop; /* first */
    vmx_mock_listener listener;
    struct sockaddr_storage target;
    socklen_t target_len;
    vmx_mock_network network; /* of connections to come */
    vmx_mock_proxy_counters counters;
    pair *pairs;
};

/* --- the end ------------------------------------------------------------------------------------------------------- */

static void
close_side(side *self, bool reset)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    vmx_mock_loop_remove(&self->pair->proxy->loop, &self->source);
    if (reset)
        setsockopt(self->source.fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    close(self->source.fd);
}

/* Its memory goes at the end of the turn. */
static void
end(pair *self, bool reset)
{
    if (self->dead)
        return;
    self->dead = true;
    vmx_mock_timer_cancel(&self->proxy->loop, &self->timer);
    close_side(&self->client, reset);
    close_side(&self->server, reset);
    self->proxy->counters.connections_open--;
}

static void
free_pair(pair *self)
{
    end(self, false);
    if (self->prev != NULL)
        self->prev->next = self->next;
    else
        self->proxy->pairs = self->next;
    if (self->next != NULL)
        self->next->prev = self->prev;
    vmx_mock_flow_clear(&self->client.flow);
    vmx_mock_flow_clear(&self->server.flow);
    vmx_dealloc(self);
}

/* --- forwarding ---------------------------------------------------------------------------------------------------- */

static vmx_mock_flow_rules
rules_of(const side *from)
{
    const pair *self = from->pair;
    bool up = from == &self->client;
    return (vmx_mock_flow_rules){.stall = up ? self->network.stall_to_server : self->network.stall_to_client,
                                 .delay_ms = self->network.delay_ms,
                                 .bytes_per_second = self->network.bytes_per_second};
}

/* Forwards what may go now. False: the connection is gone. */
static bool
forward(side *from)
{
    pair *self = from->pair;
    vmx_mock_flow_rules rules = rules_of(from);
    uint64_t before = from->flow.forwarded;
    vmx_mock_flow_result result = vmx_mock_flow_write(&from->flow, &rules, from->other->source.fd, vmx_monotonic_us());
    uint64_t *counter =
        from == &self->client ? &self->proxy->counters.bytes_to_server : &self->proxy->counters.bytes_to_client;
    *counter += from->flow.forwarded - before;
    if (result == VMX_MOCK_FLOW_BROKEN || result == VMX_MOCK_FLOW_CUT) {
        end(self, self->network.reset || result == VMX_MOCK_FLOW_BROKEN);
        return false;
    }
    if (from->ended && !from->told && vmx_mock_flow_is_empty(&from->flow) && !rules.stall) {
        shutdown(from->other->source.fd, SHUT_WR);
        from->told = true;
    }
    return true;
}

/* What a side is to be watched for: bytes while there is room for them, room for the other's bytes while it is short. */
static void
watch(side *self)
{
    uint32_t events = 0;
    if (!self->ended && vmx_mock_flow_has_room(&self->flow))
        events |= EPOLLIN;
    if (self->other->flow.blocked || (self == &self->pair->server && !self->pair->connected))
        events |= EPOLLOUT;
    vmx_mock_loop_watch(&self->pair->proxy->loop, &self->source, events);
}

static void
set_timer(pair *self)
{
    uint64_t now_us = vmx_monotonic_us(), due_us = VMX_NEVER;
    side *sides[] = {&self->client, &self->server};
    for (int i = 0; i < 2; i++) {
        vmx_mock_flow_rules rules = rules_of(sides[i]);
        uint64_t due = vmx_mock_flow_due(&sides[i]->flow, &rules);
        due_us = due < due_us ? due : due_us;
    }
    if (due_us == VMX_NEVER)
        vmx_mock_timer_cancel(&self->proxy->loop, &self->timer);
    else
        vmx_mock_timer_set(&self->proxy->loop, &self->timer,
                           due_us > now_us ? (int64_t)(due_us - now_us + 999) / 1000 : 0);
}

static void
pump(pair *self)
{
    self->dirty = false;
    if (self->dead || (self->connected && !(forward(&self->client) && forward(&self->server))))
        return;
    if (self->client.told && self->server.told) {
        end(self, false);
        return;
    }
    watch(&self->client);
    watch(&self->server);
    if (self->connected)
        set_timer(self);
}

static void
on_timer(vmx_mock_timer *timer)
{
    pump((pair *)((char *)timer - offsetof(pair, timer)));
}

/*
 * Reads. False: the connection was reset. That a socket has hung up is said for ever: its last bytes are read whether there
 * is room for them or not, and behind its end it is watched no more.
 */
static bool
take(side *self, uint32_t events)
{
    bool hung_up = (events & (EPOLLHUP | EPOLLERR)) != 0;
    if (self->ended && (events & EPOLLERR) == 0) {
        if (hung_up)
            vmx_mock_loop_remove(&self->pair->proxy->loop, &self->source);
        return true;
    }
    if (self->ended)
        return false;
    if (!hung_up && ((events & EPOLLIN) == 0 || !vmx_mock_flow_has_room(&self->flow)))
        return true;
    vmx_mock_flow_result result = vmx_mock_flow_read(&self->flow, self->source.fd, vmx_monotonic_us());
    self->ended = result == VMX_MOCK_FLOW_END;
    return result != VMX_MOCK_FLOW_BROKEN;
}

static void
on_ready(vmx_mock_source *source, uint32_t events)
{
    side *self = (side *)source;
    pair *both = self->pair;
    if (self == &both->server && (events & (EPOLLOUT | EPOLLERR)) != 0 && !both->connected) {
        int error = 0;
        socklen_t len = sizeof error;
        getsockopt(source->fd, SOL_SOCKET, SO_ERROR, &error, &len);
        if (error != 0) {
            end(both, true);
            return;
        }
        both->connected = true;
    }
    if (take(self, events))
        pump(both);
    else
        end(both, true);
}

/* --- connections --------------------------------------------------------------------------------------------------- */

static void
use_network(pair *self, const vmx_mock_network *network)
{
    self->network = *network;
    vmx_mock_flow_set_cut(&self->client.flow, network->cut_to_server_bytes);
    vmx_mock_flow_set_cut(&self->server.flow, network->cut_to_client_bytes);
    vmx_mock_flow_set_flip(&self->client.flow, network->flip_to_server_bytes);
    vmx_mock_flow_set_flip(&self->server.flow, network->flip_to_client_bytes);
    self->dirty = true;
}

static int
connect_to(const vmx_mock_proxy *proxy)
{
    int on = 1;
    int fd = socket(proxy->target.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(fd, (const struct sockaddr *)&proxy->target, proxy->target_len) == 0 || errno == EINPROGRESS)
        return fd;
    close(fd);
    return -1;
}

static void
start_pair(vmx_mock_proxy *proxy, pair *self, int client, int server)
{
    self->proxy = proxy;
    self->number = proxy->counters.connections_accepted;
    self->client = (side){.source = {.fd = client, .ready = on_ready}, .pair = self, .other = &self->server};
    self->server = (side){.source = {.fd = server, .ready = on_ready}, .pair = self, .other = &self->client};
    self->timer.fire = on_timer;
    self->next = proxy->pairs;
    if (self->next != NULL)
        self->next->prev = self;
    proxy->pairs = self;
    proxy->counters.connections_open++;
    use_network(self, &proxy->network);
    if (!vmx_mock_loop_add(&proxy->loop, &self->client.source, EPOLLIN) ||
        !vmx_mock_loop_add(&proxy->loop, &self->server.source, EPOLLOUT))
        end(self, true);
}

static void
on_accepted(vmx_mock_listener *listener, int fd)
{
    vmx_mock_proxy *proxy = (vmx_mock_proxy *)((char *)listener - offsetof(vmx_mock_proxy, listener));
    pair *self = vmx_calloc(1, sizeof *self);
    int server = self != NULL ? connect_to(proxy) : -1;
    proxy->counters.connections_accepted++;
    if (server >= 0) {
        start_pair(proxy, self, fd, server);
        return;
    }
    vmx_dealloc(self);
    close(fd);
}

static void
on_turned(vmx_mock_loop *loop)
{
    vmx_mock_proxy *proxy = (vmx_mock_proxy *)loop;
    for (pair *at = proxy->pairs, *next; at != NULL; at = next) {
        next = at->next;
        if (at->dirty)
            pump(at);
        if (at->dead)
            free_pair(at);
    }
}

/* --- the face ------------------------------------------------------------------------------------------------------ */

void
vmx_mock_network_init(vmx_mock_network *network, size_t size)
{
    vmx_sized_init(network, size);
}

void
vmx_mock_proxy_counters_init(vmx_mock_proxy_counters *counters, size_t size)
{
    vmx_sized_init(counters, size);
}

/* "host:port", IPv6 in brackets. */
static vmx_status
read_target(vmx_mock_proxy *proxy, vmx_str target, vmx_error *error)
{
    const char *colon = target.len > 0 ? memrchr(target.ptr, ':', target.len) : NULL;
    int64_t port = 0;
    if (colon == NULL ||
        !vmx_integer_parse((vmx_str){colon + 1, target.len - (size_t)(colon + 1 - target.ptr)}, false, &port) ||
        port < 1 || port > 65535)
        return vmx_error_set(error, VMX_ERR_INVALID, "mock: target \"%.*s\": no port; write host:port",
                             vmx_error_clip(target), target.ptr);
    vmx_str host = {target.ptr, (size_t)(colon - target.ptr)};
    if (host.len > 2 && host.ptr[0] == '[')
        host = (vmx_str){host.ptr + 1, host.len - 2};
    return vmx_mock_resolve(host, (int)port, &proxy->target, &proxy->target_len, error);
}

static vmx_status
start(vmx_mock_proxy *proxy, vmx_str target, vmx_error *error)
{
    vmx_status status = read_target(proxy, target, error);
    if (status == VMX_OK)
        status = vmx_mock_listener_open(&proxy->listener, (vmx_str){"127.0.0.1", 9}, 0, error);
    if (status == VMX_OK && !vmx_mock_loop_start(&proxy->loop, "vmx-mock-proxy"))
        status = vmx_error_set(error, VMX_ERR_IO, "mock: the system gives no thread, or no descriptor");
    if (status != VMX_OK)
        vmx_mock_listener_close(&proxy->listener);
    return status;
}

vmx_status
vmx_mock_proxy_start(vmx_str target, vmx_mock_proxy **out, vmx_error *error)
{
    *out = NULL;
    vmx_mock_proxy *proxy = vmx_calloc(1, sizeof *proxy);
    if (proxy == NULL)
        return vmx_error_no_memory(error);
    proxy->listener.source.fd = proxy->listener.reserve = -1;
    proxy->listener.accepted = on_accepted;
    proxy->loop.turned = on_turned;
    vmx_status status = start(proxy, target, error);
    if (status != VMX_OK) {
        vmx_dealloc(proxy);
        return status;
    }
    pthread_mutex_lock(&proxy->loop.lock);
    bool watched = vmx_mock_listener_watch(&proxy->listener, &proxy->loop);
    pthread_mutex_unlock(&proxy->loop.lock);
    if (!watched) {
        vmx_mock_proxy_stop(proxy);
        return vmx_error_set(error, VMX_ERR_IO, "mock: the system watches no more sockets");
    }
    *out = proxy;
    return VMX_OK;
}

void
vmx_mock_proxy_stop(vmx_mock_proxy *proxy)
{
    if (proxy == NULL)
        return;
    vmx_mock_loop_stop(&proxy->loop);
    vmx_mock_listener_close(&proxy->listener);
    while (proxy->pairs != NULL)
        free_pair(proxy->pairs);
    pthread_mutex_destroy(&proxy->loop.lock);
    vmx_dealloc(proxy);
}

int
vmx_mock_proxy_port(const vmx_mock_proxy *proxy)
{
    return vmx_mock_listener_port(&proxy->listener);
}

void
vmx_mock_proxy_set(vmx_mock_proxy *proxy, uint64_t connection, const vmx_mock_network *network)
{
    vmx_mock_network ours;
    vmx_sized_read(&ours, sizeof ours, network);
    pthread_mutex_lock(&proxy->loop.lock);
    if (connection == 0)
        proxy->network = ours;
    for (pair *at = proxy->pairs; at != NULL; at = at->next)
        if (!at->dead && (connection == 0 || connection == at->number))
            use_network(at, &ours);
    pthread_mutex_unlock(&proxy->loop.lock);
    vmx_mock_loop_wake(&proxy->loop);
}

void
vmx_mock_proxy_cut(vmx_mock_proxy *proxy, uint64_t connection, bool reset)
{
    pthread_mutex_lock(&proxy->loop.lock);
    for (pair *at = proxy->pairs; at != NULL; at = at->next)
        if (connection == 0 || connection == at->number)
            end(at, reset);
    pthread_mutex_unlock(&proxy->loop.lock);
    vmx_mock_loop_wake(&proxy->loop);
}

void
vmx_mock_proxy_refuse(vmx_mock_proxy *proxy, int64_t for_ms)
{
    pthread_mutex_lock(&proxy->loop.lock);
    vmx_mock_listener_refuse(&proxy->listener, for_ms);
    pthread_mutex_unlock(&proxy->loop.lock);
    vmx_mock_loop_wake(&proxy->loop);
}

void
vmx_mock_proxy_count(vmx_mock_proxy *proxy, vmx_mock_proxy_counters *counters)
{
    pthread_mutex_lock(&proxy->loop.lock);
    vmx_sized_write(counters, &proxy->counters, sizeof proxy->counters);
    pthread_mutex_unlock(&proxy->loop.lock);
}
