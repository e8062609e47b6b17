#pragma once
/* Byte vectors written as the documents print them: hexadecimal digits, blanks ignored. */
#include "proto/base/bytes.h"

/* Decodes `hex` into `to` of `cap` bytes; what does not fit or is not hexadecimal is a bug
 * of the test. Returns the decoded bytes, borrowed from `to`. */
struct slice hex_decode(const char *hex, uint8_t *to, size_t cap);
