/* The life of a request: what it waits for, how it is completed, and how it ends when its
 * connection does. See smb_int.h for the states. */
#include "node/smb/channel.h"
#include "node/smb/compress.h"
#include "node/smb/files.h"
#include "node/smb/previous.h"

/* What a spare request may keep of its memory. */
#define ARENA_WARM_MAX (16u << 10)

static const struct sm_state request_states[] = {
    [REQUEST_NEXT] = {"next", MAY(REQUEST_RUNNING) | MAY(REQUEST_DONE)},
    [REQUEST_RUNNING] = {"running", MAY(REQUEST_WAITING) | MAY(REQUEST_HELD) | MAY(REQUEST_PARKED) |
                                        MAY(REQUEST_REPLIED) | MAY(REQUEST_DONE)},
    [REQUEST_WAITING] = {"waiting", MAY(REQUEST_RUNNING) | MAY(REQUEST_DONE)},
    [REQUEST_HELD] = {"held", MAY(REQUEST_RUNNING) | MAY(REQUEST_DONE)},
    [REQUEST_PARKED] = {"parked", MAY(REQUEST_RUNNING) | MAY(REQUEST_DONE)},
    [REQUEST_REPLIED] = {"replied", MAY(REQUEST_NEXT) | MAY(REQUEST_DONE)},
    [REQUEST_DONE] = {"done", 0},
};

struct smb_request *request_begin(struct smb *s, struct smb_conn *c, handle frame)
{
    struct list *link = list_pop(&s->spare);
    struct smb_request *r =
        link != NULL ? container_of(link, struct smb_request, work) : pool_get(&s->request_pool);
    if (r == NULL)
        return NULL;
    struct arena warm = r->arena;
    *r = (struct smb_request){.arena = warm, .conn = c, .frame = frame};
    if (warm.mem == NULL)
        arena_init(&r->arena, s->mem, SMB_ARENA_MAX);
    r->self = table_add(&s->requests, r);
    must(!handle_none(r->self)); /* the table is as large as the pool */
    sm_init(&r->sm, "request", request_states, array_len(request_states), REQUEST_NEXT);
    list_init(&r->work);
    list_init(&r->open_link);
    list_init(&r->conn_link);
    list_push_back(&c->requests, &r->conn_link);
    c->request_count++;
    return r;
}

static void release_size(struct smb *s, struct smb_request *r, struct smb_inode *inode)
{
    must(inode != NULL);
    must(inode->writes_busy > 0);
    r->size_held = false;
    if (--inode->writes_busy == 0)
        inode_settled(s, inode);
}

void request_part_end(struct smb *s, struct smb_request *r)
{
    struct smb_open *o = table_get(&s->opens, r->open_at);
    bool parked = r->sm.state == REQUEST_PARKED;
    request_unkeep(s, r);
    list_remove(&r->open_link);
    r->open_at = (handle){0};
    if (o == NULL)
        return;
    sequence_end(r, o);
    if (r->cuts) {
        must(o->inode != NULL);
        r->cuts = false;
        inode_cut_end(s, o->inode);
    }
    if (r->size_held)
        release_size(s, r, o->inode);
    if (handle_equal(o->pipe_user, r->self)) {
        o->pipe_user = (handle){0};
        open_wake(s, o); /* the next one may write to the pipe */
    }
    if (parked)
        return; /* a sleeper does not keep its open */
    must(o->busy > 0);
    o->busy--;
    open_idle(s, o);
}

/* An answer to what it asked finds nobody. */
static void forget_op(struct smb *s, struct smb_request *r)
{
    if (!handle_none(r->op))
        (void)table_remove(&s->ops, r->op);
    r->op = (handle){0};
}

