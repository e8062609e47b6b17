#include "proto/smb/wire.h"

#include "proto/base/must.h"

struct reader smb_body(struct slice msg, uint16_t structure_size)
{
    struct reader r = reader_of(msg);
    size_t fixed = structure_size & ~(size_t)1;
    (void)read_at(&r, SMB_HEADER_SIZE, fixed);
    read_skip(&r, SMB_HEADER_SIZE);
    if (read_u16(&r) != structure_size)
        r.bad = true;
    return r;
}

struct slice smb_buffer(struct reader *r, size_t off, size_t len)
{
    if (len == 0)
        return (struct slice){0};
    /* A buffer that overlaps the fixed part is an attempt to have two readers disagree. */
    if (off < r->pos)
        r->bad = true;
    return read_at(r, off, len);
}

struct smb_file_id read_file_id(struct reader *r)
{
    struct smb_file_id id;
    id.persistent = read_u64(r);
    id.volatile_ = read_u64(r);
    return id;
}

void write_file_id(struct writer *w, struct smb_file_id id)
{
    write_u64(w, id.persistent);
    write_u64(w, id.volatile_);
}

size_t smb_header_pos(const struct writer *w)
{
    if (w->full) /* the header did not fit; nothing more will be written */
        return 0;
    must(w->pos >= SMB_HEADER_SIZE);
    return w->pos - SMB_HEADER_SIZE;
}

uint32_t smb_offset(const struct writer *w, size_t header_pos)
{
    must(w->pos >= header_pos);
    must(w->pos - header_pos <= UINT32_MAX);
    return (uint32_t)(w->pos - header_pos);
}

void smb_pad8(struct writer *w, size_t header_pos)
{
    write_zeros(w, (8 - (smb_offset(w, header_pos) & 7)) & 7);
}

uint16_t smb_len16(struct slice s)
{
    must(s.len <= UINT16_MAX);
    return (uint16_t)s.len;
}

uint32_t smb_len32(struct slice s)
{
    must(s.len <= UINT32_MAX);
    return (uint32_t)s.len;
}
