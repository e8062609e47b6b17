/* The machine as a whole: what a random stream of commands leaves behind is the same everywhere, is
 * what a snapshot gives back, and is untouched by a command that memory refused.
 * covers: blob.c check.c index.c work.c window.c */
#include "proto/base/prng.h"
#include "tests/coordinator/meta/rig.h"
#include "tests/lib/unit.h"

struct stream {
    struct rig *r;
    struct prng p;
    uint64_t opens[64]; /* ids that may be open */
    uint64_t next_open;
    Fl__FileInfo info;
    uint64_t tickets[8];
    struct {
        uint64_t id;
        uint32_t node;
    } recent[4]; /* opens and whose they are */
    uint32_t recent_next;
    uint32_t node;
};

static const char *const paths[] = {
    "a",       "A",           "b",   "dir",      "dir\\a",     "dir\\sub",  "dir\\b",    "dir2",
    "dir2\\a", "dir\\sub\\c", "",    "c::$DATA", "missing\\x", "dir2\\dir", "b\\x",      "d",
    "a:s",     "b:s:$DATA",   "a:t", "dir:s",    "new:s",      ":s",        ":S2:$DATA", "dir:t"};

/* Sets of extended attributes (proto/smb/ea.h), as changes to one; the last is none. */
static const struct slice eas[] = {{(const uint8_t *)"\0\1\2\0A\0v1", 8},
                                   {(const uint8_t *)"\0\1\0\0a\0\200\1\1\0B\0x", 13},
                                   {NULL, 0},
                                   {(const uint8_t *)"\0\1\0\0A", 5}};

static uint32_t pick(struct stream *s, uint32_t below)
{
    return (uint32_t)prng_below(&s->p, below);
}

static uint64_t some_open(struct stream *s)
{
    if (s->next_open <= 1)
        return 1;
    uint64_t span = s->next_open > 24 ? 24 : s->next_open;
    return s->next_open - prng_below(&s->p, span);
}

/* An open's id belongs to one node; the reply says that it is not this one's otherwise. */
static void *make(struct stream *s, size_t size) { return arena_alloc(&s->r->a, size); }

/* One of a few clients' few keys. */
static ProtobufCBinaryData sixteen(struct stream *s, uint32_t of)
{
    uint8_t *at = make(s, 16);
    memset(at, (int)pick(s, of), 16);
    return pb_bytes(slice_of(at, 16));
}

static void fill_caching(struct stream *s, Fl__Open *o)
{
    static const uint32_t levels[] = {0, 0, 1, 8, 9, 255, 255, 255};
    Fl__Caching *lease = make(s, sizeof(*lease));
    fl__caching__init(lease);
    lease->key = sixteen(s, 6);
    lease->parent_key = sixteen(s, 6);
    lease->state = pick(s, 8);
    lease->version = pick(s, 8) == 0 ? 3 : 1 + pick(s, 2);
    lease->epoch = pick(s, 70000);
    lease->directory = pick(s, 2) == 0;
    o->client_guid = sixteen(s, 3);
    o->oplock = levels[pick(s, array_len(levels))];
    o->lease = pick(s, 10) == 0 ? NULL : lease;
}

static void fill_break(struct stream *s, Fl__Command *c)
{
    Fl__LeaseAck *l = make(s, sizeof(*l));
    Fl__OplockAck *o = make(s, sizeof(*o));
    Fl__BreakCaching *b = make(s, sizeof(*b));
    Fl__BreakTimeout *t = make(s, sizeof(*t));
    fl__lease_ack__init(l), fl__oplock_ack__init(o);
    fl__break_caching__init(b), fl__break_timeout__init(t);
    l->client_guid = sixteen(s, 3), l->key = sixteen(s, 6), l->state = pick(s, 8);
    o->open_id = b->open_id = some_open(s);
    o->level = pick(s, 4) * 4;
    uint32_t kind = pick(s, 9);
    if (kind < 4) {
        c->body_case = FL__COMMAND__BODY_LEASE_ACK, c->lease_ack = l;
    } else if (kind < 6) {
        c->body_case = FL__COMMAND__BODY_OPLOCK_ACK, c->oplock_ack = o;
    } else if (kind < 8) {
        c->body_case = FL__COMMAND__BODY_BREAK_CACHING, c->break_caching = b;
    } else {
        s->node = 0;
        s->r->now += pick(s, 2) * 360000000u;
        c->body_case = FL__COMMAND__BODY_BREAK_TIMEOUT, c->break_timeout = t;
    }
}

