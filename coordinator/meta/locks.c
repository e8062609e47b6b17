#include "coordinator/meta/locks.h"
#include "coordinator/meta/wait.h"

struct range *range_next(const struct inode *i, const struct range *r)
{
    const struct list *next = r->in_file.next;
    return next == &i->locks->ranges ? NULL : container_of(next, struct range, in_file);
}

struct range *range_first(const struct inode *i)
{
    const struct list *first = i->locks == NULL ? NULL : list_first(&i->locks->ranges);
    return first == NULL ? NULL : container_of(first, struct range, in_file);
}

/* ---- what is locked ------------------------------------------------------------------------- */

static bool is_forbidden(const struct inode *i, const struct byterange *wanted, bool locking)
{
    for (const struct range *r = range_first(i); r != NULL; r = range_next(i, r))
        if (byterange_conflicts(&r->at, wanted, locking))
            return true;
    return false;
}

bool locks_forbid(const struct inode *i, const struct byterange *wanted)
{
    /* [MS-FSA] 2.1.5.3, 2.1.5.4: without bytes nothing is read or written. */
    return wanted->length > 0 && is_forbidden(i, wanted, false);
}

size_t locks_told(const struct inode *i)
{
    size_t count = i->locks == NULL ? 0 : i->locks->count;
    return count <= BYTERANGES_MAX ? count : 0;
}

void locks_fill(const struct inode *i, struct writer *w, Fl__FileInfo *info)
{
    if (i->locks == NULL)
        return;
    if (i->locks->count > w->cap / BYTERANGE_BYTES) {
        info->cacheable = false;
        return;
    }
    for (const struct range *r = range_first(i); r != NULL; r = range_next(i, r))
        byterange_write(w, &r->at);
    info->locks = pb_bytes(written(w));
}

/* ---- ranges come and go --------------------------------------------------------------------- */

/* The file's record, fresh when it has none; NULL when memory is refused. */
static struct locks *record_of(struct meta *m, const struct inode *i)
{
    if (i->locks != NULL)
        return i->locks;
    struct locks *l = mem_alloc(m->mem, sizeof(*l));
    if (l == NULL)
        return NULL;
    list_init(&l->ranges);
    list_init(&l->waits);
    return l;
}

static void put(struct open *o, struct locks *record, struct range *r)
{
    o->inode->locks = record;
    r->open = o;
    r->at.open_id = o->id;
    list_push_back(&record->ranges, &r->in_file);
    record->count++;
    o->lock_count++;
}

/* Who waits tries again, when the command is over. */
static void drop(struct meta *m, struct range *r)
{
    struct inode *i = r->open->inode;
    struct locks *l = i->locks;
    wait_wake(m, &l->waits);
    list_remove(&r->in_file);
    r->open->lock_count--;
    mem_free(m->mem, r, sizeof(*r));
    if (--l->count > 0)
        return;
    i->locks = NULL;
    mem_free(m->mem, l, sizeof(*l));
}

bool locks_end(struct meta *m, struct open *o)
{
    struct inode *i = o->inode;
    bool any = o->lock_count > 0;
    if (i->locks != NULL)
        wait_wake(m, &i->locks->waits); /* some may be this open's: they find it gone */
    struct range *next;
    for (struct range *r = range_first(i); r != NULL && o->lock_count > 0; r = next) {
        next = range_next(i, r);
        if (r->open == o)
            drop(m, r);
    }
    return any;
}

bool range_restore(struct meta *m, struct open *o, const struct byterange *at)
{
    struct locks *record = record_of(m, o->inode);
    struct range *r = record == NULL ? NULL : mem_alloc(m->mem, sizeof(*r));
    if (r == NULL) {
        if (record != o->inode->locks)
            mem_free(m->mem, record, sizeof(*record));
        return false;
    }
    r->at = *at;
    put(o, record, r);
    return true;
}

/* ---- lock sequences ------------------------------------------------------------------------- */

struct sequence {
    uint32_t index, number;
};

static uint8_t *sequence_entry(struct open *o, struct sequence s)
{
    bool kept = s.index >= 1 && s.index <= sizeof(o->lock_sequences);
    return kept ? &o->lock_sequences[s.index - 1] : NULL;
}

