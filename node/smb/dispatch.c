/* Between a parsed header and its handler: what [MS-SMB2] 3.3.5.2 verifies for every request, in
 * its order, and the table of commands. */
#include "node/smb/channel.h"

/* 3.3.5.2: the most a request may measure unless its command carries data. */
#define SMALL_REQUEST_MAX (68u * 1024)

enum {
    NEEDS_SESSION = 1,
    NEEDS_TREE = 2,  /* and a session */
    NEEDS_LEASE = 4, /* answers from files: only while this node may serve them */
    MAY_BE_LARGE = 8,
    WHEN_EXPIRED = 16, /* 3.3.5.2.9: served although the session wants to be authenticated anew */
};

struct command {
    smb_resume *disk, *pipe; /* by the kind of tree; `disk` also without one */
    uint32_t needs;
};

static const struct command commands[SMB2_COMMANDS] = {
    [SMB2_NEGOTIATE] = {cmd_negotiate, NULL, 0},
    [SMB2_SESSION_SETUP] = {cmd_session_setup, NULL, 0},
    [SMB2_LOGOFF] = {cmd_logoff, NULL, NEEDS_SESSION | WHEN_EXPIRED},
    [SMB2_TREE_CONNECT] = {cmd_tree_connect, NULL, NEEDS_SESSION | NEEDS_LEASE},
    [SMB2_TREE_DISCONNECT] = {cmd_tree_disconnect, cmd_tree_disconnect, NEEDS_TREE},
    [SMB2_CREATE] = {cmd_create, pipe_create, NEEDS_TREE | NEEDS_LEASE},
    [SMB2_CLOSE] = {cmd_close, pipe_close, NEEDS_TREE | NEEDS_LEASE | WHEN_EXPIRED},
    [SMB2_FLUSH] = {cmd_flush, pipe_flush, NEEDS_TREE | NEEDS_LEASE},
    [SMB2_READ] = {cmd_read, pipe_read, NEEDS_TREE | NEEDS_LEASE | MAY_BE_LARGE},
    [SMB2_WRITE] = {cmd_write, pipe_write, NEEDS_TREE | NEEDS_LEASE | MAY_BE_LARGE},
    [SMB2_LOCK] = {cmd_lock, cmd_lock, NEEDS_TREE | NEEDS_LEASE | WHEN_EXPIRED},
    [SMB2_IOCTL] = {cmd_ioctl, cmd_ioctl, NEEDS_TREE | MAY_BE_LARGE},
    [SMB2_CANCEL] = {cmd_cancel, NULL, 0},
    [SMB2_ECHO] = {cmd_echo, NULL, 0},
    [SMB2_QUERY_DIRECTORY] = {cmd_query_directory, pipe_refuse,
                              NEEDS_TREE | NEEDS_LEASE | MAY_BE_LARGE},
    [SMB2_CHANGE_NOTIFY] = {cmd_change_notify, pipe_refuse,
                            NEEDS_TREE | NEEDS_LEASE | MAY_BE_LARGE},
    [SMB2_QUERY_INFO] = {cmd_query_info, pipe_query_info, NEEDS_TREE | NEEDS_LEASE | MAY_BE_LARGE},
    [SMB2_SET_INFO] = {cmd_set_info, pipe_set_info, NEEDS_TREE | NEEDS_LEASE | MAY_BE_LARGE},
    [SMB2_OPLOCK_BREAK] = {cmd_oplock_break, cmd_oplock_break, NEEDS_TREE},
    [SMB2_SERVER_TO_CLIENT_NOTIFICATION] = {NULL, NULL, 0},
};

static bool is_related(const struct smb_request *r)
{
    return (r->header.flags & SMB2_FLAGS_RELATED_OPERATIONS) != 0;
}

static bool is_known(uint16_t command)
{
    return command < SMB2_COMMANDS && commands[command].disk != NULL;
}

/* ---- the frame ------------------------------------------------------------------------------ */

/* NULL, or why the connection must go: 3.3.5.2, 3.3.5.2.2, 3.3.5.2.3, 3.3.5.2.6. */
static const char *connection_fault(struct smb *s, struct smb_request *r)
{
    (void)s;
    struct smb_conn *c = r->conn;
    const struct smb_header *h = &r->header;
    /* Amid a compound it is refused, so that the parts before it get their replies. */
    bool known = is_known(h->command);
    if (!known && r->part_index == 1)
        return "unknown command";
    if (c->sm.state != CONN_READY && h->command != SMB2_NEGOTIATE)
        return "a command before NEGOTIATE";
    uint32_t charge = c->multi_credit && h->credit_charge > 0 ? h->credit_charge : 1;
    if (h->command != SMB2_CANCEL && !window_take(&c->window, h->message_id, charge))
        return "a message id that was used or not granted";
    bool large = known && c->multi_credit && (commands[h->command].needs & MAY_BE_LARGE) != 0;
    if (!large && r->message.len > SMALL_REQUEST_MAX)
        return "an oversized request";
    return NULL;
}

/* 3.3.5.2.1.1: inside a sealed frame all speak for the session that sealed it. */
static const char *seal_fault(struct smb *s, const struct smb_request *r)
{
    const struct smb_session *session = table_get(&s->sessions, r->seal_session);
    if (!r->sealed)
        return NULL;
    if (is_related(r))
        return r->part_index == 1 ? "a sealed frame begins with a related part" : NULL;
    if (session == NULL || session->id != r->header.session_id)
        return "a sealed part of another session";
    return NULL;
}

/* ---- identities ----------------------------------------------------------------------------- */