static void fill_open(struct stream *s, Fl__Command *c)
{
    static const uint32_t accesses[] = {FILE_ALL_ACCESS, MAXIMUM_ALLOWED, FILE_READ_DATA,
                                        FILE_WRITE_DATA | ACCESS_DELETE, GENERIC_READ};
    static const uint32_t options[] = {0,
                                       0,
                                       0,
                                       FILE_DIRECTORY_FILE,
                                       FILE_DELETE_ON_CLOSE,
                                       FILE_NON_DIRECTORY_FILE,
                                       FILE_OPEN_REPARSE_POINT};
    Fl__Open *o = make(s, sizeof(*o));
    fl__open__init(o);
    o->volume = 1 + (pick(s, 40) == 0);
    o->root_inode = 1;
    o->path = pb_bytes(wide(&s->r->a, paths[pick(s, array_len(paths))]));
    o->desired_access = accesses[pick(s, array_len(accesses))];
    o->share_access = pick(s, 3) == 0 ? pick(s, 8) : SHARE_ALL;
    o->disposition = pick(s, 6);
    o->options = options[pick(s, array_len(options))];
    o->attributes = pick(s, 8) == 0 ? FILE_ATTRIBUTE_READONLY : 0;
    o->share_mask = FILE_ALL_ACCESS;
    o->token = &s->r->token;
    o->ea = pb_bytes(eas[pick(s, array_len(eas))]);
    fill_caching(s, o);
    c->body_case = FL__COMMAND__BODY_OPEN;
    c->open = o;
}

static void fill_size(struct stream *s, Fl__Command *c)
{
    Fl__SetSize *z = make(s, sizeof(*z));
    Fl__Extend *e = make(s, sizeof(*e));
    fl__set_size__init(z);
    fl__extend__init(e);
    z->open_id = some_open(s);
    z->size = prng_below(&s->p, 100000);
    e->volume = s->info.volume, e->inode = s->info.inode, e->data_id = s->info.data_id;
    e->size = prng_below(&s->p, 100000);
    e->write_time = pick(s, 2) * s->r->now;
    bool extend = pick(s, 3) == 0;
    c->body_case = extend ? FL__COMMAND__BODY_EXTEND : FL__COMMAND__BODY_SET_SIZE;
    if (extend)
        c->extend = e;
    else
        c->set_size = z;
}

static void fill_watch(struct stream *s, Fl__Command *c)
{
    Fl__Watch *w = make(s, sizeof(*w));
    fl__watch__init(w);
    w->open_id = some_open(s);
    w->filter = pick(s, 3) == 0 ? 1u << pick(s, 12) : 0xFFF;
    w->tree = pick(s, 2) == 0;
    c->body_case = FL__COMMAND__BODY_WATCH;
    c->watch = w;
}

static void fill_reparse(struct stream *s, Fl__Command *c)
{
    /* Two owners; the first one's is a symbolic link. */
    static const struct slice points[] = {
        {(const uint8_t *)"\x0c\0\0\xa0\x0e\0\0\0\0\0\2\0\0\0\0\0\1\0\0\0x\0", 22},
        {(const uint8_t *)"\x0c\0\0\xa0\0\0\0\0", 8},
        {(const uint8_t *)"\x23\0\0\x80\2\0\0\0yz", 10},
        {(const uint8_t *)"\x23\0\0\x80\0\0\0\0", 8}};
    Fl__SetReparse *set = make(s, sizeof(*set));
    Fl__DeleteReparse *delete = make(s, sizeof(*delete));
    fl__set_reparse__init(set);
    fl__delete_reparse__init(delete);
    set->open_id = delete->open_id = some_open(s);
    set->data = delete->data = pb_bytes(points[pick(s, array_len(points))]);
    set->token = &s->r->token;
    bool gone = pick(s, 3) == 0;
    c->body_case = gone ? FL__COMMAND__BODY_DELETE_REPARSE : FL__COMMAND__BODY_SET_REPARSE;
    if (gone)
        c->delete_reparse = delete;
    else
        c->set_reparse = set;
}

