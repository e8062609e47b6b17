#pragma once
/* Truncation: every prefix of a valid message goes through a decoder, in memory that ends where the
 * prefix ends, so that ASan sees one byte too far. */
#include "proto/base/bytes.h"
#include "proto/smb/status.h"

/* A decoder under test; it also asserts that what it decoded lies inside `msg` (prefix_inside). */
typedef ntstatus (*prefix_decoder)(struct slice msg);

/* The length of the shortest prefix that is accepted. A must() fails when a longer one is refused
 * or `msg` itself is. */
size_t prefix_least(struct slice msg, prefix_decoder decode);
/* A must() fails unless `part` is empty or lies inside `msg`. */
void prefix_inside(struct slice msg, struct slice part);
