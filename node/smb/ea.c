/* Extended attributes and the list of streams, which are the coordinator's: [MS-SMB2] 3.3.5.20.1
 * (FileFullEaInformation, FileStreamInformation) and 3.3.5.21.1. */
#include "node/smb/files.h"

#include "proto/smb/ea.h"
#include "proto/smb/info.h"

/* The most a list can measure: each entry has at most seven bytes more than in the set. */
#define EA_OUTPUT_MAX (EA_SET_MAX + 7u * EA_COUNT_MAX)
#define STREAMS_OUTPUT_MAX 65536u

/* Where the answer goes, and what became of it. */
struct output {
    struct writer w;
    size_t last;
    uint32_t count; /* entries written */
    bool cut;       /* one did not fit */
};

static bool output_begin(struct smb_request *r, uint32_t wanted, uint32_t most, struct output *out)
{
    uint32_t size = wanted < most ? wanted : most;
    uint8_t *at = size == 0 ? NULL : arena_alloc(&r->arena, size);
    *out = (struct output){.w = writer_of(at, size), .last = EA_NO_ENTRY};
    return size == 0 || at != NULL;
}

/* ---- extended attributes ------------------------------------------------------------------- */

static void add(struct output *out, const struct ea *e)
{
    out->cut = out->cut || !ea_write(&out->w, &out->last, e);
    out->count += !out->cut;
}

/* Those the client names; one that is not there comes with an empty value, as NTFS has it. */
static ntstatus add_named(struct slice set, const struct smb_query_info_req *req,
                          struct output *out)
{
    bool single = (req->flags & SL_RETURN_SINGLE_ENTRY) != 0;
    for (struct slice list = req->input; list.len > 0 && !out->cut;) {
        struct ea wanted = {0}, e;
        ntstatus status = ea_next_name(&list, &wanted.name);
        if (status == STATUS_OK)
            status = ea_check(&wanted);
        if (status != STATUS_OK)
            return status;
        add(out, ea_get(set, wanted.name, &e) ? &e : &wanted);
        if (single)
            break;
    }
    return STATUS_OK;
}

/* From the index the client gives, or from where the last query ended. */
static ntstatus add_all(struct smb_open *o, struct slice set, const struct smb_query_info_req *req,
                        struct output *out)
{
    bool indexed = (req->flags & SL_INDEX_SPECIFIED) != 0;
    bool single = (req->flags & SL_RETURN_SINGLE_ENTRY) != 0;
    uint32_t from = o->ea_index, at = 0;
    struct ea e;
    if (indexed && req->additional == 0)
        return STATUS_NONEXISTENT_EA_ENTRY;
    if (indexed)
        from = req->additional - 1;
    else if ((req->flags & SL_RESTART_SCAN) != 0)
        from = 0;
    for (; ea_next(&set, &e) && !out->cut; at++)
        if (at >= from && !(single && out->count > 0))
            add(out, &e);
    if (out->count == 0 && !out->cut) {
        if (at == 0)
            return STATUS_NO_EAS_ON_FILE;
        return indexed ? STATUS_NONEXISTENT_EA_ENTRY : STATUS_NO_MORE_EAS;
    }
    if (!indexed)
        o->ea_index = from + out->count;
    return STATUS_OK;
}

static void ea_is(struct smb *s, struct smb_request *r, const Fl__Reply *reply)
{
    const struct smb_query_info_req *req = r->scratch;
    struct smb_open *o = request_its_open(s, r);
    struct output out;
    if (reply->status != STATUS_OK || reply->body_case != FL__REPLY__BODY_EA || reply->ea == NULL) {
        request_fail(s, r, reply_failure(reply));
        return;
    }
    if (!output_begin(r, req->output_length, EA_OUTPUT_MAX, &out)) {
        request_fail(s, r, STATUS_INSUFFICIENT_RESOURCES);
        return;
    }
    struct slice set = slice_of(reply->ea->set.data, reply->ea->set.len);
    ntstatus status = req->input.len > 0 ? add_named(set, req, &out) : add_all(o, set, req, &out);
    if (status == STATUS_OK && out.cut)
        status = out.count > 0 ? STATUS_BUFFER_OVERFLOW : STATUS_BUFFER_TOO_SMALL;
    if (status == STATUS_OK || status == STATUS_BUFFER_OVERFLOW)
        query_info_reply(s, r, status, written(&out.w));
    else
        request_fail(s, r, status);
}

