/* [MS-DTYP] 2.4.2 SIDs, their text (2.4.2.1), access masks and FILETIME. */
#include "proto/smb/dtyp.h"

#include "proto/base/must.h"
#include <string.h>

#define SID_1(auth, a)                                                                             \
    {                                                                                              \
        .revision = 1, .count = 1, .authority = {0, 0, 0, 0, 0, auth}, .sub = { a }                \
    }
#define SID_BUILTIN(rid)                                                                           \
    {                                                                                              \
        .revision = 1, .count = 2, .authority = {0, 0, 0, 0, 0, 5}, .sub = { 32, rid }             \
    }

const struct sid sid_null = SID_1(0, 0);
const struct sid sid_everyone = SID_1(1, 0);
const struct sid sid_creator_owner = SID_1(3, 0);
const struct sid sid_creator_group = SID_1(3, 1);
const struct sid sid_owner_rights = SID_1(3, 4);
const struct sid sid_network = SID_1(5, 2);
const struct sid sid_anonymous = SID_1(5, 7);
const struct sid sid_self = SID_1(5, 10);
const struct sid sid_authenticated_users = SID_1(5, 11);
const struct sid sid_system = SID_1(5, 18);
const struct sid sid_builtin_administrators = SID_BUILTIN(544);
const struct sid sid_builtin_users = SID_BUILTIN(545);
const struct sid sid_builtin_guests = SID_BUILTIN(546);

void sid_read(struct reader *r, struct sid *out)
{
    struct sid s = {0};
    s.revision = read_u8(r);
    s.count = read_u8(r);
    read_copy(r, s.authority, sizeof(s.authority));
    if (s.revision != 1 || s.count > SID_SUB_MAX)
        r->bad = true;
    for (uint8_t i = 0; !r->bad && i < s.count; i++)
        s.sub[i] = read_u32(r);
    if (!r->bad)
        *out = s;
}

bool sid_decode(struct slice bytes, struct sid *out)
{
    struct reader r = reader_of(bytes);
    struct sid s = {0};
    sid_read(&r, &s);
    if (r.bad || read_left(&r) != 0)
        return false;
    *out = s;
    return true;
}

size_t sid_size(const struct sid *s)
{
    must(s->count <= SID_SUB_MAX);
    return 8 + 4 * (size_t)s->count;
}

void sid_write(struct writer *w, const struct sid *s)
{
    must(s->count <= SID_SUB_MAX);
    write_u8(w, s->revision);
    write_u8(w, s->count);
    write_bytes(w, slice_of(s->authority, sizeof(s->authority)));
    for (uint8_t i = 0; i < s->count; i++)
        write_u32(w, s->sub[i]);
}

struct slice sid_bytes(const struct sid *s, uint8_t out[SID_BYTES_MAX])
{
    struct writer w = writer_of(out, SID_BYTES_MAX);
    sid_write(&w, s);
    return written(&w);
}

bool sid_equal(const struct sid *a, const struct sid *b) { return sid_compare(a, b) == 0; }

int sid_compare(const struct sid *a, const struct sid *b)
{
    if (a->revision != b->revision)
        return a->revision < b->revision ? -1 : 1;
    int r = memcmp(a->authority, b->authority, sizeof(a->authority));
    if (r != 0)
        return r;
    uint8_t least = a->count < b->count ? a->count : b->count;
    for (uint8_t i = 0; i < least; i++)
        if (a->sub[i] != b->sub[i])
            return a->sub[i] < b->sub[i] ? -1 : 1;
    return (int)a->count - (int)b->count;
}

struct text {
    char *at;
    size_t pos;
};

static void put_number(struct text *t, uint64_t v, uint32_t base)
{
    char digits[24];
    size_t n = 0;
    do {
        digits[n++] = "0123456789ABCDEF"[v % base];
        v /= base;
    } while (v != 0);
    while (n > 0)
        t->at[t->pos++] = digits[--n];
}

static void put_string(struct text *t, const char *s)
{
    for (; *s != '\0'; s++)
        t->at[t->pos++] = *s;
}

