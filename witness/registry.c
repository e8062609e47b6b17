#include "witness/registry.h"
#include "proto/base/heap.h"
#include "proto/base/must.h"
#include "proto/base/utf16.h"
#include <string.h>

#define NS_PER_S UINT64_C(1000000000)

static struct registration *from_all(struct list *l)
{
    return container_of(l, struct registration, all);
}

void registry_init(struct registry *r, struct mem *mem, uint64_t seed)
{
    *r = (struct registry){.mem = mem};
    map_init(&r->by_key, mem, seed);
    list_init(&r->registrations);
    list_init(&r->ready);
}

void registry_fini(struct registry *r)
{
    list_each (l, &r->registrations)
        registry_remove(r, from_all(l));
    map_fini(&r->by_key);
}

const struct registry_interface *registry_find_interface(const struct registry *r,
                                                         const struct swn_address *address)
{
    for (uint32_t i = 0; i < r->interface_count; i++) {
        if (swn_address_equal(&r->interfaces[i].address, address))
            return &r->interfaces[i];
    }
    return NULL;
}

bool registry_any_available(const struct registry *r)
{
    for (uint32_t i = 0; i < r->interface_count; i++) {
        if (r->interfaces[i].state == SWN_AVAILABLE)
            return true;
    }
    return false;
}

/* Something to say: the registration is looked at by registry_next_ready. */
static void make_ready(struct registry *r, struct registration *x)
{
    if (x->waiter != 0 && list_empty(&x->ready))
        list_push_back(&r->ready, &x->ready);
}

/* Interface names are node names: ASCII, so that their UTF-16 form needs no memory. */
static uint32_t widen(const char *text, uint8_t out[REGISTRY_NAME_MAX])
{
    uint32_t len = 0;
    for (; *text != 0 && len + 2 <= REGISTRY_NAME_MAX; text++) {
        out[len++] = (uint8_t)*text;
        out[len++] = 0;
    }
    return len;
}

/* Queues a state; an older one of the same interface is superseded, of too many the oldest goes. */
static void queue_change(struct registry *r, struct registration *x, const char *name,
                         enum swn_state state)
{
    struct registry_change change = {.state = state};
    change.interface_name = widen(name, change.name);
    uint32_t at = 0;
    while (at < x->change_count &&
           !slice_equal(slice_of(x->changes[at].name, x->changes[at].interface_name),
                        slice_of(change.name, change.interface_name)))
        at++;
    if (at == REGISTRATION_CHANGES_MAX)
        at = 0;
    if (at < x->change_count) {
        memmove(&x->changes[at], &x->changes[at + 1],
                (x->change_count - at - 1) * sizeof x->changes[0]);
        x->change_count--;
    }
    x->changes[x->change_count++] = change;
    make_ready(r, x);
}

static void tell_change(struct registry *r, const struct swn_address *address, const char *name,
                        enum swn_state state)
{
    list_each (l, &r->registrations) {
        struct registration *x = from_all(l);
        if (swn_address_equal(&x->address, address))
            queue_change(r, x, name, state);
    }
}

static const struct registry_interface *find_in(const struct registry_interface *list,
                                                uint32_t count, const struct swn_address *address)
{
    for (uint32_t i = 0; i < count; i++) {
        if (swn_address_equal(&list[i].address, address))
            return &list[i];
    }
    return NULL;
}

void registry_set_interfaces(struct registry *r, const struct registry_interface *list,
                             uint32_t count)
{
    if (count > REGISTRY_INTERFACES_MAX)
        count = REGISTRY_INTERFACES_MAX;
    for (uint32_t i = 0; i < r->interface_count; i++) {
        const struct registry_interface *old = &r->interfaces[i];
        const struct registry_interface *new = find_in(list, count, &old->address);
        enum swn_state state = new == NULL ? SWN_UNAVAILABLE : new->state;
        if (state != old->state)
            tell_change(r, &old->address, old->group_name, state);
    }
    if (count > 0)
        memcpy(r->interfaces, list, count * sizeof *list);
    r->interface_count = count;
}

