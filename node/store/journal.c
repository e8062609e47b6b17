/* The journal of intents: which regions are hot. One transaction is under way at a time; all
 * regions that become hot meanwhile share the next one. A slot is given to a new region only while
 * nothing pins the old one; until the transaction is durable the old region stays on disk as hot,
 * which costs a needless comparison after a crash and nothing else. */
#include "node/store/store_int.h"

#include "proto/base/bytes.h"
#include "proto/base/prng.h"

#include <string.h>

bool journal_init(struct store *s)
{
    struct journal *j = &s->journal;
    list_init(&j->empty), list_init(&j->aging), list_init(&j->wanted);
    list_init(&j->starved), list_init(&j->writing);
    j->slots_count = s->config.hot_max;
    j->slots = mem_array(s->mem, j->slots_count, sizeof(*j->slots));
    j->recovered = mem_array(s->mem, j->slots_count, sizeof(*j->recovered));
    if (j->slots == NULL || j->recovered == NULL)
        return false;
    for (uint32_t i = 0; i < j->slots_count; i++) {
        list_init(&j->slots[i].waiters);
        list_push_back(&j->empty, &j->slots[i].in_age);
    }
    return true;
}

void journal_fini(struct store *s)
{
    struct journal *j = &s->journal;
    mem_free(s->mem, j->slots, j->slots_count * sizeof(*j->slots));
    mem_free(s->mem, j->recovered, j->slots_count * sizeof(*j->recovered));
}

static struct slot **hash_head(struct journal *j, const struct store_region *key)
{
    uint64_t h = mix64(key->extent.inode ^ mix64(key->extent.index << 20 ^ key->region));
    return &j->hash[(h ^ key->extent.group) % STORE_BUCKETS];
}

static struct slot *slot_find(struct journal *j, const struct store_region *key)
{
    struct slot *at = *hash_head(j, key);
    while (at != NULL && !region_equal(&at->key, key))
        at = at->next_hash;
    return at;
}

static void slot_unhash(struct journal *j, struct slot *slot)
{
    struct slot **at = hash_head(j, &slot->key);
    while (*at != slot)
        at = &(*at)->next_hash;
    *at = slot->next_hash;
}

static void slot_assign(struct journal *j, struct slot *slot, const struct store_region *key)
{
    if (slot->key.extent.inode != 0)
        slot_unhash(j, slot);
    slot->key = *key;
    struct slot **head = hash_head(j, key);
    slot->next_hash = *head;
    *head = slot;
    memset(slot->allocated, 0, sizeof(slot->allocated));
}

/* An empty slot, or the least recently used one that nothing pins; NULL when all are pinned. */
static struct slot *slot_free(struct journal *j)
{
    struct list *at = list_first(&j->empty);
    if (at != NULL)
        return container_of(at, struct slot, in_age);
    list_each (it, &j->aging) {
        struct slot *slot = container_of(it, struct slot, in_age);
        if (slot->pins == 0)
            return slot;
    }
    return NULL;
}

bool journal_heat(struct store *s, struct task *t)
{
    struct journal *j = &s->journal;
    struct store_region key = {t->op.extent, (uint32_t)(t->op.offset / STORE_REGION)};
    struct slot *slot = slot_find(j, &key);
    if (slot == NULL) {
        slot = slot_free(j);
        if (slot == NULL) {
            list_push_back(&j->starved, &t->in_queue);
            return false;
        }
        slot_assign(j, slot, &key);
        slot->state = SLOT_WANTED;
        s->stats.intents++;
        list_remove(&slot->in_age);
        list_push_back(&j->wanted, &slot->in_age);
    }
    t->slot = slot;
    slot->pins++;
    if (slot->state != SLOT_HOT) {
        j->broken = false;
        list_push_back(&slot->waiters, &t->in_queue);
        return false;
    }
    list_remove(&slot->in_age);
    list_push_back(&j->aging, &slot->in_age);
    return true;
}

/* A slot has become free: tasks that found none try again, in order. */
static void feed_starved(struct store *s)
{
    struct journal *j = &s->journal;
    while (!list_empty(&j->starved) && slot_free(j) != NULL) {
        struct task *t = container_of(list_pop(&j->starved), struct task, in_queue);
        if (journal_heat(s, t))
            task_hot(s, t);
    }
}

