/* Reading the log after a start; log.h says what damage means. The steps: find meta; find the
 * newest segment with a sound header and walk back over its predecessors (the run); read the run
 * forward until the end or the first unsound record; then ask whether anything that survived claims
 * that what is missing had been durable. */
#include "coordinator/raft/log_int.h"
#include "proto/base/must.h"
#include <string.h>

struct found_segment {
    struct segment_header header;
    uint64_t checksum, number;
    struct slice bytes;
    size_t limit; /* how many bytes count, as the successor says */
    bool sound, in_run;
};

struct recovery {
    struct raftlog *log;
    struct found_segment *segments; /* ascending by number */
    size_t count, run_first, run_end;
    struct entries *out;
    size_t good_bytes; /* of the last segment of the run */
    uint64_t claimed;  /* the highest `durable` read */
};

/* --- meta ------------------------------------------------------------------------------------- */

static const char *meta_read(struct raftlog *l, struct slice bytes, uint64_t *durable, bool *absent)
{
    *absent = true;
    for (uint32_t slot = 0; slot < 2; slot++) {
        struct meta_slot m;
        struct reader r = reader_of(bytes);
        if (!meta_decode(read_at(&r, (size_t)slot * META_SLOT_APART, META_SLOT_BYTES), &m))
            continue;
        if (memcmp(m.cluster, l->cluster, sizeof l->cluster) != 0)
            return "the raft directory belongs to another cluster";
        if (m.server != l->server)
            return "the raft directory belongs to another server of this cluster";
        if (!*absent && m.generation < l->generation)
            continue;
        l->slot = slot;
        l->generation = m.generation;
        l->term = m.term;
        l->vote = m.vote;
        l->disk = m.disk;
        memcpy(l->roster, m.roster, sizeof m.roster);
        *durable = *durable > m.durable ? *durable : m.durable;
        *absent = false;
    }
    return NULL;
}

/* --- the run ---------------------------------------------------------------------------------- */

static void segments_sort(struct found_segment *s, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        struct found_segment key = s[i];
        size_t j = i;
        for (; j > 0 && s[j - 1].number > key.number; j--)
            s[j] = s[j - 1];
        s[j] = key;
    }
}

static bool segments_load(struct recovery *rec, const struct raft_loaded_file *files, size_t count)
{
    for (size_t i = 0; i < count; i++)
        rec->count += files[i].file.kind == RAFT_FILE_LOG;
    if (rec->count == 0)
        return true;
    rec->segments = mem_array(rec->log->mem, rec->count, sizeof *rec->segments);
    if (rec->segments == NULL)
        return false;
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        if (files[i].file.kind != RAFT_FILE_LOG)
            continue;
        struct found_segment *s = &rec->segments[at++];
        s->number = files[i].file.number;
        s->bytes = files[i].bytes;
        s->limit = s->bytes.len;
        s->sound =
            segment_decode(s->bytes, &s->header, &s->checksum) && s->header.number == s->number;
    }
    segments_sort(rec->segments, rec->count);
    return true;
}

static struct found_segment *segment_find(struct recovery *rec, uint64_t number)
{
    for (size_t i = 0; i < rec->count; i++) {
        if (rec->segments[i].number == number)
            return &rec->segments[i];
    }
    return NULL;
}

/* Marks the newest sound segment and its predecessors. A predecessor that is not there was dropped
 * behind a snapshot, or is missing: the engine knows by comparing with its snapshot. */
static const char *run_mark(struct recovery *rec)
{
    struct found_segment *s = NULL;
    for (size_t i = rec->count; i > 0 && s == NULL; i--) {
        if (rec->segments[i - 1].sound)
            s = &rec->segments[i - 1];
    }
    while (s != NULL) {
        if (memcmp(s->header.cluster, rec->log->cluster, sizeof s->header.cluster) != 0)
            return "the raft log belongs to another cluster";
        if (s->header.server != rec->log->server)
            return "the raft log belongs to another server of this cluster";
        s->in_run = true;
        if (s->header.prev_number == 0)
            break;
        struct found_segment *prev = segment_find(rec, s->header.prev_number);
        if (prev == NULL)
            break;
        if (!prev->sound || prev->number >= s->number)
            return "the raft log is damaged: a segment's header is unreadable";
        prev->limit = (size_t)s->header.prev_bytes;
        s = prev;
    }
    return NULL;
}

/* --- records ---------------------------------------------------------------------------------- */

static const char *record_take(struct recovery *rec, const struct record *r)
{
    struct entries *out = rec->out;
    if (r->index > entries_last(out) + 1)
        return "the raft log is damaged: an index is missing";
    if (r->index < out->first)
        entries_reset(out, r->index);
    else
        entries_truncate(out, r->index);
    if (entries_append(out, r->term, r->type, r->data) == NULL)
        return "not enough memory for the raft log";
    return NULL;
}

/* Reads one segment; *at is where it stopped: the limit, or the first unsound record. */
static const char *segment_read(struct recovery *rec, const struct found_segment *s, size_t *at)
{
    struct raftlog *l = rec->log;
    size_t end = s->limit < s->bytes.len ? s->limit : s->bytes.len;
    *at = SEGMENT_HEADER_BYTES;
    while (*at < end) {
        struct record r;
        struct slice rest = slice_sub(s->bytes, *at, end - *at);
        if (!record_decode(rest, s->number, 0, &r))
            break;
        if (r.seq != l->next_seq || r.chain != l->chain)
            break;
        const char *why = record_take(rec, &r);
        if (why != NULL)
            return why;
        rec->claimed = r.durable > rec->claimed ? r.durable : rec->claimed;
        l->next_seq++;
        l->chain = r.checksum;
        *at += record_bytes(r.data.len);
    }
    return NULL;
}