static uint32_t keep_name(struct slice name, uint8_t out[REGISTRY_NAME_MAX])
{
    size_t len = name.len < REGISTRY_NAME_MAX ? name.len : REGISTRY_NAME_MAX;
    if (len > 0)
        memcpy(out, name.at, len);
    return (uint32_t)len;
}

static uint32_t count_group(const struct registry *r, uint64_t group)
{
    uint32_t count = 0;
    list_each (l, &r->registrations)
        count += from_all(l)->group == group;
    return count;
}

struct registration *registry_add(struct registry *r, const struct registration_request *q)
{
    if (r->count >= REGISTRATIONS_MAX || count_group(r, q->group) >= REGISTRATIONS_PER_GROUP_MAX)
        return NULL;
    struct registration *x = mem_alloc(r->mem, sizeof *x);
    if (x == NULL)
        return NULL;
    bool second = q->call->version == SWN_VERSION_2;
    uint32_t keep = q->call->keep_alive_s != 0 ? q->call->keep_alive_s : REGISTRY_KEEP_ALIVE_S;
    x->group = q->group;
    x->version = q->call->version;
    x->address = q->address;
    x->last_use_ns = q->now_ns;
    x->keep_alive_ns = second ? keep * NS_PER_S : DEADLINE_NEVER;
    x->end_ns = DEADLINE_NEVER;
    x->share_notification = second && q->call->share_name.at != NULL;
    x->ip_notification = second && (q->call->flags & SWN_REGISTER_IP_NOTIFICATION);
    x->client_name_len = keep_name(q->call->client_name, x->client_name);
    x->share_name_len = keep_name(q->call->share_name, x->share_name);
    memcpy(x->key, q->key, 16);
    if (registry_find(r, x->key) != NULL || !map_put(&r->by_key, slice_of(x->key, 16), x)) {
        mem_free(r->mem, x, sizeof *x);
        return NULL;
    }
    list_init(&x->ready);
    list_push_back(&r->registrations, &x->all);
    r->count++;
    return x;
}

struct registration *registry_find(struct registry *r, const uint8_t key[16])
{
    return map_get(&r->by_key, slice_of(key, 16));
}

void registry_remove(struct registry *r, struct registration *x)
{
    must(map_remove(&r->by_key, slice_of(x->key, 16)) == x);
    list_remove(&x->all);
    list_remove(&x->ready);
    mem_free(r->mem, x, sizeof *x);
    r->count--;
}

void registry_drop_group(struct registry *r, uint64_t group)
{
    list_each (l, &r->registrations) {
        if (from_all(l)->group == group)
            registry_remove(r, from_all(l));
    }
}

void registry_wait(struct registry *r, struct registration *x, uint64_t token, uint64_t now_ns)
{
    must(token != 0);
    must(x->waiter == 0);
    x->waiter = token;
    x->last_use_ns = now_ns;
    if (x->change_count > 0 || x->move)
        make_ready(r, x);
}

void registry_forget_waiter(struct registry *r, uint64_t token)
{
    list_each (l, &r->registrations) {
        struct registration *x = from_all(l);
        if (x->waiter != token)
            continue;
        x->waiter = 0;
        list_remove(&x->ready);
        return;
    }
}

uint32_t registry_move(struct registry *r, const struct swn_address *from,
                       const struct swn_address *to, uint64_t now_ns)
{
    (void)now_ns;
    uint32_t count = 0;
    list_each (l, &r->registrations) {
        struct registration *x = from_all(l);
        if (!swn_address_equal(&x->address, from))
            continue;
        x->move = true;
        x->move_to = *to;
        make_ready(r, x);
        count++;
    }
    return count;
}

/* [MS-SWN] 3.1.4.4: changes first, all of them in one answer. */
static void take_changes(struct registration *x, struct writer *messages,
                         struct registry_ready *out)
{
    out->type = SWN_RESOURCE_CHANGE;
    out->count = x->change_count;
    for (uint32_t i = 0; i < x->change_count; i++) {
        const struct registry_change *c = &x->changes[i];
        swn_write_change(messages, slice_of(c->name, c->interface_name), c->state);
    }
    x->change_count = 0;
}

