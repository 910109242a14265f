/*
 * engine/pinecone/plain.h: upserts of nothing but ids and dense values of one dimension, as most are: checked, measured and
 * encoded in two walks over the caller's vectors, without a record in between. The bytes are those of vmx_vectors_encode.
 */
#ifndef VMX_ENGINE_PINECONE_PLAIN_H
#define VMX_ENGINE_PINECONE_PLAIN_H

#include "engine/engine.h"

/*
 * Encodes all of `vectors` as one request; what is lent (NULL: nothing) is referenced as vmx_vectors_encode does. False, and
 * no message, if anything is not plain, too much, not sound or memory is out: the way for all kinds of vectors says what, or
 * does it.
 */
bool
vmx_plain_encode(const vmx_vectors *vectors, const vmx_limits *limits, vmx_str name_space, vmx_block *lender,
                 vmx_message *message);

#endif