void request_finish(struct smb *s, struct smb_request *r)
{
    request_part_end(s, r);
    previous_forget(s, r);
    smb_timer_disarm(s, &r->timer);
    smb_release(s, r->frame);
    smb_release(s, r->io_buf);
    for (struct smb_part *p = r->parts; p != NULL; p = p->next)
        smb_release(s, p->buf); /* replies that were built and not sent */
    r->frame = r->io_buf = (handle){0};
    r->parts = NULL;
    forget_op(s, r);
    if (r->conn != NULL) {
        must(r->conn->request_count > 0);
        r->conn->request_count--;
        r->conn->parked -= r->sm.state == REQUEST_PARKED;
    }
    r->conn = NULL;
    list_remove(&r->conn_link);
    list_remove(&r->work);
    sm_move(&r->sm, REQUEST_DONE);
    list_push_back(&s->done, &r->work);
}

void request_collect(struct smb *s)
{
    struct list *link;
    while ((link = list_pop(&s->done)) != NULL) {
        struct smb_request *r = container_of(link, struct smb_request, work);
        if (r->arena.used > ARENA_WARM_MAX)
            arena_fini(&r->arena); /* one long listing must not cost memory for ever */
        else
            arena_reset(&r->arena);
        compress_forget(s, r);
        (void)table_remove(&s->requests, r->self);
        list_push_back(&s->spare, &r->work);
    }
}

void request_abandon(struct smb *s, struct smb_request *r)
{
    must(r->conn != NULL);
    if (r->sm.state == REQUEST_WAITING && r->wait == WAIT_META && r->meta_waits)
        request_cancel_meta(s, r);
    bool needs_frame = r->sm.state == REQUEST_WAITING && r->wait == WAIT_IO;
    if (!needs_frame) {
        request_finish(s, r);
        return;
    }
    /* Replication may still read the frame's bytes, and the open must not be closed before the
     * write has ended: it could land on what somebody else wrote afterwards. */
    smb_timer_disarm(s, &r->timer);
    list_remove(&r->conn_link);
    r->conn->request_count--;
    r->conn = NULL;
}

bool request_resolve(struct smb *s, struct smb_request *r)
{
    r->session = table_get(&s->sessions, r->session_at);
    r->tree = table_get(&s->trees, r->tree_at);
    return r->conn != NULL && r->conn->sm.state != CONN_CLOSING &&
           (handle_none(r->session_at) || r->session != NULL) &&
           (handle_none(r->tree_at) || r->tree != NULL);
}

/* ---- waiting -------------------------------------------------------------------------------- */

static void arm(struct smb *s, struct smb_request *r)
{
    uint64_t at = r->interim_ns < r->give_up_ns ? r->interim_ns : r->give_up_ns;
    smb_timer_arm(s, &r->timer, TIMER_REQUEST, at);
}

void request_wait(struct smb *s, struct smb_request *r, enum smb_wait wait, uint64_t give_up_ns)
{
    r->wait = wait;
    r->give_up_ns = give_up_ns;
    /* Within a compound only the last part may go asynchronous (3.3.5.2.7 <266>); a logon never. */
    bool may_pend = r->last_part && r->async_id == 0 && wait != WAIT_AUTH && wait != WAIT_PREVIOUS;
    r->interim_ns = may_pend ? s->now_ns + SMB_INTERIM_NS : DEADLINE_NEVER;
    arm(s, r);
}

void request_hold(struct smb *s, struct smb_request *r)
{
    sm_move(&r->sm, REQUEST_HELD);
    list_push_back(&s->held, &r->work);
    request_wait(s, r, WAIT_NONE, s->now_ns + SMB_HOLD_NS);
}

static void begin_op(struct smb *s, struct smb_request *r, enum smb_wait wait, uint64_t give_up_ns)
{
    must(handle_none(r->op));
    r->op = table_add(&s->ops, r);
    must(!handle_none(r->op)); /* one operation a request: the table is as large as the pool */
    sm_move(&r->sm, REQUEST_WAITING);
    request_wait(s, r, wait, give_up_ns);
}

