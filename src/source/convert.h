/*
 * source/convert.h: what happens to a vector on its way: normalising, and float32 to float16. Pure, and the same on
 * every machine: what is uploaded and what is spliced back must be equal byte for byte.
 */
#ifndef VMX_SOURCE_CONVERT_H
#define VMX_SOURCE_CONVERT_H

#include <stddef.h>
#include <stdint.h>

/* Scales a vector to length 1, in place; a zero vector stays. The sum is made in double, from the front. */
void
vmx_normalise(float *vector, size_t dimension);

/* IEEE 754 binary16, rounded to nearest, ties to even; too large becomes infinite, NaN stays NaN. By F16C where the
 * processor has it. */
void
vmx_floats_to_halves(const float *from, uint16_t *to, size_t count);

/* The same, one number and without F16C. */
uint16_t
vmx_half_of_float(float value);

#endif
