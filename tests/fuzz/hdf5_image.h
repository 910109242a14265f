/*
 * hdf5_image.h: any bytes as the plan of a sound HDF5 file. What libhdf5 makes of a file that is not sound is not ours:
 * it allocates what the file says. The reader's own part is every sound file: types, axes, chunks, names and links.
 */
#ifndef VMX_TESTS_HDF5_IMAGE_H
#define VMX_TESTS_HDF5_IMAGE_H

#include <stddef.h>
#include <stdint.h>

/* Writes the file into `image` (`max` bytes); its size, 0 where the plan makes none. */
size_t
hdf5_image(const uint8_t *plan, size_t size, uint8_t *image, size_t max);

#endif
