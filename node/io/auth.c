/* Who clients are: GSSAPI in one thread of its own, because it blocks.
 *
 * A logon is a context with rounds. Tokens travel to the thread through a queue and come back
 * through another; an eventfd wakes the reactor. For NTLM the cluster's own users count, whatever
 * domain the client names (the server is its own domain): before the last leg, the one line
 * gss-ntlmssp needs is put into a file in memory that only this context knows. */
#include "node/io/shell.h"

#include "proto/base/must.h"
#include "proto/base/utf16.h"
#include "proto/daemon/gss.h"
#include "proto/daemon/heap.h"
#include "proto/daemon/log.h"
#include "proto/rpc/pac.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

enum { LOGONS_MAX = 1024, KEYLINE_MAX = 1024, GROUPS_MAX = 4096 + 8, ARENA_MAX = 4 << 20 };

/* One logon under way. The thread's, while a round is. */
struct logon {
    struct list link;
    uint64_t id;
    struct gss_accept *gss; /* made by the first round */
    int key_fd;             /* memory file with the key line */
};

struct round {
    struct list link;
    struct logon *logon;
    uint64_t token;
    bool end; /* only forget the logon */
    char key_line[KEYLINE_MAX];
    enum gss_accept_status status;
    struct slice reply; /* the context's memory */
    size_t blob_len;
    uint8_t blob[];
};

struct auth {
    struct shell *shell;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t work;
    struct list queue, finished; /* of rounds; under the lock */
    struct list logons;          /* the loop's own */
    uint32_t logon_count;
    int wake;
    struct io_op waiting;
    uint64_t wake_count;
    struct mem mem;
    struct arena arena;
    const Fl__ClusterConfig *config; /* the node's, valid until the next */
};

/* ---- the thread ------------------------------------------------------------------------------ */

static void begin_logon(struct auth *a, struct logon *l)
{
    char path[64];
    const struct settings *s = &a->shell->settings;
    l->key_fd = s->ntlm ? memfd_create("flotilla-ntlm", MFD_CLOEXEC) : -1;
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", l->key_fd);
    struct gss_accept_config config = {
        .service = "cifs",
        .hostname = s->cluster_name,
        .keytab = s->keytab[0] != '\0' ? s->keytab : NULL,
        .ntlm_keyfile = l->key_fd >= 0 ? path : NULL,
    };
    l->gss = gss_accept_new(&config);
}

static void run_round(struct auth *a, struct round *r)
{
    struct logon *l = r->logon;
    size_t len = strlen(r->key_line);
    if (r->end) {
        gss_accept_free(l->gss);
        if (l->key_fd >= 0)
            (void)close(l->key_fd);
        l->gss = NULL;
        return;
    }
    if (l->gss == NULL)
        begin_logon(a, l);
    if (l->key_fd >= 0 &&
        (ftruncate(l->key_fd, 0) != 0 || pwrite(l->key_fd, r->key_line, len, 0) != (ssize_t)len))
        log_warn("cannot hand the NTLM key over");
    r->status = GSS_ACCEPT_REFUSED;
    if (l->gss != NULL)
        r->status = gss_accept_step(l->gss, slice_of(r->blob, r->blob_len), &r->reply);
    explicit_bzero(r->key_line, sizeof r->key_line);
}

static void *thread_main(void *arg)
{
    struct auth *a = arg;
    for (;;) {
        (void)pthread_mutex_lock(&a->lock);
        while (list_empty(&a->queue))
            (void)pthread_cond_wait(&a->work, &a->lock);
        struct round *r = container_of(list_pop(&a->queue), struct round, link);
        (void)pthread_mutex_unlock(&a->lock);
        run_round(a, r);
        (void)pthread_mutex_lock(&a->lock);
        list_push_back(&a->finished, &r->link);
        (void)pthread_mutex_unlock(&a->lock);
        uint64_t one = 1;
        (void)!write(a->wake, &one, sizeof one);
    }
    return NULL;
}

/* ---- NTLM users ------------------------------------------------------------------------------ */

/* A field of an AUTHENTICATE_MESSAGE ([MS-NLMP] 2.2.1.3) at `at`, as UTF-8. */
static char *field(struct auth *a, struct slice message, size_t at)
{
    struct reader r = reader_of(message);
    read_skip(&r, at);
    uint16_t len = read_u16(&r);
    read_skip(&r, 2);
    struct slice text = read_at(&r, read_u32(&r), len);
    return r.bad || text.len % 2 != 0 ? NULL : utf16_to_utf8(text, &a->arena);
}

static const Fl__User *find_user(const struct auth *a, const char *name)
{
    for (size_t i = 0; a->config != NULL && i < a->config->n_users; i++)
        if (strcasecmp(a->config->users[i]->name, name) == 0)
            return a->config->users[i];
    return NULL;
}

