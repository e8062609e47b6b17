#pragma once
/* protobuf-c in pure code: messages are unpacked into an arena and packed into arena memory, so
 * nothing is ever freed by hand, and an adversary's message cannot outgrow the arena's cap. */
#include "proto/base/arena.h"
#include <protobuf-c/protobuf-c.h>

/* NULL when the bytes are not such a message or the arena refuses. Lives as long as the arena. */
void *pb_unpack(const ProtobufCMessageDescriptor *type, struct slice bytes, struct arena *a);
/* {0} when the arena refuses; an empty message gives an empty slice with at != NULL. */
struct slice pb_pack(const ProtobufCMessage *message, struct arena *a);
/* Deep copy through bytes; NULL when refused. */
void *pb_copy(const ProtobufCMessage *message, struct arena *a);
/* protobuf's borrowed view of a slice, and back. */
ProtobufCBinaryData pb_bytes(struct slice s);
struct slice pb_slice(ProtobufCBinaryData b);
