/* The state machine's front: commands in, replies out; each command applied once. */
#include "coordinator/meta/locks.h"
#include "coordinator/meta/notify.h"
#include "coordinator/meta/wait.h"

/* When there is no memory even for a reply of one's own. */
static const Fl__Reply no_memory = {
    PROTOBUF_C_MESSAGE_INIT(&fl__reply__descriptor),
    STATUS_INSUFFICIENT_RESOURCES,
    (char *)(uintptr_t) "",
    FL__REPLY__BODY__NOT_SET,
    {0},
};

Fl__Reply *meta_reply_no_memory(void) { return (Fl__Reply *)(uintptr_t)&no_memory; }

struct meta *meta_new(struct mem *mem)
{
    struct meta *m = mem_alloc(mem, sizeof(*m));
    if (m == NULL)
        return NULL;
    m->mem = mem;
    m->next_open = m->next_ticket = m->next_lease = 1;
    m->next_rid = 1000; /* below are the well-known ones ([MS-DTYP] 2.4.2.4) */
    m->next_node = m->next_volume = m->next_group = 1;
    list_init(&m->ready);
    meta_trees_init(m);
    return m;
}

void meta_clear(struct meta *m)
{
    for (struct node *n = node_first(m); n != NULL; n = node_next(n))
        list_each (at, &n->waits)
            wait_free(m, container_of(at, struct wait, in_node));
    for (struct invalidation *v; (v = invalidation_first(m)) != NULL;) {
        if (v->inode != NULL)
            v->inode->invalidation = NULL;
        tree_remove(&m->invalidations, &v->by_ticket);
        mem_free(m->mem, v, sizeof(*v));
    }
    for (struct lease *l = lease_first(m); l != NULL; l = lease_next(l))
        list_each (at, &l->waits)
            wait_free(m, container_of(at, struct wait, in_blocker));
    for (struct open *o; (o = open_first(m)) != NULL;) {
        locks_end(m, o);
        lease_detach(m, o);
        list_remove(&o->in_inode);
        list_remove(&o->in_node);
        tree_remove(&m->opens, &o->by_id);
        mem_free(m->mem, o, sizeof(*o));
    }
    for (struct lease *l; (l = lease_first(m)) != NULL;)
        lease_free(m, l); /* half loaded: without an open */
    for (struct reclaim *r; (r = reclaim_first(m)) != NULL;) {
        tree_remove(&m->reclaims, &r->by_ticket);
        reclaim_free(m, r);
    }
    for (struct share *s; (s = share_first(m)) != NULL;) {
        tree_remove(&m->shares, &s->by_name);
        share_free(m, s);
    }
    for (struct user *u; (u = user_first(m)) != NULL;) {
        tree_remove(&m->users, &u->by_name);
        user_free(m, u);
    }
    for (struct volume *v; (v = volume_first(m)) != NULL;) {
        for (struct inode *i; (i = inode_first(v)) != NULL;) {
            inode_remove(m, i);
            inode_trees_init(i);
            inode_free(m, i);
        }
        tree_remove(&m->volumes, &v->by_id);
        volume_free(m, v);
    }
    for (struct node *n; (n = node_first(m)) != NULL;) {
        tree_remove(&m->nodes, &n->by_id);
        node_free(m, n);
    }
    blob_free(m->mem, &m->cluster_id);
    blob_free(m->mem, &m->cluster_name);
    blob_free(m->mem, &m->domain_sid);
    blob_free(m->mem, &m->ca_key);
    blob_free(m->mem, &m->ca_cert);
}

void meta_free(struct meta *m)
{
    if (m == NULL)
        return;
    meta_clear(m);
    mem_free(m->mem, m, sizeof(*m));
}

