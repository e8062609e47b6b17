/* Whether names and paths are well-formed, and their canonical forms ([MS-SRVS] 3.1.4.29 to
 * 3.1.4.34). Nothing is looked up. */
#include "proto/base/must.h"
#include "proto/base/utf16.h"
#include "proto/rpc/srvsvc_int.h"

#define PATH_UNITS_MAX 260u
#define LONG_TEXT_MAX 8192u /* longest argument of these calls, which judge lengths themselves */
#define OUTBUF_MAX 64000u   /* range of OutbufLen */
#define LM2X UINT32_C(0x80000000)

/* [MS-SRVS] 2.2.2.8 and 3.1.4.33: by NameType, from NAMETYPE_USER. */
static const struct name_type {
    uint16_t min, max, canonical_max, canonical_max_2x;
    const char *also; /* characters refused beside the default ones; NULL: none is refused */
    bool upper, upper_2x;
} name_types[] = {
    {1, 256, 256, 20, "", false, true}, {0, 256, 256, 14, NULL, false, false},
    {1, 256, 256, 20, "", false, true}, {1, 260, 259, 15, "*", false, true},
    {1, 16, 16, 16, "", true, true},    {1, 15, 15, 15, "* ", false, true},
    {1, 80, 80, 15, "", false, true},   {1, 260, 259, 259, "", true, true},
    {1, 80, 80, 12, "", false, true},   {1, 15, 259, 259, "", true, true},
    {1, 260, 259, 259, "", true, true}, {0, 8, 8, 8, NULL, false, false},
    {1, 15, 15, 15, "", false, true},
};

static const struct name_type *name_type(uint32_t type)
{
    return type >= 1 && type <= array_len(name_types) ? &name_types[type - 1] : NULL;
}

static bool among(uint16_t unit, const char *list)
{
    for (; list != NULL && *list != 0; list++) {
        if (unit == (uint8_t)*list)
            return true;
    }
    return false;
}

static bool name_is_valid(const struct name_type *t, struct slice name)
{
    struct reader r = reader_of(name);
    if (name.len / 2 < t->min || name.len / 2 > t->max)
        return false;
    while (t->also != NULL && read_left(&r) > 0) {
        uint16_t unit = read_u16(&r);
        if (unit < 0x20 || among(unit, "\"/\\[]:|<>+=;,?") || among(unit, t->also))
            return false;
    }
    return true;
}

uint32_t srvsvc_name_validate(struct rpc_ask *a)
{
    rpc_skip_server_name(a);
    struct slice name = ndr_read_string(&a->r, LONG_TEXT_MAX);
    const struct name_type *t = name_type(ndr_read_u32(&a->r));
    uint32_t flags = ndr_read_u32(&a->r);
    if (t == NULL || (flags & ~LM2X) != 0)
        return rpc_status(a, WERR_INVALID_PARAMETER);
    return rpc_status(a, name_is_valid(t, name) ? WERR_OK : WERR_INVALID_NAME);
}

/* The canonical form: cut to the type's length, and in capitals where the type has them. */
static struct slice canonical_name(struct rpc_ask *a, const struct name_type *t, struct slice name,
                                   uint32_t flags)
{
    size_t max = (size_t)((flags & LM2X) ? t->canonical_max_2x : t->canonical_max) * 2;
    struct slice cut = slice_sub(name, 0, name.len < max ? name.len : max);
    bool upper = (flags & LM2X) ? t->upper_2x : t->upper;
    return upper ? utf16_upcased(cut, a->scratch) : cut;
}

/* Outbuf: a conformant array of `units` 16-bit units. */
static void write_outbuf(struct rpc_ask *a, struct slice text, uint32_t units)
{
    must(text.len <= (size_t)units * 2);
    ndr_write_u32(a->w, units);
    write_bytes(a->w, text);
    write_zeros(a->w, (size_t)units * 2 - text.len);
}

