/*
 * thousands.h: numbers for people.
 */
#ifndef VMX_CLI_LOAD_THOUSANDS_H
#define VMX_CLI_LOAD_THOUSANDS_H

#include <stdint.h>

typedef struct load_thousands {
    char text[32];
} load_thousands;

/* 1234567 as 1,234,567. */
load_thousands
load_thousands_of(uint64_t number);

#endif