static ntstatus dispatch(struct work *w, const Fl__Command *c)
{
    switch (c->body_case) {
    case FL__COMMAND__BODY_OPEN: return apply_open(w, c->open);
    case FL__COMMAND__BODY_CLOSE: return apply_close(w, c->close);
    case FL__COMMAND__BODY_EXTEND: return apply_extend(w, c->extend);
    case FL__COMMAND__BODY_SET_SIZE: return apply_set_size(w, c->set_size);
    case FL__COMMAND__BODY_SET_ALLOCATION: return apply_set_allocation(w, c->set_allocation);
    case FL__COMMAND__BODY_SET_BASIC: return apply_set_basic(w, c->set_basic);
    case FL__COMMAND__BODY_SET_SPARSE: return apply_set_sparse(w, c->set_sparse);
    case FL__COMMAND__BODY_SET_DISPOSITION: return apply_set_disposition(w, c->set_disposition);
    case FL__COMMAND__BODY_RENAME: return apply_rename(w, c->rename);
    case FL__COMMAND__BODY_SET_SECURITY: return apply_set_security(w, c->set_security);
    case FL__COMMAND__BODY_SET_EA: return apply_set_ea(w, c->set_ea);
    case FL__COMMAND__BODY_LOCK: return apply_lock(w, c->lock);
    case FL__COMMAND__BODY_UNLOCK: return apply_unlock(w, c->unlock);
    case FL__COMMAND__BODY_INVALIDATE_DONE: return apply_invalidate_done(w, c->invalidate_done);
    case FL__COMMAND__BODY_CANCEL: return apply_cancel(w, c->cancel);
    case FL__COMMAND__BODY_BREAK_CACHING: return apply_break_caching(w, c->break_caching);
    case FL__COMMAND__BODY_LEASE_ACK: return apply_lease_ack(w, c->lease_ack);
    case FL__COMMAND__BODY_OPLOCK_ACK: return apply_oplock_ack(w, c->oplock_ack);
    case FL__COMMAND__BODY_BREAK_TIMEOUT: return apply_break_timeout(w);
    case FL__COMMAND__BODY_END_SESSION: return apply_end_session(w, c->end_session);
    case FL__COMMAND__BODY_SESSION_ENDED: return apply_session_ended(w, c->session_ended);
    case FL__COMMAND__BODY_REGISTER_NODE: return apply_register(w, c->register_node);
    case FL__COMMAND__BODY_NODE_DOWN: return apply_node_down(w, c->node_down);
    case FL__COMMAND__BODY_GROUP_EVICT: return apply_group_evict(w, c->group_evict);
    case FL__COMMAND__BODY_GROUP_REJOIN: return apply_group_rejoin(w, c->group_rejoin);
    case FL__COMMAND__BODY_RECLAIM_DONE: return apply_reclaim_done(w, c->reclaim_done);
    case FL__COMMAND__BODY_CLUSTER_INIT: return apply_cluster_init(w, c->cluster_init);
    case FL__COMMAND__BODY_NODE_ADD: return apply_node_add(w, c->node_add);
    case FL__COMMAND__BODY_NODE_JOIN: return apply_node_join(w, c->node_join);
    case FL__COMMAND__BODY_NODE_REMOVE: return apply_node_remove(w, c->node_remove);
    case FL__COMMAND__BODY_VOLUME_CREATE: return apply_volume_create(w, c->volume_create);
    case FL__COMMAND__BODY_VOLUME_REMOVE: return apply_volume_remove(w, c->volume_remove);
    case FL__COMMAND__BODY_SHARE_CREATE: return apply_share_create(w, c->share_create);
    case FL__COMMAND__BODY_SHARE_REMOVE: return apply_share_remove(w, c->share_remove);
    case FL__COMMAND__BODY_SHARE_SET: return apply_share_set(w, c->share_set);
    case FL__COMMAND__BODY_USER_ADD: return apply_user_add(w, c->user_add);
    case FL__COMMAND__BODY_USER_PASSWD: return apply_user_passwd(w, c->user_passwd);
    case FL__COMMAND__BODY_USER_REMOVE: return apply_user_remove(w, c->user_remove);
    case FL__COMMAND__BODY_WATCH: return apply_watch(w, c->watch);
    case FL__COMMAND__BODY_SET_REPARSE: return apply_set_reparse(w, c->set_reparse);
    case FL__COMMAND__BODY_DELETE_REPARSE: return apply_delete_reparse(w, c->delete_reparse);
    case FL__COMMAND__BODY__NOT_SET:
    case _FL__COMMAND__BODY__CASE_IS_INT_SIZE: break;
    }
    return STATUS_NOT_SUPPORTED; /* of a newer version */
}

/* An error's reply says what the handler put there, and no more. */
static ntstatus run(struct work *w)
{
    ntstatus status = dispatch(w, w->command);
    w->answer->reply.status = status;
    return status;
}

/* The body of a command that needs no session of its node: the one that begins it. */
static bool begins_session(const Fl__Command *c)
{
    return c->body_case == FL__COMMAND__BODY_REGISTER_NODE;
}

/* The reply to a command of a node that was applied before; false when it is a new one. */
static bool repeated(struct work *w, Fl__Reply **reply)
{
    const Fl__Command *c = w->command;
    const struct remembered *r = window_get(w->node, c->sequence);
    if (r != NULL && r->pending) {
        *reply = NULL; /* it still waits */
        return true;
    }
    if (r != NULL) {
        *reply = pb_unpack(&fl__reply__descriptor, slice_of(r->bytes, r->len), w->a);
        if (*reply == NULL)
            *reply = meta_reply_no_memory();
        return true;
    }
    w->answer->reply.status = STATUS_REQUEST_OUT_OF_SEQUENCE;
    *reply = &w->answer->reply;
    return c->sequence < w->node->window_floor; /* answered, and the node said that it knows */
}

