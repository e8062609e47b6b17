/* [MS-FSCC] 2.1.5: which names are names. Every unit is looked at once. */
#include "proto/smb/names.h"

#include "proto/base/must.h"
#include "proto/base/utf16.h"

#define SEPARATOR 0x5Cu

static uint16_t unit_at(struct slice s, size_t i)
{
    struct reader r = reader_of(slice_sub(s, 2 * i, 2));
    return read_u16(&r);
}

static size_t units(struct slice s) { return s.len / 2; }

static struct slice from(struct slice s, size_t unit)
{
    return slice_sub(s, 2 * unit, s.len - 2 * unit);
}

static struct slice upto(struct slice s, size_t unit) { return slice_sub(s, 0, 2 * unit); }

/* Index of the first unit that is `c`, or the number of units. */
static size_t find(struct slice s, uint16_t c)
{
    size_t i = 0;
    while (i < units(s) && unit_at(s, i) != c)
        i++;
    return i;
}

static bool is_ascii_fold(struct slice s, const char *upper)
{
    size_t i = 0;
    for (; i < units(s) && upper[i] != '\0'; i++)
        if (utf16_upcase(unit_at(s, i)) != (uint16_t)upper[i])
            return false;
    return i == units(s) && upper[i] == '\0';
}

static bool is_wildcard(uint16_t c)
{
    return c == '*' || c == '?' || c == '<' || c == '>' || c == '"';
}

/* [MS-FSCC] 2.1.5.2 */
static bool is_legal(uint16_t c)
{
    return c >= 0x20 && !is_wildcard(c) && c != '/' && c != ':' && c != '|' && c != SEPARATOR;
}

static bool is_dots(struct slice s) { return is_ascii_fold(s, ".") || is_ascii_fold(s, ".."); }

static bool component_ok(struct slice s)
{
    if (s.len == 0 || units(s) > NAME_COMPONENT_MAX || is_dots(s))
        return false;
    for (size_t i = 0; i < units(s); i++)
        if (!is_legal(unit_at(s, i)))
            return false;
    return true;
}

/* [MS-FSCC] 2.1.5.3: what follows the first colon of the last component, "name" or "name:type". */
static ntstatus parse_stream(struct slice text, struct name_path *out)
{
    size_t colon = find(text, ':');
    struct slice name = upto(text, colon);
    struct slice type = colon < units(text) ? from(text, colon + 1) : (struct slice){0};
    bool typed = colon < units(text);
    if (units(name) > NAME_COMPONENT_MAX || (name.len == 0 && !typed))
        return STATUS_OBJECT_NAME_INVALID;
    for (size_t i = 0; i < units(name); i++)
        if (unit_at(name, i) == 0 || unit_at(name, i) == '/')
            return STATUS_OBJECT_NAME_INVALID;
    out->has_stream = true;
    out->stream = name;
    if (typed && is_ascii_fold(type, "$INDEX_ALLOCATION")) {
        if (name.len > 0 && !is_ascii_fold(name, "$I30"))
            return STATUS_OBJECT_NAME_INVALID;
        out->index = true;
        out->stream = (struct slice){0};
        return STATUS_OK;
    }
    return !typed || is_ascii_fold(type, "$DATA") ? STATUS_OK : STATUS_OBJECT_NAME_INVALID;
}

static ntstatus check_components(struct slice path)
{
    struct slice component;
    size_t depth = 0;
    while (name_next(&path, &component)) {
        if (depth == 0 && is_ascii_fold(component, ".."))
            return STATUS_OBJECT_PATH_SYNTAX_BAD;
        if (!component_ok(component))
            return STATUS_OBJECT_NAME_INVALID;
        if (++depth > NAME_DEPTH_MAX)
            return STATUS_NAME_TOO_LONG;
    }
    return STATUS_OK;
}

