/* The invariants of the state. A snapshot that violates one is refused; a running state cannot. */
#include "coordinator/meta/locks.h"
#include "coordinator/meta/wait.h"

static const char *check_node(const struct meta *m, const struct node *n, uint64_t *slots)
{
    uint32_t primaries = 0;
    if (n->slot >= META_NODES_MAX || (*slots & slot_bit(n)) != 0)
        return "a node's slot is taken";
    *slots |= slot_bit(n);
    if (n->id == 0 || n->id >= m->next_node)
        return "a node's id was never given";
    if (n->state != FL__NODE_STATE__NODE_UP && (!list_empty(&n->opens) || !list_empty(&n->waits)))
        return "a node that is down has opens";
    for (const struct group *g = group_first(m); g != NULL; g = group_next(g))
        primaries += g->primary == n->id;
    if (n->primaries != primaries)
        return "a node's primaries are miscounted";
    return NULL;
}

static const char *check_group(const struct meta *m, const struct group *g)
{
    if (g->id >= m->next_group || g->epoch == 0)
        return "a group's id or epoch was never given";
    if (g->in_sync_count == 0 || g->in_sync_count > g->member_count ||
        g->member_count > META_REPLICAS_MAX)
        return "a group has nobody in sync";
    for (uint32_t i = 0; i < g->in_sync_count; i++)
        if (!group_has_member(g, g->in_sync[i]))
            return "a group's in-sync node is no member";
    for (uint32_t i = 0; i < g->member_count; i++) {
        if (node_get(m, g->members[i]) == NULL)
            return "a group's member does not exist";
        for (uint32_t k = 0; k < i; k++)
            if (g->members[i] == g->members[k])
                return "a group has a member twice";
    }
    if (g->primary == 0)
        return group_choose_primary(m, g) == 0 ? NULL
                                               : "a group waits though it could have a primary";
    if (g->lost || !group_has_in_sync(g, g->primary))
        return "a group's primary is not in sync";
    return node_get(m, g->primary)->state == FL__NODE_STATE__NODE_UP
               ? NULL
               : "a group's primary is not up";
}

static const char *check_inode(const struct meta *m, const struct volume *v, const struct inode *i)
{
    uint32_t shares = 0;
    bool directory = is_directory(i);
    if (i->stream ? i->descriptor != NULL || i->attributes != 0 || i->ea.len != 0 ||
                        i->streams.count != 0 || i->parent == NULL || i->parent->stream
                  : i->descriptor == NULL || i->streams.count > META_STREAMS_MAX)
        return "a stream is half a file";
    struct reparse point;
    bool reparse = i->reparse.len > 0;
    if (reparse != ((i->attributes & FILE_ATTRIBUTE_REPARSE_POINT) != 0) ||
        (reparse && (i->children.count > 0 || i->ea.len > 0 || i->parent == NULL || i->shares > 0 ||
                     reparse_decode(blob_slice(&i->reparse), &point) != STATUS_OK)))
        return "a reparse point is half a file";
    if (i->id == 0 || i->id >= v->next_inode || i->data_id >= v->next_data)
        return "an inode's number was never given";
    if (directory ? i->garbage != NULL || i->data_id != 0 || i->size != 0
                  : i->garbage == NULL || i->data_id == 0 || i->children.count != 0)
        return "an inode is half a directory";
    if (i->size > META_SIZE_MAX || i->first_group >= v->group_count)
        return "a file's size or group is out of range";
    if (i->allocation_size > META_SIZE_MAX || i->allocation_size < i->size)
        return "a file has less allocated than its size";
    if ((i->parent == NULL) != (i == v->root))
        return "an inode hangs nowhere";
    if (i->parent != NULL && i->name_len == 0)
        return "an inode has no name";
    bool in_use = !list_empty(&i->opens) || i->opens_below > 0;
    if (i->delete_pending && (!in_use || i->children.count > 0 || i->parent == NULL))
        return "an inode should have been deleted";
    uint32_t watchers = 0;
    for (const struct list *at = i->opens.next; at != &i->opens; at = at->next)
        watchers += container_of(at, struct open, in_inode)->watches;
    if (watchers != i->watchers)
        return "a directory's watchers are miscounted";
    for (const struct share *s = share_first(m); s != NULL && i->shares > 0; s = share_next(s))
        shares += s->root == i;
    return shares == i->shares ? NULL : "an inode's shares are miscounted";
}

static bool follows(const struct inode *at, const struct inode *next)
{
    return next->parent == at->parent && utf16_compare_fold(inode_name(at), inode_name(next)) < 0;
}

static const char *check_streams(const struct inode *file, uint32_t *seen, uint64_t *bytes)
{
    const struct inode *before = NULL;
    for (const struct inode *s = stream_first(file); s != NULL; s = stream_next(s)) {
        if (s->parent != file || !s->stream)
            return "a stream is in another one's file";
        if (before != NULL && !follows(before, s))
            return "a file's streams are not in order";
        ++*seen;
        *bytes += s->size;
        before = s;
    }
    return NULL;
}

const char *volume_violated(const struct volume *v)
{
    uint32_t seen = 1;
    uint64_t bytes = 0;
    if (v->root == NULL || v->root->parent != NULL || !is_directory(v->root))
        return "a volume has no root";
    const struct inode *at = v->root;
    while (at != NULL) {
        const char *bad = check_streams(at, &seen, &bytes);
        if (bad != NULL)
            return bad;
        const struct inode *next = child_first(at);
        if (next != NULL && next->parent != at)
            return "an inode is in another one's directory";
        while (next == NULL && at != NULL && at != v->root) {
            next = child_next(at);
            if (next != NULL && !follows(at, next))
                return "a directory is not in order";
            if (next == NULL)
                at = at->parent;
        }
        at = next;
        seen += at != NULL;
        if (at != NULL)
            bytes += at->size;
    }
    if (seen != v->inodes.count)
        return "some inodes hang nowhere";
    return bytes == v->bytes ? NULL : "a volume's bytes are miscounted";
}

