#pragma once
/* A state machine in a test: commands in one line each, the invariants checked after every one. */
#include "coordinator/meta/meta.h"
#include "proto/base/must.h"
#include "proto/base/utf16.h"
#include "proto/cluster/pack.h"
#include "proto/cluster/byterange.h"
#include "proto/smb/dtyp.h"
#include "proto/smb/fscc.h"
#include "proto/smb/security.h"
#include "proto/smb/status.h"
#include "tests/lib/faults.h"
#include <string.h>

enum { RIG_NODES = 3 };
#define RIG_NOW UINT64_C(133000000000000000)

struct rig {
    struct mem mem;
    struct arena a; /* of the last command */
    struct meta *m;
    struct meta_output out;
    uint64_t index, sequence[RIG_NODES + 1], incarnation[RIG_NODES + 1], now;
    bool unchecked; /* for many commands: no check after each, and no reply is remembered */
    uint32_t volume;
    uint64_t root;
    Fl__Token token;
    uint8_t sid[SID_BYTES_MAX];
};

static inline struct slice wide(struct arena *a, const char *text)
{
    struct slice s = {0};
    must(utf16_from_utf8(slice_str(text), a, &s));
    return s;
}

/* Applies the command as node `node` (0: an administrator) would send it. */
static inline Fl__Reply *rig_apply(struct rig *r, uint32_t node, Fl__Command *c)
{
    static const uint8_t entropy[16] = {1, 2, 3};
    c->node_id = node;
    c->incarnation = r->incarnation[node];
    c->sequence = c->sequence != 0 ? c->sequence : ++r->sequence[node];
    c->now = r->now += 10000;
    c->entropy = pb_bytes(slice_of(entropy, sizeof(entropy)));
    if (r->unchecked)
        c->acked_below = c->sequence;
    meta_apply(r->m, ++r->index, c, &r->a, &r->out);
    if (!r->unchecked)
        meta_check(r->m);
    return r->out.reply;
}

#define RIG_COMMAND(BODY, field, value)                                                            \
    Fl__Command command = FL__COMMAND__INIT;                                                       \
    command.body_case = FL__COMMAND__BODY_##BODY;                                                  \
    command.field = (value)

static inline Fl__Reply *rig_register(struct rig *r, uint32_t node, uint64_t incarnation,
                                      uint8_t store)
{
    uint8_t id[16] = {store};
    Fl__Register reg = FL__REGISTER__INIT;
    reg.node_id = node;
    reg.incarnation = incarnation;
    reg.store_id = pb_bytes(slice_of(id, sizeof(id)));
    RIG_COMMAND(REGISTER_NODE, register_node, &reg);
    Fl__Reply *reply = rig_apply(r, 0, &command);
    if (r->incarnation[node] != incarnation)
        r->sequence[node] = 0;
    r->incarnation[node] = incarnation;
    return reply;
}

static inline Fl__Reply *rig_down(struct rig *r, uint32_t node)
{
    struct meta_node facts;
    must(meta_node(r->m, node, &facts));
    Fl__NodeDown down = FL__NODE_DOWN__INIT;
    down.node_id = node;
    down.session = facts.session;
    RIG_COMMAND(NODE_DOWN, node_down, &down);
    return rig_apply(r, 0, &command);
}

static inline Fl__Reply *rig_volume(struct rig *r, const char *name, uint32_t replicas,
                                    uint32_t groups)
{
    Fl__VolumeCreate v = FL__VOLUME_CREATE__INIT;
    v.name = (char *)(uintptr_t)name;
    v.replicas = replicas;
    v.groups = groups;
    RIG_COMMAND(VOLUME_CREATE, volume_create, &v);
    return rig_apply(r, 0, &command);
}

static inline Fl__Reply *rig_share(struct rig *r, const char *name, const char *volume,
                                   const char *path)
{
    Fl__Share s = FL__SHARE__INIT;
    Fl__ShareCreate c = FL__SHARE_CREATE__INIT;
    s.name = (char *)(uintptr_t)name;
    s.path = (char *)(uintptr_t)path;
    c.share = &s;
    c.volume = (char *)(uintptr_t)volume;
    RIG_COMMAND(SHARE_CREATE, share_create, &c);
    return rig_apply(r, 0, &command);
}

