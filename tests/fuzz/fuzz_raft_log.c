/* A log segment and a snapshot of any bytes: refused or read, never believed too much. */
#include "coordinator/raft/log_int.h"
#include "coordinator/raft/snapshot.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size + 1);
    memcpy(copy, data, size);
    struct slice bytes = slice_of(copy, size);
    struct segment_header header;
    struct snapshot_descriptor snapshot;
    struct meta_slot meta;
    struct record record;
    uint64_t checksum;
    (void)segment_decode(bytes, &header, &checksum);
    (void)record_decode(bytes, 1, 0, &record);
    (void)meta_decode(bytes, &meta);
    if (size >= RAFT_CLUSTER_ID_BYTES)
        (void)snapshot_verify(bytes, copy, &snapshot);
    free(copy);
    return 0;
}