static const char *check_volume(const struct meta *m, const struct volume *v)
{
    const char *bad = volume_violated(v);
    uint32_t watchers = 0;
    if (v->id >= m->next_volume || v->group_count == 0)
        bad = "a volume's id was never given";
    for (uint32_t i = 0; i < v->group_count && bad == NULL; i++)
        if (v->groups[i]->volume != v)
            bad = "a volume has another one's group";
    for (const struct inode *i = inode_first(v); i != NULL && bad == NULL; i = inode_next(i)) {
        bad = check_inode(m, v, i);
        watchers += i->watchers;
    }
    return bad != NULL || watchers == v->watchers ? bad : "a volume's watchers are miscounted";
}

static const char *check_open(const struct meta *m, const struct open *o)
{
    if (o->id >= m->next_open)
        return "an open's id was never given";
    if (o->node->state != FL__NODE_STATE__NODE_UP)
        return "an open's node is not up";
    if (o->lease != NULL && o->lease->inode != o->inode)
        return "an open's lease is another file's";
    if (o->granted == 0 || (o->share_access & ~FILE_SHARE_VALID) != 0)
        return "an open has no right";
    if (o->watches ? o->inode->stream || !is_directory(o->inode)
                   : o->watch_tree || o->watch_filter != 0)
        return "an open watches what is no directory";
    uint32_t ranges = 0;
    for (const struct range *r = range_first(o->inode); r != NULL && o->lock_count > 0;
         r = range_next(o->inode, r))
        ranges += r->open == o;
    if (ranges != o->lock_count)
        return "an open's ranges are miscounted";
    for (const struct inode *up = o->inode->parent; up != NULL; up = up->parent)
        if (up->opens_below == 0)
            return "an open is not counted above";
    return NULL;
}

static const char *check_wait(const struct wait *w)
{
    const struct remembered *r = window_get(w->node, w->sequence);
    return r == NULL || !r->pending || w->cancelled ? "a wait's command is not pending" : NULL;
}

static const char *check_locks(const struct inode *i)
{
    const char *bad = locks_violated(i);
    if (i->locks == NULL || bad != NULL)
        return bad;
    for (const struct list *at = i->locks->waits.next; at != &i->locks->waits && bad == NULL;
         at = at->next) {
        const struct wait *w = container_of(at, struct wait, in_blocker);
        bad = w->invalidation == NULL ? check_wait(w) : "a wait is in another's list";
    }
    return bad;
}

static const char *check_invalidation(const struct meta *m, const struct invalidation *v)
{
    uint32_t waits = 0;
    if (v->ticket >= m->next_ticket || v->inode == NULL || v->inode->invalidation != v)
        return "an invalidation is of nothing";
    for (const struct list *at = v->waits.next; at != &v->waits; at = at->next) {
        const struct wait *w = container_of(at, struct wait, in_blocker);
        const char *bad = w->invalidation == v ? check_wait(w) : "a wait is in another's list";
        waits++;
        if (w->blocked == 0 || (w->blocked & ~v->asked) != 0)
            return "a wait waits for nobody";
        if ((w->blocked & ~inode_slots(v->inode)) != 0)
            return "a wait waits for a node that has nothing open";
        if (bad != NULL)
            return bad;
    }
    return waits > 0 && waits == v->wait_count ? NULL : "an invalidation has no wait";
}

const char *meta_violated(const struct meta *m)
{
    const char *bad = list_empty(&m->ready) ? NULL : "something ready still waits";
    uint64_t slots = 0, files = 0;
    for (const struct node *n = node_first(m); n != NULL && bad == NULL; n = node_next(n))
        bad = check_node(m, n, &slots);
    for (const struct group *g = group_first(m); g != NULL && bad == NULL; g = group_next(g))
        bad = check_group(m, g);
    for (const struct volume *v = volume_first(m); v != NULL && bad == NULL; v = volume_next(v)) {
        bad = check_volume(m, v);
        files += v->inodes.count;
    }
    for (const struct open *o = open_first(m); o != NULL && bad == NULL; o = open_next(o))
        bad = check_open(m, o);
    for (const struct open *o = open_first(m); o != NULL && bad == NULL; o = open_next(o))
        if (list_first(&o->inode->opens) == &o->in_inode)
            bad = check_locks(o->inode);
    for (const struct reclaim *r = reclaim_first(m); r != NULL && bad == NULL; r = reclaim_next(r))
        if (r->ticket >= m->next_ticket || r->slots == 0 || (r->slots & ~slots) != 0)
            bad = "a reclaim is nobody's";
    for (const struct invalidation *v = invalidation_first(m); v != NULL && bad == NULL;
         v = invalidation_next(v))
        bad = check_invalidation(m, v);
    for (const struct lease *l = lease_first(m); l != NULL && bad == NULL; l = lease_next(l)) {
        bad = lease_violated(m, l);
        for (const struct list *at = l->waits.next; at != &l->waits && bad == NULL; at = at->next) {
            const struct wait *w = container_of(at, struct wait, in_blocker);
            bad = w->invalidation == NULL ? check_wait(w) : "a wait is in another's list";
        }
    }
    for (const struct user *u = user_first(m); u != NULL && bad == NULL; u = user_next(u))
        if (u->rid >= m->next_rid)
            bad = "a user's number was never given";
    if (bad == NULL && files != m->files)
        bad = "files are miscounted";
    return bad;
}

void meta_check(const struct meta *m)
{
    const char *violated = meta_violated(m);
    must(violated == NULL);
}