/* 3.3.5.2.7.2: SessionId and TreeId of a related part are those of the part before. */
static ntstatus take_ids(struct smb_request *r)
{
    if (!is_related(r)) {
        r->chain.session_id = r->header.session_id;
        r->chain.tree_id = r->header.tree_id;
        r->chain.has_file = r->chain.broken = false;
        r->chain.status = STATUS_OK;
    }
    r->session_id = r->chain.session_id;
    r->tree_id = r->chain.tree_id;
    /* <269>: without a part before it, it and all that refer to it fail. */
    if (is_related(r) && r->part_index == 1)
        r->chain.broken = true;
    return is_related(r) && r->chain.broken ? STATUS_INVALID_PARAMETER : STATUS_OK;
}

/* 3.3.5.2.4 */
static ntstatus check_signature(struct smb *s, struct smb_request *r, struct smb_session *session)
{
    (void)s;
    bool is_signed = (r->header.flags & SMB2_FLAGS_SIGNED) != 0;
    if (r->sealed)
        return STATUS_OK;
    if (r->header.command == SMB2_NEGOTIATE)
        return is_signed ? STATUS_INVALID_PARAMETER : STATUS_OK;
    if (!is_signed)
        return session != NULL && session->signing_required && r->header.command != SMB2_CANCEL
                   ? STATUS_ACCESS_DENIED
                   : STATUS_OK;
    if (session == NULL)
        return STATUS_USER_SESSION_DELETED;
    struct sign_key *key = channel_sign_key(session, r->conn, r->header.command);
    if (key == NULL)
        return STATUS_NOT_SUPPORTED;
    struct sign_message m = {&r->message, 1, false};
    r->verified = sign_verify(key, &m);
    if (r->verified)
        return STATUS_OK;
    trace_put(&s->trace, "request.signature", r->header.command, r->header.message_id, session->id);
    return STATUS_ACCESS_DENIED;
}

/* 3.3.5.2.9 */
static ntstatus check_session(struct smb_request *r, struct smb_session *session, uint32_t needs)
{
    if (session == NULL)
        return STATUS_USER_SESSION_DELETED;
    /* 3.3.4.1.4: whatever answers on such a session is sealed. */
    if (session->encrypt && !r->sealed && session->seal_key != NULL)
        r->seal_session = session->self;
    if (session->sm.state == SESSION_EXPIRED && (needs & WHEN_EXPIRED) == 0)
        return STATUS_NETWORK_SESSION_EXPIRED;
    /* <272> leaves the code open: who has not logged on may do nothing. */
    if (session->sm.state == SESSION_IN_PROGRESS && (needs & WHEN_EXPIRED) == 0)
        return STATUS_ACCESS_DENIED;
    if (session->encrypt && !r->sealed)
        return STATUS_ACCESS_DENIED;
    r->session = session;
    return STATUS_OK;
}

/* 3.3.5.2.11 */
static ntstatus check_tree(struct smb *s, struct smb_request *r)
{
    struct smb_tree *tree = tree_find(s, r->session, r->chain.tree_id);
    if (tree == NULL)
        return STATUS_NETWORK_NAME_DELETED;
    if (tree->encrypt && !r->sealed) {
        if (r->session->seal_key != NULL)
            r->seal_session = r->session->self;
        return STATUS_ACCESS_DENIED;
    }
    r->tree = tree;
    r->tree_at = tree->self;
    return STATUS_OK;
}

static ntstatus check_part(struct smb *s, struct smb_request *r)
{
    if (!r->sealed)
        r->seal_session = (handle){0};
    ntstatus status = take_ids(r);
    if (!is_known(r->header.command))
        status = STATUS_INVALID_PARAMETER;
    if (status != STATUS_OK)
        return status;
    uint32_t needs = commands[r->header.command].needs;
    if (r->header.command == SMB2_CREATE)
        r->chain.has_file = false;
    struct smb_session *session = session_find(s, r->conn, r->chain.session_id);
    if (session == NULL)
        session = bind_session(s, r); /* 3.3.5.2.4: in the GlobalSessionTable */
    if (session != NULL)
        r->session_at = session->self;
    status = check_signature(s, r, session);
    if (status == STATUS_OK && (needs & (NEEDS_SESSION | NEEDS_TREE)) != 0)
        status = check_session(r, session, needs);
    if (status == STATUS_OK && (needs & NEEDS_TREE) != 0)
        status = check_tree(s, r);
    /* 3.3.5.2.7.2: who refers to a part without a session or a tree is lost as well. */
    r->chain.broken =
        status == STATUS_USER_SESSION_DELETED || status == STATUS_NETWORK_NAME_DELETED;
    return status;
}

void dispatch_part(struct smb *s, struct smb_request *r)
{
    const char *fault = connection_fault(s, r);
    if (fault == NULL)
        fault = seal_fault(s, r);
    if (fault != NULL) {
        request_disconnect(s, r, fault);
        return;
    }
    ntstatus status = check_part(s, r);
    if (r->session != NULL)
        r->session->used_ns = s->now_ns;
    if (status == STATUS_OK)
        dispatch_handler(s, r);
    else if (r->header.command == SMB2_CANCEL)
        request_no_reply(s, r); /* 3.3.5.16: a CANCEL is never answered */
    else
        request_fail(s, r, status);
}

void dispatch_handler(struct smb *s, struct smb_request *r)
{
    const struct command *c = &commands[r->header.command];
    bool pipe = r->tree != NULL && r->tree->ipc;
    if ((c->needs & NEEDS_LEASE) != 0 && !pipe && !s->lease) {
        /* A node that has lost touch serves nothing: somebody else may be doing it already. The
         * lease usually comes back within an election; a client that waits longer is told to try
         * again. */
        request_hold(s, r);
        return;
    }
    (pipe ? c->pipe : c->disk)(s, r);
}
