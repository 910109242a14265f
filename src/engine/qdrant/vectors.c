#include <string.h>

#include "engine/qdrant/qdrant.h"

/* --- to Qdrant: the old form of a vector, which every version reads ------------------------------------------------ */

static Qdrant__Vector *
make_dense(vmx_arena *arena, vmx_floats dense)
{
    Qdrant__Vector *vector = vmx_arena_alloc(arena, sizeof *vector);
    if (vector == NULL)
        return NULL;
    qdrant__vector__init(vector);
    vector->n_data = dense.len;
    vector->data = (float *)(uintptr_t)dense.ptr;
    return vector;
}

static Qdrant__Vector *
make_sparse(vmx_arena *arena, vmx_sparse sparse)
{
    Qdrant__Vector *vector = make_dense(arena, (vmx_floats){sparse.values, sparse.len});
    Qdrant__SparseIndices *indices = vmx_arena_alloc(arena, sizeof *indices);
    if (vector == NULL || indices == NULL)
        return NULL;
    qdrant__sparse_indices__init(indices);
    indices->n_data = sparse.len;
    indices->data = (uint32_t *)(uintptr_t)sparse.indices;
    vector->indices = indices;
    return vector;
}

/* Puts a vector behind the others; false when it is none, for want of memory. */
static bool
add_named(vmx_arena *arena, Qdrant__NamedVectors *named, const char *name, Qdrant__Vector *vector)
{
    Qdrant__NamedVectors__VectorsEntry *entry = vmx_arena_alloc(arena, sizeof *entry);
    if (entry == NULL || vector == NULL)
        return false;
    qdrant__named_vectors__vectors_entry__init(entry);
    entry->key = vmx_qdrant_text(name);
    entry->value = vector;
    named->vectors[named->n_vectors++] = entry;
    return true;
}

static Qdrant__NamedVectors *
make_named(vmx_arena *arena, const vmx_qdrant_settings *settings, vmx_floats dense, vmx_sparse sparse)
{
    Qdrant__NamedVectors *named = vmx_arena_alloc(arena, sizeof *named);
    if (named == NULL)
        return NULL;
    qdrant__named_vectors__init(named);
    named->vectors = vmx_arena_calloc(arena, 2, sizeof *named->vectors);
    bool made = named->vectors != NULL;
    if (made && dense.len > 0)
        made = add_named(arena, named, settings->vector_name, make_dense(arena, dense));
    if (made && sparse.len > 0)
        made = add_named(arena, named, settings->sparse_name, make_sparse(arena, sparse));
    return made ? named : NULL;
}

Qdrant__Vectors *
vmx_qdrant_vectors(vmx_arena *arena, const vmx_qdrant_settings *settings, vmx_floats dense, vmx_sparse sparse)
{
    Qdrant__Vectors *vectors = vmx_arena_alloc(arena, sizeof *vectors);
    if (vectors == NULL)
        return NULL;
    qdrant__vectors__init(vectors);
    if (settings->vector_name[0] == '\0' && sparse.len == 0) {
        vectors->vectors_options_case = QDRANT__VECTORS__VECTORS_OPTIONS_VECTOR;
        vectors->vector = make_dense(arena, dense);
        return vectors->vector != NULL ? vectors : NULL;
    }
    vectors->vectors_options_case = QDRANT__VECTORS__VECTORS_OPTIONS_VECTORS;
    vectors->vectors = make_named(arena, settings, dense, sparse);
    return vectors->vectors != NULL ? vectors : NULL;
}

/* --- from Qdrant: either form -------------------------------------------------------------------------------------- */

void
vmx_qdrant_read_vector(const Qdrant__Vector *vector, vmx_match *match)
{
    size_t indices = 0;
    if (vector->vector_case == QDRANT__VECTOR__VECTOR_DENSE) {
        match->values = (vmx_floats){vector->dense->data, vector->dense->n_data};
    } else if (vector->vector_case == QDRANT__VECTOR__VECTOR_SPARSE) {
        match->sparse = (vmx_sparse){vector->sparse->indices, vector->sparse->values, vector->sparse->n_values};
        indices = vector->sparse->n_indices;
    } else if (vector->indices != NULL) {
        match->sparse = (vmx_sparse){vector->indices->data, vector->data, vector->n_data};
        indices = vector->indices->n_data;
    } else {
        match->values = (vmx_floats){vector->data, vector->n_data};
    }
    bool sparse = vector->vector_case == QDRANT__VECTOR__VECTOR_SPARSE || vector->indices != NULL;
    if (sparse && match->sparse.len > indices)
        match->sparse.len = indices; /* a server may say what it likes */
}

void
vmx_qdrant_read_vectors(const vmx_qdrant_settings *settings, const Qdrant__Vectors *vectors, vmx_match *match)
{
    if (vectors == NULL)
        return;
    if (vectors->vectors_options_case == QDRANT__VECTORS__VECTORS_OPTIONS_VECTOR)
        vmx_qdrant_read_vector(vectors->vector, match);
    if (vectors->vectors_options_case != QDRANT__VECTORS__VECTORS_OPTIONS_VECTORS)
        return;
    const Qdrant__NamedVectors *named = vectors->vectors;
    for (size_t i = 0; i < named->n_vectors; i++) {
        const char *name = named->vectors[i]->key;
        bool ours = strcmp(name, settings->vector_name) == 0 || strcmp(name, settings->sparse_name) == 0;
        if (ours && named->vectors[i]->value != NULL)
            vmx_qdrant_read_vector(named->vectors[i]->value, match);
    }
}
