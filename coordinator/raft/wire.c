/* See wire.h. */
#include "coordinator/raft/wire.h"
#include "coordinator/raft/hash.h"
#include "coordinator/raft/snapshot.h"
#include "proto/base/must.h"
#include <string.h>

#define WIRE_VERSION 1
#define ENTRY_HEADER_BYTES 16

uint64_t wire_cluster_tag(const uint8_t cluster[RAFT_CLUSTER_ID_BYTES])
{
    return hash64(slice_of(cluster, RAFT_CLUSTER_ID_BYTES), WIRE_VERSION);
}

/* --- encoding --------------------------------------------------------------------------------- */

size_t wire_size(const struct wire_message *m)
{
    switch (m->kind) {
    case WIRE_APPEND: return WIRE_HEADER_BYTES + 28;
    case WIRE_APPEND_RESULT: return WIRE_HEADER_BYTES + 16;
    case WIRE_VOTE:
    case WIRE_TIMEOUT_NOW: return WIRE_HEADER_BYTES + 17;
    case WIRE_VOTE_RESULT: return WIRE_HEADER_BYTES + 1;
    case WIRE_INSTALL: return WIRE_HEADER_BYTES + 44 + m->install.config.len;
    case WIRE_READ_ASK:
    case WIRE_READ_ANSWER: return WIRE_HEADER_BYTES + 8;
    case WIRE_PULL: return WIRE_HEADER_BYTES + 36;
    case WIRE_CHUNK: return WIRE_HEADER_BYTES + 44 + m->chunk.bytes.len;
    case WIRE_HELLO: return WIRE_HEADER_BYTES;
    case WIRE_STRANGER: return WIRE_HEADER_BYTES + 8;
    }
    must(false);
}

static void encode_chunk(struct writer *w, const struct wire_message *m)
{
    write_u64(w, m->chunk.index);
    write_u64(w, m->chunk.snapshot_term);
    write_u64(w, m->chunk.hash);
    write_u64(w, m->chunk.offset);
    if (m->kind == WIRE_PULL) {
        write_u32(w, m->chunk.len);
        return;
    }
    write_u64(w, hash64(m->chunk.bytes, m->chunk.offset));
    write_u32(w, (uint32_t)m->chunk.bytes.len);
    write_bytes(w, m->chunk.bytes);
}

static void encode_install(struct writer *w, const struct wire_message *m)
{
    write_u64(w, m->install.index);
    write_u64(w, m->install.snapshot_term);
    write_u64(w, m->install.config_index);
    write_u64(w, m->install.size);
    write_u64(w, m->install.hash);
    write_u32(w, (uint32_t)m->install.config.len);
    write_bytes(w, m->install.config);
}

static void encode_body(struct writer *w, const struct wire_message *m)
{
    switch (m->kind) {
    case WIRE_APPEND:
        write_u64(w, m->append.prev_index);
        write_u64(w, m->append.prev_term);
        write_u64(w, m->append.commit);
        write_u32(w, m->append.count);
        break;
    case WIRE_APPEND_RESULT:
        write_u64(w, m->append_result.rejected);
        write_u64(w, m->append_result.last_index);
        break;
    case WIRE_VOTE:
    case WIRE_TIMEOUT_NOW:
        write_u64(w, m->vote.last_index);
        write_u64(w, m->vote.last_term);
        write_u8(w, m->vote.disrupt);
        break;
    case WIRE_VOTE_RESULT: write_u8(w, m->vote_result.granted); break;
    case WIRE_INSTALL: encode_install(w, m); break;
    case WIRE_READ_ASK:
    case WIRE_READ_ANSWER: write_u64(w, m->read.round); break;
    case WIRE_PULL:
    case WIRE_CHUNK: encode_chunk(w, m); break;
    case WIRE_HELLO: break;
    case WIRE_STRANGER: write_u64(w, m->stranger.disk); break;
    }
}

