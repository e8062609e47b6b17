#include "coordinator/meta/locks.h"
#include "coordinator/meta/wait.h"

/* [MS-SMB2] 2.2.13 RequestedOplockLevel. */
enum { LEVEL_NONE = 0, LEVEL_II = 1, LEVEL_EXCLUSIVE = 8, LEVEL_BATCH = 9, LEVEL_LEASE = 0xFF };

/* [MS-SMB2] 3.3.2.1, 3.3.2.5: Windows waits 35 seconds. Half a second of them is for the way of the
 * time-out through the log and of the answer to the client, who counts as well. In FILETIME. */
#define BREAK_TIMEOUT UINT64_C(345000000)

enum { EXCLUSIVE = CACHE_READ | CACHE_WRITE, BATCH = EXCLUSIVE | CACHE_HANDLE };

/* An open with no other rights than these does not disturb a cache ([MS-FSA] 2.1.4.12). */
#define STAT_ACCESS (FILE_READ_ATTRIBUTES | FILE_WRITE_ATTRIBUTES | SYNCHRONIZE)

#define DATA_CHANGES (FILE_WRITE_DATA | FILE_APPEND_DATA)

/* ---- breaking -------------------------------------------------------------------------------- */

static const struct open *first_open(const struct lease *l)
{
    return container_of(l->opens.next, struct open, in_lease);
}

static uint32_t level_of(uint8_t state)
{
    return state == BATCH       ? LEVEL_BATCH
           : state == EXCLUSIVE ? LEVEL_EXCLUSIVE
           : state != 0         ? LEVEL_II
                                : LEVEL_NONE;
}

static void fill_notice(const struct lease *l, uint8_t to, Fl__Notice *n)
{
    n->node_id = first_open(l)->node->id;
    if (l->version == 0) {
        n->oplock_break->open_id = first_open(l)->id;
        n->oplock_break->level = level_of(to);
        return;
    }
    n->lease_break->client_guid = pb_bytes(slice_of(l->client_guid, sizeof(l->client_guid)));
    n->lease_break->key = pb_bytes(slice_of(l->key, sizeof(l->key)));
    n->lease_break->current_state = l->state;
    n->lease_break->new_state = to;
    n->lease_break->epoch = l->version == 2 ? l->epoch : 0;
    n->lease_break->acknowledge = cache_acknowledges(l->state);
}

Fl__Notice__BodyCase lease_notice_body(const struct lease *l)
{
    return l->version == 0 ? FL__NOTICE__BODY_OPLOCK_BREAK : FL__NOTICE__BODY_LEASE_BREAK;
}

bool lease_owes(const struct lease *l, const struct node *n)
{
    return (l->breaking || l->lost) && first_open(l)->node == n;
}

void lease_notice(const struct lease *l, Fl__Notice *n)
{
    fill_notice(l, l->breaking ? l->sent : 0, n);
}

/* The client is told to go on with `sent`. An acknowledgement is waited for when it has more to do
 * than to forget what it has read. */
static void tell(struct work *w, struct lease *l, uint8_t sent)
{
    must(!l->breaking);
    must((sent & ~l->state) == 0);
    fill_notice(l, sent, outbox_post(w, 0, lease_notice_body(l)));
    l->inode->version = w->m->index;
    if (!cache_acknowledges(l->state)) {
        l->state = sent;
        l->lost = true;
        return;
    }
    l->breaking = true;
    l->lost = false;
    l->sent = sent;
    l->deadline = w->clock + BREAK_TIMEOUT;
    lease_insert_breaking(w->m, l);
}

static struct cache_verdict judge(const struct lease *l, enum cache_use use)
{
    const struct cache_hold hold = {
        .oplock = l->version == 0, .breaking = l->breaking, .state = l->state, .to = l->to};
    return cache_judge(&hold, use);
}

/* Does `use` by the holder of `own` leave it alone? What an oplock of level II has read its own
 * holder's write makes stale too ([MS-FSA] 2.1.4.12, BreakToNone). */
static bool is_own(const struct lease *l, enum cache_use use, const struct lease *own)
{
    bool level_two = l->version == 0 && l->state == CACHE_READ;
    return l == own && !(level_two && use == USE_DATA);
}

