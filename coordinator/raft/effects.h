#pragma once
/* Building the list of effects: one function an effect that more than one file emits. */
#include "coordinator/raft/raft.h"

/* A fresh effect of that kind at the end of the list; NULL when memory is refused. */
struct raft_effect *fx_add(struct raft_effects *fx, enum raft_effect_kind kind);
/* `len` bytes that live as long as the list's contents; NULL when refused. */
uint8_t *fx_bytes(struct raft_effects *fx, size_t len);

void fx_create(struct raft_effects *fx, struct raft_file f);
/* `bytes` are fx_bytes of this list; no copy is made. */
void fx_write(struct raft_effects *fx, struct raft_file f, uint64_t offset, struct slice bytes);
void fx_rename(struct raft_effects *fx, struct raft_file f, struct raft_file to);
void fx_delete(struct raft_effects *fx, struct raft_file f);
void fx_sync(struct raft_effects *fx, uint64_t token);