static inline Fl__Reply *rig_user(struct rig *r, const char *name, bool administrator)
{
    static const uint8_t hash[16] = {7};
    Fl__UserAdd u = FL__USER_ADD__INIT;
    u.name = (char *)(uintptr_t)name;
    u.nt_hash = pb_bytes(slice_of(hash, sizeof(hash)));
    u.administrator = administrator;
    RIG_COMMAND(USER_ADD, user_add, &u);
    return rig_apply(r, 0, &command);
}

/* What a CREATE of a test says; zeroes mean the usual. */
struct ask {
    const char *path;
    uint32_t access, share, disposition, options, attributes, share_mask;
    const Fl__Token *token;
    struct slice sd;
    uint32_t oplock; /* SMB2_OPLOCK_LEVEL_* */
    const Fl__Caching *lease;
    uint8_t client; /* fills client_guid; 0: 'c' */
};

#define SHARE_ALL (FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE)
#define SHARE_NONE UINT32_C(0x80000000) /* rig: nothing shared; 0 stands for all */

static inline Fl__Reply *rig_open(struct rig *r, uint32_t node, struct ask ask)
{
    Fl__Open o = FL__OPEN__INIT;
    o.volume = r->volume;
    o.root_inode = r->root;
    o.path = pb_bytes(wide(&r->a, ask.path));
    o.desired_access = ask.access != 0 ? ask.access : FILE_ALL_ACCESS;
    o.share_access = ask.share == 0 ? SHARE_ALL : ask.share & ~SHARE_NONE;
    o.disposition = ask.disposition;
    o.options = ask.options;
    o.attributes = ask.attributes;
    o.share_mask = ask.share_mask != 0 ? ask.share_mask : FILE_ALL_ACCESS;
    o.token = (Fl__Token *)(uintptr_t)(ask.token != NULL ? ask.token : &r->token);
    o.security_descriptor = pb_bytes(ask.sd);
    uint8_t guid[16];
    memset(guid, ask.client != 0 ? ask.client : 'c', sizeof(guid));
    o.client_guid = pb_bytes(slice_of(guid, sizeof(guid)));
    o.oplock = ask.oplock;
    o.lease = (Fl__Caching *)(uintptr_t)ask.lease;
    RIG_COMMAND(OPEN, open, &o);
    return rig_apply(r, node, &command);
}

/* Must succeed; the open's id. */
static inline uint64_t rig_must_open(struct rig *r, uint32_t node, struct ask ask)
{
    Fl__Reply *reply = rig_open(r, node, ask);
    must(reply != NULL);
    must(reply->status == STATUS_OK);
    return reply->open->open_id;
}

static inline uint64_t rig_create(struct rig *r, uint32_t node, const char *path)
{
    return rig_must_open(r, node, (struct ask){.path = path, .disposition = FILE_OPEN_IF});
}

static inline uint64_t rig_mkdir(struct rig *r, uint32_t node, const char *path)
{
    return rig_must_open(
        r, node,
        (struct ask){.path = path, .disposition = FILE_OPEN_IF, .options = FILE_DIRECTORY_FILE});
}

static inline Fl__Reply *rig_close(struct rig *r, uint32_t node, uint64_t open_id)
{
    Fl__Close c = FL__CLOSE__INIT;
    c.open_id = open_id;
    RIG_COMMAND(CLOSE, close, &c);
    return rig_apply(r, node, &command);
}

static inline Fl__Reply *rig_extend(struct rig *r, uint32_t node, const Fl__FileInfo *info,
                                    uint64_t size)
{
    Fl__Extend e = FL__EXTEND__INIT;
    e.volume = info->volume;
    e.inode = info->inode;
    e.data_id = info->data_id;
    e.size = size;
    RIG_COMMAND(EXTEND, extend, &e);
    return rig_apply(r, node, &command);
}

static inline Fl__Reply *rig_set_size(struct rig *r, uint32_t node, uint64_t open_id, uint64_t size)
{
    Fl__SetSize s = FL__SET_SIZE__INIT;
    s.open_id = open_id;
    s.size = size;
    RIG_COMMAND(SET_SIZE, set_size, &s);
    return rig_apply(r, node, &command);
}

static inline Fl__Reply *rig_dispose(struct rig *r, uint32_t node, uint64_t open_id, bool gone)
{
    Fl__SetDisposition d = FL__SET_DISPOSITION__INIT;
    d.open_id = open_id;
    d.delete_pending = gone;
    RIG_COMMAND(SET_DISPOSITION, set_disposition, &d);
    return rig_apply(r, node, &command);
}

