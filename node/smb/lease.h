#pragma once
/* Leases and oplocks as a node sees them: asked for with CREATE, told to clients when they break,
 * and heeded by whatever changes a file's bytes. They are arbitrated by the coordinator, which
 * knows all nodes; here is only what an open holds. */
#include "node/smb/files.h"
#include "proto/smb/create_ctx.h"

/* What of the client's wishes its connection and its share allow, into the command. */
void lease_wish(const struct smb_request *r, const struct smb_create_req *req,
                const struct create_contexts *contexts, Fl__Open *open);
/* The request's memory for it; false when it is exhausted. Before lease_wish. */
bool lease_room(struct smb_request *r, Fl__Open *open);
/* What was granted: remembered, and into the reply. False when memory is refused. */
bool lease_granted(struct smb *s, struct smb_open *o, const Fl__OpenReply *got);
void lease_reply(const Fl__OpenReply *got, struct smb_create_rsp *rsp,
                 struct create_contexts_reply *contexts);
/* The open ends. */
void lease_end(struct smb *s, struct smb_open *o);
/* Somebody's lease or oplock breaks: a connection of its client is told. */
void lease_break_event(struct smb *s, const Fl__LeaseBreak *b);
void oplock_break_event(struct smb *s, const Fl__OplockBreak *b);

/* Whoever changes bytes, and knows (or has just asked) what is in inode->size and ->file: holds the
 * file's size, so that nobody is granted a cache in between, breaks what others may have read,
 * where there is any, and goes on in `then`. When that answer may not be kept, somebody may be
 * granted a cache meanwhile: change_end, after the bytes are there, breaks that too. */
void change_begin(struct smb *s, struct smb_request *r, struct smb_open *o, smb_changed *then);
void change_end(struct smb *s, struct smb_request *r, struct smb_open *o, smb_changed *then);
