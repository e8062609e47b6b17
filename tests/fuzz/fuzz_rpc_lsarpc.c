/* Any call of lsarpc, with any stub. A policy is open. */
#include "proto/daemon/heap.h"
#include "proto/rpc/lsarpc.h"
#include "tests/fuzz/rpc_facts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return fuzz_call(&lsarpc_service, data, size);
}
