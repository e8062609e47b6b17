/* Encoding of records, segment headers and meta slots. The checksum stands first and covers all
 * that follows; that of a record is seeded with its segment's number, so that a record copied
 * elsewhere is not sound there. */
#include "coordinator/raft/hash.h"
#include "coordinator/raft/log_int.h"
#include "proto/base/must.h"

size_t record_bytes(size_t data_len) { return RECORD_HEADER_BYTES + ((data_len + 7) & ~(size_t)7); }

void meta_encode(uint8_t out[META_SLOT_BYTES], const struct meta_slot *m)
{
    struct writer w = writer_of(out, META_SLOT_BYTES);
    write_u64(&w, 0);
    write_u64(&w, META_MAGIC);
    write_u32(&w, RAFTLOG_VERSION);
    write_u32(&w, 0);
    write_u64(&w, m->generation);
    write_u64(&w, m->server);
    write_u64(&w, m->term);
    write_u64(&w, m->vote);
    write_u64(&w, m->durable);
    write_bytes(&w, slice_of(m->cluster, sizeof m->cluster));
    write_u64(&w, m->disk);
    for (size_t i = 0; i < RAFTLOG_ROSTER; i++) {
        write_u64(&w, m->roster[i].id);
        write_u64(&w, m->roster[i].disk);
    }
    must(w.pos == META_SLOT_BYTES && !w.full);
    patch_u64(&w, 0, hash64(slice_of(out + 8, META_SLOT_BYTES - 8), META_MAGIC));
}

bool meta_decode(struct slice bytes, struct meta_slot *out)
{
    struct reader r = reader_of(bytes);
    uint64_t checksum = read_u64(&r);
    struct slice body = read_at(&r, 8, META_SLOT_BYTES - 8);
    uint64_t magic = read_u64(&r);
    uint32_t version = read_u32(&r);
    read_skip(&r, 4);
    struct meta_slot m = {0};
    m.generation = read_u64(&r);
    m.server = read_u64(&r);
    m.term = read_u64(&r);
    m.vote = read_u64(&r);
    m.durable = read_u64(&r);
    read_copy(&r, m.cluster, sizeof m.cluster);
    m.disk = read_u64(&r);
    for (size_t i = 0; i < RAFTLOG_ROSTER; i++) {
        m.roster[i].id = read_u64(&r);
        m.roster[i].disk = read_u64(&r);
    }
    if (r.bad || magic != META_MAGIC || version != RAFTLOG_VERSION)
        return false;
    if (hash64(body, META_MAGIC) != checksum)
        return false;
    *out = m;
    return true;
}

void segment_encode(uint8_t out[SEGMENT_HEADER_BYTES], struct segment_header *h, uint64_t *checksum)
{
    struct writer w = writer_of(out, SEGMENT_HEADER_BYTES);
    write_u64(&w, 0);
    write_u64(&w, SEGMENT_MAGIC);
    write_u32(&w, RAFTLOG_VERSION);
    write_u32(&w, h->flags);
    write_u64(&w, h->server);
    write_u64(&w, h->number);
    write_u64(&w, h->seq);
    write_u64(&w, h->durable);
    write_u64(&w, h->chain);
    write_u64(&w, h->first_index);
    write_u64(&w, h->prev_number);
    write_u64(&w, h->prev_bytes);
    write_bytes(&w, slice_of(h->cluster, sizeof h->cluster));
    write_u64(&w, 0);
    must(w.pos == SEGMENT_HEADER_BYTES && !w.full);
    *checksum = hash64(slice_of(out + 8, SEGMENT_HEADER_BYTES - 8), SEGMENT_MAGIC);
    patch_u64(&w, 0, *checksum);
}

bool segment_decode(struct slice bytes, struct segment_header *out, uint64_t *checksum)
{
    struct reader r = reader_of(bytes);
    uint64_t sum = read_u64(&r);
    struct slice body = read_at(&r, 8, SEGMENT_HEADER_BYTES - 8);
    uint64_t magic = read_u64(&r);
    uint32_t version = read_u32(&r);
    struct segment_header h = {0};
    h.flags = read_u32(&r);
    h.server = read_u64(&r);
    h.number = read_u64(&r);
    h.seq = read_u64(&r);
    h.durable = read_u64(&r);
    h.chain = read_u64(&r);
    h.first_index = read_u64(&r);
    h.prev_number = read_u64(&r);
    h.prev_bytes = read_u64(&r);
    read_copy(&r, h.cluster, sizeof h.cluster);
    read_skip(&r, 8);
    if (r.bad || magic != SEGMENT_MAGIC || version != RAFTLOG_VERSION)
        return false;
    if (hash64(body, SEGMENT_MAGIC) != sum)
        return false;
    *out = h;
    *checksum = sum;
    return true;
}

void record_encode(struct writer *w, struct record *r, uint64_t segment)
{
    size_t start = w->pos;
    write_u64(w, 0);
    write_u64(w, r->chain);
    write_u64(w, r->seq);
    write_u64(w, r->durable);
    write_u64(w, r->index);
    write_u64(w, r->term);
    write_u32(w, (uint32_t)r->data.len);
    write_u32(w, (uint32_t)r->type);
    write_bytes(w, r->data);
    write_zeros(w, record_bytes(r->data.len) - RECORD_HEADER_BYTES - r->data.len);
    must(!w->full);
    struct slice body = slice_of(w->at + start + 8, w->pos - start - 8);
    r->checksum = hash64(body, SEGMENT_MAGIC + segment);
    patch_u64(w, start, r->checksum);
}

bool record_decode(struct slice bytes, uint64_t segment, uint64_t at_least, struct record *out)
{
    struct reader r = reader_of(bytes);
    struct record got = {0};
    got.checksum = read_u64(&r);
    got.chain = read_u64(&r);
    got.seq = read_u64(&r);
    got.durable = read_u64(&r);
    got.index = read_u64(&r);
    got.term = read_u64(&r);
    uint32_t len = read_u32(&r);
    uint32_t type = read_u32(&r);
    if (r.bad || len > RAFT_COMMAND_MAX || type < ENTRY_COMMAND || type > ENTRY_CHANGE)
        return false;
    if (got.durable < at_least || got.durable >= got.seq || got.index == 0 || got.term == 0)
        return false;
    got.type = (enum entry_type)type;
    got.data = read_slice(&r, len);
    struct slice body = read_at(&r, 8, record_bytes(len) - 8);
    if (r.bad || hash64(body, SEGMENT_MAGIC + segment) != got.checksum)
        return false;
    *out = got;
    return true;
}
