#pragma once
/* A named pipe on IPC$ as the SMB core sees it: bytes written in, messages read out.
 *
 * Each response fragment is one message of a message-mode pipe ([MS-SMB2] 3.3.5.12, 3.3.5.15.10): a
 * read gives at most one message; what did not fit comes with the next read and
 * STATUS_BUFFER_OVERFLOW says so. All calls are answered at once from the view given with the
 * write, so nothing here waits: a read with nothing to read is STATUS_PIPE_EMPTY. */
#include "proto/rpc/srvsvc.h"
#include "proto/smb/status.h"

struct rpc_pipe;

/* Whether a pipe of that name exists: "srvsvc", "wkssvc", in any case, with or without "PIPE\". */
bool rpc_pipe_known(const char *name);
/* NULL when the name is not known (STATUS_OBJECT_NAME_NOT_FOUND) or memory is refused
 * (STATUS_INSUFFICIENT_RESOURCES): rpc_pipe_known() tells which. `mem` must outlive the pipe. */
struct rpc_pipe *rpc_pipe_new(struct mem *mem, const char *name);
/* Accepts NULL. */
void rpc_pipe_free(struct rpc_pipe *p);

/* Takes all of `data`. `source` is used before returning and not kept; gather it before each write.
 * STATUS_OK; STATUS_PIPE_DISCONNECTED once the peer has broken the protocol;
 * STATUS_INSUFFICIENT_RESOURCES when an answer does not fit the memory. */
ntstatus rpc_pipe_write(struct rpc_pipe *p, struct slice data, const struct srvsvc_source *source);
/* Appends at most `max` bytes of the next message to `to`. STATUS_OK: the message is complete;
 * STATUS_BUFFER_OVERFLOW: `*more` bytes of it remain; STATUS_PIPE_EMPTY: there is none;
 * STATUS_PIPE_DISCONNECTED: none, and none will come. `more` may be NULL. */
ntstatus rpc_pipe_read(struct rpc_pipe *p, struct writer *to, size_t max, size_t *more);
/* FSCTL_PIPE_TRANSCEIVE: a write and a read of at most `max` bytes, with the statuses of both.
 * STATUS_PIPE_BUSY when unread messages are waiting ([MS-FSA] 2.1.5.10.24). */
ntstatus rpc_pipe_transceive(struct rpc_pipe *p, struct slice data,
                             const struct srvsvc_source *source, struct writer *to, size_t max);
/* FSCTL_PIPE_PEEK: bytes of the next message, and whole messages waiting. */
void rpc_pipe_peek(const struct rpc_pipe *p, size_t *available, uint32_t *messages);
