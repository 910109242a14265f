/* A filter's tree as one line of text, for tests: and(in(genre,"a",1,true),not(exists(year))). */
#ifndef VMX_TEST_FILTER_TEXT_H
#define VMX_TEST_FILTER_TEXT_H

#include "core/buffer.h"
#include "engine/filter.h"

void
filter_text(const vmx_filter *filter, vmx_buffer *out);

#endif