/* True when some sound record in `bytes` says that `seq` had been durable. */
static bool evidence_in(const struct found_segment *s, size_t from, uint64_t seq)
{
    if (s->sound && from == 0 && s->header.durable >= seq)
        return true;
    for (size_t at = (from + 7) & ~(size_t)7; at + RECORD_HEADER_BYTES <= s->bytes.len; at += 8) {
        struct record r;
        struct slice rest = slice_sub(s->bytes, at, s->bytes.len - at);
        if (record_decode(rest, s->number, seq, &r))
            return true;
    }
    return false;
}

/* The run stops in segment `i` at byte `at`, before sequence number log->next_seq. */
static const char *run_cut(struct recovery *rec, size_t i, size_t at)
{
    uint64_t seq = rec->log->next_seq;
    for (size_t j = i; j < rec->count; j++) {
        if (evidence_in(&rec->segments[j], j == i ? at : 0, seq))
            return "the raft log is damaged: records that were durable are unreadable; "
                   "replace this server under a new id";
        if (j > i)
            rec->segments[j].in_run = false;
    }
    return NULL;
}

static bool segment_keep(struct raftlog *l, const struct found_segment *s)
{
    size_t size = sizeof *l->segments;
    struct raftlog_segment *grown = mem_array(l->mem, l->segment_count + 1, size);
    if (grown == NULL)
        return false;
    if (l->segment_count > 0)
        memcpy(grown, l->segments, l->segment_count * size);
    mem_free(l->mem, l->segments, l->segment_cap * size);
    l->segments = grown;
    l->segment_cap = l->segment_count + 1;
    l->segments[l->segment_count++] = (struct raftlog_segment){
        .number = s->number, .seq = s->header.seq, .first_index = s->header.first_index};
    return true;
}

static const char *run_read(struct recovery *rec)
{
    struct raftlog *l = rec->log;
    bool first = true;
    size_t last = rec->count;
    for (size_t i = 0; i < rec->count; i++) {
        const struct found_segment *s = &rec->segments[i];
        if (!s->in_run)
            continue;
        if (first) {
            l->next_seq = s->header.seq;
            l->chain = s->header.chain;
            entries_reset(rec->out, s->header.first_index);
        }
        if (s->header.seq != l->next_seq || s->header.chain != l->chain)
            return "the raft log is damaged: segments do not follow each other";
        first = false;
        rec->claimed = s->header.durable > rec->claimed ? s->header.durable : rec->claimed;
        l->next_seq++;
        l->chain = s->checksum;
        if (!segment_keep(l, s))
            return "not enough memory for the raft log";
        const char *why = segment_read(rec, s, &rec->good_bytes);
        if (why != NULL)
            return why;
        last = i;
        if (rec->good_bytes != s->limit)
            break;
    }
    l->tail_bytes = rec->good_bytes;
    return run_cut(rec, last == rec->count ? 0 : last, last == rec->count ? 0 : rec->good_bytes);
}

/* --- all of it -------------------------------------------------------------------------------- */

/* A crash in the very first writing may leave a log and no meta. Nobody was told of it: the disk is
 * as good as empty. */
static void first_writing_torn(struct recovery *rec)
{
    struct raftlog *l = rec->log;
    for (size_t i = 0; i < rec->count; i++)
        rec->segments[i].in_run = false;
    l->segment_count = 0;
    l->next_seq = 1;
    l->chain = 0;
    entries_reset(rec->out, 1);
}

static const char *recover(struct recovery *rec, const struct raft_loaded_file *files, size_t count)
{
    struct raftlog *l = rec->log;
    struct slice meta = {0};
    uint64_t durable = 0;
    bool no_meta;
    for (size_t i = 0; i < count; i++) {
        if (files[i].file.kind == RAFT_FILE_META)
            meta = files[i].bytes;
    }
    const char *why = meta_read(l, meta, &durable, &no_meta);
    if (why != NULL)
        return why;
    if (!segments_load(rec, files, count))
        return "not enough memory for the raft log";
    if ((why = run_mark(rec)) != NULL || (why = run_read(rec)) != NULL)
        return why;
    if (no_meta && rec->claimed == 0)
        first_writing_torn(rec);
    else if (no_meta)
        return "the raft directory is damaged: the file of term and vote is unreadable; "
               "replace this server under a new id";
    if (durable >= l->next_seq)
        return "the raft log is damaged: it ends before what was durable; "
               "replace this server under a new id";
    return NULL;
}

const char *raftlog_recover(struct raftlog *l, const struct raft_loaded_file *files, size_t count,
                            struct entries *out, struct raft_effects *fx)
{
    struct recovery rec = {.log = l, .out = out};
    const char *why = recover(&rec, files, count);
    for (size_t i = 0; i < rec.count && why == NULL; i++) {
        const struct found_segment *s = &rec.segments[i];
        if (s->number >= l->next_number)
            l->next_number = s->number + 1;
        if (!s->in_run)
            fx_delete(fx, (struct raft_file){RAFT_FILE_LOG, s->number});
    }
    mem_free(l->mem, rec.segments, rec.count * sizeof *rec.segments);
    if (why != NULL)
        return why;
    /* What was read is durable: the shell says so by START. */
    l->durable = l->next_seq - 1;
    /* An entry is written with the term of its update; a vote in that update that did not reach the
     * disk was not told to anybody either. */
    uint64_t last = entries_last(out);
    const struct entry *tail = entries_get(out, last);
    if (tail != NULL && tail->term > l->term)
        l->term = tail->term, l->vote = 0;
    return NULL;
}
