/* The cluster's machines: founding, inviting, coming up and going down. */
#include "coordinator/meta/wait.h"

enum { STORE_ID = 16 };

struct node *node_by_name(const struct meta *m, const struct label *name)
{
    for (struct node *n = node_first(m); n != NULL; n = node_next(n))
        if (label_is(&n->name, name))
            return n;
    return NULL;
}

struct node *node_by_slot(const struct meta *m, uint32_t slot)
{
    for (struct node *n = node_first(m); n != NULL; n = node_next(n))
        if (n->slot == slot)
            return n;
    return NULL;
}

void node_free(struct meta *m, struct node *n)
{
    window_clear(m, n);
    label_free(m->mem, &n->name);
    blob_free(m->mem, &n->address);
    blob_free(m->mem, &n->store_id);
    blob_free(m->mem, &n->token_hash);
    mem_free(m->mem, n, sizeof(*n));
}

/* A record with its texts, in no container yet. */
static struct node *node_new(struct work *w, const Fl__Node *c, const char **why)
{
    struct mem *mem = w->m->mem;
    struct node *n = mem_alloc(mem, sizeof(*n));
    *why = meta_no_memory;
    if (n == NULL)
        return NULL;
    list_init(&n->opens);
    list_init(&n->waits);
    n->state = FL__NODE_STATE__NODE_DOWN;
    n->data_port = c->data_port;
    n->coordinator = c->coordinator;
    n->coordinator_port = c->coordinator_port;
    const char *bad = label_make(w, c->name, &n->name);
    if (bad == NULL && text_len(c->address) > META_TEXT_MAX)
        bad = "the address is too long";
    if (bad == NULL && !blob_copy(mem, slice_of(c->address, text_len(c->address)), &n->address))
        bad = *why;
    if (bad == NULL)
        return n;
    *why = bad;
    node_free(w->m, n);
    return NULL;
}

/* A refusal because of `why`, which may be memory. */
static ntstatus refuse_why(struct work *w, const char *why)
{
    return refuse(w, STATUS_INVALID_PARAMETER, why);
}

/* Takes a free slot: fewer than META_NODES_MAX nodes are there. */
static void node_attach(struct meta *m, struct node *n, uint32_t id)
{
    uint32_t slot = 0;
    while (node_by_slot(m, slot) != NULL)
        slot++;
    must(slot < META_NODES_MAX);
    n->slot = slot;
    n->id = id;
    if (id >= m->next_node)
        m->next_node = id + 1;
    node_insert(m, n);
}

static const char *check_init(const struct meta *m, const Fl__ClusterInit *c)
{
    struct sid domain;
    if (m->founded)
        return "the cluster exists already";
    if (c->cluster_id.len != 16)
        return "the cluster's id is not 16 bytes";
    if (!sid_decode(pb_slice(c->domain_sid), &domain) || domain.count >= SID_SUB_MAX)
        return "the domain SID is malformed";
    if (c->n_nodes == 0 || c->n_nodes > META_NODES_MAX)
        return "a cluster has 1 to 64 nodes";
    if (c->ca_key_pem.len > META_PEM_MAX || c->ca_cert_pem.len > META_PEM_MAX)
        return "the CA is too large";
    if (text_len(c->cluster_name) > META_TEXT_MAX)
        return "the cluster's name is too long";
    for (size_t i = 0; i < c->n_nodes; i++)
        for (size_t j = 0; j <= i; j++)
            if (c->nodes[i]->id == 0 || c->nodes[i]->id > UINT32_MAX / 2 ||
                (i != j && c->nodes[i]->id == c->nodes[j]->id))
                return "node ids are missing or not unique";
    return NULL;
}

static bool copy_cluster(struct meta *m, const Fl__ClusterInit *c)
{
    struct slice name = slice_of(c->cluster_name, text_len(c->cluster_name));
    return blob_copy(m->mem, pb_slice(c->cluster_id), &m->cluster_id) &&
           blob_copy(m->mem, name, &m->cluster_name) &&
           blob_copy(m->mem, pb_slice(c->domain_sid), &m->domain_sid) &&
           blob_copy(m->mem, pb_slice(c->ca_key_pem), &m->ca_key) &&
           blob_copy(m->mem, pb_slice(c->ca_cert_pem), &m->ca_cert);
}

static void drop_cluster(struct meta *m)
{
    blob_free(m->mem, &m->cluster_id);
    blob_free(m->mem, &m->cluster_name);
    blob_free(m->mem, &m->domain_sid);
    blob_free(m->mem, &m->ca_key);
    blob_free(m->mem, &m->ca_cert);
}

