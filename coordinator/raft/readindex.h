#pragma once
/* Linearizable reads without writing (ReadIndex, Raft dissertation 6.4). A read notes the leader's
 * commit index; a majority is asked whether this is still their leader in this term; a majority of
 * yes means that no other leader can have acknowledged anything before the question was asked; so a
 * state machine that has applied the noted index may answer.
 *
 * One round is under way at a time; every read that arrives meanwhile rides the next one.
 *
 *      waiting ──begin──► asked ──confirm──► confirmed ──applied >= index──► ready */
#include "proto/base/mem.h"
#include <stdbool.h>

#define READINDEX_ACKS_MAX 16

struct readindex_item {
    uint64_t token, index;
};

struct readindex {
    struct mem *mem;
    struct readindex_item *items; /* confirmed, then asked, then waiting */
    size_t head, confirmed, asked, waiting, cap;
    uint64_t round; /* number of the round under way, or of the last one */
    bool asking;
    uint64_t sent_ns;
    uint64_t acks[READINDEX_ACKS_MAX];
    size_t ack_count;
};

void readindex_init(struct readindex *r, struct mem *mem);
void readindex_fini(struct readindex *r);
/* False when memory is refused. */
bool readindex_add(struct readindex *r, uint64_t token);
/* Starts a round for all that wait, with the commit index of now. False when none waits or one is
 * under way. */
bool readindex_begin(struct readindex *r, uint64_t commit, uint64_t now_ns);
/* Notes a yes; false when it is for another round or not the first from that peer. */
bool readindex_ack(struct readindex *r, uint64_t round, uint64_t peer);
bool readindex_acked(const struct readindex *r, uint64_t peer);
/* A majority said yes. */
void readindex_confirm(struct readindex *r);
/* Takes a confirmed read whose index is applied; false when there is none. */
bool readindex_ready(struct readindex *r, uint64_t applied, struct readindex_item *out);
/* Takes any read, for leadership is lost; ends the round. */
bool readindex_fail(struct readindex *r, uint64_t *token);
