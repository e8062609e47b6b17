/* Binding: a session takes another connection as a channel ([MS-SMB2] 3.3.5.5, with
 * SMB2_SESSION_FLAG_BINDING). All connections of a node share its sessions, so the channels of one
 * session all end at one node; that is why clients are told this node's interfaces alone.
 *
 * Who binds proves twice that he may: he signs with the session's key, and logs on anew as the same
 * user. The statuses and their order are those of Windows. */
#include "node/smb/channel.h"

#include "proto/smb/session.h"

static bool is_binding(const struct smb_request *r)
{
    struct smb_session_setup_req req;
    return r->header.command == SMB2_SESSION_SETUP &&
           smb_session_setup_decode(r->message, &req) == STATUS_OK &&
           (req.flags & SMB2_SESSION_FLAG_BINDING) != 0;
}

struct smb_session *bind_session(struct smb *s, const struct smb_request *r)
{
    return is_binding(r) ? map_get_u64(&s->session_by_id, r->header.session_id) : NULL;
}

/* AES-GMAC is never mixed with another algorithm within a session. */
static ntstatus check_algorithms(const struct smb_session *session, const struct smb_conn *c)
{
    if (c->signing_algorithm == session->signing_algorithm)
        return STATUS_OK;
    if (session->signing_algorithm == SMB_SIGNING_AES_GMAC)
        return STATUS_REQUEST_OUT_OF_SEQUENCE;
    return c->signing_algorithm == SMB_SIGNING_AES_GMAC ? STATUS_NOT_SUPPORTED : STATUS_OK;
}

static ntstatus check_connection(const struct smb_request *r, const struct smb_session *session)
{
    const struct smb_conn *c = r->conn;
    ntstatus status = check_algorithms(session, c);
    if (status != STATUS_OK)
        return status;
    if (c->dialect < SMB_DIALECT_300)
        return STATUS_REQUEST_NOT_ACCEPTED;
    if ((r->header.flags & SMB2_FLAGS_SIGNED) == 0 || c->dialect != session->dialect ||
        c->cipher != session->cipher)
        return STATUS_INVALID_PARAMETER;
    return STATUS_OK;
}

static ntstatus check_session(const struct smb_session *session)
{
    switch ((enum smb_session_state)session->sm.state) {
    case SESSION_IN_PROGRESS: return STATUS_REQUEST_NOT_ACCEPTED;
    case SESSION_EXPIRED: return STATUS_NETWORK_SESSION_EXPIRED;
    case SESSION_VALID:
    case SESSION_GONE: break;
    }
    return STATUS_OK;
}

ntstatus bind_channel(struct smb *s, struct smb_request *r, struct smb_channel **out)
{
    if (r->header.session_id == 0)
        return STATUS_INVALID_PARAMETER;
    struct smb_session *session = map_get_u64(&s->session_by_id, r->header.session_id);
    if (session == NULL)
        return STATUS_USER_SESSION_DELETED;
    ntstatus status = check_connection(r, session);
    if (status == STATUS_OK)
        status = check_session(session);
    if (status != STATUS_OK)
        return status;
    struct smb_channel *ch = channel_find(session, r->conn);
    if (ch != NULL && (ch->bound || ch->auth_busy))
        return STATUS_REQUEST_NOT_ACCEPTED;
    *out = ch != NULL ? ch : channel_new(s, session, r->conn);
    return *out != NULL ? STATUS_OK : STATUS_INSUFFICIENT_RESOURCES;
}