ntstatus name_parse(struct slice wire, struct name_path *out)
{
    struct name_path p = {0};
    if (wire.len % 2 != 0)
        return STATUS_INVALID_PARAMETER;
    if (wire.len > 0 && unit_at(wire, 0) == SEPARATOR)
        return STATUS_INVALID_PARAMETER;
    if (units(wire) > NAME_PATH_MAX)
        return STATUS_NAME_TOO_LONG;
    p.path = wire;
    size_t colon = find(wire, ':');
    if (colon < units(wire)) {
        struct slice stream = from(wire, colon + 1);
        if (find(stream, SEPARATOR) < units(stream))
            return STATUS_OBJECT_NAME_INVALID; /* only the last component has streams */
        ntstatus status = parse_stream(stream, &p);
        if (status != STATUS_OK)
            return status;
        p.path = upto(wire, colon);
    } else if (wire.len > 0 && unit_at(wire, units(wire) - 1) == SEPARATOR) {
        p.trailing = true;
        p.path = upto(wire, units(wire) - 1);
    }
    ntstatus status = check_components(p.path);
    if (status == STATUS_OK && p.path.len > 0 && unit_at(p.path, units(p.path) - 1) == SEPARATOR)
        status = STATUS_OBJECT_NAME_INVALID;
    if (status == STATUS_OK)
        *out = p;
    return status;
}

ntstatus name_check_pattern(struct slice pattern)
{
    if (pattern.len % 2 != 0)
        return STATUS_INVALID_PARAMETER;
    if (units(pattern) > NAME_COMPONENT_MAX)
        return STATUS_OBJECT_NAME_INVALID;
    for (size_t i = 0; i < units(pattern); i++)
        if (!is_legal(unit_at(pattern, i)) && !is_wildcard(unit_at(pattern, i)))
            return STATUS_OBJECT_NAME_INVALID;
    return STATUS_OK;
}

bool name_next(struct slice *path, struct slice *component)
{
    must(path->len % 2 == 0);
    if (path->len == 0)
        return false;
    size_t end = find(*path, SEPARATOR);
    *component = upto(*path, end);
    *path = end < units(*path) ? from(*path, end + 1) : (struct slice){0};
    return true;
}

struct slice name_last(struct slice path)
{
    struct slice component = {0};
    while (name_next(&path, &component))
        continue;
    return component;
}

/* ---- 8.3 names ([MS-FSCC] 2.1.5.2.1) --------------------------------------------------------- */

static bool is_short_unit(uint16_t c)
{
    c = utf16_upcase(c);
    if ((c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'))
        return true;
    static const char others[] = "!#$%&'()-@^_`{}~";
    for (size_t i = 0; others[i] != '\0'; i++)
        if (c == (uint16_t)others[i])
            return true;
    return false;
}

/* Index of the last period, or the number of units. */
static size_t last_period(struct slice name)
{
    size_t at = units(name);
    for (size_t i = 0; i < units(name); i++)
        if (unit_at(name, i) == '.')
            at = i;
    return at;
}

bool name_is_short(struct slice name)
{
    size_t base = find(name, '.');
    size_t extension = base < units(name) ? units(name) - base - 1 : 0;
    if (base == 0 || base > 8 || extension > 3 || (base < units(name) && extension == 0))
        return false;
    for (size_t i = 0; i < units(name); i++)
        if (i != base && !is_short_unit(unit_at(name, i)))
            return false;
    return true;
}

static void put_unit(struct writer *w, uint16_t c)
{
    bool letter = (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '~';
    write_u16(w, letter ? c : '_');
}

/* A letter of the name, six of its hash, and the beginning of its extension: "T1A2B3~C.DAT". */
struct slice name_short(struct slice name, uint8_t out[2 * NAME_SHORT_MAX])
{
    static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    const uint64_t seed =
        UINT64_C(0x466c6f74696c6c61); /* never to change: clients keep the names */
    if (name.len == 0 || name_is_short(name) || is_dots(name))
        return (struct slice){0};
    struct writer w = writer_of(out, 2 * NAME_SHORT_MAX);
    uint64_t hash = utf16_hash_fold(name, seed);
    put_unit(&w, utf16_upcase(unit_at(name, 0)) == '.' ? '_' : utf16_upcase(unit_at(name, 0)));
    for (int i = 0; i < 5; i++, hash /= 36)
        put_unit(&w, (uint16_t)digits[hash % 36]);
    put_unit(&w, '~');
    put_unit(&w, (uint16_t)digits[hash % 36]);
    size_t period = last_period(name);
    if (period > 0 && period + 1 < units(name))
        put_unit(&w, '.');
    for (size_t i = 0, n = 0; period > 0 && period + 1 + i < units(name) && n < 3; i++) {
        uint16_t c = utf16_upcase(unit_at(name, period + 1 + i));
        if (c == ' ')
            continue;
        put_unit(&w, c);
        n++;
    }
    return written(&w);
}