uint32_t srvsvc_name_canonicalize(struct rpc_ask *a)
{
    rpc_skip_server_name(a);
    struct slice name = ndr_read_string(&a->r, LONG_TEXT_MAX);
    uint32_t units = ndr_read_u32(&a->r);
    const struct name_type *t = name_type(ndr_read_u32(&a->r));
    uint32_t flags = ndr_read_u32(&a->r), status = WERR_OK;
    if (a->r.bad || units > OUTBUF_MAX)
        return RPC_FAULT_NDR;
    struct slice canonical = {0};
    if (t == NULL || (flags & ~(LM2X | 1u)) != 0)
        status = WERR_INVALID_PARAMETER;
    else if (!name_is_valid(t, name))
        status = WERR_INVALID_NAME;
    else
        canonical = canonical_name(a, t, name, flags);
    size_t wanted = t != NULL && (flags & 1u) ? t->canonical_max : canonical.len / 2;
    if (status == WERR_OK && wanted + 1 > units)
        status = NERR_BUF_TOO_SMALL;
    write_outbuf(a, status == WERR_OK ? canonical : (struct slice){0}, units);
    return rpc_status(a, status);
}

/* An order of names, as the sign of a 32-bit number. */
static uint32_t sign(int order) { return order == 0 ? 0 : order < 0 ? UINT32_MAX : 1; }

uint32_t srvsvc_name_compare(struct rpc_ask *a)
{
    rpc_skip_server_name(a);
    struct slice one = ndr_read_string(&a->r, LONG_TEXT_MAX);
    struct slice other = ndr_read_string(&a->r, LONG_TEXT_MAX);
    const struct name_type *t = name_type(ndr_read_u32(&a->r));
    uint32_t flags = ndr_read_u32(&a->r);
    if (a->r.bad)
        return RPC_FAULT_NDR;
    if (t == NULL || (flags & ~(LM2X | 1u)) != 0)
        return rpc_status(a, WERR_INVALID_PARAMETER);
    if (!(flags & 1u)) {
        if (!name_is_valid(t, one) || !name_is_valid(t, other))
            return rpc_status(a, WERR_INVALID_PARAMETER);
        one = canonical_name(a, t, one, flags);
        other = canonical_name(a, t, other, flags);
    }
    return rpc_status(a, sign(utf16_compare_fold(one, other)));
}

/* ---- paths --------------------------------------------------------------------------------------
 */

/* [MS-SRVS] 2.2.2.9. */
#define ITYPE_UNC 4096u
#define ITYPE_UNC_COMPNAME 4144u
#define ITYPE_UNC_WC 4145u
#define ITYPE_PATH_RELND 8192u
#define ITYPE_PATH_ABSND 8194u
#define ITYPE_PATH_ABSD 8198u
#define ITYPE_DEVICE_DISK 16384u
#define WILD 1u /* added to a path's type */

static uint16_t unit_at(struct slice s, size_t at)
{
    struct reader r = reader_of(s);
    read_skip(&r, at * 2);
    return read_u16(&r); /* 0 behind the end */
}

static bool has_any(struct slice s, const char *list)
{
    bool has = false;
    for (size_t i = 0; i < s.len / 2; i++)
        has |= among(unit_at(s, i), list);
    return has;
}

/* "\\server" and what follows it. */
static uint32_t unc_type(struct slice path)
{
    size_t end = 2;
    while (unit_at(path, end) != 0 && unit_at(path, end) != '\\')
        end++;
    struct slice server = slice_sub(path, 4, (end - 2) * 2);
    struct slice rest = slice_sub(path, end * 2, path.len - end * 2);
    uint32_t wild = has_any(rest, "*?") ? WILD : 0;
    if (server.len == 0)
        return 0;
    if (unit_at(server, 0) == '.' && server.len == 2)
        return rest.len > 0 ? ITYPE_PATH_ABSD + wild : 0;
    if (unit_at(server, 0) == '*')
        return path.len == 6 ? ITYPE_UNC_WC : 0;
    if (rest.len == 0)
        return ITYPE_UNC_COMPNAME;
    return rest.len > 2 ? ITYPE_UNC + wild : 0;
}

