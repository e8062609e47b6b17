/* The step: one event, then whatever has become due, then work that was put off.
 *
 * One event may concern thousands of objects (a connection with all its opens goes). Such work
 * is put on lists and done piece by piece while `out` has room; what does not fit is done in the
 * next step, which smb_next_deadline() then wants at once. */
#include "node/smb/lease.h"
#include "node/smb/channel.h"
#include "node/smb/compress.h"
#include "node/smb/previous.h"
#include "node/smb/notify.h"

#include "proto/base/prng.h"

/* Pieces of work run only while this many effects still fit: more than any piece emits. */
enum { EFFECTS_SPARE = 32 };

static bool init_pools(struct smb *s, const struct smb_config *c)
{
    struct mem *m = s->mem;
    return pool_init(&s->conn_pool, m, sizeof(struct smb_conn), c->connections_max) &&
           pool_init(&s->session_pool, m, sizeof(struct smb_session), c->sessions_max) &&
           pool_init(&s->channel_pool, m, sizeof(struct smb_channel), c->channels_max) &&
           pool_init(&s->previous_pool, m, sizeof(struct smb_previous), c->sessions_max) &&
           pool_init(&s->tree_pool, m, sizeof(struct smb_tree), c->trees_max) &&
           pool_init(&s->open_pool, m, sizeof(struct smb_open), c->opens_max) &&
           pool_init(&s->inode_pool, m, sizeof(struct smb_inode), c->opens_max) &&
           pool_init(&s->request_pool, m, sizeof(struct smb_request), c->requests_max);
}

static bool init_tables(struct smb *s, const struct smb_config *c)
{
    struct mem *m = s->mem;
    uint32_t timers = c->connections_max + c->sessions_max + c->requests_max;
    return table_init(&s->conns, m, c->connections_max) &&
           table_init(&s->sessions, m, c->sessions_max) &&
           table_init(&s->previous, m, c->sessions_max) && table_init(&s->trees, m, c->trees_max) &&
           table_init(&s->opens, m, c->opens_max) && table_init(&s->requests, m, c->requests_max) &&
           table_init(&s->ops, m, c->requests_max) && heap_init(&s->timers, m, timers);
}

struct smb *smb_new(struct mem *mem, const struct smb_config *config)
{
    must(config->connections_max > 0);
    must(config->requests_max > 0);
    struct smb *s = mem_alloc(mem, sizeof(*s));
    if (s == NULL)
        return NULL;
    s->mem = mem;
    s->config = config;
    struct list *lists[] = {&s->dying_conns, &s->dying_sessions, &s->dying_trees, &s->dying_opens,
                            &s->woken,       &s->held,           &s->done,        &s->spare};
    for (size_t i = 0; i < array_len(lists); i++)
        list_init(lists[i]);
    uint64_t seed = 0;
    memcpy(&seed, config->server_guid, sizeof(seed));
    map_init(&s->conn_by_id, mem, seed);
    map_init(&s->session_by_id, mem, seed);
    map_init(&s->tree_by_id, mem, seed);
    map_init(&s->inode_by_id, mem, seed);
    map_init(&s->watch_by_id, mem, seed);
    map_init(&s->oplock_by_id, mem, seed);
    arena_init(&s->step, mem, SMB_ARENA_MAX);
    s->next_auth_context = s->next_pipe_id = 1;
    if (!init_pools(s, config) || !init_tables(s, config)) {
        smb_free(s);
        return NULL;
    }
    s->codec_scratch = mem_alloc(mem, CODEC_SCRATCH_SIZE);
    if (s->codec_scratch == NULL) {
        smb_free(s);
        return NULL;
    }
    (void)trace_init(&s->trace, mem, 4096); /* without memory: no trace, not an error */
    return s;
}

static void free_arenas(struct smb *s)
{
    handle at = {0};
    struct smb_request *r;
    while ((r = table_next(&s->requests, &at)) != NULL) {
        arena_fini(&r->arena);
        compress_forget(s, r);
    }
    at = (handle){0};
    struct smb_open *o;
    while ((o = table_next(&s->opens, &at)) != NULL)
        if (o->pipe != NULL)
            pipe_free(s, o);
    at = (handle){0};
    struct smb_session *session;
    while ((session = table_next(&s->sessions, &at)) != NULL)
        arena_fini(&session->arena);
    list_each (link, &s->dying_sessions)
        arena_fini(&container_of(link, struct smb_session, work)->arena);
    list_each (link, &s->spare)
        arena_fini(&container_of(link, struct smb_request, work)->arena);
}