static inline Fl__Reply *rig_rename(struct rig *r, uint32_t node, uint64_t open_id,
                                    const char *target, bool replace)
{
    Fl__Rename c = FL__RENAME__INIT;
    c.open_id = open_id;
    c.root_inode = r->root;
    c.target = pb_bytes(wide(&r->a, target));
    c.replace = replace;
    c.token = &r->token;
    RIG_COMMAND(RENAME, rename, &c);
    return rig_apply(r, node, &command);
}

static inline Fl__Reply *rig_invalidated(struct rig *r, uint32_t node, uint64_t ticket)
{
    Fl__InvalidateDone d = FL__INVALIDATE_DONE__INIT;
    d.ticket = ticket;
    RIG_COMMAND(INVALIDATE_DONE, invalidate_done, &d);
    return rig_apply(r, node, &command);
}

/* A range, and what is said of it. */
struct span {
    uint64_t offset, length;
    bool exclusive;
};

/* How a lock is asked for besides; zeroes mean the usual. */
struct lock_ask {
    bool wait;
    uint64_t cancel_id;
    uint32_t index, number;
};

static inline ProtobufCBinaryData rig_spans(struct rig *r, const struct span *spans, size_t count)
{
    struct writer w =
        writer_of(arena_alloc(&r->a, count * BYTERANGE_BYTES), count * BYTERANGE_BYTES);
    for (size_t i = 0; i < count; i++)
        byterange_write(
            &w, &(struct byterange){0, spans[i].offset, spans[i].length, spans[i].exclusive});
    return pb_bytes(written(&w));
}

static inline Fl__Reply *rig_lock(struct rig *r, uint32_t node, uint64_t open_id, struct span span,
                                  struct lock_ask ask)
{
    Fl__Lock l = FL__LOCK__INIT;
    l.open_id = open_id;
    l.ranges = rig_spans(r, &span, 1);
    l.wait = ask.wait;
    l.sequence_index = ask.index;
    l.sequence_number = ask.number;
    RIG_COMMAND(LOCK, lock, &l);
    command.cancel_id = ask.cancel_id;
    return rig_apply(r, node, &command);
}

static inline Fl__Reply *rig_unlock(struct rig *r, uint32_t node, uint64_t open_id,
                                    struct span span)
{
    Fl__Unlock u = FL__UNLOCK__INIT;
    u.open_id = open_id;
    u.ranges = rig_spans(r, &span, 1);
    RIG_COMMAND(UNLOCK, unlock, &u);
    return rig_apply(r, node, &command);
}

/* What asked with this `cancel_id` waits no longer. */
static inline Fl__Reply *rig_cancel(struct rig *r, uint32_t node, uint64_t cancel_id)
{
    Fl__Cancel c = FL__CANCEL__INIT;
    c.cancel_id = cancel_id;
    RIG_COMMAND(CANCEL, cancel, &c);
    return rig_apply(r, node, &command);
}

/* May these bytes be read or written now? */
static inline ntstatus rig_access(struct rig *r, uint64_t open_id, struct span span)
{
    Fl__Query q = FL__QUERY__INIT;
    Fl__QueryAccess a = FL__QUERY_ACCESS__INIT;
    a.open_id = open_id;
    a.offset = span.offset;
    a.length = span.length;
    a.write = span.exclusive;
    q.body_case = FL__QUERY__BODY_ACCESS;
    q.access = &a;
    return meta_query(r->m, &q, &r->a)->status;
}

static inline Fl__FileInfo *rig_info(struct rig *r, uint64_t open_id)
{
    Fl__Query q = FL__QUERY__INIT;
    Fl__QueryInfo info = FL__QUERY_INFO__INIT;
    info.open_id = open_id;
    q.body_case = FL__QUERY__BODY_INFO;
    q.info = &info;
    Fl__Reply *reply = meta_query(r->m, &q, &r->a);
    return reply->status == STATUS_OK ? reply->info->info : NULL;
}

static inline Fl__ClusterConfig *rig_config(struct rig *r)
{
    Fl__ClusterConfig *c = meta_config(r->m, true, &r->a);
    must(c != NULL);
    return c;
}

