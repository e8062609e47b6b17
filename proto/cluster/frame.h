#pragma once
/* Frames between Flotilla's own daemons, inside TLS:
 *
 *   u32 magic 'FLTL' | u16 version | u16 kind | u32 control_len | u32 data_len | u64 check
 *   control_len bytes: one protobuf message, whose type belongs to `kind`
 *   data_len bytes:    file data, only with kinds that carry some
 *
 * `check` is XXH3-64 over the rest of the header and both parts: TLS guards against strangers, this
 * against our own mistakes and bad memory. All little-endian. */
#include "proto/base/bytes.h"

enum {
    FRAME_HEADER = 24,
    FRAME_VERSION = 1,
    FRAME_CONTROL_MAX = 4 << 20,
    FRAME_DATA_MAX = 9 << 20, /* 8 MiB of I/O and some */
};

enum frame_kind {
    FRAME_CONTROL = 1, /* fl.Control: clients <-> coordinator */
    FRAME_RAFT = 2,    /* coordinator/raft wire bytes in the data part */
    FRAME_PEER = 3,    /* fl.Peer: node <-> node, data part is file data */
};

struct frame {
    enum frame_kind kind;
    struct slice control, data; /* borrowed from the bytes decoded */
};

enum frame_result { FRAME_OK, FRAME_MORE, FRAME_BAD };

/* Looks for one whole frame at the start of `bytes`. FRAME_OK: `*out` and `*used` are set.
 * FRAME_MORE: `*used` is how many bytes are needed in all to know more (so a reader can size its
 * buffer). FRAME_BAD: not a frame of ours, or damaged: close the connection. */
enum frame_result frame_decode(struct slice bytes, struct frame *out, size_t *used);

/* Writes the header for parts that are sent as they are: `control` then `data`. */
void frame_header(uint8_t out[FRAME_HEADER], const struct frame *f);
