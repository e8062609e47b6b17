#pragma once
/* XXH3-64 over one slice: the checksum of everything this folder writes or sends. */
#include "proto/base/bytes.h"

uint64_t hash64(struct slice bytes, uint64_t seed);
