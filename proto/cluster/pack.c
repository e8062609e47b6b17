#include "proto/cluster/pack.h"

#include "proto/base/must.h"

/* protobuf-c's allocator over an arena: its failure is the arena's, and freeing is a no-op because
 * the arena is dropped whole. */
static void *pack_alloc(void *ctx, size_t size) { return arena_alloc(ctx, size); }

static void pack_free(void *ctx, void *at) { (void)ctx, (void)at; }

void *pb_unpack(const ProtobufCMessageDescriptor *type, struct slice bytes, struct arena *a)
{
    ProtobufCAllocator allocator = {.alloc = pack_alloc, .free = pack_free, .allocator_data = a};
    /* protobuf-c passes the address on to memcpy, which wants one even for no bytes. */
    static const uint8_t nothing[1];
    const uint8_t *at = bytes.len > 0 ? bytes.at : nothing;
    return protobuf_c_message_unpack(type, &allocator, bytes.len, at);
}

struct slice pb_pack(const ProtobufCMessage *message, struct arena *a)
{
    size_t size = protobuf_c_message_get_packed_size(message);
    uint8_t *at = arena_alloc(a, size);
    if (at == NULL)
        return (struct slice){0};
    size_t packed = protobuf_c_message_pack(message, at);
    must(packed == size);
    return slice_of(at, size);
}

void *pb_copy(const ProtobufCMessage *message, struct arena *a)
{
    struct slice bytes = pb_pack(message, a);
    return bytes.at == NULL ? NULL : pb_unpack(message->descriptor, bytes, a);
}

ProtobufCBinaryData pb_bytes(struct slice s)
{
    /* The field is not const because the unpacker fills it; packing never writes through it. */
    return (ProtobufCBinaryData){.len = s.len, .data = (uint8_t *)(uintptr_t)s.at};
}

struct slice pb_slice(ProtobufCBinaryData b) { return slice_of(b.data, b.len); }
