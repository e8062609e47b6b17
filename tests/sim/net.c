/* See net.h. */
#include "tests/sim/net.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#define DIAL_TIMEOUT_LEAST (800 * MS)
#define SILENCE_LEAST (1000 * MS)
#define SILENCE_MOST (4000 * MS)

enum message_kind { MESSAGE_UP, MESSAGE_DATA, MESSAGE_FIN };

struct message {
    struct message *next;
    enum message_kind kind;
    size_t len;
    uint8_t bytes[];
};

struct net *net_new(void) { return take(sizeof(struct net)); }

static void drop_messages(struct conn_end *e)
{
    while (e->first != NULL) {
        struct message *m = e->first;
        e->first = m->next;
        free(m);
    }
    e->last = &e->first;
}

void net_free(struct net *n)
{
    while (n->conns != NULL) {
        struct conn *c = n->conns;
        n->conns = c->next;
        drop_messages(&c->end[0]);
        drop_messages(&c->end[1]);
        free(c);
    }
    free(n);
}

struct conn_end *net_end(struct conn *c, const struct proc *proc)
{
    struct conn_end *e = c->end[0].proc == proc ? &c->end[0] : &c->end[1];
    must(e->proc == proc);
    return e;
}

struct conn_end *net_other(struct conn *c, const struct conn_end *e)
{
    return e == &c->end[0] ? &c->end[1] : &c->end[0];
}

static bool blocked(const struct world *w, const struct conn *c, uint32_t from)
{
    uint32_t a = c->end[from].proc->host, b = c->end[1 - from].proc->host;
    return w->net->blocked[a][b];
}

static uint64_t latency(struct world *w)
{
    const struct net_options *o = &w->net->options;
    uint64_t ns = draw(w, o->least_ns, o->most_ns);
    return chance(w, o->slow_per_mille) ? 10 * ns : ns;
}

/* ---- messages ---- */

static void arrive(struct world *w, void *object, uint64_t from, void *data);

static void schedule_arrival(struct world *w, struct conn *c, uint32_t from)
{
    struct conn_end *e = &c->end[from];
    uint64_t due = w->now_ns + latency(w);
    if (due <= e->last_due_ns)
        due = e->last_due_ns + 1;
    e->last_due_ns = due;
    world_at(
        w,
        (struct event){
            .at_ns = due, .proc = c->end[1 - from].proc, .run = arrive, .object = c, .arg = from});
}

static void put(struct world *w, struct conn *c, uint32_t from, struct message *m)
{
    struct conn_end *e = &c->end[from];
    m->next = NULL;
    *e->last = m;
    e->last = &m->next;
    schedule_arrival(w, c, from);
}

static void put_word(struct world *w, struct conn *c, uint32_t from, enum message_kind kind)
{
    struct message *m = take(sizeof *m);
    m->kind = kind;
    put(w, c, from, m);
}

static void tell_down(struct conn *c, struct conn_end *e, bool by_peer)
{
    e->state = END_GONE;
    e->calls->down(e->owner, c, by_peer);
}

static void arrive(struct world *w, void *object, uint64_t from, void *data)
{
    (void)data;
    struct conn *c = object;
    struct conn_end *e = &c->end[from], *to = &c->end[1 - from];
    if (e->first == NULL || e->stalled)
        return;
    if (blocked(w, c, (uint32_t)from)) {
        e->stalled = true;
        return;
    }
    struct message *m = e->first;
    e->first = m->next;
    if (e->first == NULL)
        e->last = &e->first;
    if (to->calls == NULL) {
        to->state = END_GONE; /* it has not even heard of the connection */
    } else if (to->state != END_GONE && to->life == to->proc->life) {
        if (m->kind == MESSAGE_FIN) {
            tell_down(c, to, true);
        } else if (m->kind == MESSAGE_UP) {
            to->state = END_UP;
            to->calls->up(to->owner, c);
        } else {
            world_note(w, XXH3_64bits(m->bytes, m->len));
            to->calls->message(to->owner, c, slice_of(m->bytes, m->len));
        }
    }
    free(m);
}