size_t lease_notices(const struct inode *i)
{
    size_t count = 0;
    for (const struct list *at = i->leases.next; at != &i->leases; at = at->next)
        count++;
    return count;
}

static void break_one(struct work *w, struct lease *l, enum cache_use use)
{
    struct cache_verdict v = judge(l, use);
    if (!v.breaks)
        return;
    l->to = v.to; /* one that breaks already hears of it when it has acknowledged */
    if (l->breaking)
        return;
    l->epoch++; /* once, however often it is told, as from Windows */
    tell(w, l, v.to);
}

void leases_break(struct work *w, struct inode *i, enum cache_use use, const struct lease *own)
{
    list_each (at, &i->leases) {
        struct lease *l = container_of(at, struct lease, in_inode);
        if (!is_own(l, use, own))
            break_one(w, l, use);
    }
}

void lease_author(struct work *w, const struct open *o, const Fl__Open *c)
{
    const struct lease *l = o == NULL ? NULL : o->lease;
    const Fl__Caching *asked = c == NULL || c->oplock != LEVEL_LEASE ? NULL : c->lease;
    bool named = asked != NULL && asked->parent_key.len == sizeof(w->author.parent_key);
    w->author.known = (l != NULL && l->has_parent) || named;
    if (w->author.known)
        memcpy(w->author.parent_key, l != NULL ? l->parent_key : asked->parent_key.data,
               sizeof(w->author.parent_key));
}

size_t lease_entry_notices(const struct inode *i)
{
    const struct inode *directory = file_of(i)->parent;
    return directory == NULL ? 0 : lease_notices(directory);
}

void leases_break_entries(struct work *w, struct inode *directory)
{
    if (directory == NULL)
        return;
    list_each (at, &directory->leases) {
        struct lease *l = container_of(at, struct lease, in_inode);
        /* As from Windows: whoever knows the key, be it another client. */
        bool own = w->author.known && memcmp(w->author.parent_key, l->key, sizeof(l->key)) == 0;
        if (l->version == 0 || !own)
            break_one(w, l, USE_ENTRIES);
    }
}

ntstatus leases_wait(struct work *w, struct inode *i, enum cache_use use, const struct lease *own)
{
    struct lease *first = NULL;
    list_each (at, &i->leases) {
        struct lease *l = container_of(at, struct lease, in_inode);
        if (first == NULL && !is_own(l, use, own) && judge(l, use).wait)
            first = l;
    }
    if (first == NULL)
        return STATUS_OK;
    if (!outbox_reserve(w, lease_notices(i)))
        return STATUS_INSUFFICIENT_RESOURCES;
    ntstatus status = wait_for(w, &first->waits);
    if (status == STATUS_PENDING)
        leases_break(w, i, use, own);
    return status;
}

/* The next in the directory's tree, in order; into directories only where something is open. */
static struct inode *next_below(const struct inode *top, struct inode *at)
{
    struct inode *next = at->opens_below > 0 ? child_first(at) : NULL;
    while (next == NULL && at != top) {
        next = child_next(at);
        at = at->parent;
    }
    return next;
}

ntstatus leases_wait_below(struct work *w, struct inode *i)
{
    ntstatus status = STATUS_OK;
    for (struct inode *at = next_below(i, i); at != NULL && status == STATUS_OK;
         at = next_below(i, at))
        status = leases_wait(w, at, USE_HANDLE, NULL);
    return status;
}

/* The break is over, or goes on with what must go besides. */
static void acknowledged(struct work *w, struct lease *l, uint8_t state)
{
    must(l->breaking);
    tree_remove(&w->m->breaks, &l->by_deadline);
    l->breaking = false;
    l->state = state;
    l->inode->version = w->m->index;
    if ((state & ~l->to) != 0) /* READ goes last, alone, as from Windows */
        tell(w, l, cache_acknowledges(state) ? (uint8_t)(l->to | (state & CACHE_READ)) : l->to);
    if (!l->breaking)
        wait_wake(w->m, &l->waits);
}

/* ---- asking and granting -----------------------------------------------------------------------
 */

static bool is_stat(uint32_t access) { return (access & ~STAT_ACCESS) == 0; }

