/* See snapshot.h. */
#include "coordinator/raft/snapshot.h"
#include "coordinator/raft/hash.h"
#include "coordinator/raft/wire.h"
#include "proto/base/must.h"
#include <string.h>

#define SNAPSHOT_MAGIC UINT64_C(0x50414e53544c46) /* "FLTSNAP" */
#define SNAPSHOT_VERSION 1

bool snapshot_same(const struct snapshot_descriptor *a, const struct snapshot_descriptor *b)
{
    return a->index == b->index && a->term == b->term && a->size == b->size && a->hash == b->hash;
}

void snapshot_encode(uint8_t out[SNAPSHOT_HEADER_BYTES],
                     const uint8_t cluster[RAFT_CLUSTER_ID_BYTES],
                     const struct snapshot_descriptor *d)
{
    struct writer w = writer_of(out, SNAPSHOT_HEADER_BYTES);
    write_u64(&w, 0);
    write_u64(&w, SNAPSHOT_MAGIC);
    write_u32(&w, SNAPSHOT_VERSION);
    write_u32(&w, d->config_len);
    write_bytes(&w, slice_of(cluster, RAFT_CLUSTER_ID_BYTES));
    write_u64(&w, d->index);
    write_u64(&w, d->term);
    write_u64(&w, d->config_index);
    write_u64(&w, d->size);
    write_u64(&w, d->hash);
    write_bytes(&w, slice_of(d->config, d->config_len));
    must(!w.full);
    write_zeros(&w, SNAPSHOT_HEADER_BYTES - w.pos);
    patch_u64(&w, 0, hash64(slice_of(out + 8, SNAPSHOT_HEADER_BYTES - 8), SNAPSHOT_MAGIC));
}

const char *snapshot_verify(struct slice file, const uint8_t cluster[RAFT_CLUSTER_ID_BYTES],
                            struct snapshot_descriptor *out)
{
    struct reader r = reader_of(file);
    uint64_t checksum = read_u64(&r);
    struct slice body = read_at(&r, 8, SNAPSHOT_HEADER_BYTES - 8);
    uint64_t magic = read_u64(&r);
    uint32_t version = read_u32(&r);
    struct snapshot_descriptor *d = out;
    d->config_len = read_u32(&r);
    struct slice owner = read_slice(&r, RAFT_CLUSTER_ID_BYTES);
    d->index = read_u64(&r);
    d->term = read_u64(&r);
    d->config_index = read_u64(&r);
    d->size = read_u64(&r);
    d->hash = read_u64(&r);
    if (r.bad || magic != SNAPSHOT_MAGIC || hash64(body, SNAPSHOT_MAGIC) != checksum)
        return "a raft snapshot is damaged: its header is unreadable";
    if (version != SNAPSHOT_VERSION)
        return "a raft snapshot has a format this program does not know";
    if (!slice_equal(owner, slice_of(cluster, RAFT_CLUSTER_ID_BYTES)))
        return "a raft snapshot belongs to another cluster";
    if (d->config_len > CONFIGURATION_BYTES_MAX)
        return "a raft snapshot is damaged: its configuration is too long";
    read_copy(&r, d->config, d->config_len);
    if (r.bad || !wire_configuration_check(slice_of(d->config, d->config_len)))
        return "a raft snapshot is damaged: its configuration is unreadable";
    struct slice state = read_at(&r, SNAPSHOT_HEADER_BYTES, d->size);
    if (r.bad || file.len != SNAPSHOT_HEADER_BYTES + d->size || hash64(state, 0) != d->hash)
        return "a raft snapshot is damaged: its state does not have the hash it should";
    return NULL;
}

void snapshot_writer_begin(struct snapshot_writer *w, struct raft_effects *fx,
                           struct raft_file temp)
{
    w->temp = temp;
    w->offset = 0;
    XXH3_64bits_reset(&w->hash);
    fx_create(fx, temp);
}

void snapshot_writer_put(struct snapshot_writer *w, struct raft_effects *fx, struct slice piece)
{
    if (piece.len == 0)
        return;
    XXH3_64bits_update(&w->hash, piece.at, piece.len);
    fx_write(fx, w->temp, SNAPSHOT_HEADER_BYTES + w->offset, piece);
    w->offset += piece.len;
}

uint64_t snapshot_writer_hash(const struct snapshot_writer *w)
{
    return XXH3_64bits_digest(&w->hash);
}

bool snapshot_writer_end(struct snapshot_writer *w, struct raft_effects *fx,
                         const uint8_t cluster[RAFT_CLUSTER_ID_BYTES])
{
    uint8_t *header = fx_bytes(fx, SNAPSHOT_HEADER_BYTES);
    if (header == NULL)
        return false;
    w->descriptor.size = w->offset;
    w->descriptor.hash = snapshot_writer_hash(w);
    snapshot_encode(header, cluster, &w->descriptor);
    fx_write(fx, w->temp, 0, slice_of(header, SNAPSHOT_HEADER_BYTES));
    return !fx->failed;
}
