#include "node/smb/channel.h"

struct smb_channel *channel_new(struct smb *s, struct smb_session *session, struct smb_conn *c)
{
    must(channel_find(session, c) == NULL);
    if (session->channel_count >= SMB_CHANNELS_MAX)
        return NULL;
    struct smb_channel *ch = pool_get(&s->channel_pool);
    if (ch == NULL)
        return NULL;
    ch->session = session;
    ch->conn = c;
    ch->preauth = c->preauth; /* 3.3.5.5, 3.3.5.5.1 */
    list_init(&ch->session_link);
    list_init(&ch->conn_link);
    list_push_back(&session->channels, &ch->session_link);
    list_push_back(&c->channels, &ch->conn_link);
    session->channel_count++;
    c->channel_count++;
    return ch;
}

struct smb_channel *channel_find(const struct smb_session *session, const struct smb_conn *c)
{
    list_each (link, &session->channels) {
        struct smb_channel *ch = container_of(link, struct smb_channel, session_link);
        if (ch->conn == c)
            return ch;
    }
    return NULL;
}

void channel_set_bound(struct smb_channel *ch)
{
    must(ch->session->sign_key != NULL);
    if (ch->bound)
        return;
    ch->bound = true;
    ch->conn->bound_count++;
}

void channel_drop(struct smb *s, struct smb_channel *ch)
{
    must(ch->session->channel_count > 0);
    must(ch->conn->channel_count > 0);
    ch->session->channel_count--;
    ch->conn->channel_count--;
    ch->conn->bound_count -= ch->bound;
    list_remove(&ch->session_link);
    list_remove(&ch->conn_link);
    sign_key_free(ch->sign_key);
    if (ch->auth_context != 0) {
        struct smb_effect *e = smb_emit(s, SMB_DO_AUTH);
        e->auth.context = ch->auth_context;
        e->auth.last = true;
    }
    pool_put(&s->channel_pool, ch);
}

void channel_lost(struct smb *s, struct smb_channel *ch)
{
    struct smb_session *session = ch->session;
    channel_drop(s, ch);
    list_each (link, &session->channels)
        if (container_of(link, struct smb_channel, session_link)->bound)
            return;
    session_doom(s, session);
}

struct sign_key *channel_sign_key(const struct smb_session *session, const struct smb_conn *c,
                                  uint16_t command)
{
    const struct smb_channel *ch = channel_find(session, c);
    if (ch != NULL && ch->bound)
        return ch->sign_key != NULL ? ch->sign_key : session->sign_key;
    return command == SMB2_SESSION_SETUP ? session->sign_key : NULL;
}

struct smb_conn *session_conn(const struct smb_session *session)
{
    list_each (link, &session->channels) {
        const struct smb_channel *ch = container_of(link, struct smb_channel, session_link);
        if (ch->bound && ch->conn->sm.state != CONN_CLOSING)
            return ch->conn;
    }
    return NULL;
}
