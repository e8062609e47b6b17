/* Any call of samr, with any stub. A server, a domain or a user is open. */
#include "proto/daemon/heap.h"
#include "proto/rpc/samr.h"
#include "tests/fuzz/rpc_facts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return fuzz_call(&samr_service, data, size);
}