static uint8_t sequence_value(struct sequence s) { return (uint8_t)(0x10 | (s.number & 0x0F)); }

/* [MS-SMB2] 3.3.5.14: was this very request carried out? */
static bool sequence_done(struct open *o, struct sequence s)
{
    const uint8_t *entry = sequence_entry(o, s);
    return entry != NULL && *entry == sequence_value(s);
}

static void sequence_set(struct open *o, struct sequence s, bool done)
{
    uint8_t *entry = sequence_entry(o, s);
    if (entry != NULL)
        *entry = done ? sequence_value(s) : 0;
}

/* ---- the commands --------------------------------------------------------------------------- */

struct job {
    struct open *open;
    struct inode *inode;
    struct sequence sequence;
    struct byterange *ranges;
    size_t count;
    struct locks *record; /* of the file */
    struct list fresh;    /* ranges taken from memory: range.in_file */
};

static ntstatus begin(struct work *w, struct job *j, uint64_t open_id)
{
    j->open = open_of(w, open_id);
    if (j->open == NULL)
        return STATUS_FILE_CLOSED;
    j->inode = j->open->inode;
    list_init(&j->fresh);
    if (is_directory(j->inode))
        return STATUS_INVALID_PARAMETER; /* [MS-FSA] 2.1.5.8 */
    if ((j->open->granted & (FILE_READ_DATA | FILE_WRITE_DATA)) == 0)
        return STATUS_ACCESS_DENIED;
    return STATUS_OK;
}

