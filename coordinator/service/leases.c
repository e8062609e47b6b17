/* Node leases, in the leader's memory only; coordinator.h says why that is safe. */
#include "coordinator/service/service_int.h"

enum { SWEEP_MS = 100 };

static struct lease *lease_of(struct coordinator *c, uint32_t node_id)
{
    struct lease *l = map_get_u64(&c->leases, node_id);
    if (l != NULL)
        return l;
    l = mem_alloc(c->mem, sizeof *l);
    if (l != NULL && !map_put_u64(&c->leases, node_id, l)) {
        mem_free(c->mem, l, sizeof *l);
        return NULL;
    }
    return l;
}

void lease_begin(struct coordinator *c, uint32_t node_id, uint64_t session)
{
    struct lease *l = lease_of(c, node_id);
    if (l != NULL)
        *l = (struct lease){.session = session, .until_ns = c->now_ns + COORDINATOR_LEASE_MS * MS};
}

void lease_grant(struct coordinator *c, struct client *client, uint64_t nonce)
{
    if (client->role == FL__ROLE__ROLE_NODE) {
        struct lease *l = map_get_u64(&c->leases, client->node_id);
        if (client->session == 0)
            return; /* not registered yet */
        if (l == NULL || l->condemned || l->session != client->session) {
            /* It came too late, and hears of so much else that it would never notice. */
            drop_client(c, client, "the lease has run out: register anew");
            return;
        }
        l->until_ns = c->now_ns + COORDINATOR_LEASE_MS * MS;
    }
    Fl__LeaseGrant grant = FL__LEASE_GRANT__INIT;
    grant.nonce = nonce;
    Fl__Control m = FL__CONTROL__INIT;
    m.body_case = FL__CONTROL__BODY_LEASE_GRANT;
    m.lease_grant = &grant;
    send_control(c, client->id, &m);
}

void lease_forget_all(struct coordinator *c)
{
    uint32_t cursor = 0;
    struct slice key;
    for (struct lease *l; (l = map_next(&c->leases, &cursor, &key)) != NULL;) {
        (void)map_remove(&c->leases, key);
        mem_free(c->mem, l, sizeof *l);
    }
}

void declare_down(struct coordinator *c, uint32_t node_id, uint64_t session, const char *why)
{
    struct lease *l = lease_of(c, node_id);
    if (l == NULL || (l->condemned && l->session == session))
        return;
    struct request *r = request_new(c, REQUEST_INTERNAL, 0, 0);
    if (r == NULL)
        return; /* the next sweep tries again */
    l->condemned = true;
    l->session = session;
    r->node_id = node_id;
    Fl__NodeDown down = FL__NODE_DOWN__INIT;
    down.node_id = node_id;
    down.session = session;
    down.reason = (char *)(uintptr_t)why;
    Fl__Command command = FL__COMMAND__INIT;
    command.body_case = FL__COMMAND__BODY_NODE_DOWN;
    command.node_down = &down;
    propose(c, r, &command);
}

void lease_sweep(struct coordinator *c)
{
    c->sweep_ns = c->now_ns + SWEEP_MS * MS;
    uint64_t honoured_ns = c->leader_since_ns + COORDINATOR_LEASE_MS * MS;
    if (c->now_ns < honoured_ns) {
        c->sweep_ns = honoured_ns;
        return; /* what the old leader granted may still count */
    }
    struct meta_node node;
    for (uint32_t i = 0; meta_node_at(c->meta, i, &node); i++) {
        if (node.state != FL__NODE_STATE__NODE_UP)
            continue;
        const struct lease *l = map_get_u64(&c->leases, node.id);
        if (l == NULL || l->session != node.session || l->until_ns <= c->now_ns)
            declare_down(c, node.id, node.session, "its lease has run out");
    }
}
