/* Any call of srvsvc, with any stub. */
#include "proto/daemon/heap.h"
#include "proto/rpc/srvsvc.h"
#include "tests/fuzz/rpc_facts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return fuzz_call(&srvsvc_service, data, size);
}