static void wait_meta(struct smb *s, struct smb_request *r, smb_meta_done *done)
{
    r->on_meta = done;
    r->meta_waits = false;
    begin_op(s, r, WAIT_META, s->now_ns + SMB_META_NS);
}

void request_meta(struct smb *s, struct smb_request *r, Fl__Command *c, smb_meta_done *done)
{
    wait_meta(s, r, done);
    c->cancel_id = handle_pack(r->op);
    struct smb_effect *e = smb_emit(s, SMB_DO_META);
    e->meta.token = handle_pack(r->op);
    e->meta.command = c;
}

void request_query(struct smb *s, struct smb_request *r, const Fl__Query *q, smb_meta_done *done)
{
    wait_meta(s, r, done);
    struct smb_effect *e = smb_emit(s, SMB_DO_META);
    e->meta.token = handle_pack(r->op);
    e->meta.query = q;
}

void request_io(struct smb *s, struct smb_request *r, const struct smb_io *io, smb_io_done *done)
{
    r->on_io = done;
    begin_op(s, r, WAIT_IO, DEADLINE_NEVER); /* replication has its own limits and always answers */
    struct smb_effect *e = smb_emit(s, SMB_DO_IO);
    e->io.token = handle_pack(r->op);
    e->io.op = io->op;
    e->io.file = io->file;
    e->io.offset = io->offset;
    e->io.len = io->len;
    e->io.data = io->data;
}

void request_auth(struct smb *s, struct smb_request *r, uint64_t context, struct slice blob)
{
    begin_op(s, r, WAIT_AUTH, DEADLINE_NEVER);
    struct smb_effect *e = smb_emit(s, SMB_DO_AUTH);
    e->auth.token = handle_pack(r->op);
    e->auth.context = context;
    e->auth.blob = blob;
}

void request_wait_idle(struct smb *s, struct smb_request *r, struct smb_open *o, smb_resume *then)
{
    must(handle_equal(r->open_at, o->self));
    must(!o->closing);
    o->closing = true;
    o->closer = r->self;
    r->on_idle = then;
    sm_move(&r->sm, REQUEST_WAITING);
    request_wait(s, r, WAIT_IDLE, DEADLINE_NEVER);
    open_wake_parked(s, o);
    open_idle(s, o);
}

void request_park(struct smb *s, struct smb_request *r)
{
    struct smb_open *o = request_its_open(s, r);
    must(o != NULL);
    sm_move(&r->sm, REQUEST_PARKED);
    must(o->busy > 0);
    o->busy--;
    r->conn->parked++;
    smb_release(s, r->frame);
    r->frame = (handle){0};
    r->message = (struct slice){0};
    r->interim_ns = r->give_up_ns = DEADLINE_NEVER;
    if (r->last_part && r->async_id == 0)
        compound_interim(s, r);
}

void request_wake_later(struct smb *s, struct smb_request *r, ntstatus status)
{
    r->wake_status = status;
    list_remove(&r->work);
    list_push_back(&s->woken, &r->work);
}

/* A held, parked or idle-waiting request goes on. */
void request_wake(struct smb *s, struct smb_request *r)
{
    enum smb_request_state was = r->sm.state;
    must(was == REQUEST_HELD || was == REQUEST_PARKED || was == REQUEST_WAITING);
    if (r->conn == NULL || r->conn->sm.state == CONN_CLOSING) {
        if (r->conn != NULL)
            request_finish(s, r);
        return;
    }
    smb_timer_disarm(s, &r->timer);
    forget_op(s, r);
    if (was == REQUEST_PARKED) {
        r->conn->parked--;
        struct smb_open *o = table_get(&s->opens, r->open_at);
        if (o != NULL)
            o->busy++; /* as every running part; request_part_end counts it back */
        else
            r->open_at = (handle){0};
    }
    sm_move(&r->sm, REQUEST_RUNNING);
    bool whole = request_resolve(s, r);
    if (r->wake_status != STATUS_OK)
        request_fail(s, r, r->wake_status);
    else if (!whole)
        request_fail(
            s, r, r->session == NULL ? STATUS_USER_SESSION_DELETED : STATUS_NETWORK_NAME_DELETED);
    else if (was == REQUEST_HELD)
        dispatch_handler(s, r);
    else
        r->on_idle(s, r);
    request_run(s, r);
}

