#pragma once
/* A named pipe on IPC$ as the SMB core sees it: bytes written in, messages read out.
 *
 *   bytes ──► feed ──► a call is whole ──► answer ──► messages ──► read
 *                                            │ ▲
 *                                      order ▼ │ outcome
 *
 * Each response fragment is one message of a message-mode pipe ([MS-SMB2] 3.3.5.12, 3.3.5.15.10): a
 * read gives at most one message; what did not fit comes with the next read and
 * STATUS_BUFFER_OVERFLOW says so. */
#include "proto/rpc/service.h"

struct rpc_pipe;

/* NULL when there is no pipe of that name (rpc_service_find tells) or memory is refused. `mem` must
 * outlive the pipe. */
struct rpc_pipe *rpc_pipe_new(struct mem *mem, const char *name);
/* Accepts NULL. */
void rpc_pipe_free(struct rpc_pipe *p);

/* Takes bytes off `data` until a call is whole (true: it is to be answered before anything else),
 * or there are no more. */
bool rpc_pipe_feed(struct rpc_pipe *p, struct slice *data);
/* Answers the call that is whole. NULL: done, go on feeding. Else what has to be carried out first,
 * the pipe's own until this is called again with its outcome; called without one, the order counts
 * as given up, and has failed. Slices of `facts` and `outcome` are
 * used before returning and not kept. */
const struct rpc_order *rpc_pipe_answer(struct rpc_pipe *p, const struct rpc_facts *facts,
                                        const struct rpc_outcome *outcome);
/* What became of the bytes: STATUS_OK; STATUS_PIPE_DISCONNECTED once the peer has broken the
 * protocol and everything was read; STATUS_INSUFFICIENT_RESOURCES when an answer was lost for want
 * of memory. */
ntstatus rpc_pipe_status(const struct rpc_pipe *p);

/* Appends at most `max` bytes of the next message to `to`. STATUS_OK: the message is complete;
 * STATUS_BUFFER_OVERFLOW: `*more` bytes of it remain; STATUS_PIPE_EMPTY: there is none;
 * STATUS_PIPE_DISCONNECTED: none, and none will come. `more` may be NULL. */
ntstatus rpc_pipe_read(struct rpc_pipe *p, struct writer *to, size_t max, size_t *more);
/* FSCTL_PIPE_PEEK: bytes of the next message, and messages waiting. */
void rpc_pipe_peek(const struct rpc_pipe *p, size_t *available, uint32_t *messages);
/* The same without taking anything: appends at most `max` bytes of the next message. */
void rpc_pipe_look(const struct rpc_pipe *p, struct writer *to, size_t max);