void journal_confirm(struct store *s, const struct store_region *key, uint64_t pins)
{
    struct slot *slot = slot_find(&s->journal, key);
    if (slot == NULL)
        return;
    must(pins <= slot->pins);
    slot->pins -= (uint32_t)pins;
    if (slot->pins == 0)
        feed_starved(s);
}

static void put_record(struct writer *w, const struct journal *j, const struct slot *slot)
{
    write_u32(w, (uint32_t)(slot - j->slots));
    write_u32(w, slot->key.extent.volume);
    write_u32(w, slot->key.extent.group);
    write_u32(w, slot->key.region);
    write_u64(w, slot->key.extent.inode);
    write_u64(w, slot->key.extent.index);
}

/* One transaction: the news of `writing`, then the next slots of the rotation. */
static void encode(const struct journal *j, uint64_t sequence, uint8_t *block)
{
    memset(block, 0, STORE_BLOCK);
    struct writer w = writer_of(block, LAYOUT_CHECK_AT);
    write_u64(&w, JOURNAL_MAGIC);
    write_u32(&w, LAYOUT_VERSION);
    size_t count_at = w.pos;
    write_u32(&w, 0);
    write_u64(&w, sequence);
    write_u64(&w, 0);
    uint32_t count = 0;
    list_each (it, &j->writing) {
        put_record(&w, j, container_of(it, struct slot, in_age));
        count++;
    }
    /* The rotation follows from the sequence, so that it goes on evenly after a restart. */
    uint32_t at = (uint32_t)(sequence * JOURNAL_CONTEXT % STORE_HOT_MAX);
    for (uint32_t i = 0; i < JOURNAL_CONTEXT && at + i < j->slots_count; i++, count++)
        put_record(&w, j, &j->slots[at + i]);
    patch_u32(&w, count_at, count);
    must(!w.full);
    layout_seal(block, LAYOUT_CHECK_AT);
}

void journal_pump(struct store *s)
{
    struct journal *j = &s->journal;
    if (j->busy || j->broken || s->phase != PHASE_READY || list_empty(&j->wanted))
        return;
    for (uint32_t n = 0; n < JOURNAL_NEWS && !list_empty(&j->wanted); n++) {
        struct slot *slot = container_of(list_pop(&j->wanted), struct slot, in_age);
        slot->state = SLOT_WRITING;
        list_push_back(&j->writing, &slot->in_age);
    }
    j->busy = true;
    encode(j, j->sequence + 1, j->block);
    s->stats.journal_writes++;
    store_disk(s, TOKEN_JOURNAL,
               &(struct store_disk){.type = DISK_WRITE,
                                    .file = {.kind = STORE_FILE_JOURNAL},
                                    .offset = (j->sequence + 1) % JOURNAL_BLOCKS * STORE_BLOCK,
                                    .len = STORE_BLOCK,
                                    .data = j->block});
}

/* The intent could not be recorded, so nothing may be written. The slots stay WANTED: the next
 * write to such a region gives the disk another chance, with the same sequence number. */
static void transaction_failed(struct store *s, struct list *slots)
{
    struct journal *j = &s->journal;
    j->broken = true;
    struct list *it;
    while ((it = list_pop(slots)) != NULL) {
        struct slot *slot = container_of(it, struct slot, in_age);
        slot->state = SLOT_WANTED;
        list_push_back(&j->wanted, &slot->in_age);
        struct list *waiter;
        while ((waiter = list_pop(&slot->waiters)) != NULL)
            task_fail(s, container_of(waiter, struct task, in_queue), STORE_IO_ERROR);
    }
}

void journal_disk(struct store *s, enum store_result result)
{
    struct journal *j = &s->journal;
    must(j->busy);
    j->busy = false;
    struct list done;
    list_init(&done);
    struct list *it;
    while ((it = list_pop(&j->writing)) != NULL)
        list_push_back(&done, it);
    if (result != STORE_OK) {
        transaction_failed(s, &done);
        return;
    }
    j->sequence++;
    while ((it = list_pop(&done)) != NULL) {
        struct slot *slot = container_of(it, struct slot, in_age);
        slot->state = SLOT_HOT;
        list_push_back(&j->aging, &slot->in_age);
        struct list *waiter;
        while ((waiter = list_pop(&slot->waiters)) != NULL)
            task_hot(s, container_of(waiter, struct task, in_queue));
    }
    feed_starved(s);
}

