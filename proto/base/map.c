#include "proto/base/map.h"

#include "proto/base/must.h"
#include "proto/base/prng.h"

#include <string.h>

enum { KEY_INLINE = 16, ENTRIES_MIN = 8 };
#define ENTRIES_MAX (UINT32_C(1) << 30)

struct map_entry {
    void *value; /* NULL: a tombstone */
    uint64_t hash;
    size_t key_len;
    union {
        uint8_t small[KEY_INLINE];
        uint8_t *large; /* owned, when key_len > KEY_INLINE */
    } key;
};

/* --- SipHash-1-3 (Aumasson, Bernstein): short, keyed, and no collisions to be had without the key
 */

struct sip {
    uint64_t v0, v1, v2, v3;
};

static uint64_t rotate_left(uint64_t x, unsigned by) { return x << by | x >> (64 - by); }

static void sip_round(struct sip *s)
{
    s->v0 += s->v1, s->v1 = rotate_left(s->v1, 13) ^ s->v0, s->v0 = rotate_left(s->v0, 32);
    s->v2 += s->v3, s->v3 = rotate_left(s->v3, 16) ^ s->v2;
    s->v0 += s->v3, s->v3 = rotate_left(s->v3, 21) ^ s->v0;
    s->v2 += s->v1, s->v1 = rotate_left(s->v1, 17) ^ s->v2, s->v2 = rotate_left(s->v2, 32);
}

static void sip_word(struct sip *s, uint64_t word)
{
    s->v3 ^= word;
    sip_round(s);
    s->v0 ^= word;
}

