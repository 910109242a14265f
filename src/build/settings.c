/* From a spec and the client's properties to what a build goes by. */
#include <stdio.h>
#include <string.h>

#include "build/chunk.h"
#include "build/internal.h"
#include "core/error.h"
#include "core/random.h"
#include "core/sized.h"
#include "core/sync.h"
#include "rpc/retry.h"

#define MIN_PART_BYTES 4096u
#define MAX_PARTS      10000u
#define MAX_KEY_BYTES  100u
#define LEASE_MS       120000

void
vmx_build_spec_init(vmx_build_spec *spec, size_t size)
{
    vmx_sized_init(spec, size);
}

/* --- texts --------------------------------------------------------------------------------------------------------- */

static char *
joined(vmx_build *build, const char *first, const char *second, const char *third)
{
    size_t len = strlen(first) + strlen(second) + strlen(third) + 1;
    char *text = vmx_arena_alloc(&build->op.arena, len);
    if (text != NULL)
        snprintf(text, len, "%s%s%s", first, second, third);
    return text;
}

static bool
key_is_sound(vmx_str key)
{
    for (size_t i = 0; i < key.len; i++) {
        char c = key.ptr[i];
        bool sound = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' ||
                     c == '-' || c == '_';
        if (!sound)
            return false;
    }
    return key.len <= MAX_KEY_BYTES;
}

/* The rules for names of blobs (vecmux/repository.proto), for the folder part; "" is sound. */
static bool
repository_is_sound(const char *name)
{
    size_t len = strlen(name);
    if (len == 0)
        return true;
    if (len > 380 || name[0] == '/' || name[len - 1] == '/')
        return false;
    for (const char *at = name; *at != '\0';) {
        size_t segment = strcspn(at, "/");
        bool dots = (segment == 1 && at[0] == '.') || (segment == 2 && memcmp(at, "..", 2) == 0);
        if (segment == 0 || segment > 255 || dots)
            return false;
        for (size_t i = 0; i < segment; i++)
            if ((unsigned char)at[i] < 0x20 || at[i] == 0x7f || at[i] == '\\')
                return false;
        at += segment + (at[segment] == '/');
    }
    return true;
}

static vmx_status
name_blobs(vmx_build *build, const char *repository, vmx_error *error)
{
    vmx_build_settings *settings = &build->settings;
    if (!repository_is_sound(repository))
        return vmx_error_set(error, VMX_ERR_INVALID,
                             "build: repository \"%.256s\"; give segments of 1 to 255 printable bytes with single "
                             "slashes between them, none of them . or ..",
                             repository);
    const char *base = joined(build, repository, repository[0] != '\0' ? "/" : "", settings->base_key);
    if (base == NULL)
        return vmx_error_no_memory(error);
    settings->vector_blob = joined(build, base, ".knnvec", "");
    settings->doc_id_blob = joined(build, base, ".knndid", "");
    settings->result_blob = joined(build, base, ".faiss", "");
    bool made = settings->vector_blob != NULL && settings->doc_id_blob != NULL && settings->result_blob != NULL;
    return made ? VMX_OK : vmx_error_no_memory(error);
}

static vmx_status
name_files(vmx_build *build, vmx_str output, vmx_error *error)
{
    vmx_build_settings *settings = &build->settings;
    if (output.len == 0 || memchr(output.ptr, '\0', output.len) != NULL || output.ptr[output.len - 1] == '/')
        return vmx_error_set(error, VMX_ERR_INVALID, "build: output \"%.*s\" names no file", vmx_error_clip(output),
                             output.ptr != NULL ? output.ptr : "");
    settings->output = (char *)(uintptr_t)vmx_arena_str(&build->op.arena, output).ptr;
    if (settings->output == NULL)
        return vmx_error_no_memory(error);
    settings->part_path = joined(build, settings->output, ".part", "");
    settings->state_path = joined(build, settings->output, ".part.state", "");
    return settings->part_path != NULL && settings->state_path != NULL ? VMX_OK : vmx_error_no_memory(error);
}