static ntstatus read_ranges(struct work *w, struct job *j, struct slice list)
{
    j->count = list.len / BYTERANGE_BYTES;
    if (j->count == 0 || j->count > META_OPEN_LOCKS_MAX || list.len % BYTERANGE_BYTES != 0)
        return STATUS_INVALID_PARAMETER;
    j->ranges = arena_array(w->a, j->count, sizeof(*j->ranges));
    if (j->ranges == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    struct reader r = reader_of(list);
    for (size_t k = 0; k < j->count; k++) {
        (void)byterange_read(&r, &j->ranges[k]);
        j->ranges[k].open_id = j->open->id;
    }
    return STATUS_OK;
}

/* As if they were taken one after the other. */
static ntstatus judge(const struct job *j)
{
    for (size_t k = 0; k < j->count; k++) {
        const struct byterange *wanted = &j->ranges[k];
        if (!byterange_is_valid(wanted->offset, wanted->length))
            return STATUS_INVALID_LOCK_RANGE;
        if (is_forbidden(j->inode, wanted, true))
            return STATUS_LOCK_NOT_GRANTED;
        for (size_t n = 0; n < k; n++)
            if (byterange_conflicts(&j->ranges[n], wanted, true))
                return STATUS_LOCK_NOT_GRANTED;
    }
    return STATUS_OK;
}

static void give_back(struct meta *m, struct job *j)
{
    for (struct list *at; (at = list_pop(&j->fresh)) != NULL;)
        mem_free(m->mem, container_of(at, struct range, in_file), sizeof(struct range));
    if (j->record != j->inode->locks)
        mem_free(m->mem, j->record, sizeof(*j->record));
    j->record = NULL;
}

/* Memory for all of it, in `fresh` and `record`. */
static bool take(struct meta *m, struct job *j)
{
    uint32_t there = j->inode->locks == NULL ? 0 : j->inode->locks->count;
    if (there + j->count > META_FILE_LOCKS_MAX ||
        j->open->lock_count + j->count > META_OPEN_LOCKS_MAX)
        return false;
    j->record = record_of(m, j->inode);
    for (size_t k = 0; k < j->count && j->record != NULL; k++) {
        struct range *r = mem_alloc(m->mem, sizeof(*r));
        if (r == NULL) {
            give_back(m, j);
            return false;
        }
        r->at = j->ranges[k];
        list_push_back(&j->fresh, &r->in_file);
    }
    return j->record != NULL;
}

ntstatus apply_lock(struct work *w, const Fl__Lock *c)
{
    struct job j = {.sequence = {c->sequence_index, c->sequence_number}};
    ntstatus status = begin(w, &j, c->open_id);
    if (status != STATUS_OK)
        return status;
    if (sequence_done(j.open, j.sequence)) {
        reply_info(w, j.inode);
        return STATUS_OK;
    }
    status = read_ranges(w, &j, pb_slice(c->ranges));
    if (status == STATUS_OK)
        status = judge(&j);
    if (status == STATUS_LOCK_NOT_GRANTED && c->wait && j.count == 1)
        status = wait_for(w, &j.inode->locks->waits); /* one of those is in its way */
    if (status == STATUS_OK) /* [MS-FSA] 2.1.4.12: who reads from a cache meets no lock */
        status = leases_wait(w, j.inode, USE_DATA, j.open->lease);
    if (status == STATUS_OK && (!outbox_reserve(w, lease_notices(j.inode)) || !take(w->m, &j)))
        status = STATUS_INSUFFICIENT_RESOURCES;
    if (status == STATUS_INSUFFICIENT_RESOURCES || status == STATUS_PENDING)
        return status;
    if (status == STATUS_OK)
        status = wait_for_others_anew(w, j.inode);
    if (status == STATUS_PENDING || status == STATUS_INSUFFICIENT_RESOURCES) {
        give_back(w->m, &j);
        return status;
    }

    sequence_set(j.open, j.sequence, status == STATUS_OK);
    if (status != STATUS_OK)
        return status;
    leases_break(w, j.inode, USE_DATA, j.open->lease);
    for (struct list *at; (at = list_pop(&j.fresh)) != NULL;)
        put(j.open, j.record, container_of(at, struct range, in_file));
    j.inode->version = w->m->index;
    reply_info(w, j.inode);
    return STATUS_OK;
}

/* [MS-FSA] 2.1.5.9: the open's range that is exactly this; an exclusive one first. */
static struct range *to_unlock(const struct job *j, const struct byterange *wanted)
{
    struct range *found = NULL;
    for (struct range *r = range_first(j->inode); r != NULL; r = range_next(j->inode, r)) {
        if (r->open != j->open || r->at.offset != wanted->offset || r->at.length != wanted->length)
            continue;
        found = r;
        if (r->at.exclusive)
            break;
    }
    return found;
}

ntstatus apply_unlock(struct work *w, const Fl__Unlock *c)
{
    struct job j = {.sequence = {c->sequence_index, c->sequence_number}};
    ntstatus status = begin(w, &j, c->open_id);
    if (status == STATUS_OK && sequence_done(j.open, j.sequence)) {
        reply_info(w, j.inode);
        return STATUS_OK;
    }
    if (status == STATUS_OK)
        status = read_ranges(w, &j, pb_slice(c->ranges));
    if (status != STATUS_OK)
        return status;

    uint32_t before = j.open->lock_count;
    for (size_t k = 0; k < j.count && status == STATUS_OK; k++) {
        struct range *r = to_unlock(&j, &j.ranges[k]);
        if (!byterange_is_valid(j.ranges[k].offset, j.ranges[k].length))
            status = STATUS_INVALID_LOCK_RANGE;
        else if (r == NULL)
            status = STATUS_RANGE_NOT_LOCKED;
        else
            drop(w->m, r);
    }
    if (j.open->lock_count != before)
        j.inode->version = w->m->index;
    sequence_set(j.open, j.sequence, status == STATUS_OK);
    reply_info(w, j.inode);
    return status;
}

/* ---- the invariants ------------------------------------------------------------------------- */

/* INV-5: what is locked for one is locked for no other, unless both only read. */
static bool exclude_each_other(const struct range *a, const struct range *b)
{
    bool same = a->open == b->open;
    return same ? a->at.exclusive && byterange_conflicts(&a->at, &b->at, true)
                : byterange_conflicts(&a->at, &b->at, true);
}

const char *locks_violated(const struct inode *i)
{
    uint32_t count = 0;
    for (const struct range *r = range_first(i); r != NULL; r = range_next(i, r)) {
        count++;
        if (r->open->inode != i || r->at.open_id != r->open->id || is_directory(i) ||
            !byterange_is_valid(r->at.offset, r->at.length))
            return "a range is of another file";
        for (const struct range *b = range_first(i); b != r; b = range_next(i, b))
            if (exclude_each_other(b, r))
                return "two locked ranges exclude each other";
    }
    if (i->locks == NULL)
        return NULL;
    return count > 0 && count == i->locks->count ? NULL : "a file's ranges are miscounted";
}
