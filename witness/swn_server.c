#include "witness/swn_server.h"
#include "proto/base/must.h"
#include "proto/base/utf16.h"
#include <string.h>

/* 256 interfaces of 572 bytes and some. */
#define REPLY_MAX (160u << 10)
#define MESSAGES_MAX 16384u
#define CLUSTER_TEXT_MAX (4u << 20)
#define SCRATCH_MAX (1u << 20)

struct share_name {
    struct slice name; /* UTF-16LE */
    bool scale_out;
};

struct swn_server {
    struct mem *mem;
    struct registry registry;
    struct arena text; /* of the cluster's names */
    struct slice cluster_name;
    struct share_name *shares;
    uint32_t share_count;
    bool any_scale_out;

    uint64_t waiters[SWN_WAITERS_MAX]; /* GetInterfaceList without an available interface */
    uint32_t waiter_count;

    bool answered; /* the call of this step has its answer in `reply` */
    struct swn_answer answer;
    uint8_t reply[REPLY_MAX];
};

struct swn_server *swn_server_new(struct mem *mem, uint64_t seed)
{
    struct swn_server *s = mem_alloc(mem, sizeof *s);
    if (s == NULL)
        return NULL;
    s->mem = mem;
    registry_init(&s->registry, mem, seed);
    arena_init(&s->text, mem, CLUSTER_TEXT_MAX);
    return s;
}

void swn_server_free(struct swn_server *s)
{
    if (s == NULL)
        return;
    registry_fini(&s->registry);
    arena_fini(&s->text);
    mem_free(s->mem, s, sizeof *s);
}

const struct registry *swn_server_registry(const struct swn_server *s) { return &s->registry; }

/* --- answers ---------------------------------------------------------------------------------- */

static struct writer reply_begin(struct swn_server *s)
{
    return writer_of(s->reply, sizeof s->reply);
}

static struct swn_answer reply_end(uint64_t token, const struct writer *w)
{
    must(!w->full);
    return (struct swn_answer){.token = token, .stub = written(w)};
}

static struct swn_answer status_answer(struct swn_server *s, uint64_t token, enum swn_opnum opnum,
                                       uint32_t status)
{
    struct writer w = reply_begin(s);
    swn_reply_status(opnum, status, &w);
    return reply_end(token, &w);
}

static struct swn_answer interfaces_answer(struct swn_server *s, uint64_t token)
{
    const struct registry *r = &s->registry;
    struct swn_interface_info list[REGISTRY_INTERFACES_MAX];
    for (uint32_t i = 0; i < r->interface_count; i++) {
        const struct registry_interface *x = &r->interfaces[i];
        /* [MS-SWN] 3.1.4.1: INTERFACE_WITNESS exactly on what is not hosted here. */
        list[i] = (struct swn_interface_info){.group_name = slice_str(x->group_name),
                                              .state = x->state,
                                              .address = x->address,
                                              .witness = !x->local};
    }
    struct arena scratch;
    arena_init(&scratch, s->mem, SCRATCH_MAX);
    struct writer w = reply_begin(s);
    swn_reply_interfaces(list, r->interface_count, &scratch, &w);
    arena_fini(&scratch);
    return reply_end(token, &w);
}

static void answer_now(struct swn_server *s, struct swn_answer answer)
{
    must(!s->answered);
    s->answered = true;
    s->answer = answer;
}

/* --- calls ------------------------------------------------------------------------------------ */

static void on_get_interface_list(struct swn_server *s, const struct swn_event *e)
{
    if (s->registry.interface_count == 0)
        answer_now(s, status_answer(s, e->token, SWN_GET_INTERFACE_LIST, WERR_NO_MORE_ITEMS));
    else if (registry_any_available(&s->registry))
        answer_now(s, interfaces_answer(s, e->token));
    else if (s->waiter_count == SWN_WAITERS_MAX)
        answer_now(s, status_answer(s, e->token, SWN_GET_INTERFACE_LIST, WERR_NO_SYSTEM_RESOURCES));
    else
        s->waiters[s->waiter_count++] = e->token;
}

