#include "proto/rpc/account.h"
#include "proto/base/must.h"
#include "proto/base/utf16.h"

/* [MS-LSAT] 3.1.1.1.1, in the spelling of Windows. A domain comes before its members. */
static const struct known {
    const char *name, *domain;
    enum account_use use;
    uint8_t authority, count;
    uint32_t sub[2];
} known[] = {
    {"NULL SID", "", ACCOUNT_WELL_KNOWN, 0, 1, {0}},
    {"Everyone", "", ACCOUNT_WELL_KNOWN, 1, 1, {0}},
    {"LOCAL", "", ACCOUNT_WELL_KNOWN, 2, 1, {0}},
    {"CONSOLE LOGON", "", ACCOUNT_WELL_KNOWN, 2, 1, {1}},
    {"CREATOR OWNER", "", ACCOUNT_WELL_KNOWN, 3, 1, {0}},
    {"CREATOR GROUP", "", ACCOUNT_WELL_KNOWN, 3, 1, {1}},
    {"CREATOR OWNER SERVER", "", ACCOUNT_WELL_KNOWN, 3, 1, {2}},
    {"CREATOR GROUP SERVER", "", ACCOUNT_WELL_KNOWN, 3, 1, {3}},
    {"OWNER RIGHTS", "", ACCOUNT_WELL_KNOWN, 3, 1, {4}},
    {"NT AUTHORITY", "NT AUTHORITY", ACCOUNT_DOMAIN, 5, 0, {0}},
    {"DIALUP", "NT AUTHORITY", ACCOUNT_WELL_KNOWN, 5, 1, {1}},
    {"NETWORK", "NT AUTHORITY", ACCOUNT_WELL_KNOWN, 5, 1, {2}},
    {"BATCH", "NT AUTHORITY", ACCOUNT_WELL_KNOWN, 5, 1, {3}},
    {"INTERACTIVE", "NT AUTHORITY", ACCOUNT_WELL_KNOWN, 5, 1, {4}},
    {"SERVICE", "NT AUTHORITY", ACCOUNT_WELL_KNOWN, 5, 1, {6}},
    {"ANONYMOUS LOGON", "NT AUTHORITY", ACCOUNT_WELL_KNOWN, 5, 1, {7}},
    {"PROXY", "NT AUTHORITY", ACCOUNT_WELL_KNOWN, 5, 1, {8}},
    {"ENTERPRISE DOMAIN CONTROLLERS", "NT AUTHORITY", ACCOUNT_WELL_KNOWN, 5, 1, {9}},
    {"SELF", "NT AUTHORITY", ACCOUNT_WELL_KNOWN, 5, 1, {10}},
    {"Authenticated Users", "NT AUTHORITY", ACCOUNT_WELL_KNOWN, 5, 1, {11}},
    {"RESTRICTED", "NT AUTHORITY", ACCOUNT_WELL_KNOWN, 5, 1, {12}},
    {"TERMINAL SERVER USER", "NT AUTHORITY", ACCOUNT_WELL_KNOWN, 5, 1, {13}},
    {"REMOTE INTERACTIVE LOGON", "NT AUTHORITY", ACCOUNT_WELL_KNOWN, 5, 1, {14}},
    {"This Organization", "NT AUTHORITY", ACCOUNT_WELL_KNOWN, 5, 1, {15}},
    {"IUSR", "NT AUTHORITY", ACCOUNT_WELL_KNOWN, 5, 1, {17}},
    {"SYSTEM", "NT AUTHORITY", ACCOUNT_WELL_KNOWN, 5, 1, {18}},
    {"LOCAL SERVICE", "NT AUTHORITY", ACCOUNT_WELL_KNOWN, 5, 1, {19}},
    {"NETWORK SERVICE", "NT AUTHORITY", ACCOUNT_WELL_KNOWN, 5, 1, {20}},
    {"WRITE RESTRICTED", "NT AUTHORITY", ACCOUNT_WELL_KNOWN, 5, 1, {33}},
    {"Other Organization", "NT AUTHORITY", ACCOUNT_WELL_KNOWN, 5, 1, {1000}},
    {"NTLM Authentication", "NT AUTHORITY", ACCOUNT_WELL_KNOWN, 5, 2, {64, 10}},
    {"SChannel Authentication", "NT AUTHORITY", ACCOUNT_WELL_KNOWN, 5, 2, {64, 14}},
    {"Digest Authentication", "NT AUTHORITY", ACCOUNT_WELL_KNOWN, 5, 2, {64, 21}},
    {"BUILTIN", "BUILTIN", ACCOUNT_DOMAIN, 5, 1, {32}},
    {"Administrators", "BUILTIN", ACCOUNT_ALIAS, 5, 2, {32, 544}},
    {"Users", "BUILTIN", ACCOUNT_ALIAS, 5, 2, {32, 545}},
    {"Guests", "BUILTIN", ACCOUNT_ALIAS, 5, 2, {32, 546}},
    {"Power Users", "BUILTIN", ACCOUNT_ALIAS, 5, 2, {32, 547}},
    {"Account Operators", "BUILTIN", ACCOUNT_ALIAS, 5, 2, {32, 548}},
    {"Server Operators", "BUILTIN", ACCOUNT_ALIAS, 5, 2, {32, 549}},
    {"Print Operators", "BUILTIN", ACCOUNT_ALIAS, 5, 2, {32, 550}},
    {"Backup Operators", "BUILTIN", ACCOUNT_ALIAS, 5, 2, {32, 551}},
    {"Replicator", "BUILTIN", ACCOUNT_ALIAS, 5, 2, {32, 552}},
    {"Remote Desktop Users", "BUILTIN", ACCOUNT_ALIAS, 5, 2, {32, 555}},
    {"Network Configuration Operators", "BUILTIN", ACCOUNT_ALIAS, 5, 2, {32, 556}},
    {"Performance Monitor Users", "BUILTIN", ACCOUNT_ALIAS, 5, 2, {32, 558}},
    {"Performance Log Users", "BUILTIN", ACCOUNT_ALIAS, 5, 2, {32, 559}},
    {"Distributed COM Users", "BUILTIN", ACCOUNT_ALIAS, 5, 2, {32, 562}},
    {"Cryptographic Operators", "BUILTIN", ACCOUNT_ALIAS, 5, 2, {32, 569}},
    {"Event Log Readers", "BUILTIN", ACCOUNT_ALIAS, 5, 2, {32, 573}},
    {"Hyper-V Administrators", "BUILTIN", ACCOUNT_ALIAS, 5, 2, {32, 578}},
    {"Access Control Assistance Operators", "BUILTIN", ACCOUNT_ALIAS, 5, 2, {32, 579}},
    {"Remote Management Users", "BUILTIN", ACCOUNT_ALIAS, 5, 2, {32, 580}},
    {"Storage Replica Administrators", "BUILTIN", ACCOUNT_ALIAS, 5, 2, {32, 582}},
    {"Mandatory Label", "Mandatory Label", ACCOUNT_DOMAIN, 16, 0, {0}},
};