static uint64_t hash_of(uint64_t seed, struct slice key)
{
    uint64_t k0 = seed, k1 = mix64(seed + 1);
    struct sip s = {k0 ^ UINT64_C(0x736f6d6570736575), k1 ^ UINT64_C(0x646f72616e646f6d),
                    k0 ^ UINT64_C(0x6c7967656e657261), k1 ^ UINT64_C(0x7465646279746573)};
    struct reader r = reader_of(key);
    while (read_left(&r) >= 8)
        sip_word(&s, read_u64(&r));
    uint64_t last = (uint64_t)key.len << 56;
    for (unsigned shift = 0; read_left(&r) > 0; shift += 8)
        last |= (uint64_t)read_u8(&r) << shift;
    sip_word(&s, last);
    s.v2 ^= 0xff;
    sip_round(&s), sip_round(&s), sip_round(&s);
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

/* --- entries --------------------------------------------------------------------------------- */

static struct slice key_of(const struct map_entry *e)
{
    return slice_of(e->key_len > KEY_INLINE ? e->key.large : e->key.small, e->key_len);
}

static bool key_set(struct map *m, struct map_entry *e, struct slice key)
{
    e->key_len = key.len;
    uint8_t *to = e->key.small;
    if (key.len > KEY_INLINE) {
        to = mem_alloc(m->mem, key.len);
        if (to == NULL)
            return false;
        e->key.large = to;
    }
    if (key.len > 0)
        memcpy(to, key.at, key.len);
    return true;
}

static void key_drop(struct map *m, struct map_entry *e)
{
    if (e->key_len > KEY_INLINE)
        mem_free(m->mem, e->key.large, e->key_len);
}

/* Index cells hold an entry's number + 1; 0 is an empty cell. Cells of tombstones stay until the
 * next rebuild, so that probes pass over them; at most half of the cells are ever taken. */
static void index_add(struct map *m, uint32_t number)
{
    uint32_t mask = m->index_cap - 1;
    uint32_t cell = (uint32_t)m->entries[number].hash & mask;
    while (m->index[cell] != 0)
        cell = (cell + 1) & mask;
    m->index[cell] = number + 1;
}

static struct map_entry *find(const struct map *m, struct slice key, uint64_t hash)
{
    if (m->used == 0)
        return NULL;
    uint32_t mask = m->index_cap - 1;
    for (uint32_t cell = (uint32_t)hash & mask; m->index[cell] != 0; cell = (cell + 1) & mask) {
        struct map_entry *e = &m->entries[m->index[cell] - 1];
        if (e->value != NULL && e->hash == hash && slice_equal(key_of(e), key))
            return e;
    }
    return NULL;
}

static void release_arrays(struct map *m)
{
    mem_free(m->mem, m->entries, (size_t)m->entries_cap * sizeof(struct map_entry));
    mem_free(m->mem, m->index, (size_t)m->index_cap * sizeof(uint32_t));
    m->entries = NULL, m->index = NULL;
    m->entries_cap = m->entries_len = m->index_cap = 0;
}

/* Moves the living entries, in order, into arrays for `cap` of them. */
static bool rebuild(struct map *m, uint32_t cap)
{
    must(cap >= m->used);
    struct map fresh = {.mem = m->mem, .seed = m->seed, .entries_cap = cap, .index_cap = cap * 2};
    fresh.entries = mem_array(m->mem, cap, sizeof(struct map_entry));
    fresh.index = mem_array(m->mem, fresh.index_cap, sizeof(uint32_t));
    if (fresh.entries == NULL || fresh.index == NULL) {
        release_arrays(&fresh);
        return false;
    }
    for (uint32_t i = 0; i < m->entries_len; i++) {
        if (m->entries[i].value == NULL)
            continue;
        fresh.entries[fresh.entries_len] = m->entries[i];
        index_add(&fresh, fresh.entries_len++);
    }
    must(fresh.entries_len == m->used);
    fresh.used = m->used;
    release_arrays(m);
    *m = fresh;
    return true;
}

/* Least capacity that leaves at least half of itself free. */
static uint32_t fitting_cap(uint32_t used)
{
    uint32_t cap = ENTRIES_MIN;
    while (cap < used * 2)
        cap *= 2;
    return cap;
}

/* Room for one more entry. A map that has emptied is made smaller here rather than in map_remove,
 * which must not move entries under an iteration. */
static bool make_room(struct map *m)
{
    bool sparse = m->entries_cap > ENTRIES_MIN && m->used < m->entries_cap / 8;
    if (m->entries_len < m->entries_cap && !sparse)
        return true;
    if (m->used >= ENTRIES_MAX / 2)
        return false;
    return rebuild(m, fitting_cap(m->used + 1)) || m->entries_len < m->entries_cap;
}

void map_init(struct map *m, struct mem *mem, uint64_t seed)
{
    *m = (struct map){.mem = mem, .seed = seed};
}

void map_fini(struct map *m)
{
    for (uint32_t i = 0; i < m->entries_len; i++)
        if (m->entries[i].value != NULL)
            key_drop(m, &m->entries[i]);
    if (m->mem != NULL)
        release_arrays(m);
    m->used = 0;
}

void *map_get(const struct map *m, struct slice key)
{
    const struct map_entry *e = m->used == 0 ? NULL : find(m, key, hash_of(m->seed, key));
    return e == NULL ? NULL : e->value;
}

bool map_put(struct map *m, struct slice key, void *value)
{
    must(value != NULL);
    uint64_t hash = hash_of(m->seed, key);
    struct map_entry *old = find(m, key, hash);
    if (old != NULL) {
        old->value = value;
        return true;
    }
    struct map_entry fresh = {.value = value, .hash = hash};
    if (!make_room(m) || !key_set(m, &fresh, key))
        return false;
    m->entries[m->entries_len] = fresh;
    index_add(m, m->entries_len++);
    m->used++;
    return true;
}

void *map_remove(struct map *m, struct slice key)
{
    struct map_entry *e = m->used == 0 ? NULL : find(m, key, hash_of(m->seed, key));
    if (e == NULL)
        return NULL;
    void *value = e->value;
    key_drop(m, e);
    e->value = NULL;
    must(m->used > 0);
    if (--m->used == 0)
        release_arrays(m); /* any cursor is now at the end */
    return value;
}

/* An integer key is its eight little-endian bytes. */
struct key_u64 {
    uint8_t at[8];
};

static struct key_u64 key_of_u64(uint64_t key)
{
    struct key_u64 k;
    struct writer w = writer_of(k.at, sizeof(k.at));
    write_u64(&w, key);
    return k;
}

void *map_get_u64(const struct map *m, uint64_t key)
{
    struct key_u64 k = key_of_u64(key);
    return map_get(m, slice_of(k.at, sizeof(k.at)));
}

bool map_put_u64(struct map *m, uint64_t key, void *value)
{
    struct key_u64 k = key_of_u64(key);
    return map_put(m, slice_of(k.at, sizeof(k.at)), value);
}

void *map_remove_u64(struct map *m, uint64_t key)
{
    struct key_u64 k = key_of_u64(key);
    return map_remove(m, slice_of(k.at, sizeof(k.at)));
}

uint32_t map_count(const struct map *m) { return m->used; }

void *map_next(const struct map *m, uint32_t *cursor, struct slice *key)
{
    while (*cursor < m->entries_len) {
        const struct map_entry *e = &m->entries[(*cursor)++];
        if (e->value == NULL)
            continue;
        if (key != NULL)
            *key = key_of(e);
        return e->value;
    }
    return NULL;
}