static inline Fl__Reply *rig_watch(struct rig *r, uint32_t node, uint64_t open_id, uint32_t filter,
                                   bool tree)
{
    Fl__Watch c = FL__WATCH__INIT;
    c.open_id = open_id;
    c.filter = filter;
    c.tree = tree;
    RIG_COMMAND(WATCH, watch, &c);
    return rig_apply(r, node, &command);
}

/* The i-th notice of a kind to `node` (0: to anybody) of the last command, or NULL. */
static inline Fl__Notice *rig_notice(const struct rig *r, uint32_t node, int body, size_t i)
{
    for (size_t k = 0; k < r->out.notices_count; k++) {
        Fl__Notice *n = r->out.notices[k];
        if ((int)n->body_case == body && (node == 0 || n->node_id == node) && i-- == 0)
            return n;
    }
    return NULL;
}

static inline Fl__Reply *rig_init(struct rig *r)
{
    static const uint8_t id[16] = {9};
    static const struct sid domain = {1, 4, {0, 0, 0, 0, 0, 5}, {21, 1, 2, 3}};
    uint8_t sid[SID_BYTES_MAX];
    Fl__Node nodes[RIG_NODES], *list[RIG_NODES];
    char names[RIG_NODES][3] = {"n1", "n2", "n3"}, name[] = "test", address[] = "127.0.0.1";
    Fl__ClusterInit init = FL__CLUSTER_INIT__INIT;
    for (uint32_t i = 0; i < RIG_NODES; i++) {
        fl__node__init(&nodes[i]);
        nodes[i].id = i + 1;
        nodes[i].name = names[i];
        nodes[i].address = address;
        list[i] = &nodes[i];
    }
    init.cluster_id = pb_bytes(slice_of(id, sizeof(id)));
    init.cluster_name = name;
    init.domain_sid = pb_bytes(sid_bytes(&domain, sid));
    init.nodes = list;
    init.n_nodes = RIG_NODES;
    init.ca_key_pem = init.ca_cert_pem = pb_bytes(slice_str("pem"));
    RIG_COMMAND(CLUSTER_INIT, cluster_init, &init);
    return rig_apply(r, 0, &command);
}

/* An administrator's token, or an ordinary user's with this RID. */
static inline void rig_token(struct rig *r, Fl__Token *token, uint8_t sid[SID_BYTES_MAX],
                             uint32_t rid, bool administrator)
{
    (void)r;
    struct sid user = {1, 5, {0, 0, 0, 0, 0, 5}, {21, 1, 2, 3, rid}};
    fl__token__init(token);
    token->user_sid = pb_bytes(sid_bytes(&user, sid));
    token->administrator = administrator;
}

/* An empty state. */
static inline void rig_begin(struct rig *r)
{
    *r = (struct rig){.mem = test_mem(SIZE_MAX), .now = RIG_NOW};
    arena_init(&r->a, &r->mem, (size_t)256 << 20);
    r->m = meta_new(&r->mem);
    rig_token(r, &r->token, r->sid, 1000, true);
}

/* Three nodes up, volume "v" with as many replicas, share "s" of its root. */
static inline void rig_setup(struct rig *r)
{
    rig_begin(r);
    must(rig_init(r)->status == STATUS_OK);
    for (uint32_t n = 1; n <= RIG_NODES; n++)
        must(rig_register(r, n, 100 + n, (uint8_t)n)->status == STATUS_OK);
    must(rig_volume(r, "v", 3, 6)->status == STATUS_OK);
    must(rig_share(r, "s", "v", "")->status == STATUS_OK);
    r->volume = 1;
    r->root = rig_config(r)->shares[0]->root_inode;
}

static inline void rig_end(struct rig *r)
{
    meta_free(r->m);
    arena_fini(&r->a);
    test_mem_check(&r->mem);
}

/* The state's snapshot, in the arena. */
static inline struct slice rig_save(struct rig *r)
{
    uint8_t *bytes;
    size_t len;
    must(meta_save(r->m, &r->mem, &bytes, &len));
    struct slice copy = arena_copy(&r->a, slice_of(bytes, len));
    mem_free(&r->mem, bytes, len);
    return copy;
}

/* Saves, loads and saves again: the same bytes. Goes on with what was loaded. */
static inline void rig_reload(struct rig *r)
{
    struct slice before = rig_save(r);
    struct meta *loaded = meta_load(&r->mem, before);
    must(loaded != NULL);
    meta_free(r->m);
    r->m = loaded;
    meta_check(r->m);
    must(slice_equal(before, rig_save(r)));
}