enum cache_use cache_use_of(uint32_t access, bool overwrites)
{
    if (is_stat(access))
        return USE_ATTRIBUTES;
    if (is_stat(access & ~READ_CONTROL))
        return USE_CONTROL;
    return overwrites ? USE_OVERWRITE : USE_OPEN;
}

static uint8_t wanted_by(const Fl__Open *c)
{
    if (c->oplock == LEVEL_LEASE)
        return (uint8_t)(c->lease->state & BATCH);
    if (c->oplock == LEVEL_BATCH || c->oplock == LEVEL_EXCLUSIVE)
        return c->oplock == LEVEL_BATCH ? BATCH : EXCLUSIVE;
    return c->oplock == LEVEL_II ? CACHE_READ : 0;
}

ntstatus lease_ask(struct work *w, struct lease_asking *a, const struct inode *i, bool directory)
{
    const Fl__Open *c = a->c;
    const Fl__Caching *lease = c->oplock == LEVEL_LEASE ? c->lease : NULL;
    bool keyed = lease != NULL && lease->key.len == 16 && c->client_guid.len == 16 &&
                 (lease->version == 1 || lease->version == 2);
    struct lease *l = keyed ? lease_by_key(w->m, c->client_guid.data, lease->key.data) : NULL;
    if (l != NULL && l->inode != i)
        return STATUS_INVALID_PARAMETER;
    a->none = directory ? !keyed || !lease->directory : c->oplock == LEVEL_LEASE && !keyed;
    if (a->none || c->oplock == LEVEL_NONE) {
        a->none = true;
        return STATUS_OK;
    }
    a->wanted = wanted_by(c);
    if (directory)
        a->wanted &= (uint8_t)~CACHE_WRITE; /* [MS-SMB2] 3.3.5.9.11 */
    a->held = l;
    return STATUS_OK;
}

bool lease_take(struct work *w, struct lease_asking *a)
{
    if (a->none || a->held != NULL)
        return true;
    a->fresh = mem_alloc(w->m->mem, sizeof(*a->fresh));
    if (a->fresh == NULL)
        return false;
    list_init(&a->fresh->in_inode);
    list_init(&a->fresh->opens);
    list_init(&a->fresh->waits);
    return true;
}

void lease_give_back(struct work *w, struct lease_asking *a)
{
    mem_free(w->m->mem, a->fresh, sizeof(*a->fresh));
    a->fresh = NULL;
}

struct cache_others lease_others(const struct inode *i, const struct lease *own)
{
    struct cache_others others = {0};
    for (const struct list *at = i->leases.next; at != &i->leases; at = at->next) {
        const struct lease *l = container_of(at, struct lease, in_inode);
        if (l == own || l->state == 0)
            continue;
        others.any = true;
        others.exclusive |= (l->state & CACHE_WRITE) != 0;
        others.level_two |= l->version == 0 && l->state == CACHE_READ;
        others.handle |= l->version != 0 && (l->state & CACHE_HANDLE) != 0;
    }
    for (const struct list *at = i->opens.next; at != &i->opens; at = at->next) {
        const struct open *o = container_of(at, struct open, in_inode);
        others.opens |=
            (o->lease == NULL || o->lease != own) && !is_stat(o->granted & ~READ_CONTROL);
    }
    for (const struct range *r = range_first(i); r != NULL; r = range_next(i, r))
        others.locked |= r->at.offset < i->allocation_size;
    return others;
}

/* 2.1.5.18: what is being deleted keeps no handles. */
static uint8_t allowed(const struct inode *i, uint8_t wanted)
{
    return i->delete_pending ? (uint8_t)(wanted & ~CACHE_HANDLE) : wanted;
}

static uint8_t grant(const struct lease_asking *a, const struct inode *i, const struct lease *own)
{
    struct cache_others others = lease_others(i, own);
    uint8_t wanted = allowed(i, a->wanted);
    if (own == NULL || own->version == 0)
        return cache_grant(a->c->oplock != LEVEL_LEASE, wanted, &others);
    return own->breaking ? own->state : cache_upgrade(own->state, wanted, &others);
}