void smb_free(struct smb *s)
{
    if (s == NULL)
        return;
    free_arenas(s);
    mem_free(s->mem, s->codec_scratch, CODEC_SCRATCH_SIZE);
    trace_fini(&s->trace);
    arena_fini(&s->step);
    struct map *maps[] = {&s->conn_by_id,  &s->session_by_id, &s->tree_by_id,
                          &s->inode_by_id, &s->watch_by_id,   &s->oplock_by_id};
    for (size_t i = 0; i < array_len(maps); i++)
        map_fini(maps[i]);
    struct table *tables[] = {&s->conns, &s->sessions, &s->previous, &s->trees,
                              &s->opens, &s->requests, &s->ops};
    for (size_t i = 0; i < array_len(tables); i++)
        table_fini(tables[i]);
    struct pool *pools[] = {&s->conn_pool, &s->session_pool, &s->channel_pool, &s->previous_pool,
                            &s->tree_pool, &s->open_pool,    &s->inode_pool,   &s->request_pool};
    for (size_t i = 0; i < array_len(pools); i++)
        pool_fini(pools[i]);
    heap_fini(&s->timers);
    mem_free(s->mem, s, sizeof(*s));
}

struct smb_effect *smb_emit(struct smb *s, enum smb_effect_type type)
{
    must(s->out != NULL);
    must(s->out->count < SMB_EFFECTS_MAX);
    struct smb_effect *e = &s->out->items[s->out->count++];
    *e = (struct smb_effect){.type = type};
    return e;
}

void smb_release(struct smb *s, handle buf)
{
    if (!handle_none(buf))
        smb_emit(s, SMB_DO_RELEASE)->release.buf = buf;
}

Fl__Command *smb_command(struct smb *s)
{
    Fl__Command *c = arena_alloc(&s->step, sizeof(*c));
    if (c != NULL)
        fl__command__init(c);
    return c;
}

void smb_meta_forget(struct smb *s, const Fl__Command *c)
{
    struct smb_effect *e = smb_emit(s, SMB_DO_META);
    e->meta.token = 0; /* no operation has it: the reply finds nobody */
    e->meta.command = c;
}

static bool has_room(const struct smb *s)
{
    return s->out->count + EFFECTS_SPARE <= SMB_EFFECTS_MAX;
}

static bool has_work(const struct smb *s)
{
    return s->state_lost || !list_empty(&s->woken) || !list_empty(&s->dying_opens) ||
           !list_empty(&s->dying_trees) || !list_empty(&s->dying_sessions) ||
           !list_empty(&s->dying_conns);
}

static void on_state_lost(struct smb *s)
{
    /* The coordinator has closed our opens: what clients believe to hold is void. They come back
     * and open anew; their connections go, so that they notice at once. */
    handle at = {0};
    struct smb_conn *c = table_next(&s->conns, &at);
    if (c != NULL)
        conn_doom(s, c, "opens were lost");
    s->state_lost = c != NULL;
}

/* True while there was something to do: requests first, then objects from the leaves up. */
static bool work_piece(struct smb *s)
{
    struct list *link;
    if (s->state_lost) {
        on_state_lost(s);
        return true;
    }
    if ((link = list_pop(&s->woken)) != NULL) {
        request_wake(s, container_of(link, struct smb_request, work));
        return true;
    }
    /* Without memory for META Close an open stays where it is: later steps end it. */
    if (!s->step.failed && (link = list_pop(&s->dying_opens)) != NULL) {
        open_finish(s, container_of(link, struct smb_open, work));
        return true;
    }
    return (!list_empty(&s->dying_trees) && tree_unwind(s)) ||
           (!list_empty(&s->dying_sessions) && session_unwind(s)) ||
           (!list_empty(&s->dying_conns) && conn_unwind(s));
}

/* A timer says by its kind whose it is: container_of needs the owner's type. */
static void on_timer(struct smb *s, struct smb_timer *t)
{
    switch (t->kind) {
    case TIMER_CONN: conn_on_timer(s, container_of(t, struct smb_conn, timer)); break;
    case TIMER_SESSION: session_on_timer(s, container_of(t, struct smb_session, expiry)); break;
    case TIMER_REQUEST: request_on_timer(s, container_of(t, struct smb_request, timer)); break;
    }
}

