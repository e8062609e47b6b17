/* A client of a named pipe that writes whatever it likes, after a proper bind or without. The first
 * byte chooses the pipe, and who asks. */
#include "proto/daemon/heap.h"
#include "proto/rpc/pipe.h"
#include "tests/fuzz/rpc_facts.h"
#include <stdlib.h>
#include <string.h>

static void put(struct rpc_pipe *p, struct slice data, const struct rpc_facts *facts)
{
    static const struct rpc_outcome outcome = {.status = STATUS_OBJECT_NAME_NOT_FOUND};
    while (rpc_pipe_feed(p, &data))
        if (rpc_pipe_answer(p, facts, NULL) != NULL)
            (void)rpc_pipe_answer(p, facts, &outcome);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"srvsvc", "wkssvc", "lsarpc", "samr"};
    uint8_t *copy = malloc(size ? size : 1), out[512];
    memcpy(copy, data, size);
    struct mem mem;
    mem_heap_init(&mem, 32 << 20);
    uint8_t choice = size > 0 ? copy[0] : 0;
    struct rpc_facts facts = fuzz_facts((choice & 0x80) != 0);
    struct rpc_pipe *p =
        rpc_pipe_new(&mem, names[(choice & 0x7f) % (sizeof names / sizeof *names)]);
    size_t half = size / 2;
    put(p, slice_of(copy + (size > 0), half > 0 ? half - 1 : 0), &facts);
    put(p, slice_of(copy + half, size - half), &facts);
    for (ntstatus s = STATUS_OK; s == STATUS_OK || s == STATUS_BUFFER_OVERFLOW;) {
        struct writer w = writer_of(out, sizeof out);
        s = rpc_pipe_read(p, &w, sizeof out, NULL);
    }
    rpc_pipe_free(p);
    free(copy);
    return mem.used == 0 ? 0 : (abort(), 0);
}