/* Nobody, one lease or oplock, or more. */
static uint64_t readers(const struct inode *i)
{
    uint64_t by = 0;
    for (const struct list *at = i->leases.next; at != &i->leases; at = at->next) {
        const struct lease *l = container_of(at, struct lease, in_inode);
        uint8_t state = l->breaking ? l->sent : l->state;
        if ((state & CACHE_READ) != 0)
            by = by != 0 ? UINT64_MAX : l->id;
    }
    return by;
}

/* The write of one who has an oplock of level II breaks it: as if it were somebody else's. */
uint64_t lease_cached_by(const struct inode *i)
{
    uint64_t by = readers(i);
    const struct list *first = list_first(&i->leases);
    for (const struct list *at = first; by != 0 && at != &i->leases; at = at->next) {
        const struct lease *l = container_of(at, struct lease, in_inode);
        uint8_t state = l->breaking ? l->sent : l->state;
        if (l->id == by && l->version == 0 && state == CACHE_READ)
            return UINT64_MAX;
    }
    return by;
}

uint64_t lease_writers(const struct lease_asking *a, const struct inode *i)
{
    /* A node may not have heard yet that its client's oplock has sunk to level II, so that counts
     * as one that still writes as it likes. */
    uint64_t before = readers(i), slots = 0;
    bool has = a->held != NULL && (a->held->state & CACHE_READ) != 0;
    if (a->none || is_directory(i) || (a->wanted & CACHE_READ) == 0 || before == UINT64_MAX || has)
        return 0; /* nothing that a writer relies on changes */
    for (const struct list *at = i->opens.next; at != &i->opens; at = at->next) {
        const struct open *o = container_of(at, struct open, in_inode);
        bool relies = before == 0 || (o->lease != NULL && o->lease->id == before);
        if (relies && (o->granted & DATA_CHANGES) != 0)
            slots |= slot_bit(o->node);
    }
    return slots;
}

static void reply_lease(struct work *w, const struct lease *l)
{
    Fl__OpenReply *reply = &w->answer->open;
    Fl__Caching *to = &w->answer->lease;
    bool oplock = l->version == 0;
    reply->oplock = oplock ? level_of(l->state) : LEVEL_LEASE;
    reply->lease_id = l->id;
    if (oplock)
        return;
    fl__caching__init(to);
    memcpy(w->answer->lease_key, l->key, sizeof(l->key));
    memcpy(w->answer->parent_key, l->parent_key, sizeof(l->parent_key));
    to->key = pb_bytes(slice_of(w->answer->lease_key, sizeof(l->key)));
    if (l->has_parent)
        to->parent_key = pb_bytes(slice_of(w->answer->parent_key, sizeof(l->parent_key)));
    to->state = l->state;
    to->epoch = l->version == 2 ? l->epoch : 0;
    to->version = l->version;
    to->breaking = l->breaking;
    reply->lease = to;
}

/* A new record for the file of `o`. */
static struct lease *attach_fresh(struct work *w, struct lease_asking *a, struct inode *i)
{
    struct lease *l = a->fresh;
    const Fl__Caching *c = a->c->oplock == LEVEL_LEASE ? a->c->lease : NULL;
    a->fresh = NULL;
    l->id = w->m->next_lease++;
    l->inode = i;
    if (c != NULL) {
        l->version = c->version;
        memcpy(l->client_guid, a->c->client_guid.data, sizeof(l->client_guid));
        memcpy(l->key, c->key.data, sizeof(l->key));
        l->has_parent = c->version == 2 && c->parent_key.len == sizeof(l->parent_key);
        if (l->has_parent)
            memcpy(l->parent_key, c->parent_key.data, sizeof(l->parent_key));
        l->epoch = c->version == 2 ? (uint16_t)c->epoch : 0;
    }
    lease_insert(w->m, l);
    return l;
}

void lease_attach(struct work *w, struct lease_asking *a, struct open *o)
{
    struct inode *i = o->inode;
    if (a->none)
        return;
    /* The open itself is in the file by now; it is its own. */
    struct lease *l = a->held != NULL ? a->held : attach_fresh(w, a, i);
    lease_join(l, o);
    uint8_t state = grant(a, i, l);
    if (state == 0 && l->version == 0) { /* an oplock that was not granted is nothing */
        lease_detach(w->m, o);
        return;
    }
    if (state != l->state) {
        l->state = state;
        l->lost = false;
        l->epoch++;
        i->version = w->m->index;
    }
    reply_lease(w, l);
    w->answer->file.cached_by = lease_cached_by(i);
    w->answer->file.version = i->version;
}