static void fill_change(struct stream *s, Fl__Command *c)
{
    Fl__SetBasic *b = make(s, sizeof(*b));
    Fl__SetDisposition *d = make(s, sizeof(*d));
    Fl__SetAllocation *a = make(s, sizeof(*a));
    fl__set_basic__init(b);
    fl__set_disposition__init(d);
    fl__set_allocation__init(a);
    Fl__SetSparse *p = make(s, sizeof(*p));
    fl__set_sparse__init(p);
    p->sparse = pick(s, 2) == 0;
    Fl__SetEa *e = make(s, sizeof(*e));
    fl__set_ea__init(e);
    b->open_id = d->open_id = a->open_id = e->open_id = p->open_id = some_open(s);
    e->changes = pb_bytes(eas[pick(s, array_len(eas))]);
    b->write_time = (int64_t)pick(s, 4) - 2;
    b->change_time = (int64_t)pick(s, 4) - 2;
    b->attributes = pick(s, 2) * FILE_ATTRIBUTE_HIDDEN;
    d->delete_pending = pick(s, 3) > 0;
    a->allocation_size = prng_below(&s->p, 50000);
    switch (pick(s, 5)) {
    case 3: c->body_case = FL__COMMAND__BODY_SET_SPARSE, c->set_sparse = p; break;
    case 0: c->body_case = FL__COMMAND__BODY_SET_BASIC, c->set_basic = b; break;
    case 2: c->body_case = FL__COMMAND__BODY_SET_EA, c->set_ea = e; break;
    case 1: c->body_case = FL__COMMAND__BODY_SET_DISPOSITION, c->set_disposition = d; break;
    default: c->body_case = FL__COMMAND__BODY_SET_ALLOCATION, c->set_allocation = a; break;
    }
}

static void fill_rename(struct stream *s, Fl__Command *c)
{
    Fl__Rename *n = make(s, sizeof(*n));
    fl__rename__init(n);
    n->open_id = some_open(s);
    n->root_inode = 1;
    n->target = pb_bytes(wide(&s->r->a, paths[pick(s, array_len(paths))]));
    n->replace = pick(s, 2) == 0;
    n->token = &s->r->token;
    c->body_case = FL__COMMAND__BODY_RENAME;
    c->rename = n;
}

/* Few bytes, so that ranges meet. */
static ProtobufCBinaryData some_ranges(struct stream *s, size_t count)
{
    struct span spans[3];
    for (size_t i = 0; i < count; i++)
        spans[i] = (struct span){pick(s, 3), pick(s, 3), pick(s, 4) > 0};
    return rig_spans(s->r, spans, count);
}

static void fill_lock(struct stream *s, Fl__Command *c)
{
    Fl__Lock *l = make(s, sizeof(*l));
    Fl__Unlock *u = make(s, sizeof(*u));
    fl__lock__init(l), fl__unlock__init(u);
    uint32_t at = pick(s, array_len(s->recent));
    if (s->recent[at].node != 0)
        s->node = s->recent[at].node;
    l->open_id = u->open_id = s->recent[at].id;
    l->wait = pick(s, 2) == 0;
    l->ranges = u->ranges = some_ranges(s, l->wait ? 1 : 1 + pick(s, 3));
    l->sequence_index = u->sequence_index = pick(s, 3);
    l->sequence_number = u->sequence_number = pick(s, 16);
    bool lock = pick(s, 10) < 7;
    c->body_case = lock ? FL__COMMAND__BODY_LOCK : FL__COMMAND__BODY_UNLOCK;
    if (lock)
        c->lock = l;
    else
        c->unlock = u;
}