void request_on_timer(struct smb *s, struct smb_request *r)
{
    if (s->now_ns >= r->interim_ns) {
        r->interim_ns = DEADLINE_NEVER;
        compound_interim(s, r);
    }
    if (s->now_ns < r->give_up_ns) {
        arm(s, r);
        return;
    }
    if (r->wait == WAIT_PREVIOUS) { /* long enough: it goes on as if it were answered */
        previous_forget(s, r);
        request_wake_later(s, r, STATUS_OK);
        return;
    }
    trace_put(&s->trace, "request.late", r->header.command, r->header.message_id, r->wait);
    forget_op(s, r);
    list_remove(&r->work);
    sm_move(&r->sm, REQUEST_RUNNING);
    (void)request_resolve(s, r);
    /* One of the three statuses after which a client tries again instead of giving up. */
    request_fail(s, r, STATUS_FILE_NOT_AVAILABLE);
    request_run(s, r);
}

/* ---- outcomes ------------------------------------------------------------------------------- */

/* The request that waits for `token`; NULL when it has given up. */
static struct smb_request *end_op(struct smb *s, uint64_t token, enum smb_wait wait)
{
    struct smb_request *r = table_get(&s->ops, handle_unpack(token));
    if (r == NULL || r->wait != wait)
        return NULL;
    forget_op(s, r);
    list_remove(&r->work); /* it was to be woken */
    smb_timer_disarm(s, &r->timer);
    sm_move(&r->sm, REQUEST_RUNNING);
    return r;
}

struct smb_request *request_auth_end(struct smb *s, uint64_t token)
{
    return end_op(s, token, WAIT_AUTH);
}

/* Nobody will use what META has opened: let go of its share mode and its name. */
static void close_unwanted(struct smb *s, const Fl__Reply *reply)
{
    if (reply == NULL || reply->status != STATUS_OK || reply->body_case != FL__REPLY__BODY_OPEN ||
        reply->open == NULL)
        return;
    Fl__Command *c = smb_command(s);
    Fl__Close *close = c != NULL ? arena_alloc(&s->step, sizeof(*close)) : NULL;
    if (close == NULL)
        return; /* out of memory: the open ends with this node's session */
    fl__close__init(close);
    close->open_id = reply->open->open_id;
    c->body_case = FL__COMMAND__BODY_CLOSE;
    c->close = close;
    smb_meta_forget(s, c);
}

static void fail_lost(struct smb *s, struct smb_request *r)
{
    if (r->conn == NULL || r->conn->sm.state == CONN_CLOSING) {
        request_finish(s, r);
        return;
    }
    request_fail(s, r,
                 r->session == NULL ? STATUS_USER_SESSION_DELETED : STATUS_NETWORK_NAME_DELETED);
    request_run(s, r);
}

void request_on_meta(struct smb *s, const struct smb_event *ev)
{
    if (ev->meta.reply->status == STATUS_PENDING) {
        request_meta_waits(s, ev->meta.token);
        return;
    }
    struct smb_request *r = end_op(s, ev->meta.token, WAIT_META);
    if (r == NULL || !request_resolve(s, r)) {
        close_unwanted(s, ev->meta.reply);
        if (r != NULL)
            fail_lost(s, r);
        return;
    }
    r->on_meta(s, r, ev->meta.reply);
    request_run(s, r);
}