void lease_detach(struct meta *m, struct open *o)
{
    struct lease *l = o->lease;
    if (l == NULL)
        return;
    o->lease = NULL;
    list_remove(&o->in_lease);
    if (!list_empty(&l->opens))
        return;
    wait_wake(m, &l->waits);
    lease_free(m, l);
}

bool lease_batch(const struct inode *i)
{
    for (const struct list *at = i->leases.next; at != &i->leases; at = at->next) {
        const struct lease *l = container_of(at, struct lease, in_inode);
        if (l->version == 0 && l->state == BATCH)
            return true;
    }
    return false;
}

/* ---- commands ----------------------------------------------------------------------------------
 */

ntstatus apply_break_caching(struct work *w, const Fl__BreakCaching *c)
{
    struct open *o = open_of(w, c->open_id);
    if (o == NULL)
        return STATUS_FILE_CLOSED;
    struct inode *i = o->inode;
    ntstatus status = leases_wait(w, i, USE_DATA, o->lease);
    if (status != STATUS_OK)
        return status;
    if (!outbox_reserve(w, lease_notices(i)))
        return STATUS_INSUFFICIENT_RESOURCES;

    leases_break(w, i, USE_DATA, o->lease);
    reply_info(w, i);
    return STATUS_OK;
}

/* [MS-SMB2] 3.3.5.22.2. */
ntstatus apply_lease_ack(struct work *w, const Fl__LeaseAck *c)
{
    if (c->client_guid.len != 16 || c->key.len != 16)
        return STATUS_INVALID_PARAMETER;
    struct lease *l = lease_by_key(w->m, c->client_guid.data, c->key.data);
    if (l == NULL)
        return STATUS_OBJECT_NAME_NOT_FOUND;
    if (!l->breaking)
        return STATUS_UNSUCCESSFUL;
    if ((c->state & ~(uint32_t)l->sent) != 0)
        return STATUS_REQUEST_NOT_ACCEPTED;
    if (!outbox_reserve(w, 1))
        return STATUS_INSUFFICIENT_RESOURCES;

    acknowledged(w, l, (uint8_t)c->state);
    return STATUS_OK;
}

/* 3.3.5.22.1: whatever is wrong with the acknowledgement, nothing is left of the oplock. */
static ntstatus judge_level(uint8_t state, uint32_t level, uint8_t *left)
{
    *left = 0;
    if (level == LEVEL_LEASE)
        return STATUS_INVALID_PARAMETER;
    bool known =
        level == LEVEL_NONE || level == LEVEL_II || (level == LEVEL_EXCLUSIVE && state == BATCH);
    if (!known)
        return STATUS_INVALID_OPLOCK_PROTOCOL;
    *left = level == LEVEL_II ? CACHE_READ : 0;
    return STATUS_OK;
}

ntstatus apply_oplock_ack(struct work *w, const Fl__OplockAck *c)
{
    struct open *o = open_of(w, c->open_id);
    if (o == NULL)
        return STATUS_FILE_CLOSED;
    struct lease *l = o->lease;
    /* Windows' word for level II, of which nothing is to be acknowledged. */
    if (l == NULL || l->version != 0 || (!l->breaking && (l->state & CACHE_WRITE) == 0))
        return STATUS_INVALID_OPLOCK_PROTOCOL;
    if (!l->breaking)
        return STATUS_INVALID_DEVICE_STATE;
    uint8_t left;
    ntstatus status = judge_level(l->state, c->level, &left);
    if (!outbox_reserve(w, 1))
        return STATUS_INSUFFICIENT_RESOURCES;

    acknowledged(w, l, left & l->sent);
    return status;
}

/* 3.3.6.1, 3.3.6.5. */
ntstatus apply_break_timeout(struct work *w)
{
    if (w->node != NULL)
        return STATUS_ACCESS_DENIED;
    struct lease *l;
    while ((l = lease_breaking_first(w->m)) != NULL && l->deadline <= w->now)
        acknowledged(w, l, 0);
    return STATUS_OK;
}
