#include "proto/base/arena.h"

#include "proto/base/must.h"

#include <string.h>

enum { ARENA_ALIGN = 16, ARENA_CHUNK = 4096 };

struct arena_chunk {
    struct arena_chunk *older;
    size_t size, pos; /* of the whole chunk with this header; the next free byte */
};

/* Where the first byte of a chunk lies; keeps everything after it 16-aligned. */
enum { CHUNK_HEAD = (sizeof(struct arena_chunk) + ARENA_ALIGN - 1) / ARENA_ALIGN * ARENA_ALIGN };

void arena_init(struct arena *a, struct mem *mem, size_t cap)
{
    *a = (struct arena){.mem = mem, .cap = cap};
}

/* A chunk with room for `size` bytes at the head of the chain. */
static bool grow(struct arena *a, size_t size)
{
    if (size > SIZE_MAX - CHUNK_HEAD)
        return false;
    size_t wanted = size + CHUNK_HEAD;
    size_t chunk_size = wanted > ARENA_CHUNK ? wanted : ARENA_CHUNK;
    struct arena_chunk *fresh = mem_alloc(a->mem, chunk_size);
    if (fresh == NULL)
        return false;
    *fresh = (struct arena_chunk){.older = a->head, .size = chunk_size, .pos = CHUNK_HEAD};
    a->head = fresh;
    return true;
}

void *arena_alloc(struct arena *a, size_t size)
{
    must(a->used <= a->cap);
    if (size > SIZE_MAX - ARENA_ALIGN || size > a->cap - a->used) {
        a->failed = true;
        return NULL;
    }
    size_t rounded = (size + ARENA_ALIGN - 1) / ARENA_ALIGN * ARENA_ALIGN;
    if (rounded == 0)
        rounded = ARENA_ALIGN; /* an empty object still has an address of its own */
    if ((a->head == NULL || rounded > a->head->size - a->head->pos) && !grow(a, rounded)) {
        a->failed = true;
        return NULL;
    }
    uint8_t *at = (uint8_t *)a->head + a->head->pos;
    a->head->pos += rounded;
    a->used += size;
    memset(at, 0, rounded);
    return at;
}

void *arena_array(struct arena *a, size_t count, size_t size)
{
    if (size != 0 && count > SIZE_MAX / size) {
        a->failed = true;
        return NULL;
    }
    return arena_alloc(a, count * size);
}

struct slice arena_copy(struct arena *a, struct slice s)
{
    if (s.len == 0)
        return (struct slice){0};
    uint8_t *at = arena_alloc(a, s.len);
    if (at == NULL)
        return (struct slice){0};
    memcpy(at, s.at, s.len);
    return (struct slice){.at = at, .len = s.len};
}

/* Frees chunks from the head on until only `keep` are left of it. */
static void drop_newer_than(struct arena *a, const struct arena_chunk *keep)
{
    while (a->head != keep) {
        struct arena_chunk *chunk = a->head;
        a->head = chunk->older;
        mem_free(a->mem, chunk, chunk->size);
    }
}

void arena_reset(struct arena *a)
{
    struct arena_chunk *first = a->head;
    while (first != NULL && first->older != NULL)
        first = first->older;
    drop_newer_than(a, first);
    if (first != NULL)
        first->pos = CHUNK_HEAD;
    a->used = 0, a->failed = false;
}

void arena_fini(struct arena *a)
{
    drop_newer_than(a, NULL);
    a->used = 0, a->failed = false;
}