static void fill_answer(struct stream *s, Fl__Command *c)
{
    Fl__InvalidateDone *d = make(s, sizeof(*d));
    Fl__ReclaimDone *r = make(s, sizeof(*r));
    uint64_t *tickets = make(s, sizeof(*tickets));
    fl__invalidate_done__init(d);
    fl__reclaim_done__init(r);
    Fl__Cancel *k = make(s, sizeof(*k));
    fl__cancel__init(k);
    k->cancel_id = 1 + pick(s, 8);
    d->ticket = *tickets = s->tickets[pick(s, array_len(s->tickets))];
    r->node_id = s->node;
    r->tickets = tickets, r->n_tickets = 1;
    bool reclaim = pick(s, 2) == 0;
    c->body_case = reclaim ? FL__COMMAND__BODY_RECLAIM_DONE : FL__COMMAND__BODY_INVALIDATE_DONE;
    if (reclaim)
        c->reclaim_done = r;
    else
        c->invalidate_done = d;
    if (pick(s, 5) == 0) {
        c->body_case = FL__COMMAND__BODY_CANCEL;
        c->cancel = k;
    }
}

static void fill_session(struct stream *s, Fl__Command *c)
{
    Fl__EndSession *e = make(s, sizeof(*e));
    Fl__SessionEnded *d = make(s, sizeof(*d));
    fl__end_session__init(e);
    fl__session_ended__init(d);
    e->session_id = (uint64_t)pick(s, RIG_NODES + 2) << 48 | pick(s, 5);
    e->user_sid = s->r->token.user_sid;
    d->asker = pick(s, RIG_NODES + 2);
    bool ends = pick(s, 2) == 0;
    c->body_case = ends ? FL__COMMAND__BODY_END_SESSION : FL__COMMAND__BODY_SESSION_ENDED;
    if (ends)
        c->end_session = e;
    else
        c->session_ended = d;
}

static void fill_group(struct stream *s, Fl__Command *c)
{
    Fl__GroupEvict *e = make(s, sizeof(*e));
    Fl__GroupRejoin *j = make(s, sizeof(*j));
    const Fl__ClusterConfig *config = rig_config(s->r);
    const Fl__Group *g = config->groups[pick(s, (uint32_t)config->n_groups)];
    fl__group_evict__init(e);
    fl__group_rejoin__init(j);
    e->group = j->group = g->id;
    e->epoch = j->epoch = g->epoch;
    e->member = j->member = 1 + pick(s, RIG_NODES);
    s->node = g->primary != 0 ? g->primary : s->node;
    bool evict = pick(s, 2) == 0;
    c->body_case = evict ? FL__COMMAND__BODY_GROUP_EVICT : FL__COMMAND__BODY_GROUP_REJOIN;
    if (evict)
        c->group_evict = e;
    else
        c->group_rejoin = j;
}

/* A node dies, or comes (with an empty disk now and then). */
static void fill_node(struct stream *s, Fl__Command *c)
{
    Fl__NodeDown *d = make(s, sizeof(*d));
    Fl__Register *r = make(s, sizeof(*r));
    uint8_t *store = make(s, 16);
    struct meta_node facts;
    assert_true(meta_node(s->r->m, s->node, &facts));
    fl__node_down__init(d);
    fl__register__init(r);
    store[0] = (uint8_t)(s->node + (pick(s, 12) == 0 ? 10 : 0));
    d->node_id = r->node_id = s->node;
    d->session = facts.session;
    r->incarnation = pick(s, 2) == 0 ? facts.incarnation : facts.incarnation + 1;
    r->store_id = pb_bytes(slice_of(store, 16));
    bool down = facts.state == FL__NODE_STATE__NODE_UP && pick(s, 3) > 0;
    c->body_case = down ? FL__COMMAND__BODY_NODE_DOWN : FL__COMMAND__BODY_REGISTER_NODE;
    if (down) {
        c->node_down = d;
    } else {
        c->register_node = r;
        if (s->r->incarnation[s->node] != r->incarnation)
            s->r->sequence[s->node] = 0;
        s->r->incarnation[s->node] = r->incarnation;
    }
    s->node = 0;
}

