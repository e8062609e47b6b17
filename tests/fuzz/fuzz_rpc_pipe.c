/* A client of a named pipe that writes whatever it likes, after a proper bind or without. */
#include "proto/daemon/heap.h"
#include "proto/rpc/pipe.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct srvsvc_share share = {.name = {(const uint8_t *)"vms", 3}};
    struct srvsvc_source source = {.shares = &share, .share_count = 1, .administrator = true};
    uint8_t *copy = malloc(size ? size : 1), out[512];
    memcpy(copy, data, size);
    struct mem mem;
    mem_heap_init(&mem, 32 << 20);
    struct rpc_pipe *p = rpc_pipe_new(&mem, size % 2 ? "srvsvc" : "wkssvc");
    size_t half = size / 2;
    (void)rpc_pipe_write(p, slice_of(copy, half), &source);
    (void)rpc_pipe_write(p, slice_of(copy + half, size - half), &source);
    for (ntstatus s = STATUS_OK; s == STATUS_OK || s == STATUS_BUFFER_OVERFLOW;) {
        struct writer w = writer_of(out, sizeof out);
        s = rpc_pipe_read(p, &w, sizeof out, NULL);
    }
    rpc_pipe_free(p);
    free(copy);
    return mem.used == 0 ? 0 : (abort(), 0);
}