/* The line, in smbpasswd format, for whoever the token claims to be; "" for nobody we know. */
static void make_key_line(struct auth *a, struct slice token, char out[KEYLINE_MAX])
{
    static const char mark[] = "NTLMSSP\0\3\0\0";
    out[0] = '\0';
    const uint8_t *at = token.len ? memmem(token.at, token.len, mark, sizeof mark) : NULL;
    if (at == NULL)
        return;
    struct slice message = slice_of(at, token.len - (size_t)(at - token.at));
    char *domain = field(a, message, 28), *user = field(a, message, 36);
    const Fl__User *known = user != NULL ? find_user(a, user) : NULL;
    if (domain == NULL || known == NULL || known->nt_hash.len != 16)
        return;
    if (strpbrk(user, ":\\\n") != NULL || strpbrk(domain, ":\\\n") != NULL)
        return; /* would forge a field */
    char hash[33];
    for (int i = 0; i < 16; i++)
        (void)snprintf(hash + 2 * i, 3, "%02X", known->nt_hash.data[i]);
    int n = snprintf(out, KEYLINE_MAX, "%s%s%s:1000:%032d:%s:[U          ]:LCT-00000000:\n", domain,
                     domain[0] != '\0' ? "\\" : "", user, 0, hash);
    if (n >= KEYLINE_MAX)
        out[0] = '\0';
}

/* ---- identities ------------------------------------------------------------------------------ */

struct identity {
    struct smb_principal principal;
    uint8_t user[SID_BYTES_MAX];
    struct slice groups[GROUPS_MAX];
};

static void add_group(struct auth *a, struct identity *id, const struct sid *sid)
{
    uint8_t *bytes = arena_alloc(&a->arena, SID_BYTES_MAX);
    if (bytes != NULL && id->principal.group_count < GROUPS_MAX)
        id->groups[id->principal.group_count++] = sid_bytes(sid, bytes);
}

static void add_well_known(struct auth *a, struct identity *id)
{
    add_group(a, id, &sid_everyone);
    add_group(a, id, &sid_network);
    add_group(a, id, &sid_authenticated_users);
    add_group(a, id, &sid_builtin_users);
    if (id->principal.administrator)
        add_group(a, id, &sid_builtin_administrators);
}

static const char *identify_ntlm(struct auth *a, const struct gss_peer *peer, struct identity *id)
{
    const Fl__User *user = find_user(a, peer->user);
    if (user == NULL || user->sid.len > SID_BYTES_MAX)
        return "this user is not, or no longer, one of the cluster's";
    memcpy(id->user, user->sid.data, user->sid.len);
    id->principal.user_sid = slice_of(id->user, user->sid.len);
    id->principal.administrator = user->administrator;
    add_well_known(a, id);
    return NULL;
}

/* As on a member server: a domain's administrators are administrators here. */
static const char *identify_krb5(struct auth *a, const struct gss_peer *peer, struct identity *id)
{
    struct pac_logon logon;
    struct sid domain_admins;
    if (peer->pac.len == 0)
        return "the ticket carries no PAC, so the user's SID is not known";
    if (!pac_decode(peer->pac, &a->arena, &logon))
        return "the ticket's PAC is malformed";
    id->principal.user_sid = sid_bytes(&logon.user, id->user);
    bool known = sid_append(&logon.domain, 512, &domain_admins);
    for (uint32_t i = 0; i < logon.group_count; i++) {
        const struct sid *group = &logon.groups[i].sid;
        add_group(a, id, group);
        if ((known && sid_equal(group, &domain_admins)) ||
            sid_equal(group, &sid_builtin_administrators))
            id->principal.administrator = true;
    }
    add_well_known(a, id);
    return NULL;
}

static const char *identify(struct auth *a, const struct gss_peer *peer, struct identity *id)
{
    memset(&id->principal, 0, sizeof id->principal);
    id->principal.name = peer->name;
    id->principal.group_sids = id->groups;
    if (peer->anonymous) {
        id->principal.anonymous = true;
        return NULL; /* the core decides, and refuses by default */
    }
    if (peer->mech == GSS_MECH_KRB5 && peer->lifetime_s != UINT64_MAX)
        id->principal.expires = 1; /* turned into a time by the caller, who knows the clock */
    return peer->mech == GSS_MECH_KRB5 ? identify_krb5(a, peer, id) : identify_ntlm(a, peer, id);
}

/* ---- the loop -------------------------------------------------------------------------------- */

static void enqueue(struct auth *a, struct round *r)
{
    (void)pthread_mutex_lock(&a->lock);
    list_push_back(&a->queue, &r->link);
    (void)pthread_cond_signal(&a->work);
    (void)pthread_mutex_unlock(&a->lock);
}

static struct round *round_new(struct logon *l, uint64_t token, struct slice blob)
{
    struct round *r = calloc(1, sizeof *r + blob.len);
    must(r != NULL);
    list_init(&r->link);
    r->logon = l;
    r->token = token;
    r->blob_len = blob.len;
    if (blob.len > 0)
        memcpy(r->blob, blob.at, blob.len);
    return r;
}

static void end_logon(struct auth *a, struct logon *l)
{
    struct round *r = round_new(l, 0, (struct slice){0});
    list_remove(&l->link);
    a->logon_count--;
    r->end = true;
    enqueue(a, r);
}