void wire_encode(struct writer *w, uint64_t tag, const struct wire_message *m)
{
    size_t start = w->pos;
    write_u8(w, WIRE_VERSION);
    write_u8(w, (uint8_t)m->kind);
    write_u16(w, 0);
    write_u32(w, 0);
    write_u64(w, tag);
    write_u64(w, m->from);
    write_u64(w, m->to);
    write_u64(w, m->disk);
    write_u64(w, m->term);
    encode_body(w, m);
    must(w->full || w->pos - start == wire_size(m));
}

size_t wire_entry_size(size_t data_len)
{
    return ENTRY_HEADER_BYTES + ((data_len + 7) & ~(size_t)7);
}

void wire_entry_encode(struct writer *w, const struct wire_entry *e)
{
    write_u64(w, e->term);
    write_u32(w, (uint32_t)e->data.len);
    write_u32(w, (uint32_t)e->type);
    write_bytes(w, e->data);
    write_zeros(w, wire_entry_size(e->data.len) - ENTRY_HEADER_BYTES - e->data.len);
}

/* --- decoding --------------------------------------------------------------------------------- */

struct wire_entry wire_entry(struct reader *r)
{
    struct wire_entry e = {0};
    e.term = read_u64(r);
    uint32_t len = read_u32(r);
    e.type = (enum entry_type)read_u32(r);
    e.data = read_slice(r, len);
    read_skip(r, (8 - len % 8) % 8);
    return e;
}

/* Terms never fall along a log, and a leader has none above its own: libraft believes both. */
static bool decode_entries(const struct wire_message *m)
{
    struct reader r = reader_of(m->append.entries);
    uint64_t term = m->append.prev_term;
    for (uint32_t i = 0; i < m->append.count; i++) {
        struct wire_entry e = wire_entry(&r);
        if (r.bad || e.term < term || e.term == 0 || e.term > m->term)
            return false;
        if (e.type < ENTRY_COMMAND || e.type > ENTRY_CHANGE || e.data.len > RAFT_COMMAND_MAX)
            return false;
        if (e.type == ENTRY_CHANGE && !wire_configuration_check(e.data))
            return false;
        term = e.term;
    }
    return read_left(&r) == 0;
}

static bool decode_append(struct reader *r, struct wire_message *m)
{
    m->append.prev_index = read_u64(r);
    m->append.prev_term = read_u64(r);
    m->append.commit = read_u64(r);
    m->append.count = read_u32(r);
    m->append.entries = read_rest(r);
    if (r->bad || m->append.prev_index > WIRE_INDEX_MAX || m->append.commit > WIRE_INDEX_MAX)
        return false;
    if ((m->append.prev_index == 0) != (m->append.prev_term == 0) || m->append.prev_term > m->term)
        return false;
    return m->append.count <= WIRE_ENTRIES_MAX && decode_entries(m);
}

static bool decode_install(struct reader *r, struct wire_message *m)
{
    m->install.index = read_u64(r);
    m->install.snapshot_term = read_u64(r);
    m->install.config_index = read_u64(r);
    m->install.size = read_u64(r);
    m->install.hash = read_u64(r);
    uint32_t len = read_u32(r);
    m->install.config = read_slice(r, len);
    if (r->bad || len > CONFIGURATION_BYTES_MAX || m->install.size > WIRE_INDEX_MAX)
        return false;
    if (m->install.index == 0 || m->install.index > WIRE_INDEX_MAX)
        return false;
    if (m->install.snapshot_term == 0 || m->install.snapshot_term > m->term)
        return false;
    if (m->install.config_index == 0 || m->install.config_index > m->install.index)
        return false;
    return wire_configuration_check(m->install.config);
}

static bool decode_chunk(struct reader *r, struct wire_message *m)
{
    m->chunk.index = read_u64(r);
    m->chunk.snapshot_term = read_u64(r);
    m->chunk.hash = read_u64(r);
    m->chunk.offset = read_u64(r);
    if (m->chunk.offset > WIRE_INDEX_MAX)
        return false;
    if (m->kind == WIRE_PULL) {
        m->chunk.len = read_u32(r);
        return m->chunk.len <= RAFT_FRAME_MAX / 2;
    }
    uint64_t checksum = read_u64(r);
    m->chunk.bytes = read_slice(r, read_u32(r));
    return !r->bad && hash64(m->chunk.bytes, m->chunk.offset) == checksum;
}

