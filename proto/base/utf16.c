#include "proto/base/utf16.h"

#include "proto/base/must.h"
#include "proto/base/prng.h"
#include "proto/base/upcase.h"

#include <string.h>

static bool is_lead(uint32_t unit) { return unit >= 0xd800 && unit < 0xdc00; }
static bool is_trail(uint32_t unit) { return unit >= 0xdc00 && unit < 0xe000; }

static size_t units_in(struct slice name)
{
    must(name.len % 2 == 0);
    return name.len / 2;
}

static uint16_t unit_at(struct slice name, size_t i)
{
    must(i < name.len / 2);
    return (uint16_t)(name.at[2 * i] | name.at[2 * i + 1] << 8);
}

/* --- case ------------------------------------------------------------------------------------ */

uint16_t utf16_upcase(uint16_t unit)
{
    if (unit < 0x80)
        return unit >= 'a' && unit <= 'z' ? (uint16_t)(unit - 'a' + 'A') : unit;
    uint32_t low = 0, high = upcase_ranges_count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        const struct upcase_range *r = &upcase_ranges[middle];
        if (unit < r->first)
            high = middle;
        else if (unit > r->last)
            low = middle + 1;
        else if ((unit - r->first) % r->step != 0)
            return unit;
        else
            return (uint16_t)(r->upper + (unit - r->first));
    }
    return unit;
}

int utf16_compare_fold(struct slice a, struct slice b)
{
    size_t a_len = units_in(a), b_len = units_in(b), least = a_len < b_len ? a_len : b_len, i = 0;
    /* Names of one directory often begin alike: what is equal needs no folding. */
    while (least - i >= 4 && memcmp(a.at + 2 * i, b.at + 2 * i, 8) == 0)
        i += 4;
    for (; i < least; i++) {
        uint16_t x = unit_at(a, i), y = unit_at(b, i);
        if (x == y)
            continue;
        x = utf16_upcase(x), y = utf16_upcase(y);
        if (x != y)
            return x < y ? -1 : 1;
    }
    return a_len == b_len ? 0 : a_len < b_len ? -1 : 1;
}

uint64_t utf16_hash_fold(struct slice name, uint64_t seed)
{
    size_t len = units_in(name);
    uint64_t hash = mix64(seed ^ len), word = 0;
    for (size_t i = 0; i < len; i++) {
        word = word << 16 | utf16_upcase(unit_at(name, i));
        if (i % 4 == 3)
            hash = mix64(hash ^ word) + UINT64_C(0x9e3779b97f4a7c15), word = 0;
    }
    return mix64(hash ^ word);
}

struct slice utf16_upcased(struct slice name, struct arena *a)
{
    size_t len = units_in(name);
    uint8_t *units = arena_alloc(a, name.len);
    if (units == NULL)
        return (struct slice){0};
    struct writer w = writer_of(units, name.len);
    for (size_t i = 0; i < len; i++)
        write_u16(&w, utf16_upcase(unit_at(name, i)));
    return written(&w);
}

/* --- UTF-8 ----------------------------------------------------------------------------------- */

/* The code point at *i, which moves past it; an unpaired surrogate stands for itself (WTF-8). */
static uint32_t next_point(struct slice name, size_t *i)
{
    uint32_t unit = unit_at(name, (*i)++);
    if (!is_lead(unit) || *i >= units_in(name) || !is_trail(unit_at(name, *i)))
        return unit;
    uint32_t trail = unit_at(name, (*i)++);
    return 0x10000 + ((unit - 0xd800) << 10) + (trail - 0xdc00);
}

static size_t utf8_size(uint32_t point)
{
    return point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
}

size_t utf16_utf8_len(struct slice name)
{
    size_t len = 0;
    for (size_t i = 0; i < units_in(name);)
        len += utf8_size(next_point(name, &i));
    return len;
}

static void write_point(struct writer *w, uint32_t point)
{
    static const uint8_t first_bits[] = {0, 0, 0xc0, 0xe0, 0xf0};
    size_t size = utf8_size(point);
    write_u8(w, (uint8_t)(first_bits[size] | point >> 6 * (size - 1)));
    for (size_t i = size - 1; i > 0; i--)
        write_u8(w, (uint8_t)(0x80 | (point >> 6 * (i - 1) & 0x3f)));
}

char *utf16_to_utf8(struct slice name, struct arena *a)
{
    size_t len = utf16_utf8_len(name);
    char *text = arena_alloc(a, len + 1);
    if (text == NULL)
        return NULL;
    struct writer w = writer_of(text, len);
    for (size_t i = 0; i < units_in(name);)
        write_point(&w, next_point(name, &i));
    must(!w.full);
    text[len] = '\0';
    return text;
}

/* One code point of UTF-8; marks the reader bad when the bytes are not its shortest form. */
static uint32_t read_point(struct reader *r)
{
    uint32_t first = read_u8(r);
    if (first < 0x80)
        return first;
    size_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4)
        r->bad = true;
    uint32_t point = first & (0x7fu >> size);
    for (size_t i = 1; i < size; i++) {
        uint32_t next = read_u8(r);
        if ((next & 0xc0) != 0x80)
            r->bad = true;
        point = point << 6 | (next & 0x3f);
    }
    if (utf8_size(point) != size || point > 0x10ffff)
        r->bad = true;
    return point;
}

