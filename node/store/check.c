/* The folder's invariants. */
#include "node/store/store_int.h"

static void check_tasks(const struct store *s)
{
    uint32_t live = 0, bounces = 0;
    for (uint32_t i = 0; i < s->config.ops_max; i++) {
        const struct task *t = &s->tasks[i];
        if (!t->live)
            continue;
        live++;
        bounces += t->bounce != NULL;
        must(t->blockers == 0 || t->sm.state == TASK_QUEUED);
        must(t->disk_pending == 0 || t->blockers == 0);
        /* Nothing is written before its intent is durable. */
        if ((t->op.type == STORE_WRITE || t->op.type == STORE_ZERO) && t->disk_pending > 0) {
            must(t->slot != NULL);
            must(t->slot->state == SLOT_HOT);
        }
    }
    must(live == s->tasks_used);
    must(bounces + s->bounces_free == s->config.bounces_max);
}

static void check_journal(const struct journal *j)
{
    for (uint32_t i = 0; i < j->slots_count; i++) {
        const struct slot *slot = &j->slots[i];
        must((slot->state == SLOT_EMPTY) == (slot->key.extent.inode == 0));
        must(slot->state != SLOT_EMPTY || slot->pins == 0);
        must(slot->state != SLOT_HOT || list_empty(&slot->waiters));
    }
    must(j->busy || list_empty(&j->writing));
}

void store_check(const struct store *s)
{
    must(s->ring_count <= s->ring_cap);
    check_tasks(s);
    check_journal(&s->journal);
}
