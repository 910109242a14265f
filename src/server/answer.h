/*
 * server/answer.h: the answer to a batch of queries.
 */
#ifndef VMXD_ANSWER_H
#define VMXD_ANSWER_H

#include "server/search.h"

/* Answers 1 to VMXD_SEARCH_BATCH queries of one namespace and filter. On a search thread. */
void
vmxd_answer_queries(vmxd_query *const *queries, size_t count);

#endif
