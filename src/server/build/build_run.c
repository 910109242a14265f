/* A build from blobs: ids, then vectors piece by piece into the graph, then the graph's file as a blob. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "core/alloc.h"
#include "server/build/builds_private.h"
#include "server/build/graph.h"
#include "server/build/steps.h"
#include "server/repository/blob_writer.h"

#define IDS_BYTES (256 << 10)

typedef struct job {
    vmxd_builds *builds;
    vmxd_build *build;
    const Build__TriggerBuildRequest *request;
    vmxd_build_end *end;
    int64_t *ids;
    vmxd_graph *graph;
    vmxd_blob_writer *writer; /* while the result is written */
    uint64_t written;
} job;

/* --- reading ------------------------------------------------------------------------------------------------------- */

/* A whole blob, from its beginning. */
static bool
open_blob(job *self, const char *name, vmxd_blob_reader *reader)
{
    int data;
    vmxd_status status;
    *reader = (vmxd_blob_reader){.fd = -1};
    vmxd_blob *blob = vmxd_repository_open_blob(self->builds->options.repository, name, &data, &status);
    if (!blob)
        return vmxd_build_fail(self->end, BUILD__ERROR_CLASS__ERROR_CLASS_NOT_FOUND,
                               "blob \"%.*s\" is not there any more; upload it again", vmxd_clip(name), name);
    bool done = vmxd_blob_reader_open(reader, blob, data, REPOSITORY__FORM__FORM_FULL, 0, 0, &status);
    vmxd_blob_unref(blob);
    return done || vmxd_build_fail_as(self->end, &status);
}

/* Exactly `len` bytes more. */
static bool
read_exactly(job *self, vmxd_blob_reader *reader, void *out, size_t len)
{
    char *at = out;
    vmx_str data;
    uint64_t offset;
    vmxd_status status;
    while (len > 0) {
        if (!vmxd_blob_reader_next(reader, at, len, &data, &offset, &status))
            return vmxd_build_fail_as(self->end, &status);
        if (data.len == 0)
            return vmxd_build_fail(self->end, BUILD__ERROR_CLASS__ERROR_CLASS_INVALID_INPUT,
                                   "blob \"%.128s\" is too short", reader->blob->stored->blob->name);
        at += data.len;
        len -= data.len;
    }
    return true;
}

static bool
no_memory(job *self)
{
    return vmxd_build_fail(self->end, BUILD__ERROR_CLASS__ERROR_CLASS_NO_MEMORY,
                           "the server is out of memory; it had expected to need %" PRIu64 " bytes",
                           self->build->record->estimated_memory_bytes);
}

/* int32 in the blob, int64 in the graph. */
static bool
read_ids(job *self, vmxd_blob_reader *reader)
{
    uint64_t count = self->request->doc_count;
    int32_t *piece = vmx_alloc(IDS_BYTES);
    bool done = piece != NULL || no_memory(self);
    for (uint64_t at = 0; done && at < count;) {
        size_t n = count - at < IDS_BYTES / sizeof *piece ? (size_t)(count - at) : IDS_BYTES / sizeof *piece;
        done = read_exactly(self, reader, piece, n * sizeof *piece);
        for (size_t i = 0; done && i < n; i++)
            self->ids[at + i] = piece[i];
        at += n;
        if (done)
            done = vmxd_build_progress(self->builds, self->build, BUILD__PHASE__PHASE_LOADING, at, count);
    }
    vmx_dealloc(piece);
    return done;
}

static bool
load_ids(job *self)
{
    vmxd_blob_reader reader = {.fd = -1};
    uint64_t count = self->request->doc_count;
    self->ids = vmx_calloc(count, sizeof *self->ids);
    if (!self->ids)
        return no_memory(self);
    if (self->request->doc_id_blob[0] == '\0') {
        for (uint64_t i = 0; i < count; i++)
            self->ids[i] = (int64_t)i;
        return vmxd_build_progress(self->builds, self->build, BUILD__PHASE__PHASE_LOADING, count, count);
    }
    bool done = open_blob(self, self->request->doc_id_blob, &reader) && read_ids(self, &reader);
    vmxd_blob_reader_close(&reader);
    return done;
}

/* --- building ------------------------------------------------------------------------------------------------------ */

/* IEEE 754 half to single. */
static float
from_half(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000) << 16, exponent = (half >> 10) & 0x1f, fraction = half & 0x3ff, bits;
    float value;
    if (exponent == 0) {
        value = (float)fraction * 0x1p-24f;
        return sign ? -value : value;
    }
    bits = sign | (exponent == 0x1f ? 0x7f800000u : (exponent + 112) << 23) | fraction << 13;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* The raw values stand at the end of the floats' memory, so widening can run forwards in place. */
static void
widen(float *out, const uint16_t *raw, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint16_t half = raw[i];
        out[i] = from_half(half);
    }
}

static bool
check_finite(job *self, const float *vectors, size_t count, uint64_t first)
{
    size_t dimension = self->request->dimension;
    for (size_t i = 0; i < count * dimension; i++)
        if (!isfinite(vectors[i]))
            return vmxd_build_fail(self->end, BUILD__ERROR_CLASS__ERROR_CLASS_INVALID_INPUT,
                                   "vector %" PRIu64 ", value %zu of blob \"%.128s\" is not a finite number",
                                   first + i / dimension, i % dimension, self->request->vector_blob);
    return true;
}

