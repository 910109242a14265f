/*
 * source/source.h: a source, inside: its vectors and its ids.
 */
#ifndef VMX_SOURCE_SOURCE_H
#define VMX_SOURCE_SOURCE_H

#include "source/rows.h"

struct vmx_source {
    _Atomic size_t refs;
    uint32_t dimension;
    vmx_rows *vectors;  /* float32 */
    vmx_rows *ids;      /* int32; NULL: the rows' numbers */
    _Atomic bool taken; /* a build uses it */
};

vmx_source *
vmx_source_acquire(vmx_source *source);

/* The ids, made when none were given; a reference. NULL when memory is out. */
vmx_rows *
vmx_source_ids(vmx_source *source);

#endif