static void answer(struct auth *a, struct round *r)
{
    static struct identity id; /* large; the loop is one thread */
    struct logon *l = r->logon;
    struct smb_event ev = {.type = SMB_EV_AUTH};
    ev.auth.token = r->token;
    ev.auth.blob = r->reply;
    ev.auth.state = SMB_AUTH_MORE;
    if (r->status == GSS_ACCEPT_DONE) {
        const struct gss_peer *peer = gss_accept_peer(l->gss);
        ev.auth.why = identify(a, peer, &id);
        ev.auth.state = ev.auth.why == NULL ? SMB_AUTH_OK : SMB_AUTH_FAILED;
        ev.auth.session_key = peer->session_key;
        ev.auth.principal = &id.principal;
        if (id.principal.expires != 0)
            id.principal.expires = shell_filetime() + peer->lifetime_s * 10000000;
        if (ev.auth.why != NULL)
            log_warn("'%s' is refused: %s", peer->name, ev.auth.why);
    } else if (r->status == GSS_ACCEPT_REFUSED) {
        ev.auth.state = SMB_AUTH_FAILED;
        ev.auth.why = l->gss != NULL ? gss_accept_error(l->gss) : "out of memory";
        log_warn("a logon is refused: %s", ev.auth.why);
    }
    shell_step(a->shell, &(struct node_event){.type = NODE_EV_SMB, .smb = &ev});
    if (ev.auth.state != SMB_AUTH_MORE)
        end_logon(a, l);
    arena_reset(&a->arena);
}

static void wait_for_thread(struct auth *a)
{
    io_uring_prep_read(reactor_entry(&a->shell->reactor, &a->waiting), a->wake, &a->wake_count,
                       sizeof a->wake_count, 0);
}

static void on_wake(struct io_op *op, int result)
{
    struct auth *a = container_of(op, struct auth, waiting);
    (void)result;
    for (;;) {
        (void)pthread_mutex_lock(&a->lock);
        struct list *l = list_pop(&a->finished);
        (void)pthread_mutex_unlock(&a->lock);
        if (l == NULL)
            break;
        struct round *r = container_of(l, struct round, link);
        if (r->end)
            free(r->logon);
        else
            answer(a, r);
        free(r);
    }
    wait_for_thread(a);
}

static struct logon *find_logon(struct auth *a, uint64_t id)
{
    list_each (l, &a->logons)
        if (container_of(l, struct logon, link)->id == id)
            return container_of(l, struct logon, link);
    return NULL;
}

static struct logon *logon_new(struct auth *a, uint64_t id)
{
    struct logon *l = a->logon_count < LOGONS_MAX ? calloc(1, sizeof *l) : NULL;
    if (l == NULL)
        return NULL;
    l->id = id;
    l->key_fd = -1;
    list_push_back(&a->logons, &l->link);
    a->logon_count++;
    return l;
}

void auth_submit(struct auth *a, const struct smb_effect *e)
{
    struct logon *l = find_logon(a, e->auth.context);
    if (e->auth.last) {
        if (l != NULL)
            end_logon(a, l); /* after the round that may be under way: the queue keeps order */
        return;
    }
    if (l == NULL)
        l = logon_new(a, e->auth.context);
    if (l == NULL) {
        log_warn("too many logons at once: one is refused");
        struct smb_event ev = {.type = SMB_EV_AUTH};
        ev.auth.token = e->auth.token;
        ev.auth.state = SMB_AUTH_FAILED;
        ev.auth.why = "too many logons at once";
        shell_post(a->shell, &(struct node_event){.type = NODE_EV_SMB, .smb = &ev});
        return;
    }
    struct round *r = round_new(l, e->auth.token, e->auth.blob);
    make_key_line(a, e->auth.blob, r->key_line);
    arena_reset(&a->arena);
    enqueue(a, r);
}

void auth_config(struct auth *a, const Fl__ClusterConfig *config) { a->config = config; }

size_t auth_hint(const struct settings *s, uint8_t *out, size_t cap)
{
    struct writer w = writer_of(out, cap);
    struct gss_accept_config config = {
        .service = "cifs",
        .hostname = s->cluster_name,
        .keytab = s->keytab[0] != '\0' ? s->keytab : NULL,
        .ntlm_keyfile = s->ntlm ? "/dev/null" : NULL,
    };
    return gss_accept_hint(&config, &w) ? written(&w).len : 0;
}

struct auth *auth_new(struct shell *s)
{
    struct auth *a = calloc(1, sizeof *a);
    must(a != NULL);
    a->shell = s;
    list_init(&a->queue);
    list_init(&a->finished);
    list_init(&a->logons);
    mem_heap_init(&a->mem, ARENA_MAX * 2);
    arena_init(&a->arena, &a->mem, ARENA_MAX);
    a->waiting.done = on_wake;
    a->wake = eventfd(0, EFD_CLOEXEC);
    must(a->wake >= 0);
    must(pthread_mutex_init(&a->lock, NULL) == 0);
    must(pthread_cond_init(&a->work, NULL) == 0);
    must(pthread_create(&a->thread, NULL, thread_main, a) == 0);
    wait_for_thread(a);
    return a;
}
