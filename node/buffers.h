#pragma once
/* Buffers that outlive a step: received frames and data on its way out. Aligned for O_DIRECT, kept
 * in a few sizes so that the busy ones are reused, all within one budget. */
#include "proto/base/list.h"
#include "proto/base/table.h"

enum { BUFFER_CLASSES = 5, BUFFERS_MAX = 16384, BUFFER_ALIGN = 4096 };

struct buffers {
    struct mem *mem;
    struct table table;
    struct list idle[BUFFER_CLASSES];
    uint64_t bytes, bytes_max; /* of all buffers, idle ones included */
};

bool buffers_init(struct buffers *b, struct mem *mem, uint64_t bytes_max);
void buffers_fini(struct buffers *b);
/* {0} when the budget is spent. */
handle buffers_get(struct buffers *b, size_t len, uint8_t **at);
/* Safe with {0} and with what is gone. */
void buffers_put(struct buffers *b, handle h);