/* The nodes' records into `nodes`, with names that differ. */
static const char *make_nodes(struct work *w, const Fl__ClusterInit *c, struct node **nodes)
{
    const char *why = NULL;
    for (size_t i = 0; i < c->n_nodes; i++) {
        nodes[i] = node_new(w, c->nodes[i], &why);
        if (nodes[i] == NULL)
            return why;
        for (size_t j = 0; j < i; j++)
            if (label_is(&nodes[i]->name, &nodes[j]->name))
                return "two nodes have the same name";
    }
    return NULL;
}

ntstatus apply_cluster_init(struct work *w, const Fl__ClusterInit *c)
{
    struct meta *m = w->m;
    const char *why = check_init(m, c);
    if (why != NULL)
        return refuse(w, m->founded ? STATUS_OBJECT_NAME_COLLISION : STATUS_INVALID_PARAMETER, why);
    struct node **nodes = arena_array(w->a, c->n_nodes, sizeof(struct node *));
    if (nodes == NULL || !outbox_reserve(w, 1))
        return STATUS_INSUFFICIENT_RESOURCES;
    why = make_nodes(w, c, nodes);
    if (why == NULL && !copy_cluster(m, c)) {
        drop_cluster(m);
        why = meta_no_memory;
    }
    if (why != NULL) {
        for (size_t i = 0; i < c->n_nodes; i++)
            if (nodes[i] != NULL)
                node_free(m, nodes[i]);
        return refuse_why(w, why);
    }

    for (size_t i = 0; i < c->n_nodes; i++)
        node_attach(m, nodes[i], c->nodes[i]->id);
    m->founded = true;
    post_config_changed(w);
    return STATUS_OK;
}

/* An invitation given anew, e.g. because the first one ran out. */
static ntstatus invite_again(struct work *w, struct node *n, struct blob hash, uint64_t expires)
{
    blob_free(w->m->mem, &n->token_hash);
    n->token_hash = hash;
    n->expires = expires;
    reply_admin(w, n->id);
    post_config_changed(w);
    return STATUS_OK;
}

ntstatus apply_node_add(struct work *w, const Fl__NodeAdd *c)
{
    struct meta *m = w->m;
    const char *why = NULL;
    if (!m->founded || c->node == NULL || c->token_hash.len == 0 || c->token_hash.len > 64)
        return refuse(w, STATUS_INVALID_PARAMETER, "a node's name and token are needed");
    struct node *n = node_new(w, c->node, &why);
    if (n == NULL)
        return refuse_why(w, why);
    struct node *same = node_by_name(m, &n->name);
    if (same != NULL && same->state != FL__NODE_STATE__NODE_INVITED) {
        node_free(m, n);
        return refuse(w, STATUS_OBJECT_NAME_COLLISION, "a node of that name exists");
    }
    struct blob hash;
    bool room = blob_copy(m->mem, pb_slice(c->token_hash), &hash) && outbox_reserve(w, 1);
    if (!room || (same == NULL && m->nodes.count >= META_NODES_MAX)) {
        blob_free(m->mem, &hash);
        node_free(m, n);
        return room ? refuse(w, STATUS_INVALID_PARAMETER, "a cluster has at most 64 nodes")
                    : STATUS_INSUFFICIENT_RESOURCES;
    }

    if (same != NULL) {
        node_free(m, n);
        return invite_again(w, same, hash, c->expires);
    }
    n->state = FL__NODE_STATE__NODE_INVITED;
    node_attach(m, n, m->next_node);
    return invite_again(w, n, hash, c->expires);
}

static struct node *invited(const struct meta *m, struct slice token_hash, uint64_t now)
{
    for (struct node *n = node_first(m); n != NULL; n = node_next(n))
        if (n->token_hash.len > 0 && now < n->expires &&
            slice_equal_secret(blob_slice(&n->token_hash), token_hash))
            return n;
    return NULL;
}

uint32_t meta_invitation(const struct meta *m, struct slice token_hash, uint64_t now,
                         struct arena *a, char **name)
{
    const struct node *n = invited(m, token_hash, now);
    char *text = n == NULL ? NULL : blob_text(&n->name.utf8, a);
    if (text == NULL)
        return 0;
    *name = text;
    return n->id;
}

ntstatus apply_node_join(struct work *w, const Fl__NodeJoin *c)
{
    struct node *n = invited(w->m, pb_slice(c->token_hash), w->now);
    if (n == NULL)
        return refuse(w, STATUS_ACCESS_DENIED, "there is no such invitation, or it has run out");
    struct slice name = slice_of(c->name, text_len(c->name));
    if (!slice_equal(name, blob_slice(&n->name.utf8)))
        return refuse(w, STATUS_ACCESS_DENIED, "the invitation is for another node");
    blob_free(w->m->mem, &n->token_hash); /* it counts once */
    n->expires = 0;
    reply_admin(w, n->id);
    return STATUS_OK;
}