static bool decode_flag(struct reader *r, bool *out)
{
    uint8_t v = read_u8(r);
    *out = v == 1;
    return v <= 1;
}

static bool decode_body(struct reader *r, struct wire_message *m)
{
    switch (m->kind) {
    case WIRE_APPEND: return decode_append(r, m);
    case WIRE_APPEND_RESULT:
        m->append_result.rejected = read_u64(r);
        m->append_result.last_index = read_u64(r);
        return m->append_result.rejected <= WIRE_INDEX_MAX &&
               m->append_result.last_index <= WIRE_INDEX_MAX;
    case WIRE_VOTE:
    case WIRE_TIMEOUT_NOW:
        m->vote.last_index = read_u64(r);
        m->vote.last_term = read_u64(r);
        return m->vote.last_index <= WIRE_INDEX_MAX && decode_flag(r, &m->vote.disrupt);
    case WIRE_VOTE_RESULT: return decode_flag(r, &m->vote_result.granted);
    case WIRE_INSTALL: return decode_install(r, m);
    case WIRE_READ_ASK:
    case WIRE_READ_ANSWER: m->read.round = read_u64(r); return true;
    case WIRE_PULL:
    case WIRE_CHUNK: return decode_chunk(r, m);
    case WIRE_HELLO: return true;
    case WIRE_STRANGER: m->stranger.disk = read_u64(r); return true;
    }
    return false;
}

bool wire_decode(struct slice frame, uint64_t tag, struct wire_message *out)
{
    struct reader r = reader_of(frame);
    uint8_t version = read_u8(&r);
    struct wire_message m = {.kind = (enum wire_kind)read_u8(&r)};
    uint16_t zero16 = read_u16(&r);
    uint32_t zero32 = read_u32(&r);
    uint64_t got_tag = read_u64(&r);
    m.from = read_u64(&r);
    m.to = read_u64(&r);
    m.disk = read_u64(&r);
    m.term = read_u64(&r);
    if (r.bad || version != WIRE_VERSION || zero16 != 0 || zero32 != 0 || got_tag != tag)
        return false;
    if (m.from == 0 || m.to == 0 || m.disk == 0 || m.term > WIRE_INDEX_MAX ||
        frame.len > RAFT_FRAME_MAX)
        return false;
    if (!decode_body(&r, &m) || r.bad || read_left(&r) != 0)
        return false;
    *out = m;
    return true;
}

/* --- configurations --------------------------------------------------------------------------- */

/* libraft's encoding: u8 1, u64 count, then per server u64 id, address with its NUL, u8 role; zeros
 * up to a multiple of 8. Its decoder trusts the count and the strings. */
bool wire_configuration_check(struct slice bytes)
{
    struct reader r = reader_of(bytes);
    uint8_t version = read_u8(&r);
    uint64_t count = read_u64(&r);
    uint64_t ids[RAFT_MEMBERS_MAX];
    struct slice addresses[RAFT_MEMBERS_MAX];
    if (r.bad || version != 1 || count == 0 || count > RAFT_MEMBERS_MAX || bytes.len % 8 != 0)
        return false;
    for (size_t i = 0; i < count; i++) {
        ids[i] = read_u64(&r);
        size_t start = r.pos, len = 0;
        while (read_u8(&r) != 0 && !r.bad)
            len++;
        uint8_t role = read_u8(&r);
        if (r.bad || ids[i] == 0 || len == 0 || len > RAFT_ADDRESS_MAX || role > 2)
            return false;
        addresses[i] = slice_sub(bytes, start, len);
        for (size_t j = 0; j < i; j++) {
            if (ids[j] == ids[i] || slice_equal(addresses[j], addresses[i]))
                return false;
        }
    }
    if (read_left(&r) >= 8)
        return false;
    while (read_left(&r) > 0) {
        if (read_u8(&r) != 0)
            return false;
    }
    return true;
}