static vmx_status
make_key(vmx_build *build, vmx_str given, vmx_error *error)
{
    vmx_build_settings *settings = &build->settings;
    char random_key[36];
    vmx_random random;
    if (!key_is_sound(given))
        return vmx_error_set(error, VMX_ERR_INVALID,
                             "build: idempotency_key \"%.*s\"; give up to %u letters, digits, '.', '-' and '_'",
                             vmx_error_clip(given), given.ptr, MAX_KEY_BYTES);
    vmx_random_seed_system(&random);
    snprintf(random_key, sizeof random_key, "%016llx%016llx", (unsigned long long)vmx_random_next(&random),
             (unsigned long long)vmx_random_next(&random));
    settings->keyed = given.len > 0;
    settings->base_key =
        (char *)(uintptr_t)vmx_arena_str(&build->op.arena, given.len > 0 ? given : VMX_STR(random_key)).ptr;
    settings->key = settings->base_key;
    return settings->key != NULL ? VMX_OK : vmx_error_no_memory(error);
}

bool
vmx_build_next_key(vmx_build *build)
{
    char number[16];
    snprintf(number, sizeof number, ".%u", ++build->generation + 1);
    build->settings.key = joined(build, build->settings.base_key, number, "");
    return build->settings.key != NULL;
}

/* --- checks -------------------------------------------------------------------------------------------------------- */

static vmx_status
check_spec(const vmx_build *build, const vmx_build_spec *spec, vmx_error *error)
{
    if (spec->data_type == VMX_DATA_BYTE || spec->data_type == VMX_DATA_BINARY)
        return vmx_error_set(error, VMX_ERR_UNSUPPORTED,
                             "build: data type %s: FAISS 1.7.3 cannot build it; use float32 or float16",
                             spec->data_type == VMX_DATA_BYTE ? "byte" : "binary");
    if ((unsigned)spec->data_type > VMX_DATA_BINARY || (unsigned)spec->space > VMX_SPACE_COSINE ||
        (unsigned)spec->footer > VMX_FOOTER_LUCENE)
        return vmx_error_set(error, VMX_ERR_INVALID, "build: data_type %d, space %d or footer %d is none of its enum",
                             (int)spec->data_type, (int)spec->space, (int)spec->footer);
    if (build->source != NULL && spec->graph_only && !vmx_source_is_seekable(build->source))
        return vmx_error_set(error, VMX_ERR_INVALID,
                             "build: graph_only puts the vectors back from the source, and an iterator cannot be read "
                             "twice; download the full form");
    if (spec->index.len > VMX_INDEX_NAME_BYTES)
        return vmx_error_set(error, VMX_ERR_INVALID, "build: index \"%.*s\" has %zu bytes; give up to %d",
                             vmx_error_clip(spec->index), spec->index.ptr, spec->index.len, VMX_INDEX_NAME_BYTES);
    return VMX_OK;
}

/* Whom statistics count it for; kept, since `spec` lends it. */
static bool
keep_index(vmx_build *build)
{
    vmx_str *index = &build->settings.spec.index;
    if (index->len == 0)
        *index = vmx_str_from(build->settings.name_space);
    *index = vmx_arena_str(&build->op.arena, *index);
    return index->ptr != NULL;
}

void
vmx_build_decline(const vmx_build *build, char *why, size_t size)
{
    const vmx_build_settings *settings = &build->settings;
    const vmx_config *config = build->parts.config;
    uint64_t bytes = build->vectors.blob.size_bytes;
    uint64_t min = (uint64_t)vmx_config_int(config, "build.size.min.bytes");
    uint64_t max = (uint64_t)vmx_config_int(config, "build.size.max.bytes");
    bool limits = settings->spec.limits != VMX_SWITCH_OFF;
    why[0] = '\0';
    if (settings->spec.remote == VMX_SWITCH_OFF)
        snprintf(why, size, "remote builds are switched off for this one");
    else if (settings->spec.remote == VMX_SWITCH_DEFAULT && !vmx_config_bool(config, "build.enabled"))
        snprintf(why, size, "remote builds are switched off (build.enabled)");
    else if (vmx_source_count(build->source) <= 4)
        snprintf(why, size, "%llu vectors are too few; a remote build needs more than 4",
                 (unsigned long long)vmx_source_count(build->source));
    else if (limits && bytes < min)
        snprintf(why, size, "%llu bytes of vectors are below build.size.min.bytes (%llu)", (unsigned long long)bytes,
                 (unsigned long long)min);
    else if (limits && max > 0 && bytes > max)
        snprintf(why, size, "%llu bytes of vectors are above build.size.max.bytes (%llu)", (unsigned long long)bytes,
                 (unsigned long long)max);
}

/* --- sizes --------------------------------------------------------------------------------------------------------- */

static uint64_t
whole_rows(uint64_t bytes, size_t row_bytes)
{
    return bytes > row_bytes ? bytes / row_bytes * row_bytes : row_bytes;
}

/* Streams, parts and chunks, so that two chunks of every stream, and what the transport reads ahead of each, fit in half of the
 * budget. */
