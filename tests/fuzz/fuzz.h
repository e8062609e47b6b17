#pragma once
/* What the targets share: input in memory that ends where the input ends, and a look at every byte
 * that a decoder says it found, so that ASan sees a slice that leaves the message. */
#include "proto/base/bytes.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A copy of exactly `size` bytes, to be freed. */
static inline uint8_t *fuzz_copy(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);
    if (copy != NULL && size > 0)
        memcpy(copy, data, size);
    return copy;
}

/* Reads all of it. */
static inline void fuzz_touch(struct slice s)
{
    volatile uint8_t sum = 0;
    for (size_t i = 0; i < s.len; i++)
        sum = (uint8_t)(sum + s.at[i]);
}