static struct sid known_sid(const struct known *k)
{
    struct sid sid = {.revision = 1, .count = k->count};
    sid.authority[5] = k->authority;
    for (uint32_t i = 0; i < k->count; i++)
        sid.sub[i] = k->sub[i];
    return sid;
}

/* The SID without its last number: what a principal's domain has. */
static struct sid parent_of(const struct sid *sid)
{
    struct sid parent = *sid;
    must(parent.count > 0);
    parent.sub[--parent.count] = 0;
    return parent;
}

static void take_known(const struct known *k, struct account *out)
{
    *out = (struct account){.use = k->use,
                            .name = slice_str(k->name),
                            .domain = slice_str(k->domain),
                            .sid = known_sid(k),
                            .domain_known = true};
    out->domain_sid = k->use == ACCOUNT_DOMAIN ? out->sid : parent_of(&out->sid);
}

/* Somebody, or nobody yet, of the cluster's own domain; or the domain itself. */
static void take_local(const struct rpc_facts *f, enum account_use use, struct slice name,
                       struct account *out)
{
    out->use = use;
    out->name = name;
    out->domain = f->server_name;
    out->domain_sid = f->domain_sid;
    out->domain_known = true;
}

/* ---- by SID -------------------------------------------------------------------------------------
 */

static bool find_known_sid(const struct sid *sid, struct account *out)
{
    for (size_t i = 0; i < array_len(known); i++) {
        struct sid one = known_sid(&known[i]);
        if (sid_equal(&one, sid)) {
            take_known(&known[i], out);
            return true;
        }
    }
    return false;
}

