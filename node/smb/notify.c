/* CHANGE_NOTIFY ([MS-SMB2] 3.3.5.19, [MS-FSA] 2.1.5.11).
 *
 *   first request of an open ─► META Watch ─► watch ◄── SMB_EV_WATCH: kept in its list
 *                                               │
 *   every request ──► something kept? ──yes──► told at once, the list is empty again
 *                         └──no──► parked, oldest first ──SMB_EV_WATCH──► told
 *
 * What a node may not have heard (it had lost its coordinator) the coordinator tells as "look for
 * yourself", which the client is told as STATUS_NOTIFY_ENUM_DIR. */
#include "node/smb/notify.h"

#include "node/smb/files.h"
#include "proto/smb/notify.h"

/* ---- what is kept ---------------------------------------------------------------------------- */

static void forget(struct smb *s, struct smb_watch *w)
{
    mem_free(s->mem, w->list, w->cap);
    w->list = NULL;
    w->cap = w->len = w->last = 0;
    w->half = false;
}

static void miss(struct smb *s, struct smb_watch *w)
{
    forget(s, w);
    w->missed = true;
}

/* Room for `len` bytes; false beyond the limit or without memory. */
static bool grow(struct smb *s, struct smb_watch *w, size_t len)
{
    size_t cap = w->cap == 0 ? 256 : w->cap;
    if (len > w->limit)
        return false;
    while (cap < len)
        cap *= 2;
    if (cap == w->cap)
        return true;
    uint8_t *list = mem_alloc(s->mem, cap);
    if (list == NULL)
        return false;
    if (w->len > 0)
        memcpy(list, w->list, w->len);
    mem_free(s->mem, w->list, w->cap);
    w->list = list;
    w->cap = cap;
    return true;
}

static void keep(struct smb *s, struct smb_watch *w, const struct smb_event *ev)
{
    if (w->missed)
        return; /* the client will look anyhow */
    struct slice name = ev->watch.name;
    if (ev->watch.action == 0 || !grow(s, w, notify_list_grown(w->len, name.len))) {
        miss(s, w);
        return;
    }
    notify_list_add(w->list, &w->len, &w->last, ev->watch.action, name);
    w->half = ev->watch.action == FILE_ACTION_RENAMED_OLD_NAME;
}

/* Is there anything to tell? An old name waits for its new one. */
static bool has_news(const struct smb_watch *w)
{
    return w->deleted || w->missed || (w->len > 0 && !w->half);
}

/* ---- requests -------------------------------------------------------------------------------- */

/* The oldest sleeping one before `end` (NULL: of all) that is not being cancelled; requests of an
 * open are in the order of their arrival. */
static struct smb_request *oldest(const struct smb_open *o, const struct smb_request *end)
{
    list_each (link, &o->requests) {
        struct smb_request *r = container_of(link, struct smb_request, open_link);
        if (r == end)
            break;
        bool asleep = r->sm.state == REQUEST_PARKED && r->header.command == SMB2_CHANGE_NOTIFY;
        bool ends = !list_empty(&r->work) && r->wake_status != STATUS_OK;
        if (asleep && !ends)
            return r;
    }
    return NULL;
}

static void wake_oldest(struct smb *s, struct smb_open *o)
{
    struct smb_request *r = has_news(o->watch) ? oldest(o, NULL) : NULL;
    if (r != NULL && list_empty(&r->work)) /* else it is on its way already */
        request_wake_later(s, r, STATUS_OK);
}

static void reply(struct smb *s, struct smb_request *r, ntstatus status, struct slice output)
{
    struct writer *w = request_writer(s, r, 8 + output.len);
    if (w == NULL)
        return;
    smb_change_notify_encode(w, output);
    request_reply(s, r, status);
}

/* [MS-FSA] 2.1.5.11.1 */
static void tell(struct smb *s, struct smb_request *r, struct smb_watch *w)
{
    const struct smb_change_notify_req *req = r->scratch;
    if (w->deleted) {
        request_fail(s, r, STATUS_DELETE_PENDING);
        return;
    }
    bool fits = !w->missed && w->len <= req->output_length;
    reply(s, r, fits ? STATUS_OK : STATUS_NOTIFY_ENUM_DIR,
          fits ? slice_of(w->list, w->len) : (struct slice){0});
    w->missed = false;
    forget(s, w);
}

/* The request goes on: told what there is, or to sleep. */
static void go_on(struct smb *s, struct smb_request *r)
{
    struct smb_open *o = request_its_open(s, r);
    if (o == NULL || o->closing)
        request_fail(s, r, STATUS_NOTIFY_CLEANUP);
    else if (has_news(o->watch) && oldest(o, r) == NULL)
        tell(s, r, o->watch);
    else if (r->cancelled)
        request_fail(s, r, STATUS_CANCELLED);
    else if (r->conn->parked >= SMB_PARKED_MAX)
        request_fail(s, r, STATUS_INSUFFICIENT_RESOURCES); /* 3.3.4.2 */
    else
        request_park(s, r);
    if (o != NULL && !o->closing)
        wake_oldest(s, o); /* a watch that ends, ends for all */
}

