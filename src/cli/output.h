/*
 * output.h: results as JSON lines on stdout. Numbers keep float32's precision: reading them back gives the same bits.
 */
#ifndef VMX_CLI_OUTPUT_H
#define VMX_CLI_OUTPUT_H

#include <stdbool.h>
#include <vecmux/vecmux.h>

/* A JSON string. */
void
cli_print_text(vmx_str text);

/* A JSON number; null for what JSON cannot say. */
void
cli_print_float(float value);

/*
 * Match `i` of an op as an object in the form that `vecmux upsert` reads, its score added when `score`; parts that are
 * absent are left out.
 */
void
cli_print_match(vmx_op *op, size_t i, bool score);

/* `,"name":value` for what the server charged, where it said so. */
void
cli_print_usage(const vmx_op *op);

/* A namespace of an op, one object: name, vector_count, size_bytes and fields where they are known. */
void
cli_print_namespace(const vmx_op *op, size_t i);

/* The state of an index, one object on a line: counts, dimension, metric, build and namespaces. */
void
cli_print_state(const vmx_op *op);

#endif