/* 3.1.1.9 without the devices, of which there are none here; 0: ERROR_INVALID_NAME. */
static uint32_t type_of(struct slice path)
{
    uint16_t first = unit_at(path, 0);
    uint32_t wild = has_any(path, "*?") ? WILD : 0;
    if (path.len == 0 || path.len / 2 > PATH_UNITS_MAX || has_any(path, "<>\"|"))
        return 0;
    if (first == '\\' && unit_at(path, 1) == '\\')
        return unc_type(path);
    if (first == '\\')
        return ITYPE_PATH_ABSND + wild;
    uint16_t letter = utf16_upcase(first);
    if (letter >= 'A' && letter <= 'Z' && unit_at(path, 1) == ':')
        return path.len == 4 ? ITYPE_DEVICE_DISK : ITYPE_PATH_ABSD + wild;
    return ITYPE_PATH_RELND + wild;
}

uint32_t srvsvc_path_type(struct rpc_ask *a)
{
    rpc_skip_server_name(a);
    uint32_t type = type_of(ndr_read_string(&a->r, LONG_TEXT_MAX));
    uint32_t flags = ndr_read_u32(&a->r);
    ndr_write_u32(a->w, flags <= 1 ? type : 0);
    if (flags > 1)
        return rpc_status(a, WERR_INVALID_PARAMETER);
    return rpc_status(a, type != 0 ? WERR_OK : WERR_INVALID_NAME);
}

/* Prefix and path with one separator between them, and each '/' a '\'. */
static struct slice canonical_path(struct rpc_ask *a, struct slice prefix, struct slice path)
{
    size_t cap = prefix.len + path.len + 2;
    uint8_t *at = arena_alloc(a->scratch, cap);
    if (at == NULL)
        return (struct slice){0};
    struct writer w = writer_of(at, cap);
    uint16_t last = 0;
    for (size_t i = 0; i < prefix.len / 2; i++) {
        last = unit_at(prefix, i) == '/' ? '\\' : unit_at(prefix, i);
        write_u16(&w, last);
    }
    if (prefix.len > 0 && last != '\\')
        write_u16(&w, '\\');
    for (size_t i = 0; i < path.len / 2; i++)
        write_u16(&w, unit_at(path, i) == '/' ? '\\' : unit_at(path, i));
    return written(&w);
}

uint32_t srvsvc_path_canonicalize(struct rpc_ask *a)
{
    rpc_skip_server_name(a);
    struct slice path = ndr_read_string(&a->r, LONG_TEXT_MAX);
    uint32_t len = ndr_read_u32(&a->r); /* of bytes, and so is the array */
    struct slice prefix = ndr_read_string(&a->r, LONG_TEXT_MAX);
    uint32_t type = ndr_read_u32(&a->r), flags = ndr_read_u32(&a->r);
    if (a->r.bad || len > OUTBUF_MAX)
        return RPC_FAULT_NDR;
    struct slice canonical = canonical_path(a, prefix, path);
    uint32_t is = type_of(canonical), status = WERR_OK;
    if (flags > 1)
        status = WERR_INVALID_PARAMETER;
    else if ((type == 0 && type_of(path) == 0) || (prefix.len > 0 && type_of(prefix) == 0) ||
             is == 0)
        status = WERR_INVALID_NAME;
    else if (canonical.len + 2 > len)
        status = NERR_BUF_TOO_SMALL;
    if (status != WERR_OK)
        canonical = (struct slice){0}, is = type;
    ndr_write_u32(a->w, len);
    write_bytes(a->w, canonical);
    write_zeros(a->w, len - canonical.len);
    ndr_write_u32(a->w, is);
    return rpc_status(a, status);
}

uint32_t srvsvc_path_compare(struct rpc_ask *a)
{
    rpc_skip_server_name(a);
    struct slice one = ndr_read_string(&a->r, LONG_TEXT_MAX);
    struct slice other = ndr_read_string(&a->r, LONG_TEXT_MAX);
    (void)ndr_read_u32(&a->r);
    uint32_t flags = ndr_read_u32(&a->r);
    if (a->r.bad)
        return RPC_FAULT_NDR;
    if (flags > 1)
        return rpc_status(a, WERR_INVALID_PARAMETER);
    if (type_of(one) == 0 || type_of(other) == 0)
        return rpc_status(a, WERR_INVALID_NAME);
    one = canonical_path(a, (struct slice){0}, one);
    other = canonical_path(a, (struct slice){0}, other);
    return rpc_status(a, sign(utf16_compare_fold(one, other)));
}
