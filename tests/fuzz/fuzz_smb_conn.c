/* The whole SMB core under a client that has logged on and means harm. */
#include "node/smb/smb.h"

#include "tests/node/smb/client.c"
#include "tests/node/smb/rig.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint16_t dialects[] = {0x0202, 0x0210, 0x0300, 0x0302, 0x0311};
    static struct rig rig;
    static struct client client;
    uint8_t *copy = malloc(size > 0 ? size : 1);
    if (copy == NULL)
        return 0;
    memcpy(copy, data, size);
    struct reader script = reader_of(slice_of(copy, size));
    rig_init(&rig);
    client_ready(&client, &rig, dialects[read_u8(&script) % 5]);
    rig_play(&rig, &client, &script);
    client_free(&client);
    rig_fini(&rig);
    free(copy);
    return 0;
}