void net_send(struct world *w, struct conn *c, const struct proc *from, struct slice head,
              struct slice body)
{
    struct conn_end *e = net_end(c, from);
    if (e->state != END_UP)
        return;
    struct message *m = malloc(sizeof *m + head.len + body.len);
    must(m != NULL);
    m->kind = MESSAGE_DATA;
    m->len = head.len + body.len;
    if (head.len > 0)
        memcpy(m->bytes, head.at, head.len);
    if (body.len > 0)
        memcpy(m->bytes + head.len, body.at, body.len);
    w->net->messages++;
    w->net->bytes += m->len;
    put(w, c, e == &c->end[0] ? 0 : 1, m);
}

/* ---- the beginning ---- */

static void dial_failed(struct world *w, void *object, uint64_t by_peer, void *data)
{
    (void)w;
    (void)data;
    struct conn *c = object;
    if (c->end[0].state == END_NONE)
        tell_down(c, &c->end[0], by_peer != 0);
}

static void fail_dial(struct world *w, struct conn *c, uint64_t wait_ns, bool by_peer)
{
    c->end[1].state = END_GONE;
    world_at(w, (struct event){.at_ns = w->now_ns + wait_ns,
                               .proc = c->end[0].proc,
                               .run = dial_failed,
                               .object = c,
                               .arg = by_peer});
}

static void accepted(struct world *w, void *object, uint64_t arg, void *data)
{
    (void)arg;
    (void)data;
    struct conn *c = object;
    struct conn_end *e = &c->end[1];
    if (e->state == END_GONE || c->end[0].state == END_GONE ||
        c->end[0].life != c->end[0].proc->life) {
        e->state = END_GONE;
        return;
    }
    if (!c->to->accept(c->to->ctx, c, c->service, &e->calls, &e->owner)) {
        fail_dial(w, c, latency(w), true);
        return;
    }
    e->state = END_UP;
    put_word(w, c, 1, MESSAGE_UP);
    e->calls->up(e->owner, c);
}

static void dialled(struct world *w, void *object, uint64_t lost, void *data)
{
    (void)data;
    struct conn *c = object;
    bool deaf = lost != 0 || blocked(w, c, 0) || blocked(w, c, 1);
    if (deaf) {
        fail_dial(w, c, draw(w, DIAL_TIMEOUT_LEAST, 2 * DIAL_TIMEOUT_LEAST), false);
    } else if (!c->to->proc->alive) {
        fail_dial(w, c, latency(w), true);
    } else {
        c->end[1].life = c->to->proc->life;
        world_at(w, (struct event){
                        .at_ns = w->now_ns, .proc = c->to->proc, .run = accepted, .object = c});
    }
}

struct conn *net_dial(struct world *w, const struct net_dial *d)
{
    struct net *n = w->net;
    struct conn *c = take(sizeof *c);
    must(d->from->alive);
    c->id = ++n->next_id;
    c->next = n->conns;
    n->conns = c;
    c->service = d->service;
    c->to = d->to;
    c->end[0] = (struct conn_end){.proc = d->from,
                                  .life = d->from->life,
                                  .calls = d->calls,
                                  .owner = d->owner,
                                  .user = d->user};
    c->end[1] = (struct conn_end){.proc = d->to->proc};
    c->end[0].last = &c->end[0].first;
    c->end[1].last = &c->end[1].first;
    n->dials++;
    world_at(w, (struct event){.at_ns = w->now_ns + latency(w),
                               .run = dialled,
                               .object = c,
                               .arg = chance(w, n->options.dial_lost_per_mille)});
    return c;
}

/* ---- the end ---- */

void net_close(struct world *w, struct conn *c, const struct proc *from)
{
    struct conn_end *e = net_end(c, from);
    bool told = e->state == END_UP || net_other(c, e)->state == END_UP;
    e->state = END_GONE;
    if (told)
        put_word(w, c, e == &c->end[0] ? 0 : 1, MESSAGE_FIN);
}

static bool end_lives(const struct conn_end *e)
{
    return e->state != END_GONE && e->proc->alive && e->life == e->proc->life;
}