void request_on_io(struct smb *s, const struct smb_event *ev)
{
    struct smb_request *r = end_op(s, ev->io.token, WAIT_IO);
    if (r == NULL) {
        smb_release(s, ev->io.buf);
        return;
    }
    r->io_buf = ev->io.buf;
    if (!request_resolve(s, r)) {
        fail_lost(s, r);
        return;
    }
    struct smb_io_result io = {ev->io.status, ev->io.at, ev->io.len, ev->io.buf};
    r->on_io(s, r, &io);
    smb_release(s, r->io_buf); /* unless a reply has taken it */
    r->io_buf = (handle){0};
    request_run(s, r);
}

/* ---- opens ---------------------------------------------------------------------------------- */

/* [MS-SMB2] 3.3.5.2.7.2 */
static ntstatus related_id(const struct smb_request *r, struct smb_file_id *id)
{
    if ((r->header.flags & SMB2_FLAGS_RELATED_OPERATIONS) == 0)
        return STATUS_OK;
    if (r->chain.has_file)
        *id = r->chain.file_id;
    else if (status_is_error(r->chain.status))
        return r->chain.status; /* <270>: of the CREATE that made none */
    else
        return STATUS_INVALID_HANDLE;
    return STATUS_OK;
}

ntstatus request_open(struct smb *s, struct smb_request *r, struct smb_file_id id,
                      struct smb_open **out)
{
    must(handle_none(r->open_at));
    ntstatus status = related_id(r, &id);
    if (status != STATUS_OK)
        return status;
    r->chain.file_id = id;
    r->chain.has_file = true;
    struct smb_open *o = table_get(&s->opens, handle_unpack(id.volatile_));
    if (o == NULL || o->closing || o->open_id != id.persistent || o->tree != r->tree)
        return STATUS_FILE_CLOSED;
    status = sequence_begin(r, o);
    if (status != STATUS_OK)
        return status;
    r->open_at = o->self;
    o->busy++;
    list_push_back(&o->requests, &r->open_link);
    *out = o;
    return STATUS_OK;
}

struct smb_open *request_its_open(struct smb *s, struct smb_request *r)
{
    return table_get(&s->opens, r->open_at);
}

void request_set_open(struct smb *s, struct smb_request *r, struct smb_open *o)
{
    (void)s;
    r->chain.file_id = (struct smb_file_id){o->open_id, handle_pack(o->self)};
    r->chain.has_file = true;
}

void request_hold_size(struct smb *s, struct smb_request *r)
{
    struct smb_open *o = request_its_open(s, r);
    must(o != NULL);
    must(o->inode != NULL);
    if (r->size_held)
        return;
    r->size_held = true;
    o->inode->writes_busy++;
}

void request_keep(struct smb *s, struct smb_request *r)
{
    request_unkeep(s, r);
    r->kept = r->io_buf;
    r->io_buf = (handle){0};
}

void request_unkeep(struct smb *s, struct smb_request *r)
{
    smb_release(s, r->kept);
    r->kept = (handle){0};
}

void request_release_size(struct smb *s, struct smb_request *r)
{
    must(r->size_held);
    release_size(s, r, request_its_open(s, r)->inode);
}

bool request_paid(const struct smb_request *r, uint64_t payload)
{
    if (!r->conn->multi_credit)
        return payload <= SMB_IO_MAX_202;
    uint64_t charge = r->header.credit_charge == 0 ? 1 : r->header.credit_charge;
    uint64_t due = payload == 0 ? 1 : (payload - 1) / 65536 + 1; /* 3.1.5.2 */
    return due <= charge;
}

/* ---- what is asked of the coordinator -------------------------------------------------------- */

Fl__Command *request_command(struct smb *s, struct smb_request *r)
{
    Fl__Command *c = request_new(r, Fl__Command);
    if (c == NULL)
        request_fail(s, r, STATUS_INSUFFICIENT_RESOURCES);
    else
        fl__command__init(c);
    return c;
}

Fl__Query *request_query_new(struct smb *s, struct smb_request *r)
{
    Fl__Query *q = request_new(r, Fl__Query);
    if (q == NULL)
        request_fail(s, r, STATUS_INSUFFICIENT_RESOURCES);
    else
        fl__query__init(q);
    return q;
}
