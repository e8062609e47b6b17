/* What goes wrong, and what an administrator does meanwhile. */
#include "tests/coordinator/raft/sim_int.h"
#include <stdlib.h>

struct link *link_of(struct sim *s, size_t a, size_t b)
{
    return a < b ? &s->links[a][b] : &s->links[b][a];
}

static void peer_event(struct sim *s, size_t at, size_t about, enum raft_engine_event_kind kind)
{
    struct raft_engine_event event = {.kind = kind, .now_ns = s->now_ns};
    event.peer = s->nodes[about].id;
    node_step(s, &s->nodes[at], &event);
}

void link_down(struct sim *s, size_t a, size_t b, uint64_t until_ns)
{
    struct link *link = link_of(s, a, b);
    size_t kept = 0;
    link->up_ns = until_ns;
    if (!link->up)
        return;
    link->up = false;
    for (size_t i = 0; i < s->net_count; i++) {
        struct message *m = &s->net[i];
        if ((m->from == a && m->to == b) || (m->from == b && m->to == a))
            free(m->bytes);
        else
            s->net[kept++] = *m;
    }
    s->net_count = kept;
    peer_event(s, a, b, RAFT_EV_PEER_DOWN);
    peer_event(s, b, a, RAFT_EV_PEER_DOWN);
}

static bool parted(const struct sim *s, size_t a, size_t b)
{
    return ((s->side >> a) & 1) != ((s->side >> b) & 1);
}

void links_run(struct sim *s)
{
    if (s->side != 0 && s->now_ns >= s->heal_ns)
        s->side = 0;
    for (size_t a = 0; a < s->node_count; a++) {
        for (size_t b = a + 1; b < s->node_count; b++) {
            struct link *link = &s->links[a][b];
            bool both = s->nodes[a].engine != NULL && s->nodes[b].engine != NULL;
            if (link->up || !both || parted(s, a, b) || link->up_ns > s->now_ns)
                continue;
            *link = (struct link){.up = true};
            peer_event(s, a, b, RAFT_EV_PEER_UP);
            peer_event(s, b, a, RAFT_EV_PEER_UP);
        }
    }
}

static uint64_t soon(struct sim *s, uint64_t most_ms)
{
    return s->now_ns + (1 + prng_below(&s->prng, most_ms)) * MS;
}

static void partition(struct sim *s)
{
    struct node *leader = node_leader(s);
    s->side = (uint32_t)prng_u64(&s->prng);
    if (leader != NULL && prng_chance(&s->prng, s->options->partitions ? 900 : 400))
        s->side = UINT32_C(1) << (leader - s->nodes); /* alone */
    s->heal_ns = soon(s, s->options->changes ? 1000 : 3000);
    /* Half of the time nothing breaks: bytes only stop arriving, and one side still believes. */
    bool silent = prng_chance(&s->prng, 500);
    for (size_t a = 0; a < s->node_count; a++) {
        for (size_t b = a + 1; b < s->node_count; b++) {
            if (!parted(s, a, b))
                continue;
            if (silent)
                s->links[a][b].stall_ns = s->heal_ns;
            else
                link_down(s, a, b, s->heal_ns);
        }
    }
    if (silent)
        s->side = 0;
}

static void disk_failure(struct sim *s, struct node *n)
{
    struct raft_engine_event event = {.kind = RAFT_EV_DISK_FAILED, .now_ns = s->now_ns};
    event.disk_failed.why = "No space left on device";
    node_step(s, n, &event);
    node_crash(s, n, soon(s, 2000));
}

/* Power fails everywhere at once. */
static void blackout(struct sim *s)
{
    for (size_t i = 0; i < s->node_count; i++) {
        if (s->nodes[i].engine != NULL)
            node_crash(s, &s->nodes[i], soon(s, 500));
    }
}

static bool is_member(const struct node *leader, uint64_t id)
{
    struct raft_member m;
    for (size_t i = 0; raft_engine_member(leader->engine, i, &m); i++) {
        if (m.id == id)
            return true;
    }
    return false;
}

/* A disk dies for good. Only where the others are enough, and all of them are well: what is tested
 * is the engine, not an administrator who loses a majority. */
