/*
 * server/filter.h: metadata filters.
 *
 *   {"genre": "drama"}                    same as {"genre": {"$eq": "drama"}}
 *   {"year": {"$gte": 2000, "$lt": 2010}} several conditions: all must hold, as must all fields of an object
 *   {"$and": [{...}, {...}]}, {"$or": [...]}
 *   {"genre": {"$not": {"$eq": "drama"}}}
 *
 * $eq $ne (text, number, boolean), $gt $gte $lt $lte (number), $in $nin (lists of texts and numbers), $exists (boolean).
 * A field that is a list equals a text if any of its items does. $ne, $nin and $not are true exactly where $eq, $in and
 * the inner condition are not; so they hold for records without the field.
 */
#ifndef VMXD_FILTER_H
#define VMXD_FILTER_H

#include "server/metadata.h"

typedef struct vmxd_filter vmxd_filter;

/* Compiles a filter into `arena`; its texts stay in the message. NULL with the reason in `status`. An empty object
 * matches everything. */
const vmxd_filter *
vmxd_filter_compile(const Google__Protobuf__Struct *message, vmx_arena *arena, vmxd_status *status);

/* Whether a record with this packed metadata is selected. Any thread. */
bool
vmxd_filter_match(const vmxd_filter *filter, vmx_str metadata);

#endif