void journal_forget_space(struct store *s, uint32_t volume, uint64_t inode)
{
    struct journal *j = &s->journal;
    for (uint32_t i = 0; i < j->slots_count; i++) {
        struct slot *slot = &j->slots[i];
        if (slot->key.extent.inode == inode && slot->key.extent.volume == volume)
            memset(slot->allocated, 0, sizeof(slot->allocated));
    }
}

void journal_format(struct store *s, uint8_t *bytes)
{
    struct journal *j = &s->journal;
    for (uint32_t n = 1; n <= JOURNAL_BLOCKS; n++)
        encode(j, n, bytes + n % JOURNAL_BLOCKS * (size_t)STORE_BLOCK);
    j->sequence = JOURNAL_BLOCKS;
}

static bool decode_head(struct reader *r, const uint8_t *block, uint64_t *sequence, uint32_t *count)
{
    *r = reader_of(slice_of(block, LAYOUT_CHECK_AT));
    uint64_t magic = read_u64(r);
    uint32_t version = read_u32(r);
    *count = read_u32(r);
    *sequence = read_u64(r);
    read_skip(r, 8);
    return magic == JOURNAL_MAGIC && version == LAYOUT_VERSION &&
           layout_sealed(block, LAYOUT_CHECK_AT) && *count <= JOURNAL_CONTEXT + JOURNAL_NEWS;
}

static bool decode_records(struct store_region *hot, struct reader *r, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        uint32_t slot = read_u32(r);
        struct store_region key;
        key.extent.volume = read_u32(r);
        key.extent.group = read_u32(r);
        key.region = read_u32(r);
        key.extent.inode = read_u64(r);
        key.extent.index = read_u64(r);
        if (r->bad || slot >= STORE_HOT_MAX)
            return false;
        hot[slot] = key;
    }
    return true;
}

/* The hot set as it was becomes slots that are hot and pinned once. Slot numbers beyond hot_max (it
 * was larger in a former life) must be empty, or the regions would be forgotten. */
static bool adopt(struct store *s, const struct store_region *hot)
{
    struct journal *j = &s->journal;
    for (uint32_t i = 0; i < STORE_HOT_MAX; i++) {
        if (hot[i].extent.inode == 0)
            continue;
        if (i >= j->slots_count)
            return false;
        if (slot_find(j, &hot[i]) != NULL)
            continue; /* moved to another slot, and this one not yet overwritten */
        struct slot *slot = &j->slots[i];
        slot_assign(j, slot, &hot[i]);
        slot->state = SLOT_HOT;
        slot->pins = 1;
        list_remove(&slot->in_age);
        list_push_back(&j->aging, &slot->in_age);
        j->recovered[j->recovered_count++] = hot[i];
    }
    return true;
}

bool journal_load(struct store *s, const uint8_t *bytes)
{
    struct journal *j = &s->journal;
    struct reader r;
    uint64_t sequence, newest = 0;
    uint32_t count;
    for (uint32_t i = 0; i < JOURNAL_BLOCKS; i++) {
        const uint8_t *block = bytes + i * (size_t)STORE_BLOCK;
        if (decode_head(&r, block, &sequence, &count) && sequence > newest)
            newest = sequence;
    }
    if (newest < JOURNAL_COVER)
        return false;
    struct store_region *hot = mem_array(s->mem, STORE_HOT_MAX, sizeof(*hot));
    if (hot == NULL)
        return false;
    bool whole = true;
    for (uint64_t n = newest - JOURNAL_COVER + 1; n <= newest && whole; n++) {
        const uint8_t *block = bytes + n % JOURNAL_BLOCKS * (size_t)STORE_BLOCK;
        whole = decode_head(&r, block, &sequence, &count) && sequence == n &&
                decode_records(hot, &r, count);
    }
    whole = whole && adopt(s, hot);
    mem_free(s->mem, hot, STORE_HOT_MAX * sizeof(*hot));
    j->sequence = newest;
    return whole;
}