/* ServerGlobalName, in any case; clients that mounted by a longer DNS name say that one. */
static bool is_our_name(const struct swn_server *s, struct slice name)
{
    size_t len = s->cluster_name.len;
    if (len == 0 || name.len < len)
        return false;
    if (utf16_compare_fold(slice_sub(name, 0, len), s->cluster_name) != 0)
        return false;
    return name.len == len || (name.at[len] == '.' && name.at[len + 1] == 0);
}

static bool share_exists(const struct swn_server *s, struct slice name)
{
    for (uint32_t i = 0; i < s->share_count; i++) {
        if (utf16_compare_fold(s->shares[i].name, name) == 0)
            return true;
    }
    return false;
}

/* [MS-SWN] 3.1.4.2 and 3.1.4.5, in their order. */
static uint32_t check_register(const struct swn_server *s, const struct swn_call *call,
                               struct swn_address *address)
{
    uint32_t want = call->opnum == SWN_REGISTER ? SWN_VERSION_1 : SWN_VERSION_2;
    if (call->version != want)
        return WERR_REVISION_MISMATCH;
    if (call->net_name.at == NULL || call->ip_address.at == NULL || call->client_name.at == NULL)
        return WERR_INVALID_PARAMETER;
    if (!is_our_name(s, call->net_name))
        return WERR_INVALID_PARAMETER;
    if (call->opnum == SWN_REGISTER_EX && call->share_name.at != NULL) {
        if (s->share_count == 0)
            return WERR_INVALID_STATE;
        if (s->any_scale_out && !share_exists(s, call->share_name))
            return WERR_INVALID_STATE;
    }
    /* Without a scale-out share the address need not be known; here all nodes are, so it must
     * be. */
    if (!swn_address_from_utf16(call->ip_address, address) ||
        registry_find_interface(&s->registry, address) == NULL)
        return WERR_INVALID_STATE;
    return WERR_OK;
}

static void on_register(struct swn_server *s, const struct swn_event *e,
                        const struct swn_call *call)
{
    struct registration_request q = {.call = call, .group = e->group, .now_ns = e->now_ns};
    uint32_t status = check_register(s, call, &q.address);
    memcpy(q.key, e->entropy, 16);
    if (status == WERR_OK && registry_add(&s->registry, &q) == NULL)
        status = WERR_NO_SYSTEM_RESOURCES;
    if (status != WERR_OK) {
        answer_now(s, status_answer(s, e->token, call->opnum, status));
        return;
    }
    struct writer w = reply_begin(s);
    swn_reply_registered(q.key, &w);
    answer_now(s, reply_end(e->token, &w));
}

static void on_unregister(struct swn_server *s, const struct swn_event *e,
                          const struct swn_call *call)
{
    struct registration *x = registry_find(&s->registry, call->key);
    if (x == NULL) {
        answer_now(s, status_answer(s, e->token, call->opnum, WERR_INVALID_PARAMETER));
        return;
    }
    /* A call that waits on it is answered by the deadline that has now come. */
    x->end_ns = 0;
    answer_now(s, status_answer(s, e->token, call->opnum, WERR_OK));
}

static void on_async_notify(struct swn_server *s, const struct swn_event *e,
                            const struct swn_call *call)
{
    struct registration *x = registry_find(&s->registry, call->key);
    if (x == NULL)
        answer_now(s, status_answer(s, e->token, SWN_ASYNC_NOTIFY, WERR_NOT_FOUND));
    else if (x->waiter != 0) /* the one that waits already will bring the news */
        answer_now(s, status_answer(s, e->token, SWN_ASYNC_NOTIFY, WERR_NO_SYSTEM_RESOURCES));
    else
        registry_wait(&s->registry, x, e->token, e->now_ns);
}