/* All but the cluster's users, whom one walk finds for all SIDs together. */
static void begin_sid(const struct rpc_facts *f, const struct sid *sid, struct account *out)
{
    *out = (struct account){.use = ACCOUNT_UNKNOWN};
    if (find_known_sid(sid, out))
        return;
    out->sid = *sid;
    if (sid_equal(sid, &f->domain_sid)) {
        take_local(f, ACCOUNT_DOMAIN, f->server_name, out);
    } else if (sid_is_below(sid, &f->domain_sid)) {
        bool none = sid->sub[sid->count - 1] == ACCOUNT_RID_NONE;
        take_local(f, none ? ACCOUNT_GROUP : ACCOUNT_UNKNOWN, slice_str(none ? "None" : ""), out);
    } else if (sid->count == 2 && sid->authority[5] == 5 && sid->sub[0] == 32) {
        out->domain = slice_str("BUILTIN");
        out->domain_sid = parent_of(sid);
        out->domain_known = true;
    }
}

bool accounts_of_sids(struct rpc_ask *a, const struct sid *sids, uint32_t count,
                      struct account *out)
{
    const struct rpc_facts *f = a->facts;
    uint32_t *wanted = arena_array(a->scratch, (size_t)count + 1, sizeof(*wanted));
    uint32_t wanted_count = 0;
    if (wanted == NULL)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        begin_sid(f, &sids[i], &out[i]);
        if (out[i].use == ACCOUNT_UNKNOWN && sid_is_below(&sids[i], &f->domain_sid))
            wanted[wanted_count++] = i;
    }
    for (uint32_t u = 0; wanted_count > 0 && u < f->user_count; u++) {
        struct rpc_user user;
        if (!f->user(f->context, u, &user) || !sid_is_below(&user.sid, &f->domain_sid))
            continue;
        uint32_t rid = user.sid.sub[user.sid.count - 1];
        for (uint32_t k = 0; k < wanted_count; k++) {
            const struct sid *sid = &sids[wanted[k]];
            if (sid->sub[sid->count - 1] == rid)
                take_local(f, ACCOUNT_USER, user.name, &out[wanted[k]]);
        }
    }
    return true;
}

/* ---- by name ------------------------------------------------------------------------------------
 */

/* A name taken apart; `domain` is empty when none was given. */
struct question {
    struct slice domain, name;
    uint64_t hash;
};

static uint16_t unit(struct slice s, size_t at)
{
    struct reader r = reader_of(s);
    read_skip(&r, at * 2);
    return read_u16(&r);
}

static struct question take_apart(struct slice text)
{
    struct question q = {.name = text};
    size_t units = text.len / 2;
    for (size_t i = 0; i < units; i++) {
        uint16_t c = unit(text, i);
        if (c != '\\' && c != '@')
            continue;
        struct slice before = slice_sub(text, 0, i * 2);
        struct slice after = slice_sub(text, (i + 1) * 2, text.len - (i + 1) * 2);
        q.domain = c == '\\' ? before : after;
        q.name = c == '\\' ? after : before;
        break;
    }
    q.hash = utf16_hash_fold(q.name, 0);
    return q;
}

