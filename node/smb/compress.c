#include "node/smb/compress.h"

#include "proto/smb/transform.h"

/* Replies below this are not worth the trouble. */
#define COMPRESS_LEAST 4096u
/* All requests together: a few bytes of a frame may stand for megabytes. */
#define COMPRESS_BYTES_MAX ((size_t)256 << 20)

static bool take(struct smb *s, struct smb_memory *m, size_t len)
{
    must(m->at == NULL);
    must(s->codec_bytes <= COMPRESS_BYTES_MAX);
    if (len > COMPRESS_BYTES_MAX - s->codec_bytes)
        return false;
    m->at = mem_alloc(s->mem, len);
    m->len = m->at != NULL ? len : 0;
    s->codec_bytes += m->len;
    return m->at != NULL;
}

static void drop(struct smb *s, struct smb_memory *m)
{
    mem_free(s->mem, m->at, m->len);
    s->codec_bytes -= m->len;
    *m = (struct smb_memory){0};
}

void compress_forget(struct smb *s, struct smb_request *r)
{
    drop(s, &r->plain);
    drop(s, &r->packed);
}

const char *compress_open(struct smb *s, struct smb_request *r, struct slice *frame)
{
    const struct smb_conn *c = r->conn;
    if (c->bound_count == 0)
        return "a compressed frame of nobody"; /* a stranger's few bytes cost no more than a few */
    /* 3.3.5.2.1.2: 256, the header, and the largest of what may be read, written or transacted. */
    size_t size = c->compression.count == 0
                      ? 0
                      : message_size(*frame, c->io_max + 256 + COMPRESSION_HEADER_SIZE);
    if (size == 0)
        return "a compressed frame that is malformed, or not negotiated";
    if (!take(s, &r->plain, size))
        return "no memory for a compressed frame";
    struct writer w = writer_of(r->plain.at, size);
    if (!message_decompress(&c->compression, *frame, &w, s->codec_scratch))
        return "a compressed frame that is none";
    *frame = written(&w);
    if (smb_frame_kind(*frame) != SMB_FRAME_SMB2)
        return "something else in a compressed frame";
    return NULL;
}

void compress_reply(struct smb *s, struct smb_request *r, struct outgoing *out)
{
    const struct compression *c = &r->conn->compression;
    if (!r->compress_reply || c->count == 0 || out->body_len < COMPRESS_LEAST ||
        r->packed.at != NULL)
        return;
    size_t whole = out->len + out->body_len;
    if (!take(s, &r->packed, SMB_TRANSFORM_SIZE + whole))
        return;
    struct writer room = writer_of(r->packed.at, r->packed.len);
    (void)write_space(&room, SMB_TRANSFORM_SIZE);
    struct writer w = writer_of(write_space(&room, whole), whole);
    struct message_parts m = {slice_of(out->at, out->len), slice_of(out->body, out->body_len)};
    if (!message_compress(c, m, &w, s->codec_scratch)) {
        drop(s, &r->packed);
        return;
    }
    smb_release(s, out->buf);
    *out = (struct outgoing){.at = w.at, .len = w.pos};
}