bool utf16_from_utf8(struct slice text, struct arena *a, struct slice *out)
{
    if (text.len > SIZE_MAX / 2)
        return false;
    uint8_t *units = arena_alloc(a, text.len * 2); /* no byte makes more than one unit */
    if (units == NULL)
        return false;
    struct reader r = reader_of(text);
    struct writer w = writer_of(units, text.len * 2);
    bool after_lead = false;
    while (read_left(&r) > 0) {
        uint32_t point = read_point(&r);
        /* A pair written as two halves is ill-formed WTF-8: it would read back as another text. */
        if (after_lead && is_trail(point))
            r.bad = true;
        after_lead = is_lead(point);
        if (point >= 0x10000) {
            write_u16(&w, (uint16_t)(0xd800 + ((point - 0x10000) >> 10)));
            write_u16(&w, (uint16_t)(0xdc00 + (point & 0x3ff)));
        } else {
            write_u16(&w, (uint16_t)point);
        }
    }
    if (r.bad)
        return false;
    must(!w.full);
    *out = written(&w);
    return true;
}

/* --- [MS-FSA] 2.1.4.4 ------------------------------------------------------------------------ */

enum { DOS_DOT = '"', DOS_STAR = '<', DOS_QM = '>' };

/* A name has at most 255 units, so a longer pattern with wildcards is nonsense: it matches nothing.
 */
enum { PATTERN_MAX = 512, STATE_WORDS = PATTERN_MAX / 64 + 1 };

static bool is_wildcard(uint16_t unit)
{
    return unit == '*' || unit == '?' || unit == DOS_DOT || unit == DOS_STAR || unit == DOS_QM;
}

bool utf16_has_wildcard(struct slice pattern)
{
    for (size_t i = 0; i < units_in(pattern); i++)
        if (is_wildcard(unit_at(pattern, i)))
            return true;
    return false;
}

/* The places in the pattern up to which the name may have been matched so far. Going on with all of
 * them at once takes names x pattern steps at most, whatever the wildcards. */
struct places {
    uint64_t bits[STATE_WORDS];
};

static void place_add(struct places *p, size_t i) { p->bits[i / 64] |= UINT64_C(1) << i % 64; }
static bool place_has(const struct places *p, size_t i) { return p->bits[i / 64] >> i % 64 & 1; }

struct name_at {
    struct slice name;
    size_t i, last_dot; /* the unit to be matched; units_in(name) when there is no dot */
    bool end;           /* no unit is left */
    uint16_t unit;      /* upcased */
};

/* May the wildcard stand for nothing here? */
static bool matches_nothing(uint16_t wild, const struct name_at *at)
{
    switch (wild) {
    case '*':
    case DOS_STAR: return true;
    case DOS_QM: return at->end || at->unit == '.';
    case DOS_DOT: return at->end;
    }
    return false;
}

/* Lets pattern unit `p` match the unit at hand and adds where the pattern then goes on. */
static void match_unit(struct slice pattern, size_t p, const struct name_at *at,
                       struct places *next)
{
    uint16_t wild = unit_at(pattern, p);
    bool advance = false;
    switch (wild) {
    case '*': place_add(next, p); break;
    case '?': advance = true; break;
    case DOS_STAR: /* up to and including the final period, no further */
        advance = at->i == at->last_dot;
        if (!advance)
            place_add(next, p);
        break;
    case DOS_QM: advance = at->unit != '.'; break;
    case DOS_DOT: advance = at->unit == '.'; break;
    default: /* not an enum: every other unit stands for itself */
        advance = utf16_upcase(wild) == at->unit;
    }
    if (advance)
        place_add(next, p + 1);
}

/* One unit further (or, at the end, only over what may match nothing); false: nowhere to go on. */
static bool advance_places(struct slice pattern, const struct name_at *at, struct places *now)
{
    struct places next = {0};
    size_t len = units_in(pattern);
    for (size_t p = 0; p < len; p++) {
        if (p % 64 == 0 && now->bits[p / 64] == 0) {
            p += 63;
            continue;
        }
        if (!place_has(now, p))
            continue;
        if (matches_nothing(unit_at(pattern, p), at))
            place_add(now, p + 1);
        if (!at->end)
            match_unit(pattern, p, at, &next);
    }
    if (at->end)
        return place_has(now, len);
    *now = next;
    for (size_t i = 0; i < STATE_WORDS; i++)
        if (next.bits[i] != 0)
            return true;
    return false;
}

static size_t find_last_dot(struct slice name)
{
    for (size_t i = units_in(name); i > 0; i--)
        if (unit_at(name, i - 1) == '.')
            return i - 1;
    return units_in(name);
}

bool utf16_match(struct slice pattern, struct slice name)
{
    static const uint8_t any[] = {'*', 0}, any_dot_any[] = {'*', 0, '.', 0, '*', 0};
    size_t len = units_in(name);
    if (len == 0 || pattern.len == 0)
        return len == 0 && pattern.len == 0;
    if (slice_equal(pattern, slice_of(any, sizeof(any))) ||
        slice_equal(pattern, slice_of(any_dot_any, sizeof(any_dot_any))))
        return true;
    if (!utf16_has_wildcard(pattern))
        return utf16_compare_fold(pattern, name) == 0;
    if (units_in(pattern) > PATTERN_MAX)
        return false;
    struct places now = {.bits = {1}};
    struct name_at at = {.name = name, .last_dot = find_last_dot(name)};
    for (; at.i < len; at.i++) {
        at.unit = utf16_upcase(unit_at(name, at.i));
        if (!advance_places(pattern, &at, &now))
            return false;
    }
    at.end = true;
    return advance_places(pattern, &at, &now);
}
