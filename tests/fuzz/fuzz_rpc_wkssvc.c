/* Any call of wkssvc, with any stub. */
#include "proto/daemon/heap.h"
#include "proto/rpc/wkssvc.h"
#include "tests/fuzz/rpc_facts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return fuzz_call(&wkssvc_service, data, size);
}