static void fill_admin(struct stream *s, Fl__Command *c)
{
    static char *const names[] = {"t", "u"};
    Fl__ShareCreate *sc = make(s, sizeof(*sc));
    Fl__ShareRemove *sr = make(s, sizeof(*sr));
    Fl__UserAdd *ua = make(s, sizeof(*ua));
    Fl__UserRemove *ur = make(s, sizeof(*ur));
    Fl__Share *share = make(s, sizeof(*share));
    fl__share_create__init(sc), fl__share_remove__init(sr), fl__share__init(share);
    Fl__ShareSet *st = make(s, sizeof(*st));
    fl__user_add__init(ua), fl__user_remove__init(ur), fl__share_set__init(st);
    st->to = share, st->fields = pick(s, 512);
    sc->share = share, sc->volume = (char *)(uintptr_t) "v";
    share->name = sr->name = st->name = ua->name = ur->name = names[pick(s, 2)];
    share->path = (char *)(uintptr_t)(pick(s, 2) == 0 ? "dir/sub" : "new/deep");
    ua->nt_hash = pb_bytes(slice_of("0123456789abcdef", 16));
    s->node = 0;
    switch (pick(s, 5)) {
    case 4: c->body_case = FL__COMMAND__BODY_SHARE_SET, c->share_set = st; break;
    case 0: c->body_case = FL__COMMAND__BODY_SHARE_CREATE, c->share_create = sc; break;
    case 1: c->body_case = FL__COMMAND__BODY_SHARE_REMOVE, c->share_remove = sr; break;
    case 2: c->body_case = FL__COMMAND__BODY_USER_ADD, c->user_add = ua; break;
    default: c->body_case = FL__COMMAND__BODY_USER_REMOVE, c->user_remove = ur; break;
    }
}

static void next_command(struct stream *s, Fl__Command *c)
{
    fl__command__init(c);
    s->node = 1 + pick(s, RIG_NODES);
    uint32_t kind = pick(s, 100);
    struct meta_node facts;
    assert_true(meta_node(s->r->m, s->node, &facts));
    if (facts.state != FL__NODE_STATE__NODE_UP && pick(s, 4) == 0)
        kind = 95; /* it comes back */
    if (kind < 28) {
        fill_open(s, c);
    } else if (kind < 45) {
        fill_lock(s, c);
    } else if (kind < 60) {
        Fl__Close *close = make(s, sizeof(*close));
        fl__close__init(close);
        close->open_id = some_open(s);
        close->write_time = pick(s, 2) * s->r->now;
        c->body_case = FL__COMMAND__BODY_CLOSE;
        c->close = close;
    } else if (kind < 70) {
        fill_size(s, c);
    } else if (kind < 72) {
        if (pick(s, 2) == 0)
            fill_watch(s, c);
        else
            fill_reparse(s, c);
    } else if (kind < 77) {
        fill_change(s, c);
    } else if (kind < 83) {
        fill_rename(s, c);
    } else if (kind < 88) {
        if (pick(s, 6) == 0)
            fill_session(s, c);
        else
            fill_answer(s, c);
    } else if (kind < 92) {
        fill_break(s, c);
    } else if (kind < 95) {
        fill_group(s, c);
    } else if (kind < 98) {
        fill_node(s, c);
    } else {
        fill_admin(s, c);
    }
    c->node_id = s->node;
    c->incarnation = s->r->incarnation[s->node];
    c->sequence = s->node == 0 ? 0 : ++s->r->sequence[s->node];
    c->acked_below = c->sequence > 20 ? c->sequence - 20 : 0;
    c->cancel_id = pick(s, 8);
    c->now = s->r->now += 10000;
}

