#include "server/build/nodes.h"

#include "core/alloc.h"

vmxd_nodes *
vmxd_nodes_new(size_t count, size_t slot_room)
{
    vmxd_nodes *nodes = vmx_calloc(1, sizeof *nodes);
    if (!nodes)
        return NULL;
    nodes->slot_of_node = vmx_calloc(count, sizeof *nodes->slot_of_node);
    if (!nodes->slot_of_node || !vmxd_nodes_reserve(nodes, slot_room)) {
        vmxd_nodes_free(nodes);
        return NULL;
    }
    nodes->node_count = count;
    for (uint32_t i = 0; i < count; i++)
        nodes->slot_of_node[i] = nodes->node_of_slot[i] = i;
    return nodes;
}

void
vmxd_nodes_free(vmxd_nodes *nodes)
{
    if (!nodes)
        return;
    if (nodes->graph)
        vmxd_graph_free(nodes->graph);
    vmx_dealloc(nodes->node_of_slot);
    vmx_dealloc(nodes->slot_of_node);
    vmx_dealloc(nodes);
}

bool
vmxd_nodes_reserve(vmxd_nodes *nodes, size_t slots)
{
    if (!nodes || slots <= nodes->slot_room)
        return true;
    uint32_t *grown = vmx_realloc(nodes->node_of_slot, slots * sizeof *grown);
    if (!grown)
        return false;
    nodes->node_of_slot = grown;
    nodes->slot_room = slots;
    return true;
}

void
vmxd_nodes_put(vmxd_nodes *nodes, size_t slot)
{
    if (nodes)
        nodes->node_of_slot[slot] = VMXD_NO_NODE;
}

void
vmxd_nodes_detach(vmxd_nodes *nodes, size_t slot)
{
    if (!nodes || nodes->node_of_slot[slot] == VMXD_NO_NODE)
        return;
    nodes->slot_of_node[nodes->node_of_slot[slot]] = VMXD_NO_NODE;
    nodes->node_of_slot[slot] = VMXD_NO_NODE;
    nodes->tombstones++;
}

void
vmxd_nodes_move(vmxd_nodes *nodes, size_t from, size_t to)
{
    if (!nodes)
        return;
    uint32_t node = nodes->node_of_slot[from];
    nodes->node_of_slot[to] = node;
    if (node != VMXD_NO_NODE)
        nodes->slot_of_node[node] = (uint32_t)to;
}