static bool
read_vectors(job *self, vmxd_blob_reader *reader, float *vectors, size_t count)
{
    size_t values = count * self->request->dimension;
    if (self->request->data_type != BUILD__DATA_TYPE__DATA_TYPE_FLOAT16)
        return read_exactly(self, reader, vectors, values * sizeof(float));
    uint16_t *raw = (uint16_t *)(void *)vectors + values;
    if (!read_exactly(self, reader, raw, values * sizeof *raw))
        return false;
    widen(vectors, raw, values);
    return true;
}

static bool
add_vectors(job *self, vmxd_blob_reader *reader, float *vectors, size_t step)
{
    uint64_t count = self->request->doc_count;
    for (uint64_t at = 0; at < count;) {
        size_t n = count - at < step ? (size_t)(count - at) : step;
        if (!vmxd_build_progress(self->builds, self->build, BUILD__PHASE__PHASE_BUILDING, at, count) ||
            !read_vectors(self, reader, vectors, n) || !check_finite(self, vectors, n, at))
            return false;
        if (!vmxd_graph_add(self->graph, vectors, n, self->ids + at))
            return no_memory(self);
        at += n;
    }
    return vmxd_build_progress(self->builds, self->build, BUILD__PHASE__PHASE_BUILDING, count, count);
}

static bool
build_graph(job *self)
{
    vmxd_blob_reader reader;
    vmxd_graph_options options = vmxd_graph_options_of(self->request);
    size_t step = vmxd_build_step(options.count);
    if (!open_blob(self, self->request->vector_blob, &reader))
        return false;
    float *vectors = vmx_calloc(step, options.dimension * sizeof *vectors);
    self->graph = vectors ? vmxd_graph_new(&options) : NULL;
    vmxd_graph_set_threads(self->request->deterministic);
    bool done = self->graph ? add_vectors(self, &reader, vectors, step) : no_memory(self);
    vmx_dealloc(vectors);
    vmxd_blob_reader_close(&reader);
    return done;
}

/* --- storing ------------------------------------------------------------------------------------------------------- */

/* Progress is told, and a stop seen, each MiB. */
static bool
write_piece(void *user, const void *data, size_t len)
{
    job *self = user;
    const uint64_t mib = 1 << 20, count = self->request->doc_count;
    const char *at = data;
    while (len > 0) {
        size_t piece = len < mib ? len : mib;
        if (!vmxd_blob_writer_write(self->writer, at, piece))
            return false;
        bool full = (self->written + piece) / mib > self->written / mib;
        self->written += piece;
        if (full && !vmxd_build_progress(self->builds, self->build, BUILD__PHASE__PHASE_STORING, 0, count))
            return false;
        at += piece;
        len -= piece;
    }
    return true;
}

static bool
write_result(job *self, vmxd_blob_writer *writer)
{
    self->writer = writer;
    bool written = vmxd_graph_write(self->graph, write_piece, self);
    if (atomic_load(&self->build->stop) != VMXD_STOP_NOT)
        return false;
    if (!written && writer->status.text[0] == '\0')
        return no_memory(self);
    return (written && vmxd_blob_writer_publish(writer)) || vmxd_build_fail_as(self->end, &writer->status);
}

static bool
store_result(job *self)
{
    vmxd_graph_storage storage;
    vmxd_blob_writer writer;
    const Build__TriggerBuildRequest *request = self->request;
    vmxd_graph_describe_storage(self->graph, &storage);
    vmxd_blob_plan plan = {.name = request->result_blob,
                           .build_id = self->build->record->build_id,
                           .part_bytes = request->result_part_bytes,
                           .algorithm = (vmx_digest_algorithm)request->result_digest,
                           .storage_offset = storage.offset,
                           .head_bytes = storage.head_bytes,
                           .vector_bytes = storage.vector_bytes,
                           .bytes_per_value = storage.bytes_per_value,
                           .fourcc = storage.fourcc};
    bool opened = vmxd_blob_writer_open(&writer, self->builds->options.repository, &plan);
    bool done = opened ? write_result(self, &writer) : vmxd_build_fail_as(self->end, &writer.status);
    vmxd_blob_writer_close(&writer);
    return done;
}

/* A result of this build, published just before the server was killed. */
static bool
has_result(job *self)
{
    vmxd_blob *blob = vmxd_repository_find(self->builds->options.repository, self->request->result_blob);
    bool mine = blob && strcmp(vmxd_blob_info(blob)->build_id, self->build->record->build_id) == 0;
    vmxd_blob_unref(blob);
    return mine;
}

void
vmxd_build_run(vmxd_builds *builds, vmxd_build *build, vmxd_build_end *end)
{
    job self = {.builds = builds, .build = build, .request = build->record->request, .end = end};
    if (has_result(&self))
        return;
    bool done = load_ids(&self) && build_graph(&self) && store_result(&self);
    if (!done && end->state == BUILD__STATE__STATE_COMPLETED) /* it was stopped */
        end->state = BUILD__STATE__STATE_CANCELLED;
    if (self.graph)
        vmxd_graph_free(self.graph);
    vmx_dealloc(self.ids);
}