static void
size_streams(vmx_build *build)
{
    vmx_build_settings *settings = &build->settings;
    const vmx_config *config = build->parts.config;
    size_t half = vmx_memory_limit(build->parts.memory) / 2;
    settings->streams_up = (size_t)vmx_config_int(config, "build.upload.parts");
    settings->streams_down = (size_t)vmx_config_int(config, "build.download.parts");
    settings->part_bytes = (uint64_t)vmx_config_int(config, "build.part.bytes");
    settings->chunk_bytes = (size_t)vmx_config_int(config, "build.chunk.bytes");
    size_t most = settings->streams_up > settings->streams_down ? settings->streams_up : settings->streams_down;
    while (most > 1 && half / (2 * most) < settings->chunk_bytes)
        most--;
    settings->streams_up = settings->streams_up < most ? settings->streams_up : most;
    settings->streams_down = settings->streams_down < most ? settings->streams_down : most;
    size_t room = half / (2 * most) - build->parts.caller->receive_ahead_bytes;
    if (settings->chunk_bytes > room)
        settings->chunk_bytes = room;
    if (build->source != NULL && !vmx_source_is_seekable(build->source))
        settings->streams_up = 1;
}

static void
read_config(vmx_build *build)
{
    vmx_build_settings *settings = &build->settings;
    const vmx_config *config = build->parts.config;
    const vmx_build_spec *spec = &settings->spec;
    bool sha256 = strcmp(vmx_config_text(config, "build.digest"), "sha256") == 0;
    bool lucene = strcmp(vmx_config_text(config, "build.footer"), "lucene") == 0;
    settings->digest = sha256 ? VMX_DIGEST_SHA256 : VMX_DIGEST_CRC32C;
    settings->lucene_footer = spec->footer == VMX_FOOTER_LUCENE || (spec->footer == VMX_FOOTER_DEFAULT && lucene);
    settings->clean_up = spec->clean_up != VMX_SWITCH_OFF;
    settings->idle_timeout_ms = vmx_config_int(config, "build.idle.timeout.ms");
    settings->poll_ms = vmx_config_int(config, "build.poll.interval.ms");
    settings->lease_ms = LEASE_MS;
    if (settings->total_timeout_ms == 0)
        settings->total_timeout_ms = vmx_config_int(config, "build.timeout.ms");
    settings->deadline_us = vmx_deadline_us(vmx_build_now(build), settings->total_timeout_ms);
    size_streams(build);
}

vmx_status
vmx_build_settings_make(vmx_build *build, const vmx_build_spec *theirs, vmx_error *error)
{
    vmx_build_settings *settings = &build->settings;
    vmx_build_spec *spec = &settings->spec;
    if (theirs != NULL)
        vmx_sized_read(spec, sizeof *spec, theirs);
    vmx_status status = check_spec(build, spec, error);
    if (status != VMX_OK)
        return status;
    read_config(build);
    vmx_str tenant =
        spec->tenant.len > 0 ? spec->tenant : VMX_STR(vmx_config_text(build->parts.config, "build.tenant"));
    settings->tenant = (char *)(uintptr_t)vmx_arena_str(&build->op.arena, tenant).ptr;
    vmx_str repository = vmx_arena_str(
        &build->op.arena, spec->repository.len > 0 ? spec->repository
                                                   : VMX_STR(vmx_config_text(build->parts.config, "build.repository")));
    if (settings->tenant == NULL || repository.ptr == NULL || !keep_index(build))
        return vmx_error_no_memory(error);
    status = make_key(build, spec->idempotency_key, error);
    if (status == VMX_OK && build->kind == VMX_BUILD_REMOTE)
        status = name_files(build, spec->output, error);
    if (status == VMX_OK && build->kind == VMX_BUILD_REMOTE)
        status = name_blobs(build, repository.ptr, error);
    return status;
}

uint64_t
vmx_build_part_bytes(const vmx_build *build, const vmx_blob *blob)
{
    uint64_t bytes = build->settings.part_bytes;
    if (blob->rows->sequential && bytes > build->settings.chunk_bytes)
        bytes = build->settings.chunk_bytes;
    if (bytes < blob->size_bytes / MAX_PARTS + 1)
        bytes = blob->size_bytes / MAX_PARTS + 1;
    bytes = whole_rows(bytes, blob->row_bytes);
    while (bytes < MIN_PART_BYTES || bytes * MAX_PARTS < blob->size_bytes)
        bytes += blob->row_bytes;
    return bytes;
}