static void on_call(struct swn_server *s, const struct swn_event *e)
{
    struct swn_call call;
    uint32_t fault = swn_decode(e->opnum, e->stub, &call);
    if (fault != 0) {
        answer_now(s, (struct swn_answer){.token = e->token, .fault = fault});
        return;
    }
    /* [MS-SWN] 3.1.4 <4>: signed or sealed, or not at all. */
    if (e->auth_level < RPC_LEVEL_INTEGRITY) {
        answer_now(s, status_answer(s, e->token, call.opnum, WERR_ACCESS_DENIED));
        return;
    }
    switch (call.opnum) {
    case SWN_GET_INTERFACE_LIST: on_get_interface_list(s, e); break;
    case SWN_REGISTER:
    case SWN_REGISTER_EX: on_register(s, e, &call); break;
    case SWN_UNREGISTER:
    case SWN_UNREGISTER_EX: on_unregister(s, e, &call); break;
    case SWN_ASYNC_NOTIFY: on_async_notify(s, e, &call); break;
    }
}

/* --- the cluster ------------------------------------------------------------------------------ */

static void on_cluster(struct swn_server *s, const struct swn_cluster *c)
{
    arena_reset(&s->text);
    s->any_scale_out = false;
    s->share_count = 0;
    s->cluster_name = (struct slice){0};
    (void)utf16_from_utf8(slice_str(c->name), &s->text, &s->cluster_name);
    uint32_t max = c->share_count < REGISTRY_SHARES_MAX ? c->share_count : REGISTRY_SHARES_MAX;
    s->shares = arena_array(&s->text, max + 1, sizeof *s->shares);
    for (uint32_t i = 0; s->shares != NULL && i < max; i++) {
        struct share_name *to = &s->shares[s->share_count];
        if (!utf16_from_utf8(slice_str(c->shares[i].name), &s->text, &to->name))
            continue;
        to->scale_out = c->shares[i].scale_out;
        s->any_scale_out |= to->scale_out;
        s->share_count++;
    }
    registry_set_interfaces(&s->registry, c->interfaces, c->interface_count);
}

static void forget(struct swn_server *s, uint64_t token)
{
    for (uint32_t i = 0; i < s->waiter_count; i++) {
        if (s->waiters[i] == token)
            s->waiters[i] = s->waiters[--s->waiter_count];
    }
    registry_forget_waiter(&s->registry, token);
}

void swn_server_step(struct swn_server *s, const struct swn_event *e)
{
    must(!s->answered);
    switch (e->kind) {
    case SWN_EVENT_CALL:
        must(e->token != 0);
        on_call(s, e);
        break;
    case SWN_EVENT_CANCEL: forget(s, e->token); break;
    case SWN_EVENT_GROUP_GONE: registry_drop_group(&s->registry, e->group); break;
    case SWN_EVENT_CLUSTER: on_cluster(s, e->cluster); break;
    case SWN_EVENT_MOVE: (void)registry_move(&s->registry, &e->from, &e->to, e->now_ns); break;
    case SWN_EVENT_TIME: break;
    }
}

static struct swn_answer ready_answer(struct swn_server *s, const struct registry_ready *ready,
                                      struct slice messages)
{
    if (ready->answer == REGISTRY_TIMEOUT)
        return status_answer(s, ready->token, SWN_ASYNC_NOTIFY, WERR_TIMEOUT);
    if (ready->answer == REGISTRY_ENDED)
        return status_answer(s, ready->token, SWN_ASYNC_NOTIFY, WERR_NOT_FOUND);
    struct writer w = reply_begin(s);
    swn_reply_notify(ready->type, ready->count, messages, &w);
    return reply_end(ready->token, &w);
}

bool swn_server_next(struct swn_server *s, uint64_t now_ns, struct swn_answer *out)
{
    if (s->answered) {
        s->answered = false;
        *out = s->answer;
        return true;
    }
    if (s->waiter_count > 0 && registry_any_available(&s->registry)) {
        *out = interfaces_answer(s, s->waiters[--s->waiter_count]);
        return true;
    }
    uint8_t bytes[MESSAGES_MAX];
    struct writer messages = writer_of(bytes, sizeof bytes);
    struct registry_ready ready;
    if (!registry_next_ready(&s->registry, now_ns, &messages, &ready))
        return false;
    *out = ready_answer(s, &ready, written(&messages));
    return true;
}

uint64_t swn_server_next_deadline(const struct swn_server *s)
{
    return registry_next_deadline(&s->registry);
}
