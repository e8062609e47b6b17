#pragma once
/* The frozen upcase table behind utf16_upcase(). */
#include <stdint.h>

/* Units first, first + step, ... last become upper, upper + step, ... */
struct upcase_range {
    uint16_t first, last, upper;
    uint8_t step; /* 1, or 2 where upper and lower case alternate */
};

/* Ascending and disjoint in first..last. */
extern const struct upcase_range upcase_ranges[];
extern const uint32_t upcase_ranges_count;