static void lose_disk(struct sim *s, struct node *n)
{
    struct node *leader = node_leader(s);
    struct raft_engine_status status;
    size_t voters = 0;
    struct raft_member m;
    if (leader == NULL || leader == n)
        return;
    raft_engine_status(leader->engine, &status);
    for (size_t i = 0; raft_engine_member(leader->engine, i, &m); i++)
        voters += m.voter;
    for (size_t i = 0; i < s->node_count; i++) {
        bool lost = s->nodes[i].lost_disk;
        if (lost ? is_member(leader, s->nodes[i].id) : s->nodes[i].engine == NULL)
            return;
    }
    if (voters < 3 || status.change_pending)
        return;
    /* A careless administrator starts it again, with its old id and an empty disk. (Not as a new
     * cluster of its own: such a one asks nobody, and nobody could tell it.) */
    node_crash(s, n, prng_chance(&s->prng, 700) ? soon(s, 1000) : UINT64_MAX);
    sim_disk_wipe(&n->disk);
    n->as = n->id <= s->first_count && s->first_count > 1 ? RAFT_START_BOOTSTRAP : RAFT_START_JOIN;
    n->lost_disk = true;
}

void fault_some(struct sim *s)
{
    uint64_t dice = prng_below(&s->prng, 1000);
    struct node *n = &s->nodes[prng_below(&s->prng, s->node_count)];
    struct node *leader = node_leader(s);
    if (leader != NULL && prng_chance(&s->prng, 400))
        n = leader;
    if (dice < s->crash_weight) {
        node_crash(s, n, soon(s, s->options->elections ? 60 : 1500));
    } else if (dice < s->crash_weight + s->partition_weight) {
        if (s->side == 0)
            partition(s);
    } else if (dice < 850) {
        size_t a = prng_below(&s->prng, s->node_count), b = prng_below(&s->prng, s->node_count);
        if (a != b)
            link_down(s, a, b, soon(s, 300));
    } else if (dice < 920 && leader != NULL) {
        struct raft_engine_event event = {.kind = RAFT_EV_TRANSFER, .now_ns = s->now_ns};
        s->result->transfers++;
        node_step(s, leader, &event);
    } else if (dice < 950) {
        disk_failure(s, n);
    } else if (dice < 960) {
        blackout(s);
    } else if (dice < 985 || s->options->partitions) {
        if (n->engine != NULL)
            n->paused_ns = soon(s, 1500);
    } else {
        lose_disk(s, n);
    }
}

/* --- membership ------------------------------------------------------------------------------- */

static struct node *newcomer(struct sim *s, const struct node *leader)
{
    for (size_t i = 0; i < s->node_count; i++) {
        if (!s->nodes[i].lost_disk && !is_member(leader, s->nodes[i].id))
            return &s->nodes[i];
    }
    if (s->node_count == NODES_MAX)
        return NULL;
    struct node *n = &s->nodes[s->node_count++];
    node_init(s, n, s->next_id++, RAFT_START_JOIN);
    node_start(s, n);
    return n;
}

static void change(struct sim *s, struct node *leader, enum raft_member_change what, uint64_t id)
{
    char address[2] = {(char)('A' + id), '\0'};
    struct raft_engine_event event = {.kind = RAFT_EV_CHANGE, .now_ns = s->now_ns};
    event.change.token = ++s->token;
    event.change.change = what;
    event.change.id = id;
    event.change.address = address;
    node_step(s, leader, &event);
}

void change_some(struct sim *s)
{
    struct node *leader = node_leader(s);
    struct raft_member m, victim = {0};
    size_t members = 0, voters = 0;
    bool lost = false;
    if (leader == NULL)
        return;
    for (; raft_engine_member(leader->engine, members, &m); members++) {
        voters += m.voter;
        bool here = node_of(s, m.id)->lost_disk;
        lost = lost || here;
        if (here || (victim.id == 0 && prng_chance(&s->prng, 300)))
            victim = m;
    }
    if (s->now_ns >= s->calm_ns && !lost)
        return;
    if (lost || (victim.id != 0 && voters > 3 && prng_chance(&s->prng, 600))) {
        change(s, leader, RAFT_CHANGE_REMOVE, victim.id);
    } else if (members < 7) {
        struct node *n = newcomer(s, leader);
        if (n != NULL && leader->engine != NULL)
            change(s, leader, RAFT_CHANGE_ADD, n->id);
    }
}

void change_at_election(struct sim *s)
{
    struct node *leader = node_leader(s);
    s->elected = false;
    if (leader == NULL || prng_chance(&s->prng, 300))
        return;
    change_some(s);
    if (!s->broken)
        partition(s);
}