/* All addresses of the destination's node, and none else: the client picks one of them. */
static void take_move(struct registry *r, struct registration *x, struct writer *messages,
                      struct registry_ready *out)
{
    struct swn_address list[16];
    uint32_t count = 0;
    const struct registry_interface *to = registry_find_interface(r, &x->move_to);
    for (uint32_t i = 0; to != NULL && i < r->interface_count && count < array_len(list); i++) {
        if (slice_equal(slice_str(r->interfaces[i].group_name), slice_str(to->group_name)))
            list[count++] = r->interfaces[i].address;
    }
    if (count == 0)
        list[count++] = x->move_to;
    swn_write_addresses(messages, list, count, true);
    out->type = SWN_CLIENT_MOVE;
    out->count = 1;
    x->move = false;
}

static void answered(struct registration *x, uint64_t now_ns)
{
    x->waiter = 0;
    x->last_use_ns = now_ns;
    list_remove(&x->ready);
}

static uint64_t add_time(uint64_t at, uint64_t more)
{
    return more > DEADLINE_NEVER - at ? DEADLINE_NEVER : at + more;
}

/* When something happens to this registration by itself. */
static uint64_t deadline_of(const struct registration *x)
{
    uint64_t own = x->waiter != 0 ? add_time(x->last_use_ns, x->keep_alive_ns)
                                  : add_time(x->last_use_ns, REGISTRY_UNUSED_NS);
    return x->end_ns < own ? x->end_ns : own;
}

/* Handles one registration whose time has come. True when a waiter is to be answered. */
static bool expire(struct registry *r, struct registration *x, uint64_t now_ns,
                   struct registry_ready *out)
{
    bool ended = x->end_ns <= now_ns || x->waiter == 0;
    bool waiting = x->waiter != 0;
    *out = (struct registry_ready){.token = x->waiter,
                                   .answer = ended ? REGISTRY_ENDED : REGISTRY_TIMEOUT};
    if (ended)
        registry_remove(r, x);
    else
        answered(x, now_ns);
    return waiting;
}

bool registry_next_ready(struct registry *r, uint64_t now_ns, struct writer *messages,
                         struct registry_ready *out)
{
    struct list *first = list_first(&r->ready);
    if (first != NULL) {
        struct registration *x = container_of(first, struct registration, ready);
        must(x->waiter != 0);
        *out = (struct registry_ready){.token = x->waiter, .answer = REGISTRY_NOTIFY};
        if (x->change_count > 0) {
            take_changes(x, messages, out);
        } else {
            must(x->move);
            take_move(r, x, messages, out);
            x->end_ns = add_time(now_ns, REGISTRY_AFTER_MOVE_NS);
        }
        answered(x, now_ns);
        return true;
    }
    list_each (l, &r->registrations) {
        struct registration *x = from_all(l);
        if (deadline_of(x) <= now_ns && expire(r, x, now_ns, out))
            return true;
    }
    return false;
}

uint64_t registry_next_deadline(const struct registry *r)
{
    if (!list_empty(&r->ready))
        return 0;
    uint64_t next = DEADLINE_NEVER;
    list_each (l, &r->registrations) {
        uint64_t own = deadline_of(from_all(l));
        next = own < next ? own : next;
    }
    return next;
}

void registry_check(const struct registry *r)
{
    uint32_t count = 0;
    list_each (l, &r->registrations) {
        const struct registration *x = from_all(l);
        must(map_get(&r->by_key, slice_of(x->key, 16)) == x);
        must(x->change_count <= REGISTRATION_CHANGES_MAX);
        must(list_empty(&x->ready) || x->waiter != 0);
        must(list_empty(&x->ready) || x->change_count > 0 || x->move);
        count++;
    }
    must(count == r->count);
    must(map_count(&r->by_key) == r->count);
}