/* What the stream learns from the replies. */
static void learn(struct stream *s, const struct meta_output *out)
{
    const Fl__Reply *reply = out->reply;
    if (out->completions_count > 0)
        reply = out->completions[0].reply;
    if (reply != NULL && reply->body_case == FL__REPLY__BODY_OPEN) {
        s->next_open = reply->open->open_id;
        uint32_t at = s->recent_next++ % array_len(s->recent);
        s->recent[at].id = s->next_open;
        s->recent[at].node = out->completions_count > 0 ? out->completions[0].node_id : s->node;
        s->info = *reply->open->info;
    }
    for (size_t i = 0; i < out->notices_count; i++) {
        const Fl__Notice *n = out->notices[i];
        uint64_t ticket = 0;
        if (n->body_case == FL__NOTICE__BODY_CACHE_INVALIDATE)
            ticket = n->cache_invalidate->ticket;
        if (n->body_case == FL__NOTICE__BODY_RECLAIM)
            ticket = n->reclaim->ticket;
        if (ticket != 0)
            s->tickets[ticket % array_len(s->tickets)] = ticket;
    }
}

static bool same_output(struct arena *a, const struct meta_output *x, const struct meta_output *y)
{
    bool same = (x->reply == NULL) == (y->reply == NULL) && x->notices_count == y->notices_count &&
                x->completions_count == y->completions_count;
    if (same && x->reply != NULL)
        same = slice_equal(pb_pack(&x->reply->base, a), pb_pack(&y->reply->base, a));
    for (size_t i = 0; same && i < x->notices_count; i++)
        same = slice_equal(pb_pack(&x->notices[i]->base, a), pb_pack(&y->notices[i]->base, a));
    return same;
}

static struct slice save(struct meta *m, struct rig *r)
{
    struct meta *kept = r->m;
    r->m = m;
    struct slice bytes = rig_save(r);
    r->m = kept;
    return bytes;
}

/* Two machines; the second is saved and loaded now and then. */
static void test_determinism(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 6; seed++) {
        struct rig r;
        rig_setup(&r);
        struct stream s = {.r = &r};
        prng_init(&s.p, seed);
        struct meta *twin = meta_load(&r.mem, rig_save(&r));
        size_t pending = 0, done = 0, ok = 0, locked = 0;
        for (uint32_t step = 0; step < 1500; step++) {
            Fl__Command c;
            struct meta_output out;
            next_command(&s, &c);
            meta_apply(r.m, ++r.index, &c, &r.a, &r.out);
            meta_apply(twin, r.index, &c, &r.a, &out);
            assert_true(same_output(&r.a, &r.out, &out));
            if (step % 16 == 0)
                meta_check(r.m);
            learn(&s, &r.out);
            pending += r.out.reply == NULL;
            done += r.out.completions_count;
            ok += r.out.reply != NULL && r.out.reply->status == STATUS_OK;
            locked += c.body_case == FL__COMMAND__BODY_LOCK && r.out.reply != NULL &&
                      r.out.reply->status == STATUS_OK;
            if (step % 100 == 0) {
                struct slice one = rig_save(&r), two = save(twin, &r);
                assert_true(slice_equal(one, two));
                meta_free(twin);
                twin = meta_load(&r.mem, one);
                assert_non_null(twin);
                arena_reset(&r.a);
                s.info.name = (ProtobufCBinaryData){0};
            }
        }
        assert_true(ok > 300);
        assert_true(locked > 10);
        assert_true(done <= pending);
        assert_true(pending > 0);
        meta_free(twin);
        rig_end(&r);
    }
}

/* The command on a copy of the state, with its n-th allocation refused. True when that came to be.
 */