void smb_timer_arm(struct smb *s, struct smb_timer *t, enum smb_timer_kind kind, uint64_t at_ns)
{
    t->kind = kind;
    if (at_ns == DEADLINE_NEVER)
        heap_disarm(&s->timers, &t->deadline);
    else
        heap_arm(&s->timers, &t->deadline, at_ns);
}

void smb_timer_disarm(struct smb *s, struct smb_timer *t) { heap_disarm(&s->timers, &t->deadline); }

static void on_lease(struct smb *s, bool valid)
{
    trace_put(&s->trace, "smb.lease", valid, 0, 0);
    s->lease = valid;
    while (valid && !list_empty(&s->held))
        request_wake_later(s, container_of(list_first(&s->held), struct smb_request, work),
                           STATUS_OK);
}

static void on_event(struct smb *s, const struct smb_event *ev)
{
    switch (ev->type) {
    case SMB_EV_CONNECT: conn_open(s, ev); break;
    case SMB_EV_DISCONNECT: conn_gone(s, ev->disconnect.conn); break;
    case SMB_EV_FRAME: conn_frame(s, ev); break;
    case SMB_EV_AUTH: auth_on_event(s, ev); break;
    case SMB_EV_META: request_on_meta(s, ev); break;
    case SMB_EV_IO: request_on_io(s, ev); break;
    case SMB_EV_CONFIG:
        s->cluster = ev->config.config;
        s->node_id = ev->config.node_id;
        tree_config(s);
        break;
    case SMB_EV_LEASE: on_lease(s, ev->lease.valid); break;
    case SMB_EV_INVALIDATE:
        inode_invalidate(s, ev->invalidate.volume, ev->invalidate.inode, ev->invalidate.ticket);
        break;
    case SMB_EV_INTERFACES: interfaces_set(s, ev->interfaces.list, ev->interfaces.count); break;
    case SMB_EV_WATCH: watch_event(s, ev); break;
    case SMB_EV_LEASE_BREAK: lease_break_event(s, ev->lease_break); break;
    case SMB_EV_OPLOCK_BREAK: oplock_break_event(s, ev->oplock_break); break;
    case SMB_EV_SESSION_END: previous_asked(s, ev); break;
    case SMB_EV_SESSION_ENDED: previous_answered(s, ev->session_end.ticket); break;
    case SMB_EV_STATE_LOST: on_state_lost(s); break;
    case SMB_EV_TICK: break;
    }
}

void smb_step(struct smb *s, const struct smb_event *ev, struct smb_effects *out)
{
    must(out->count == 0);
    request_collect(s); /* effects of the former step have been carried out */
    arena_reset(&s->step);
    s->out = out;
    s->now_ns = s->trace.now_ns = ev->now_ns;
    s->filetime = ev->filetime;
    if (s->started == 0)
        s->started = ev->filetime;
    memcpy(s->entropy, ev->entropy, sizeof(s->entropy));
    s->entropy_used = 0;
    on_event(s, ev);
    struct deadline *d;
    while (has_room(s) && (d = heap_pop_due(&s->timers, s->now_ns)) != NULL)
        on_timer(s, container_of(d, struct smb_timer, deadline));
    while (has_room(s) && work_piece(s))
        ;
    s->out = NULL;
}

uint64_t smb_next_deadline(const struct smb *s) { return has_work(s) ? 0 : heap_next(&s->timers); }

void smb_random(struct smb *s, void *to, size_t len)
{
    uint8_t *at = to;
    const uint8_t *fresh = (const uint8_t *)s->entropy;
    for (size_t i = 0; i < len; i++) {
        if (s->entropy_used < sizeof(s->entropy)) {
            at[i] = fresh[s->entropy_used++];
            continue;
        }
        s->random = mix64(s->random ^ s->entropy[i % 4]) + 1;
        at[i] = (uint8_t)s->random;
    }
}

void smb_stats(const struct smb *s, struct smb_stats *out)
{
    *out = s->stats;
    out->connections = s->conns.used;
    out->sessions = s->sessions.used;
    out->trees = s->trees.used;
    out->opens = s->opens.used;
    out->requests = s->ops.used;
}
