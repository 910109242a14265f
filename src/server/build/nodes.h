/*
 * server/build/nodes.h: a namespace's graph, and which of its nodes stands for which slot of the records. Slots change as
 * records come and go, nodes never do: a node whose record was deleted or replaced is a tombstone, a slot without a node
 * came later and is searched exactly. Under the namespace's lock.
 */
#ifndef VMXD_BUILD_NODES_H
#define VMXD_BUILD_NODES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/build/graph.h"

#define VMXD_NO_NODE UINT32_MAX

typedef struct vmxd_nodes {
    vmxd_graph *graph; /* NULL while it is built */
    uint32_t ef_search;
    uint32_t *node_of_slot; /* or VMXD_NO_NODE */
    size_t slot_room;
    uint32_t *slot_of_node; /* or VMXD_NO_NODE: a tombstone */
    size_t node_count, tombstones;
} vmxd_nodes;

/* Nodes 0 to count-1 are the slots of the same numbers. NULL when memory is out. */
vmxd_nodes *
vmxd_nodes_new(size_t count, size_t slot_room);

/* With its graph. NULL is allowed. */
void
vmxd_nodes_free(vmxd_nodes *nodes);

/* Room for so many slots; false when memory is out. NULL is allowed, here and below. */
bool
vmxd_nodes_reserve(vmxd_nodes *nodes, size_t slots);

/* A new record stands in `slot`. */
void
vmxd_nodes_put(vmxd_nodes *nodes, size_t slot);

/* The record in `slot` goes, or has other values. */
void
vmxd_nodes_detach(vmxd_nodes *nodes, size_t slot);

/* The record in `from` stands in `to` now. */
void
vmxd_nodes_move(vmxd_nodes *nodes, size_t from, size_t to);

#endif
