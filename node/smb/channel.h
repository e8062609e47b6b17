#pragma once
/* Channels: a session on a connection ([MS-SMB2] 3.3.1.14). Every session has the one it was set up
 * on, and those that were bound to it since; it lives as long as one of them does. A connection may
 * carry channels of many sessions.
 *
 *   session ──┬── channel ── connection        SESSION_SETUP ──► channel, not bound: nothing but
 *             ├── channel ── connection                           its own rounds may come by it
 *             └── channel ── connection        last round    ──► bound
 *
 * Requests are answered where they came from. What the server says of its own (breaks) goes by any
 * channel: session_conn(). */
#include "node/smb/smb_int.h"

#define SMB_CHANNELS_MAX 32u /* of one session: MaxChannelsPerSession of Windows */

/* Owned by its session and its connection together: the first to go takes it along. */
struct smb_channel {
    struct smb_session *session;
    struct smb_conn *conn;
    struct list session_link, conn_link;
    bool bound;
    /* A logon under way: the first, a binding, or one that renews. */
    bool auth_busy;
    uint64_t auth_context; /* 0: none open */
    struct preauth preauth;
    struct sign_key *sign_key; /* of a channel that was bound; NULL: the session's */
};

/* NULL: too many, of this session or in all. */
struct smb_channel *channel_new(struct smb *s, struct smb_session *session, struct smb_conn *c);
/* NULL when there is none. */
struct smb_channel *channel_find(const struct smb_session *session, const struct smb_conn *c);
/* Its rounds are over: it carries requests from now on. */
void channel_set_bound(struct smb_channel *ch);
/* Takes it out of its session and its connection; the session stays, whatever that means for it. */
void channel_drop(struct smb *s, struct smb_channel *ch);
/* Its connection is gone, and with the last channel the session ([MS-SMB2] 3.3.7.1). */
void channel_lost(struct smb *s, struct smb_channel *ch);

/* What signs messages of `command` of this session on this connection (3.3.4.1.1, 3.3.5.2.4): the
 * channel's key, or before it has one the session's for SESSION_SETUP. NULL: nothing does. */
struct sign_key *channel_sign_key(const struct smb_session *session, const struct smb_conn *c,
                                  uint16_t command);

/* ---- bind.c --------------------------------------------------------------------------------- */

/* The session that a SESSION_SETUP with SMB2_SESSION_FLAG_BINDING names, on whatever connection;
 * NULL when it is no such request or there is no such session. */
struct smb_session *bind_session(struct smb *s, const struct smb_request *r);
/* 3.3.5.5: may this request begin, or go on with, the binding? Gives its channel. */
ntstatus bind_channel(struct smb *s, struct smb_request *r, struct smb_channel **out);

/* ---- interfaces.c --------------------------------------------------------------------------- */

void interfaces_set(struct smb *s, const struct smb_interface *list, uint32_t count);
void interfaces_ioctl(struct smb *s, struct smb_request *r, const struct smb_ioctl_req *req);

/* ---- sequence.c ----------------------------------------------------------------------------- */

/* [MS-SMB2] 3.3.5.2.10: the part uses the open. STATUS_FILE_NOT_AVAILABLE when it comes too late
 * and would change something. */
ntstatus sequence_begin(struct smb_request *r, struct smb_open *o);
/* 3.3.4.1: it does no more. */
void sequence_end(struct smb_request *r, struct smb_open *o);
