/* Writing the log; see log.h. */
#include "coordinator/raft/log.h"
#include "coordinator/raft/log_int.h"
#include "proto/base/must.h"
#include <string.h>

void raftlog_init(struct raftlog *l, struct mem *mem, const struct raft_engine_config *config)
{
    *l = (struct raftlog){.mem = mem, .server = config->id, .segment_bytes = config->segment_bytes};
    memcpy(l->cluster, config->cluster, sizeof l->cluster);
    l->next_number = 1;
    l->next_seq = 1;
}

void raftlog_fini(struct raftlog *l)
{
    mem_free(l->mem, l->segments, l->segment_cap * sizeof *l->segments);
    *l = (struct raftlog){0};
}

bool raftlog_empty(const struct raftlog *l) { return l->generation == 0; }

uint64_t raftlog_written(const struct raftlog *l) { return l->next_seq - 1; }

void raftlog_durable(struct raftlog *l, uint64_t seq)
{
    must(seq < l->next_seq);
    if (seq > l->durable)
        l->durable = seq;
}

/* --- term and vote ---------------------------------------------------------------------------- */

static bool meta_write(struct raftlog *l, struct raft_effects *fx, uint32_t slot)
{
    uint8_t *bytes = fx_bytes(fx, META_SLOT_BYTES);
    if (bytes == NULL)
        return false;
    struct meta_slot m = {.generation = l->generation, .server = l->server};
    m.term = l->term;
    m.vote = l->vote;
    m.durable = l->durable;
    m.disk = l->disk;
    memcpy(m.cluster, l->cluster, sizeof m.cluster);
    memcpy(m.roster, l->roster, sizeof m.roster);
    meta_encode(bytes, &m);
    fx_write(fx, (struct raft_file){.kind = RAFT_FILE_META}, (uint64_t)slot * META_SLOT_APART,
             slice_of(bytes, META_SLOT_BYTES));
    return !fx->failed;
}

bool raftlog_roster(struct raftlog *l, struct raft_effects *fx)
{
    return raftlog_term_vote(l, fx, l->term, l->vote);
}

bool raftlog_format(struct raftlog *l, struct raft_effects *fx, uint64_t term, uint64_t disk)
{
    must(l->generation == 0 && disk != 0);
    l->disk = disk;
    fx_create(fx, (struct raft_file){.kind = RAFT_FILE_META});
    return raftlog_term_vote(l, fx, term, 0);
}

bool raftlog_term_vote(struct raftlog *l, struct raft_effects *fx, uint64_t term, uint64_t vote)
{
    must(term >= l->term);
    l->generation++;
    l->term = term;
    l->vote = vote;
    l->slot_pending = true;
    return meta_write(l, fx, l->slot ^ 1);
}

bool raftlog_term_vote_durable(struct raftlog *l, struct raft_effects *fx)
{
    if (!l->slot_pending)
        return true;
    l->slot_pending = false;
    l->slot ^= 1;
    return meta_write(l, fx, l->slot ^ 1);
}

/* --- segments --------------------------------------------------------------------------------- */

static struct raftlog_segment *segment_push(struct raftlog *l)
{
    if (l->segment_count == l->segment_cap) {
        size_t cap = l->segment_cap == 0 ? 16 : l->segment_cap * 2, size = sizeof *l->segments;
        void *grown = l->segments == NULL
                          ? mem_array(l->mem, cap, size)
                          : mem_resize(l->mem, l->segments, l->segment_cap * size, cap * size);
        if (grown == NULL)
            return NULL;
        l->segments = grown, l->segment_cap = cap;
    }
    return &l->segments[l->segment_count++];
}

static bool segment_open(struct raftlog *l, struct raft_effects *fx, uint64_t first, uint32_t flags)
{
    uint8_t *bytes = fx_bytes(fx, SEGMENT_HEADER_BYTES);
    struct segment_header h = {.flags = flags, .server = l->server, .number = l->next_number};
    h.seq = l->next_seq;
    h.durable = l->durable;
    h.chain = l->chain;
    h.first_index = first;
    if (l->segment_count > 0 && (flags & SEGMENT_RESET) == 0) {
        h.prev_number = l->segments[l->segment_count - 1].number;
        h.prev_bytes = l->tail_bytes;
    }
    memcpy(h.cluster, l->cluster, sizeof h.cluster);
    struct raftlog_segment *segment = bytes == NULL ? NULL : segment_push(l);
    if (segment == NULL)
        return false;
    segment_encode(bytes, &h, &l->chain);
    *segment = (struct raftlog_segment){.number = h.number, .seq = h.seq, .first_index = first};
    struct raft_file file = {.kind = RAFT_FILE_LOG, .number = h.number};
    fx_create(fx, file);
    fx_write(fx, file, 0, slice_of(bytes, SEGMENT_HEADER_BYTES));
    l->next_number++;
    l->next_seq++;
    l->tail_bytes = SEGMENT_HEADER_BYTES;
    l->open = true;
    return !fx->failed;
}

/* A full segment is left only once its header is durable: so of all headers at most the newest can
 * have been torn by a crash, and a bad one in the middle is damage. */
static bool segment_full(const struct raftlog *l)
{
    if (!l->open)
        return true;
    return l->tail_bytes >= l->segment_bytes && l->durable >= l->segments[l->segment_count - 1].seq;
}

bool raftlog_append(struct raftlog *l, struct raft_effects *fx, const struct entries *entries,
                    uint64_t from, uint64_t to)
{
    must(from <= to);
    if (segment_full(l) && !segment_open(l, fx, from, 0))
        return false;
    size_t len = 0;
    for (uint64_t i = from; i <= to; i++)
        len += record_bytes(entries_get(entries, i)->len);
    uint8_t *bytes = fx_bytes(fx, len);
    if (bytes == NULL)
        return false;
    uint64_t number = l->segments[l->segment_count - 1].number;
    struct writer w = writer_of(bytes, len);
    for (uint64_t i = from; i <= to; i++) {
        const struct entry *e = entries_get(entries, i);
        struct record r = {.chain = l->chain, .seq = l->next_seq++, .durable = l->durable};
        r.index = i;
        r.term = e->term;
        r.type = e->type;
        r.data = slice_of(e->data, e->len);
        record_encode(&w, &r, number);
        l->chain = r.checksum;
    }
    must(w.pos == len);
    fx_write(fx, (struct raft_file){.kind = RAFT_FILE_LOG, .number = number}, l->tail_bytes,
             slice_of(bytes, len));
    l->tail_bytes += len;
    return !fx->failed;
}

bool raftlog_reset(struct raftlog *l, struct raft_effects *fx, uint64_t next)
{
    return segment_open(l, fx, next, SEGMENT_RESET);
}

void raftlog_drop(struct raftlog *l, struct raft_effects *fx, uint64_t keep)
{
    size_t gone = 0;
    while (gone + 1 < l->segment_count && l->segments[gone + 1].first_index <= keep &&
           l->segments[gone + 1].seq <= l->durable) {
        fx_delete(fx, (struct raft_file){RAFT_FILE_LOG, l->segments[gone].number});
        gone++;
    }
    if (gone == 0)
        return;
    l->segment_count -= gone;
    memmove(l->segments, l->segments + gone, l->segment_count * sizeof *l->segments);
}