/* ---- the watch ------------------------------------------------------------------------------- */

static struct smb_watch *watch_new(struct smb *s, struct smb_open *o, uint32_t limit)
{
    struct smb_watch *w = mem_alloc(s->mem, sizeof(*w));
    if (w == NULL || !map_put_u64(&s->watch_by_id, o->open_id, o)) {
        mem_free(s->mem, w, sizeof(*w));
        return NULL;
    }
    w->limit = limit < SMB_WATCH_LIST_MAX ? limit : SMB_WATCH_LIST_MAX;
    return w;
}

static void watched(struct smb *s, struct smb_request *r, const Fl__Reply *reply_)
{
    struct smb_open *o = request_its_open(s, r);
    const struct smb_change_notify_req *req = r->scratch;
    ntstatus status = reply_->status;
    if (status == STATUS_OK)
        o->watch = watch_new(s, o, req->output_length);
    if (status == STATUS_OK && o->watch == NULL)
        status = STATUS_INSUFFICIENT_RESOURCES;
    if (status == STATUS_OK)
        go_on(s, r);
    else
        request_fail(s, r, status);
    open_wake(s, o);
}

static void begin_watch(struct smb *s, struct smb_request *r, const struct smb_open *o)
{
    const struct smb_change_notify_req *req = r->scratch;
    Fl__Command *c = request_command(s, r);
    if (c == NULL)
        return;
    Fl__Watch *watch = request_new(r, Fl__Watch);
    if (watch == NULL) {
        request_fail(s, r, STATUS_INSUFFICIENT_RESOURCES);
        return;
    }
    fl__watch__init(watch);
    watch->open_id = o->open_id;
    watch->filter = req->filter;
    watch->tree = (req->flags & SMB2_WATCH_TREE) != 0;
    c->body_case = FL__COMMAND__BODY_WATCH;
    c->watch = watch;
    request_meta(s, r, c, watched);
}

/* The first request begins the watch; those that come meanwhile wait for it. */
static void start(struct smb *s, struct smb_request *r)
{
    struct smb_open *o = request_its_open(s, r);
    r->on_idle = go_on;
    if (o == NULL || o->closing || o->watch != NULL)
        go_on(s, r);
    else if (r->cancelled)
        request_fail(s, r, STATUS_CANCELLED);
    else if (open_working(o, r, SMB2_CHANGE_NOTIFY))
        open_wait(s, r, o, start);
    else
        begin_watch(s, r, o);
}

static ntstatus check(const struct smb_request *r, const struct smb_open *o,
                      const struct smb_change_notify_req *req)
{
    if (req->output_length > r->conn->io_max || !request_paid(r, req->output_length))
        return STATUS_INVALID_PARAMETER;
    if (!o->directory)
        return STATUS_INVALID_PARAMETER;
    if ((o->granted_access & FILE_LIST_DIRECTORY) == 0)
        return STATUS_ACCESS_DENIED;
    return r->last_part ? STATUS_OK : STATUS_INTERNAL_ERROR; /* 3.3.5.2.7 <266> */
}

void cmd_change_notify(struct smb *s, struct smb_request *r)
{
    struct smb_change_notify_req *req = request_new(r, struct smb_change_notify_req);
    struct smb_open *o = NULL;
    ntstatus status =
        req != NULL ? smb_change_notify_decode(r->message, req) : STATUS_INSUFFICIENT_RESOURCES;
    if (status == STATUS_OK)
        status = request_open(s, r, req->file_id, &o);
    if (status == STATUS_OK)
        status = check(r, o, req);
    if (status != STATUS_OK) {
        request_fail(s, r, status);
        return;
    }
    r->scratch = req;
    start(s, r);
}

/* ---- events ---------------------------------------------------------------------------------- */

static void all_missed(struct smb *s)
{
    struct smb_open *o;
    uint32_t cursor = 0;
    while ((o = map_next(&s->watch_by_id, &cursor, NULL)) != NULL) {
        miss(s, o->watch);
        wake_oldest(s, o);
    }
}

void watch_event(struct smb *s, const struct smb_event *ev)
{
    if (ev->watch.open_id == 0) {
        all_missed(s);
        return;
    }
    struct smb_open *o = map_get_u64(&s->watch_by_id, ev->watch.open_id);
    if (o == NULL)
        return; /* it has been closed meanwhile */
    if (ev->watch.deleted)
        o->watch->deleted = true;
    else
        keep(s, o->watch, ev);
    wake_oldest(s, o);
}

void watch_end(struct smb *s, struct smb_open *o)
{
    if (o->watch == NULL)
        return;
    (void)map_remove_u64(&s->watch_by_id, o->open_id);
    forget(s, o->watch);
    mem_free(s->mem, o->watch, sizeof(*o->watch));
    o->watch = NULL;
}

void watch_check(const struct smb *s, const struct smb_open *o)
{
    const struct smb_watch *w = o->watch;
    if (w == NULL)
        return;
    must(o->directory);
    must(map_get_u64(&s->watch_by_id, o->open_id) == o);
    must(w->len <= w->limit);
    must(w->len <= w->cap);
    must(w->last <= w->len);
    must(!w->missed || w->len == 0);
}