/* Everything of the node's process ends; the notices have been reserved. */
static void take_down(struct work *w, struct node *n)
{
    bool up = n->state == FL__NODE_STATE__NODE_UP;
    if (up)
        n->state = FL__NODE_STATE__NODE_DOWN;
    node_opens_end(w, n);
    wait_node_down(w->m, n);
    if (up)
        groups_node_down(w->m, n);
}

ntstatus apply_node_down(struct work *w, const Fl__NodeDown *c)
{
    struct node *n = node_get(w->m, c->node_id);
    if (n == NULL || n->state != FL__NODE_STATE__NODE_UP || c->session < n->session)
        return STATUS_OK; /* it is down, or has come back since */
    if (!node_opens_prepare(w, n, 1))
        return STATUS_INSUFFICIENT_RESOURCES;
    take_down(w, n);
    post_config_changed(w);
    return STATUS_OK;
}

static void reply_registered(struct work *w, const struct node *n, bool state_lost)
{
    struct answer *answer = w->answer;
    fl__register_reply__init(&answer->registered);
    answer->registered.session = n->session;
    answer->registered.state_lost = state_lost;
    answer->reply.body_case = FL__REPLY__BODY_REGISTERED;
    answer->reply.registered = &answer->registered;
}

ntstatus apply_register(struct work *w, const Fl__Register *c)
{
    struct meta *m = w->m;
    struct node *n = node_get(m, c->node_id);
    if (n == NULL || c->incarnation == 0 || c->store_id.len != STORE_ID)
        return STATUS_INVALID_PARAMETER;
    bool reborn = n->incarnation != c->incarnation;
    bool lost = !reborn && n->state == FL__NODE_STATE__NODE_DOWN;
    bool known = n->store_id.len > 0;
    bool emptied = known && !slice_equal(blob_slice(&n->store_id), pb_slice(c->store_id));
    struct blob store;
    if (!node_opens_prepare(w, n, 1) || !blob_copy(m->mem, pb_slice(c->store_id), &store))
        return STATUS_INSUFFICIENT_RESOURCES;

    if (reborn || emptied) {
        /* The process before is gone, declared down or not; its groups must not take the new one
         * for it, which knows nothing of writes in flight: hence the change of epoch. */
        take_down(w, n);
        window_clear(m, n);
    }
    if (emptied) {
        groups_node_emptied(m, n);
        reclaim_slots_gone(m, slot_bit(n));
    }
    blob_free(m->mem, &n->store_id);
    blob_free(m->mem, &n->token_hash);
    n->store_id = store;
    n->incarnation = c->incarnation;
    n->session++;
    /* One that has lost its state ends what it has and comes again under a new incarnation. Until
     * then it is not up: nobody should be sent to sessions that are about to be dropped. */
    if (n->state != FL__NODE_STATE__NODE_UP && !lost) {
        n->state = FL__NODE_STATE__NODE_UP;
        groups_node_up(m, n);
        post_config_changed(w);
    }
    reply_registered(w, n, lost);
    return STATUS_OK;
}

static const char *may_not_leave(const struct meta *m, const struct node *n, bool force)
{
    if (!force && n->state == FL__NODE_STATE__NODE_UP)
        return "the node is up: stop it first";
    if (!force && n->coordinator)
        return "the node is a coordinator";
    if (m->nodes.count == 1)
        return "it is the cluster's only node";
    for (const struct group *g = group_first(m); g != NULL; g = group_next(g)) {
        if (!group_has_member(g, n->id))
            continue;
        if (!force)
            return "the node holds data of a volume";
        if (g->in_sync_count == 1 && group_has_in_sync(g, n->id))
            return "the node has the only good copy of some data";
    }
    return NULL;
}

ntstatus apply_node_remove(struct work *w, const Fl__NodeRemove *c)
{
    struct meta *m = w->m;
    struct label name;
    const char *why = label_make(w, c->name, &name);
    if (why != NULL)
        return refuse_why(w, why);
    struct node *n = node_by_name(m, &name);
    label_free(m->mem, &name);
    if (n == NULL)
        return refuse(w, STATUS_OBJECT_NAME_NOT_FOUND, "there is no such node");
    why = may_not_leave(m, n, c->force);
    if (why != NULL)
        return refuse(w, STATUS_REQUEST_NOT_ACCEPTED, why);
    if (!node_opens_prepare(w, n, 1))
        return STATUS_INSUFFICIENT_RESOURCES;

    take_down(w, n);
    for (struct group *g = group_first(m); g != NULL; g = group_next(g))
        if (group_has_member(g, n->id))
            group_leave(m, g, n->id);
    reclaim_slots_gone(m, slot_bit(n));
    reply_admin(w, n->id);
    tree_remove(&m->nodes, &n->by_id);
    node_free(m, n);
    post_config_changed(w);
    return STATUS_OK;
}