size_t sid_to_text(const struct sid *s, char out[SID_TEXT_MAX])
{
    must(s->count <= SID_SUB_MAX);
    struct text t = {.at = out};
    uint64_t authority = 0;
    for (size_t i = 0; i < sizeof(s->authority); i++)
        authority = authority << 8 | s->authority[i];
    put_string(&t, "S-");
    put_number(&t, s->revision, 10);
    put_string(&t, "-");
    /* 2.4.2.1: from 2^32 on the authority is hexadecimal. */
    if (authority > UINT32_MAX)
        put_string(&t, "0x");
    put_number(&t, authority, authority > UINT32_MAX ? 16 : 10);
    for (uint8_t i = 0; i < s->count; i++) {
        put_string(&t, "-");
        put_number(&t, s->sub[i], 10);
    }
    must(t.pos < SID_TEXT_MAX);
    out[t.pos] = '\0';
    return t.pos;
}

static int digit_of(uint8_t c, uint32_t base)
{
    int v = 99;
    if (c >= '0' && c <= '9')
        v = c - '0';
    else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
        v = (c | 0x20) - 'a' + 10;
    return v < (int)base ? v : -1;
}

/* A number of at least one digit and at most `max`. */
static uint64_t get_number(struct reader *r, uint64_t max)
{
    struct reader ahead = *r;
    uint32_t base = 10;
    if (read_u8(&ahead) == '0' && (read_u8(&ahead) | 0x20) == 'x' && !ahead.bad) {
        base = 16;
        *r = ahead;
    }
    uint64_t v = 0;
    size_t digits = 0;
    for (; read_left(r) > 0; digits++) {
        struct reader peek = *r;
        int d = digit_of(read_u8(&peek), base);
        if (d < 0)
            break;
        v = v * base + (uint64_t)d;
        r->bad = v > max;
        if (r->bad)
            return 0;
        read_skip(r, 1);
    }
    r->bad = r->bad || digits == 0;
    return v;
}

bool sid_from_text(struct slice text, struct sid *out)
{
    struct reader r = reader_of(text);
    struct sid s = {0};
    if ((read_u8(&r) | 0x20) != 's' || read_u8(&r) != '-')
        return false;
    s.revision = (uint8_t)get_number(&r, 1);
    if (read_u8(&r) != '-')
        return false;
    uint64_t authority = get_number(&r, UINT64_C(0xFFFFFFFFFFFF));
    for (size_t i = 0; i < sizeof(s.authority); i++)
        s.authority[i] = (uint8_t)(authority >> (8 * (5 - i)));
    while (!r.bad && read_left(&r) > 0) {
        if (s.count == SID_SUB_MAX || read_u8(&r) != '-')
            return false;
        s.sub[s.count++] = (uint32_t)get_number(&r, UINT32_MAX);
    }
    if (r.bad || s.revision != 1)
        return false;
    *out = s;
    return true;
}

bool sid_is_below(const struct sid *s, const struct sid *domain)
{
    struct sid parent = *s;
    if (s->count != domain->count + 1)
        return false;
    parent.sub[--parent.count] = 0;
    return sid_equal(&parent, domain);
}

bool sid_append(const struct sid *domain, uint32_t rid, struct sid *out)
{
    if (domain->count >= SID_SUB_MAX)
        return false;
    struct sid s = *domain;
    s.sub[s.count++] = rid;
    *out = s;
    return true;
}

uint32_t access_map_generic(uint32_t mask)
{
    uint32_t out = mask & ~ACCESS_GENERIC_ANY;
    if (mask & GENERIC_ALL)
        out |= FILE_ALL_ACCESS;
    if (mask & GENERIC_READ)
        out |= FILE_GENERIC_READ;
    if (mask & GENERIC_WRITE)
        out |= FILE_GENERIC_WRITE;
    if (mask & GENERIC_EXECUTE)
        out |= FILE_GENERIC_EXECUTE;
    return out;
}

uint64_t filetime_from_unix_ns(uint64_t unix_ns) { return unix_ns / 100 + FILETIME_UNIX_EPOCH; }

uint64_t filetime_to_unix_ns(uint64_t filetime)
{
    if (filetime < FILETIME_UNIX_EPOCH)
        return 0;
    uint64_t hundreds = filetime - FILETIME_UNIX_EPOCH;
    return hundreds > UINT64_MAX / 100 ? UINT64_MAX : hundreds * 100;
}