/* A command of a node, or of nobody (NULL window): applied, and its reply remembered. */
static Fl__Reply *apply_new(struct work *w)
{
    struct meta *m = w->m;
    const Fl__Command *c = w->command;
    struct remembered *r = NULL;
    if (w->node != NULL) {
        if (window_has_room(w->node, c))
            r = mem_alloc(m->mem, sizeof(*r));
        if (r == NULL)
            return meta_reply_no_memory();
        r->sequence = c->sequence;
        r->pending = true;
    }
    ntstatus status = run(w);
    if (status == STATUS_INSUFFICIENT_RESOURCES) {
        mem_free(m->mem, r, sizeof(*r)); /* not remembered: it may be tried again */
        return &w->answer->reply;
    }
    if (r == NULL)
        return &w->answer->reply;
    window_trim(m, w->node, c);
    window_add(w->node, r);
    if (status == STATUS_PENDING)
        return NULL;
    remember(r, &w->answer->reply);
    return &w->answer->reply;
}

struct done {
    struct meta_completion completion;
    struct done *next;
};

/* Applies a command anew whose wait has ended. NULL: it waits again, or its reply could only be
 * remembered: the node asks again and gets it. */
static struct done *resume(const struct work *by, struct wait *v)
{
    struct meta *m = by->m;
    struct arena *a = by->a;
    struct work w = *by;
    w.node = v->node, w.resumed = v, w.now = v->now, w.answer = NULL;
    w.author.known = false;
    Fl__Command *c = pb_unpack(&fl__command__descriptor, blob_slice(&v->command), a);
    struct done *d = arena_alloc(a, sizeof(*d));
    ntstatus status = STATUS_INSUFFICIENT_RESOURCES;
    w.command = c;
    if (c != NULL && work_prepare(&w))
        status = v->cancelled ? (w.answer->reply.status = STATUS_CANCELLED) : run(&w);
    if (status == STATUS_PENDING) {
        wait_free(m, v);
        return NULL;
    }
    const Fl__Reply *reply = w.answer != NULL ? &w.answer->reply : meta_reply_no_memory();
    struct remembered *r = window_get(v->node, v->sequence);
    must(r != NULL && r->pending);
    remember(r, reply);
    if (d != NULL)
        d->completion = (struct meta_completion){.node_id = v->node->id,
                                                 .incarnation = v->node->incarnation,
                                                 .sequence = v->sequence,
                                                 .reply = (Fl__Reply *)(uintptr_t)reply};
    wait_free(m, v);
    return d;
}

static void resume_all(struct work *w, struct meta_output *out)
{
    struct done *first = NULL, **last = &first;
    size_t count = 0;
    /* What is applied anew can end an open and so make more ready; each round takes one away. */
    for (struct list *at; (at = list_pop(&w->m->ready)) != NULL;) {
        struct wait *v = container_of(at, struct wait, in_blocker);
        struct done *d = resume(w, v);
        if (d == NULL)
            continue;
        *last = d, last = &d->next;
        count++;
    }
    out->completions = count == 0 ? NULL : arena_array(w->a, count, sizeof(*out->completions));
    for (struct done *d = first; d != NULL && out->completions != NULL; d = d->next)
        out->completions[out->completions_count++] = d->completion;
}

static Fl__Reply *apply_one(struct work *w)
{
    const Fl__Command *c = w->command;
    if (!work_prepare(w))
        return meta_reply_no_memory();
    if (c->node_id == 0 || begins_session(c))
        return apply_new(w);
    w->node = node_get(w->m, c->node_id);
    /* What a process sent that has since been declared gone is not done in its successor's name. */
    if (w->node == NULL || w->node->state != FL__NODE_STATE__NODE_UP ||
        w->node->incarnation != c->incarnation) {
        w->answer->reply.status = STATUS_CONNECTION_DISCONNECTED;
        return &w->answer->reply;
    }
    Fl__Reply *reply;
    return repeated(w, &reply) ? reply : apply_new(w);
}

void meta_apply(struct meta *m, uint64_t index, const Fl__Command *command, struct arena *a,
                struct meta_output *out)
{
    must(index > m->index);
    must(list_empty(&m->ready));
    m->index = index;
    *out = (struct meta_output){0};
    struct outbox box = {0};
    struct work w = {.m = m, .a = a, .command = command, .box = &box};
    w.now = w.clock = command->now;
    out->reply = apply_one(&w);
    resume_all(&w, out);
    out->notices = box.items;
    out->notices_count = box.count;
}

void meta_plant(struct meta *m, uint32_t planted) { m->planted = planted; }

uint64_t meta_index(const struct meta *m) { return m->index; }

struct slice meta_ca_key(const struct meta *m) { return blob_slice(&m->ca_key); }
struct slice meta_ca_cert(const struct meta *m) { return blob_slice(&m->ca_cert); }

static void node_facts(const struct node *n, struct meta_node *out)
{
    *out = (struct meta_node){
        .id = n->id, .incarnation = n->incarnation, .session = n->session, .state = n->state};
}

bool meta_node(const struct meta *m, uint32_t node_id, struct meta_node *out)
{
    const struct node *n = node_get(m, node_id);
    if (n != NULL)
        node_facts(n, out);
    return n != NULL;
}

bool meta_node_at(const struct meta *m, uint32_t i, struct meta_node *out)
{
    const struct node *n = node_first(m);
    while (n != NULL && i-- > 0)
        n = node_next(n);
    if (n != NULL)
        node_facts(n, out);
    return n != NULL;
}