static bool silent_for(const struct world *w, const struct conn *c, uint32_t from)
{
    uint32_t a = c->end[from].proc->host, b = c->end[1 - from].proc->host;
    return w->net->blocked[a][b] && w->now_ns - w->net->blocked_since[a][b] >= SILENCE_LEAST;
}

/* This end has heard nothing for too long, or the path broke: it gives up. */
static void give_up(struct world *w, void *object, uint64_t arg, void *data)
{
    (void)data;
    struct conn *c = object;
    uint32_t side = arg & 1;
    struct conn_end *e = &c->end[side];
    bool still = arg >> 1 == 0 || silent_for(w, c, 0) || silent_for(w, c, 1);
    if (!still || !end_lives(e) || e->calls == NULL)
        return;
    w->net->breaks++;
    tell_down(c, e, false);
    put_word(w, c, side, MESSAGE_FIN);
}

/* `silence`: only when nothing passes by then. */
static void schedule_give_up(struct world *w, struct conn *c, uint32_t side, bool silence)
{
    world_at(w, (struct event){.at_ns = w->now_ns + draw(w, SILENCE_LEAST, SILENCE_MOST),
                               .proc = c->end[side].proc,
                               .run = give_up,
                               .object = c,
                               .arg = (uint64_t)silence << 1 | side});
}

void net_process_died(struct world *w, const struct proc *p, bool silent)
{
    for (struct conn *c = w->net->conns; c != NULL; c = c->next) {
        for (uint32_t side = 0; side < 2; side++) {
            struct conn_end *e = &c->end[side];
            if (e->proc != p || e->state == END_GONE)
                continue;
            struct conn_end *other = &c->end[1 - side];
            bool was_up = e->state == END_UP || other->state == END_UP;
            bool called = side == 1 && !was_up && e->life == p->life;
            e->state = END_GONE;
            if (chance(w, 500))
                drop_messages(e); /* in the sender's buffers; events for them find nothing */
            if (was_up && !silent)
                put_word(w, c, side, MESSAGE_FIN);
            else if (was_up && end_lives(other))
                schedule_give_up(w, c, 1 - side, false);
            if (called && end_lives(other))
                fail_dial(w, c, latency(w), true);
        }
    }
}

static void release(struct world *w, struct conn *c, uint32_t from)
{
    struct conn_end *e = &c->end[from];
    if (!e->stalled)
        return;
    e->stalled = false;
    for (struct message *m = e->first; m != NULL; m = m->next)
        schedule_arrival(w, c, from);
}

void net_block(struct world *w, uint32_t from, uint32_t to, bool is_blocked)
{
    struct net *n = w->net;
    if (from == to || n->blocked[from][to] == is_blocked)
        return;
    n->blocked[from][to] = is_blocked;
    n->blocked_since[from][to] = w->now_ns;
    for (struct conn *c = n->conns; c != NULL; c = c->next) {
        uint32_t side = c->end[0].proc->host == from ? 0 : 1;
        if (c->end[side].proc->host != from || c->end[1 - side].proc->host != to)
            continue;
        if (!is_blocked)
            release(w, c, side);
        else if (end_lives(&c->end[0]) && end_lives(&c->end[1])) {
            schedule_give_up(w, c, 0, true);
            schedule_give_up(w, c, 1, true);
        }
    }
}

void net_heal(struct world *w)
{
    for (uint32_t a = 0; a < HOSTS; a++)
        for (uint32_t b = 0; b < HOSTS; b++)
            net_block(w, a, b, false);
}

void net_break_one(struct world *w)
{
    uint32_t count = 0;
    struct conn *found = NULL;
    for (struct conn *c = w->net->conns; c != NULL; c = c->next)
        if (c->end[0].state == END_UP && c->end[1].state == END_UP &&
            prng_below(&w->prng, ++count) == 0)
            found = c;
    if (found == NULL)
        return;
    uint32_t side = (uint32_t)draw(w, 0, 1);
    world_at(w, (struct event){.at_ns = w->now_ns,
                               .proc = found->end[side].proc,
                               .run = give_up,
                               .object = found,
                               .arg = side});
}