void query_ea(struct smb *s, struct smb_request *r, const struct smb_open *o,
              const struct smb_query_info_req *req)
{
    Fl__Query *q = request_query_new(s, r);
    if (q == NULL)
        return;
    Fl__QueryEa *ask = request_new(r, Fl__QueryEa);
    if (ask == NULL) {
        request_fail(s, r, STATUS_INSUFFICIENT_RESOURCES);
        return;
    }
    fl__query_ea__init(ask);
    ask->open_id = o->open_id;
    q->body_case = FL__QUERY__BODY_EA;
    q->ea = ask;
    r->scratch = (void *)(uintptr_t)req; /* only read */
    request_query(s, r, q, ea_is);
}

ntstatus ea_changes(struct smb_request *r, struct slice list, ProtobufCBinaryData *out)
{
    uint8_t *room = arena_alloc(&r->arena, list.len);
    if (list.len > 0 && room == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    struct writer w = writer_of(room, list.len);
    ntstatus status = ea_decode(list, &w);
    if (status == STATUS_OK)
        *out = borrowed(written(&w));
    return status;
}

static void ea_was_set(struct smb *s, struct smb_request *r, const Fl__Reply *reply)
{
    if (reply->status == STATUS_OK)
        set_info_reply(s, r);
    else
        request_fail(s, r, reply_failure(reply));
}

void set_ea(struct smb *s, struct smb_request *r, const struct smb_open *o, struct slice list)
{
    Fl__Command *c = request_command(s, r);
    if (c == NULL)
        return;
    Fl__SetEa *body = request_new(r, Fl__SetEa);
    if (body == NULL) {
        request_fail(s, r, STATUS_INSUFFICIENT_RESOURCES);
        return;
    }
    fl__set_ea__init(body);
    ntstatus status = ea_changes(r, list, &body->changes);
    if (status != STATUS_OK) {
        request_fail(s, r, status);
        return;
    }
    body->open_id = o->open_id;
    c->body_case = FL__COMMAND__BODY_SET_EA;
    c->set_ea = body;
    request_meta(s, r, c, ea_was_set);
}

/* ---- streams ------------------------------------------------------------------------------- */

static void add_stream(struct output *out, const struct fscc_stream *stream)
{
    out->cut = out->cut || !fscc_write_stream(&out->w, &out->last, stream);
    out->count += !out->cut;
}

/* [MS-FSA] 2.1.5.12.29: a file has its data first, a directory has none. */
static void add_streams(struct output *out, const Fl__StreamsReply *reply)
{
    const Fl__FileInfo *info = reply->info;
    struct fscc_stream data = {.size = info->size, .allocation_size = info->allocation_size};
    if ((info->attributes & FILE_ATTRIBUTE_DIRECTORY) == 0)
        add_stream(out, &data);
    for (size_t i = 0; i < reply->n_streams && !out->cut; i++) {
        const Fl__StreamsReply__Stream *from = reply->streams[i];
        struct fscc_stream stream = {.name = slice_of(from->name.data, from->name.len),
                                     .size = from->size,
                                     .allocation_size = from->allocation_size};
        add_stream(out, &stream);
    }
}

static void streams_are(struct smb *s, struct smb_request *r, const Fl__Reply *reply)
{
    const struct smb_query_info_req *req = r->scratch;
    struct output out;
    if (reply->status != STATUS_OK || reply->body_case != FL__REPLY__BODY_STREAMS ||
        reply->streams == NULL || reply->streams->info == NULL) {
        request_fail(s, r, reply_failure(reply));
        return;
    }
    if (!output_begin(r, req->output_length, STREAMS_OUTPUT_MAX, &out)) {
        request_fail(s, r, STATUS_INSUFFICIENT_RESOURCES);
        return;
    }
    add_streams(&out, reply->streams);
    query_info_reply(s, r, out.cut ? STATUS_BUFFER_OVERFLOW : STATUS_OK, written(&out.w));
}

void query_streams(struct smb *s, struct smb_request *r, const struct smb_open *o,
                   const struct smb_query_info_req *req)
{
    if (req->output_length < FSCC_STREAM_LEAST) {
        request_fail(s, r, STATUS_INFO_LENGTH_MISMATCH);
        return;
    }
    Fl__Query *q = request_query_new(s, r);
    if (q == NULL)
        return;
    Fl__QueryStreams *ask = request_new(r, Fl__QueryStreams);
    if (ask == NULL) {
        request_fail(s, r, STATUS_INSUFFICIENT_RESOURCES);
        return;
    }
    fl__query_streams__init(ask);
    ask->open_id = o->open_id;
    q->body_case = FL__QUERY__BODY_STREAMS;
    q->streams = ask;
    r->scratch = (void *)(uintptr_t)req; /* only read */
    request_query(s, r, q, streams_are);
}
