/* [MS-FSCC] 2.4: the entries of QUERY_DIRECTORY. All classes but FileNames begin alike; what lies
 * between the common part and the name is told by a few facts in a table. */
#include "proto/smb/fscc.h"

#include "proto/base/must.h"

enum ids { NO_ID, ID_64, ID_64_RESERVED, ID_128, ID_64_AND_128 };

static const struct shape {
    uint8_t info_class;
    uint8_t name_at; /* offset of FileName: the fixed part */
    bool ea, tag;    /* EaSize, ReparsePointTag */
    enum ids ids;
    bool short_name, id_last; /* ShortNameLength, ShortName; FileId comes behind them */
} shapes[] = {
    {FILE_DIRECTORY_INFORMATION, 64, false, false, NO_ID, false, false},
    {FILE_FULL_DIRECTORY_INFORMATION, 68, true, false, NO_ID, false, false},
    {FILE_BOTH_DIRECTORY_INFORMATION, 94, true, false, NO_ID, true, false},
    {FILE_NAMES_INFORMATION, 12, false, false, NO_ID, false, false},
    {FILE_ID_BOTH_DIRECTORY_INFORMATION, 104, true, false, ID_64, true, true},
    {FILE_ID_FULL_DIRECTORY_INFORMATION, 80, true, false, ID_64_RESERVED, false, false},
    {FILE_ID_EXTD_DIRECTORY_INFORMATION, 88, true, true, ID_128, false, false},
    {FILE_ID_64_EXTD_DIRECTORY_INFORMATION, 80, true, true, ID_64, false, false},
    {FILE_ID_64_EXTD_BOTH_DIRECTORY_INFORMATION, 106, true, true, ID_64, true, false},
    {FILE_ID_ALL_EXTD_DIRECTORY_INFORMATION, 96, true, true, ID_64_AND_128, false, false},
    {FILE_ID_ALL_EXTD_BOTH_DIRECTORY_INFORMATION, 122, true, true, ID_64_AND_128, true, false},
};

static const struct shape *shape_of(uint8_t info_class)
{
    for (size_t i = 0; i < array_len(shapes); i++)
        if (shapes[i].info_class == info_class)
            return &shapes[i];
    return NULL;
}

bool fscc_is_directory_class(uint8_t info_class) { return shape_of(info_class) != NULL; }

struct fscc_packer fscc_packer_of(struct writer *w, uint8_t info_class, size_t limit)
{
    must(fscc_is_directory_class(info_class));
    must(w->pos % 8 == 0);
    return (struct fscc_packer){
        .w = w, .info_class = info_class, .start = w->pos, .limit = limit, .last = SIZE_MAX};
}

static void write_common(struct writer *w, const struct fscc_entry *e)
{
    bool directory = e->attributes & FILE_ATTRIBUTE_DIRECTORY;
    write_u64(w, e->creation_time);
    write_u64(w, e->access_time);
    write_u64(w, e->write_time);
    write_u64(w, e->change_time);
    write_u64(w, directory ? 0 : e->size);
    write_u64(w, directory ? 0 : e->allocation_size);
    write_u32(w, fscc_attributes(e->attributes));
}

static void write_ids(struct writer *w, enum ids ids, uint64_t file_id)
{
    switch (ids) {
    case NO_ID: return;
    case ID_64: write_u64(w, file_id); return;
    case ID_64_RESERVED:
        write_u32(w, 0);
        write_u64(w, file_id);
        return;
    case ID_128:
        write_u64(w, file_id);
        write_u64(w, 0);
        return;
    case ID_64_AND_128:
        write_u64(w, file_id);
        write_u64(w, file_id);
        write_u64(w, 0);
        return;
    }
}

static void write_fixed(struct writer *w, const struct shape *s, const struct fscc_entry *e)
{
    write_u32(w, 0); /* NextEntryOffset: patched by the next entry */
    write_u32(w, 0); /* FileIndex: names move, so it stays 0 */
    if (s->info_class != FILE_NAMES_INFORMATION)
        write_common(w, e);
    write_u32(w, (uint32_t)e->name.len);
    if (s->ea)
        write_u32(w, e->reparse_tag != 0 ? e->reparse_tag : fscc_ea_size(e->ea_size));
    if (s->tag)
        write_u32(w, e->reparse_tag);
    if (!s->id_last)
        write_ids(w, s->ids, e->file_id);
    if (s->short_name) {
        must(e->short_name.len <= 24);
        write_u8(w, (uint8_t)e->short_name.len);
        write_u8(w, 0);
        write_bytes(w, e->short_name);
        write_zeros(w, 24 - e->short_name.len);
    }
    if (s->id_last) {
        write_u16(w, 0);
        write_ids(w, s->ids, e->file_id);
    }
}

enum fscc_packed fscc_pack(struct fscc_packer *p, const struct fscc_entry *e)
{
    const struct shape *s = shape_of(p->info_class);
    size_t used = p->w->pos - p->start;
    size_t at = (used + 7) & ~(size_t)7;
    size_t need = at + s->name_at + e->name.len;
    if (need > p->limit && p->count > 0)
        return FSCC_FULL;
    /* The smallest entry there can be: with a name of one unit, as Windows' structures have it. */
    if (at + s->name_at + 2 > p->limit)
        return FSCC_TOO_SMALL;
    write_align(p->w, 8);
    size_t begin = p->w->pos;
    if (p->last != SIZE_MAX)
        patch_u32(p->w, p->last, (uint32_t)(begin - p->last));
    p->last = begin;
    write_fixed(p->w, s, e);
    must(p->w->full || p->w->pos - begin == s->name_at);
    size_t fits = need > p->limit ? (p->limit - s->name_at) & ~(size_t)1 : e->name.len;
    write_bytes(p->w, slice_sub(e->name, 0, fits));
    p->count++;
    return need > p->limit ? FSCC_CUT : FSCC_PACKED;
}
