/* Who votes: the Raft group's members follow what the metadata says about its nodes. The leader
 * brings one change at a time on its way; the engine's guards decide when it may go. */
#include "coordinator/service/service_int.h"

#define CHANGE_TOKEN UINT64_MAX /* one change is under way at most */
enum { ADDRESS_MAX = 80 };

static bool is_member(const struct coordinator *c, uint64_t id)
{
    struct raft_member m;
    for (size_t i = 0; raft_engine_member(c->raft, i, &m); i++)
        if (m.id == id)
            return true;
    return false;
}

static const Fl__Node *find(const Fl__ClusterConfig *config, uint64_t id)
{
    for (size_t i = 0; i < config->n_nodes; i++)
        if (config->nodes[i]->id == id)
            return config->nodes[i];
    return NULL;
}

static void write_decimal(struct writer *w, uint32_t value)
{
    uint8_t digits[10];
    size_t count = 0;
    do {
        digits[count++] = (uint8_t)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    while (count > 0)
        write_u8(w, digits[--count]);
}

/* "address:port", "[v6]:port". */
static const char *endpoint(const Fl__Node *n, char out[ADDRESS_MAX])
{
    struct writer w = writer_of(out, ADDRESS_MAX);
    bool v6 = false;
    for (const char *at = n->address; *at != '\0'; at++)
        v6 = v6 || *at == ':';
    if (v6)
        write_u8(&w, '[');
    write_bytes(&w, slice_str(n->address));
    if (v6)
        write_u8(&w, ']');
    write_u8(&w, ':');
    write_decimal(&w, n->coordinator_port);
    write_u8(&w, 0);
    return w.full ? NULL : out;
}

static void change(struct coordinator *c, enum raft_member_change what, uint64_t id,
                   const char *address)
{
    struct raft_engine_event ev = {.kind = RAFT_EV_CHANGE};
    ev.change.token = CHANGE_TOKEN;
    ev.change.change = what;
    ev.change.id = id;
    ev.change.address = address;
    c->changing = true;
    raft_feed(c, &ev);
}

void membership_follow(struct coordinator *c)
{
    struct raft_member m;
    char address[ADDRESS_MAX];
    const Fl__ClusterConfig *config = meta_config(c->meta, false, &c->arena);
    if (c->changing || config == NULL || config->n_nodes == 0)
        return;
    for (size_t i = 0; raft_engine_member(c->raft, i, &m); i++) {
        const Fl__Node *n = find(config, m.id);
        if (n != NULL && n->coordinator)
            continue;
        change(c, RAFT_CHANGE_REMOVE, m.id, NULL);
        return;
    }
    for (size_t i = 0; i < config->n_nodes; i++) {
        const Fl__Node *n = config->nodes[i];
        bool joined = n->coordinator && n->state != FL__NODE_STATE__NODE_INVITED;
        if (!joined || is_member(c, n->id) || endpoint(n, address) == NULL)
            continue;
        change(c, RAFT_CHANGE_ADD, n->id, address);
        return;
    }
}

void membership_changed(struct coordinator *c)
{
    c->changing = false; /* done, or not: the next look tells */
}