/* Without a domain anything is it. */
static bool domain_fits(struct rpc_ask *a, const struct question *q, struct slice domain)
{
    return q->domain.len == 0 || rpc_text_is(a, domain, q->domain);
}

static bool find_known_name(struct rpc_ask *a, const struct question *q, struct account *out)
{
    /* No name at all is BUILTIN's, as Windows has it. */
    if (q->name.len == 0 && q->domain.len == 0)
        return find_known_sid(&(struct sid){1, 1, {0, 0, 0, 0, 0, 5}, {32}}, out);
    for (size_t i = 0; i < array_len(known); i++) {
        const struct known *k = &known[i];
        if (!domain_fits(a, q, slice_str(k->domain)))
            continue;
        bool whole = k->use == ACCOUNT_DOMAIN && q->domain.len > 0;
        if (whole && q->name.len == 0) { /* "BUILTIN\" */
            take_known(k, out);
            return true;
        }
        if (rpc_text_is(a, slice_str(k->name), q->name)) {
            take_known(k, out);
            return true;
        }
        if (whole) { /* at least the domain is known, until a member is found */
            out->domain = slice_str(k->domain);
            out->domain_sid = known_sid(k);
            out->domain_known = true;
        }
    }
    return false;
}

/* All but the users; true when one of them may still be meant. */
static bool begin_name(struct rpc_ask *a, const struct question *q, struct account *out)
{
    const struct rpc_facts *f = a->facts;
    *out = (struct account){.use = ACCOUNT_UNKNOWN};
    if (find_known_name(a, q, out) || !domain_fits(a, q, f->server_name))
        return false;
    if (q->domain.len > 0)
        take_local(f, ACCOUNT_UNKNOWN, (struct slice){0}, out);
    if (rpc_text_is(a, f->server_name, q->name) || (q->domain.len > 0 && q->name.len == 0)) {
        take_local(f, ACCOUNT_DOMAIN, f->server_name, out);
        out->sid = f->domain_sid;
        return false;
    }
    if (rpc_text_is(a, slice_str("None"), q->name)) {
        take_local(f, ACCOUNT_GROUP, slice_str("None"), out);
        (void)sid_append(&f->domain_sid, ACCOUNT_RID_NONE, &out->sid);
        return false;
    }
    return true;
}

/* One walk over the users for all questions together: names are compared by their hashes first. */
static void find_users(struct rpc_ask *a, const struct question *questions, const bool *open,
                       uint32_t count, struct account *out)
{
    const struct rpc_facts *f = a->facts;
    struct arena line;
    arena_init(&line, a->scratch->mem, 8192);
    for (uint32_t u = 0; u < f->user_count && !line.failed; u++) {
        struct rpc_user user;
        struct slice name;
        arena_reset(&line);
        if (!f->user(f->context, u, &user) || !utf16_from_utf8(user.name, &line, &name))
            continue;
        uint64_t hash = utf16_hash_fold(name, 0);
        for (uint32_t i = 0; i < count; i++) {
            if (!open[i] || questions[i].hash != hash ||
                utf16_compare_fold(name, questions[i].name) != 0)
                continue;
            take_local(f, ACCOUNT_USER, user.name, &out[i]);
            out[i].sid = user.sid;
        }
    }
    a->scratch->failed |= line.failed;
    arena_fini(&line);
}

bool accounts_of_names(struct rpc_ask *a, const struct slice *names, uint32_t count,
                       struct account *out)
{
    struct question *questions = arena_array(a->scratch, (size_t)count + 1, sizeof(*questions));
    bool *open = arena_array(a->scratch, (size_t)count + 1, sizeof(*open));
    bool any = false;
    if (questions == NULL || open == NULL)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        questions[i] = take_apart(names[i]);
        open[i] = begin_name(a, &questions[i], &out[i]);
        any |= open[i];
    }
    if (any)
        find_users(a, questions, open, count, out);
    return !a->scratch->failed;
}
