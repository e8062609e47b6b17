/* The list of effects and the names of files. */
#include "coordinator/raft/effects.h"
#include "proto/base/must.h"
#include <string.h>

#define EFFECTS_FIRST 64
#define EFFECT_BYTES_MAX ((size_t)1 << 30)

void raft_effects_init(struct raft_effects *fx, struct mem *mem)
{
    *fx = (struct raft_effects){.mem = mem};
    arena_init(&fx->arena, mem, EFFECT_BYTES_MAX);
}

void raft_effects_reset(struct raft_effects *fx)
{
    fx->count = 0;
    fx->failed = false;
    arena_reset(&fx->arena);
}

void raft_effects_fini(struct raft_effects *fx)
{
    mem_free(fx->mem, fx->items, fx->cap * sizeof *fx->items);
    arena_fini(&fx->arena);
    *fx = (struct raft_effects){0};
}

struct raft_effect *fx_add(struct raft_effects *fx, enum raft_effect_kind kind)
{
    if (fx->count == fx->cap) {
        size_t cap = fx->cap == 0 ? EFFECTS_FIRST : fx->cap * 2;
        size_t size = sizeof *fx->items;
        struct raft_effect *grown =
            fx->items == NULL ? mem_array(fx->mem, cap, size)
                              : mem_resize(fx->mem, fx->items, fx->cap * size, cap * size);
        if (grown == NULL) {
            fx->failed = true;
            return NULL;
        }
        fx->items = grown, fx->cap = cap;
    }
    struct raft_effect *effect = &fx->items[fx->count++];
    *effect = (struct raft_effect){.kind = kind};
    return effect;
}

uint8_t *fx_bytes(struct raft_effects *fx, size_t len)
{
    uint8_t *at = arena_alloc(&fx->arena, len);
    if (at == NULL)
        fx->failed = true;
    return at;
}

void fx_create(struct raft_effects *fx, struct raft_file f)
{
    struct raft_effect *effect = fx_add(fx, RAFT_FX_FILE_CREATE);
    if (effect != NULL)
        effect->file.file = f;
}

void fx_write(struct raft_effects *fx, struct raft_file f, uint64_t offset, struct slice bytes)
{
    struct raft_effect *effect = fx_add(fx, RAFT_FX_FILE_WRITE);
    if (effect == NULL)
        return;
    effect->file.file = f;
    effect->file.offset = offset;
    effect->file.bytes = bytes;
}

void fx_rename(struct raft_effects *fx, struct raft_file f, struct raft_file to)
{
    struct raft_effect *effect = fx_add(fx, RAFT_FX_FILE_RENAME);
    if (effect == NULL)
        return;
    effect->file.file = f;
    effect->file.to = to;
}

void fx_delete(struct raft_effects *fx, struct raft_file f)
{
    struct raft_effect *effect = fx_add(fx, RAFT_FX_FILE_DELETE);
    if (effect != NULL)
        effect->file.file = f;
}

void fx_sync(struct raft_effects *fx, uint64_t token)
{
    struct raft_effect *effect = fx_add(fx, RAFT_FX_SYNC);
    if (effect != NULL)
        effect->sync.token = token;
}

/* --- names ------------------------------------------------------------------------------------ */

static const char *const file_prefix[] = {
    [RAFT_FILE_META] = "meta",
    [RAFT_FILE_LOG] = "log-",
    [RAFT_FILE_SNAPSHOT] = "snapshot-",
    [RAFT_FILE_TEMP] = "temp-",
};
#define NUMBER_DIGITS 16

void raft_file_name(struct raft_file f, char out[RAFT_FILE_NAME_BYTES])
{
    must(f.kind >= RAFT_FILE_META && f.kind <= RAFT_FILE_TEMP);
    const char *prefix = file_prefix[f.kind];
    size_t len = strlen(prefix);
    memcpy(out, prefix, len);
    if (f.kind != RAFT_FILE_META) {
        for (size_t i = 0; i < NUMBER_DIGITS; i++)
            out[len + i] = "0123456789abcdef"[(f.number >> (60 - 4 * i)) & 15];
        len += NUMBER_DIGITS;
    }
    out[len] = '\0';
}

static bool parse_number(const char *digits, uint64_t *out)
{
    uint64_t number = 0;
    for (size_t i = 0; i < NUMBER_DIGITS; i++) {
        char c = digits[i];
        uint64_t digit;
        if (c >= '0' && c <= '9')
            digit = (uint64_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            digit = (uint64_t)(c - 'a') + 10;
        else
            return false;
        number = number << 4 | digit;
    }
    *out = number;
    return digits[NUMBER_DIGITS] == '\0';
}

bool raft_file_parse(const char *name, struct raft_file *out)
{
    size_t len = strlen(name);
    if (slice_equal(slice_str(name), slice_str(file_prefix[RAFT_FILE_META]))) {
        *out = (struct raft_file){.kind = RAFT_FILE_META};
        return true;
    }
    for (int kind = RAFT_FILE_LOG; kind <= RAFT_FILE_TEMP; kind++) {
        size_t prefix = strlen(file_prefix[kind]);
        uint64_t number;
        if (len != prefix + NUMBER_DIGITS || memcmp(name, file_prefix[kind], prefix) != 0)
            continue;
        if (!parse_number(name + prefix, &number))
            return false;
        *out = (struct raft_file){.kind = (enum raft_file_kind)kind, .number = number};
        return true;
    }
    return false;
}

bool raft_file_equal(struct raft_file a, struct raft_file b)
{
    return a.kind == b.kind && a.number == b.number;
}
