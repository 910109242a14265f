#include "demo.h"
#include "progress.h"

#include <stdio.h>
#include <stdlib.h>

#define IN_FLIGHT       8
#define MAX_BATCH       1000
#define RECORD_OVERHEAD 160 /* bytes of id, metadata and framing, generously */
#define ID_SIZE         24
#define METADATA_SIZE   64
#define POLL_TIMEOUT_MS 60000
#define EVENTS_PER_POLL 16

static const char *const label_names[LABELS] = {"T-shirt", "Trouser", "Pullover", "Dress", "Coat",
                                                "Sandal",  "Shirt",   "Sneaker",  "Bag",   "Ankle boot"};

typedef struct record_text {
    char id[ID_SIZE];
    char metadata[METADATA_SIZE];
} record_text;

/* The memory of one batch, used again for each: an upsert copies what it needs before it returns. */
typedef struct demo_loader {
    const demo_session *session;
    const demo_dataset *data;
    size_t batch;
    float *floats;
    record_text *texts;
    vmx_vector *vectors;
    size_t next; /* first row that was not sent yet */
    size_t done; /* rows that the server confirmed */
    size_t in_flight;
} demo_loader;

void
pixels_to_floats(const uint8_t *pixels, size_t count, float *floats)
{
    for (size_t i = 0; i < count; i++)
        floats[i] = pixels[i];
}

static void
fill_record(demo_loader *loader, size_t slot, size_t row)
{
    size_t dimension = loader->data->train.dimension;
    float *floats = loader->floats + slot * dimension;
    record_text *text = &loader->texts[slot];
    unsigned int label = loader->data->train_labels.bytes[row] % LABELS;
    pixels_to_floats(loader->data->train.bytes + row * dimension, dimension, floats);
    snprintf(text->id, sizeof text->id, "train-%05zu", row);
    snprintf(text->metadata, sizeof text->metadata, "{\"label\":%u,\"name\":\"%s\"}", label, label_names[label]);
    vmx_vector *vector = &loader->vectors[slot];
    vmx_vector_init(vector, sizeof *vector);
    vector->id = VMX_STR(text->id);
    vector->values = (vmx_floats){floats, dimension};
    vector->metadata = VMX_STR(text->metadata);
}

static bool
send_batch(demo_loader *loader)
{
    size_t left = loader->data->train.count - loader->next;
    size_t count = left < loader->batch ? left : loader->batch;
    for (size_t i = 0; i < count; i++)
        fill_record(loader, i, loader->next + i);
    vmx_call_options options;
    vmx_call_options_init(&options, sizeof options);
    options.queue = loader->session->queue;
    options.user = (void *)count;
    vmx_op *op = NULL;
    vmx_error error;
    vmx_vectors vectors = {loader->vectors, count, sizeof *loader->vectors};
    if (vmx_index_upsert(loader->session->index, &vectors, &options, &op, &error) != VMX_OK) {
        fprintf(stderr, "demo: upsert: %s\n", error.message);
        return false;
    }
    loader->next += count;
    loader->in_flight++;
    return true;
}

static bool
take_events(demo_loader *loader)
{
    vmx_event events[EVENTS_PER_POLL];
    size_t count = vmx_queue_poll(loader->session->queue, events, EVENTS_PER_POLL, POLL_TIMEOUT_MS);
    if (count == 0)
        fprintf(stderr, "demo: no upsert finished within %d ms\n", POLL_TIMEOUT_MS);
    bool good = count > 0;
    for (size_t i = 0; i < count; i++) {
        if (events[i].status == VMX_OK) {
            loader->done += (size_t)events[i].user;
        } else {
            fprintf(stderr, "demo: upsert: %s\n", vmx_op_error(events[i].op)->message);
            good = false;
        }
        vmx_op_free(events[i].op);
    }
    loader->in_flight -= count;
    return good;
}

static bool
load_all(demo_loader *loader)
{
    size_t total = loader->data->train.count;
    demo_progress progress;
    progress_start(&progress, total, loader->data->train.dimension * sizeof(float));
    while (loader->done < total) {
        while (loader->in_flight < IN_FLIGHT && loader->next < total)
            if (!send_batch(loader))
                return false;
        if (!take_events(loader))
            return false;
        progress_show(&progress, loader->done);
    }
    return true;
}

double
load_run(const demo_session *session, const demo_dataset *data)
{
    size_t dimension = data->train.dimension;
    demo_loader loader = {.session = session, .data = data};
    loader.batch = session->max_batch_bytes / (dimension * sizeof(float) + RECORD_OVERHEAD);
    loader.batch = loader.batch < 1 ? 1 : loader.batch > MAX_BATCH ? MAX_BATCH : loader.batch;
    loader.floats = malloc(loader.batch * dimension * sizeof *loader.floats);
    loader.texts = malloc(loader.batch * sizeof *loader.texts);
    loader.vectors = malloc(loader.batch * sizeof *loader.vectors);
    double started_s = clock_s();
    bool good = loader.floats && loader.texts && loader.vectors && load_all(&loader);
    double elapsed_s = clock_s() - started_s;
    free(loader.floats);
    free(loader.texts);
    free(loader.vectors);
    return good ? elapsed_s : -1;
}