static bool try_refused(struct rig *r, struct slice before, const Fl__Command *c, uint64_t nth)
{
    struct meta *m = meta_load(&r->mem, before);
    struct meta *idle = meta_load(&r->mem, before);
    struct arena a;
    struct meta_output out;
    Fl__Command nothing = FL__COMMAND__INIT;
    arena_init(&a, &r->mem, (size_t)16 << 20);
    meta_apply(idle, r->index, &nothing, &a, &out);
    faults_arm(nth);
    meta_apply(m, r->index, c, &a, &out);
    bool fired = faults_fired();
    meta_check(m);
    if (out.reply != NULL && out.reply->status == STATUS_INSUFFICIENT_RESOURCES)
        assert_true(slice_equal(save(m, r), save(idle, r)));
    arena_fini(&a);
    meta_free(m);
    meta_free(idle);
    return fired;
}

static void test_refused_memory_changes_nothing(void **state)
{
    (void)state;
    struct rig r;
    rig_setup(&r);
    struct stream s = {.r = &r};
    prng_init(&s.p, 77);
    uint64_t refused = 0;
    for (uint32_t step = 0; step < 900; step++) {
        Fl__Command c;
        next_command(&s, &c);
        struct slice before = rig_save(&r);
        r.index++;
        for (uint64_t nth = 1; try_refused(&r, before, &c, nth); nth++)
            refused++;
        meta_apply(r.m, r.index, &c, &r.a, &r.out);
        learn(&s, &r.out);
        arena_reset(&r.a);
        s.info.name = (ProtobufCBinaryData){0};
    }
    assert_true(refused > 300);
    rig_end(&r);
}

static void test_same_command_twice(void **state)
{
    (void)state;
    struct rig r;
    rig_setup(&r);
    Fl__Reply *first = rig_open(&r, 1, (struct ask){.path = "f", .disposition = FILE_CREATE});
    struct slice packed = pb_pack(&first->base, &r.a);
    r.sequence[1]--; /* the same again */
    Fl__Reply *again = rig_open(&r, 1, (struct ask){.path = "f", .disposition = FILE_CREATE});
    assert_true(slice_equal(packed, pb_pack(&again->base, &r.a)));
    rig_reload(&r);
    r.sequence[1]--;
    again = rig_open(&r, 1, (struct ask){.path = "f", .disposition = FILE_CREATE});
    assert_true(slice_equal(packed, pb_pack(&again->base, &r.a)));
    /* Acknowledged: forgotten, and never done again. */
    Fl__Close c = FL__CLOSE__INIT;
    RIG_COMMAND(CLOSE, close, &c);
    command.acked_below = r.sequence[1] + 1;
    rig_apply(&r, 1, &command);
    r.sequence[1] = 0;
    assert_int_equal(rig_close(&r, 1, first->open->open_id)->status,
                     STATUS_REQUEST_OUT_OF_SEQUENCE);
    rig_end(&r);
}

static void test_window_is_bounded(void **state)
{
    (void)state;
    struct rig r;
    rig_setup(&r);
    for (uint32_t i = 0; i < 2048; i++)
        assert_int_equal(rig_close(&r, 1, 999)->status, STATUS_FILE_CLOSED);
    assert_int_equal(rig_close(&r, 1, 999)->status, STATUS_INSUFFICIENT_RESOURCES);
    Fl__Close c = FL__CLOSE__INIT;
    RIG_COMMAND(CLOSE, close, &c);
    command.acked_below = 1000;
    assert_int_equal(rig_apply(&r, 1, &command)->status, STATUS_FILE_CLOSED);
    rig_end(&r);
}

static void test_processes_of_the_past(void **state)
{
    (void)state;
    struct rig r;
    rig_setup(&r);
    uint64_t id = rig_create(&r, 1, "f");
    r.incarnation[1]++; /* says it is a process that never registered */
    assert_int_equal(rig_close(&r, 1, id)->status, STATUS_CONNECTION_DISCONNECTED);
    r.incarnation[1]--;
    rig_down(&r, 1);
    assert_int_equal(rig_close(&r, 1, id)->status, STATUS_CONNECTION_DISCONNECTED);
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_determinism),
        cmocka_unit_test(test_refused_memory_changes_nothing),
        cmocka_unit_test(test_same_command_twice),
        cmocka_unit_test(test_window_is_bounded),
        cmocka_unit_test(test_processes_of_the_past),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
