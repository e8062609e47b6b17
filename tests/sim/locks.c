/* A client's byte-range lock: one at a time, so that nobody waits for somebody who waits for him.
 * It is taken on a file that everybody reads and writes, now and then waited for, and given up
 * again some operations later. */
#include "tests/sim/client.h"

#include "proto/smb/lock.h"

enum { LOCK_BLOCKS_MOST = 8, BLOCK = 4096 };

static void put(struct client *c, const struct writer *begun, uint32_t flags)
{
    struct writer w = *begun;
    const struct client_file *f = &c->files[c->lock.file];
    write_u16(&w, 48);
    write_u16(&w, 1);
    write_u32(&w, 0);
    write_u64(&w, f->persistent);
    write_u64(&w, f->volatile_);
    write_u64(&w, c->lock.offset);
    write_u64(&w, c->lock.len);
    write_u32(&w, flags);
    write_u32(&w, 0);
    client_sent(c, &w);
}

static void ask(struct client *c)
{
    struct world *w = c->w;
    uint32_t file = (uint32_t)draw(w, 0, c->files_used - 1);
    struct writer begun;
    if (c->files[file].state != FILE_IS_OPEN ||
        !client_request(c, &(struct ask){CALL_LOCK, SMB2_LOCK, 0}, &begun))
        return;
    c->lock = (struct client_lock){
        .state = LOCK_ASKED,
        .file = file,
        .offset = draw(w, 0, c->hot_bytes / BLOCK - 1) * BLOCK,
        .len = draw(w, 1, LOCK_BLOCKS_MOST) * BLOCK,
        .exclusive = chance(w, 600),
        .message_id = c->message_id - 1,
    };
    uint32_t flags = c->lock.exclusive ? SMB2_LOCKFLAG_EXCLUSIVE_LOCK : SMB2_LOCKFLAG_SHARED_LOCK;
    put(c, &begun, flags | (chance(w, 500) ? SMB2_LOCKFLAG_FAIL_IMMEDIATELY : 0));
}

static void give_up(struct client *c)
{
    struct writer begun;
    if (!client_request(c, &(struct ask){CALL_UNLOCK, SMB2_LOCK, 0}, &begun))
        return;
    c->lock.state = LOCK_LEAVING;
    c->lock.message_id = c->message_id - 1;
    c->lock.until_ns = c->w->now_ns;
    put(c, &begun, SMB2_LOCKFLAG_UNLOCK);
}

void locks_next(struct client *c)
{
    if (c->lock.state == LOCK_NONE)
        ask(c);
    else if (c->lock.state == LOCK_HELD)
        give_up(c);
}

void locks_end(struct client *c)
{
    if (c->lock.state == LOCK_HELD)
        give_up(c);
}

void locks_look(struct client *c)
{
    if (c->lock.state == LOCK_ASKED && chance(c->w, 100))
        client_cancel(c, c->lock.message_id);
}

bool locks_answered(struct client *c, const struct call *call, ntstatus status)
{
    struct client_lock *l = &c->lock;
    /* The file was closed meanwhile, and the lock with it. */
    if (l->message_id != call->message_id || (l->state != LOCK_ASKED && l->state != LOCK_LEAVING))
        return status != STATUS_FILE_NOT_AVAILABLE;
    if (call->kind == CALL_LOCK) {
        l->state = status == STATUS_OK ? LOCK_HELD : LOCK_NONE;
        l->from_ns = c->w->now_ns;
        return status == STATUS_OK || status == STATUS_LOCK_NOT_GRANTED ||
               status == STATUS_CANCELLED;
    }
    l->state = LOCK_NONE;
    if (status == STATUS_RANGE_NOT_LOCKED)
        world_violation(c->w, "INV-5: client %u's lock, granted at %lu, is not there any more",
                        c->proc.number, l->from_ns);
    if (status != STATUS_OK)
        return false;
    c->locks++;
    /* That there was something to unlock shows that it was held all the time. */
    struct lock_seen seen = {.client = c->proc.number,
                             .file = l->file,
                             .offset = l->offset,
                             .len = l->len,
                             .exclusive = l->exclusive,
                             .from_ns = l->from_ns,
                             .until_ns = l->until_ns};
    oracle_locked(&c->w->cluster->oracle, &seen);
    return true;
}
