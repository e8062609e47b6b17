/* [MS-FSCC] 2.4 and 2.5: information about one file, and about a file system. */
#include "proto/smb/fscc.h"

#include "proto/base/must.h"
#include "proto/smb/dtyp.h"

uint32_t fscc_attributes(uint32_t stored) { return stored != 0 ? stored : FILE_ATTRIBUTE_NORMAL; }

uint32_t fscc_ea_size(uint32_t set_len) { return set_len != 0 ? set_len + 4 : 0; }

typedef ntstatus encode_file(const struct fscc_file *f, struct writer *w);

static size_t room(const struct writer *w) { return w->full ? 0 : w->cap - w->pos; }

/* A variable part: what fits, in whole units. */
static ntstatus put_text(struct writer *w, struct slice text)
{
    size_t fits = room(w) & ~(size_t)1;
    bool cut = text.len > fits;
    write_bytes(w, slice_sub(text, 0, cut ? fits : text.len));
    return cut ? STATUS_BUFFER_OVERFLOW : STATUS_OK;
}

static ntstatus basic(const struct fscc_file *f, struct writer *w)
{
    write_u64(w, f->creation_time);
    write_u64(w, f->access_time);
    write_u64(w, f->write_time);
    write_u64(w, f->change_time);
    write_u32(w, fscc_attributes(f->attributes));
    write_u32(w, 0);
    return STATUS_OK;
}

static ntstatus standard(const struct fscc_file *f, struct writer *w)
{
    write_u64(w, f->directory ? 0 : f->allocation_size);
    write_u64(w, f->directory ? 0 : f->size);
    /* [MS-FSA] 2.1.5.12.27: a link that is to go is not counted. */
    write_u32(w, f->delete_pending && f->links > 0 ? f->links - 1 : f->links);
    write_u8(w, f->delete_pending);
    write_u8(w, f->directory);
    write_u16(w, 0);
    return STATUS_OK;
}

static ntstatus internal(const struct fscc_file *f, struct writer *w)
{
    write_u64(w, f->file_id);
    return STATUS_OK;
}

static ntstatus ea(const struct fscc_file *f, struct writer *w)
{
    write_u32(w, fscc_ea_size(f->ea_size));
    return STATUS_OK;
}

static ntstatus access_(const struct fscc_file *f, struct writer *w)
{
    write_u32(w, f->granted_access);
    return STATUS_OK;
}

static ntstatus position(const struct fscc_file *f, struct writer *w)
{
    write_u64(w, f->position);
    return STATUS_OK;
}

static ntstatus mode(const struct fscc_file *f, struct writer *w)
{
    write_u32(w, f->mode);
    return STATUS_OK;
}

static ntstatus alignment(const struct fscc_file *f, struct writer *w)
{
    (void)f;
    write_u32(w, 0); /* FILE_BYTE_ALIGNMENT */
    return STATUS_OK;
}

static ntstatus all(const struct fscc_file *f, struct writer *w)
{
    static encode_file *const parts[] = {basic,   standard, internal, ea,
                                         access_, position, mode,     alignment};
    for (size_t i = 0; i < array_len(parts); i++)
        (void)parts[i](f, w);
    write_u32(w, 0); /* [MS-SMB2] 3.3.5.20.1: the name is left empty */
    /* The C structure, name[1] and padding, to its end: Linux takes nothing shorter than 101 bytes.
     */
    write_zeros(w, 4);
    return STATUS_OK;
}

static ntstatus alternate_name(const struct fscc_file *f, struct writer *w)
{
    if (f->short_name.len == 0)
        return STATUS_OBJECT_NAME_NOT_FOUND;
    write_u32(w, (uint32_t)f->short_name.len);
    return put_text(w, f->short_name);
}

static ntstatus compression(const struct fscc_file *f, struct writer *w)
{
    write_u64(w, f->directory ? 0 : f->size);
    write_zeros(w, 8); /* COMPRESSION_FORMAT_NONE */
    return STATUS_OK;
}

static ntstatus network_open(const struct fscc_file *f, struct writer *w)
{
    write_u64(w, f->creation_time);
    write_u64(w, f->access_time);
    write_u64(w, f->write_time);
    write_u64(w, f->change_time);
    write_u64(w, f->directory ? 0 : f->allocation_size);
    write_u64(w, f->directory ? 0 : f->size);
    write_u32(w, fscc_attributes(f->attributes));
    write_u32(w, 0);
    return STATUS_OK;
}

static ntstatus attribute_tag(const struct fscc_file *f, struct writer *w)
{
    write_u32(w, fscc_attributes(f->attributes));
    write_u32(w, f->reparse_tag);
    return STATUS_OK;
}

static ntstatus normalized_name(const struct fscc_file *f, struct writer *w)
{
    write_u32(w, (uint32_t)f->path.len);
    return put_text(w, f->path);
}

static ntstatus id(const struct fscc_file *f, struct writer *w)
{
    write_u64(w, f->volume_serial);
    write_u64(w, f->file_id);
    write_u64(w, 0);
    return STATUS_OK;
}

static ntstatus local_only(const struct fscc_file *f, struct writer *w)
{
    (void)f, (void)w;
    return STATUS_NOT_SUPPORTED;
}

/* `least`: the size of Windows' C structure, which is what it compares the buffer with. */
static const struct {
    uint8_t info_class;
    uint16_t least;
    uint32_t access;
    encode_file *encode;
} file_classes[] = {
    {FILE_BASIC_INFORMATION, 40, FILE_READ_ATTRIBUTES, basic},
    {FILE_STANDARD_INFORMATION, 24, 0, standard},
    {FILE_INTERNAL_INFORMATION, 8, 0, internal},
    {FILE_EA_INFORMATION, 4, 0, ea},
    {FILE_ACCESS_INFORMATION, 4, 0, access_},
    {FILE_POSITION_INFORMATION, 8, 0, position},
    {FILE_MODE_INFORMATION, 4, 0, mode},
    {FILE_ALIGNMENT_INFORMATION, 4, 0, alignment},
    {FILE_ALL_INFORMATION, 104, FILE_READ_ATTRIBUTES, all},
    {FILE_ALTERNATE_NAME_INFORMATION, 8, 0, alternate_name},
    {FILE_COMPRESSION_INFORMATION, 16, 0, compression},
    {FILE_NETWORK_OPEN_INFORMATION, 56, FILE_READ_ATTRIBUTES, network_open},
    {FILE_ATTRIBUTE_TAG_INFORMATION, 8, FILE_READ_ATTRIBUTES, attribute_tag},
    {FILE_NORMALIZED_NAME_INFORMATION, 8, 0, normalized_name},
    {FILE_ID_INFORMATION, 24, 0, id},
    {FILE_NAME_INFORMATION, 0, 0, local_only},
    {FILE_OBJECT_ID_INFORMATION, 0, 0, local_only},
    {FILE_QUOTA_INFORMATION, 0, 0, local_only},
    {FILE_REPARSE_POINT_INFORMATION, 0, 0, local_only},
    {FILE_HARD_LINK_INFORMATION, 0, 0, local_only},
    {FILE_STANDARD_LINK_INFORMATION, 0, 0, local_only},
    {FILE_PIPE_INFORMATION, 0, 0, local_only},
    {FILE_PIPE_LOCAL_INFORMATION, 0, 0, local_only},
    {FILE_PIPE_REMOTE_INFORMATION, 0, 0, local_only},
};

ntstatus fscc_encode_file(uint8_t info_class, const struct fscc_file *f, struct writer *w)
{
    for (size_t i = 0; i < array_len(file_classes); i++) {
        if (file_classes[i].info_class != info_class)
            continue;
        if (room(w) < file_classes[i].least)
            return STATUS_INFO_LENGTH_MISMATCH;
        return file_classes[i].encode(f, w);
    }
    return STATUS_INVALID_INFO_CLASS;
}

uint32_t fscc_query_access(uint8_t info_class)
{
    for (size_t i = 0; i < array_len(file_classes); i++)
        if (file_classes[i].info_class == info_class)
            return file_classes[i].access;
    return info_class == FILE_FULL_EA_INFORMATION ? FILE_READ_EA : 0;
}

/* [MS-FSCC] 2.4.49: ":name:$DATA". */
bool fscc_write_stream(struct writer *w, size_t *last, const struct fscc_stream *stream)
{
    static const char before[] = ":", behind[] = ":\0$\0D\0A\0T\0A"; /* UTF-16LE with their NULs */
    size_t at = (w->pos + 7) & ~(size_t)7;
    size_t name_len = sizeof(before) + stream->name.len + sizeof(behind);
    if (w->full || at - w->pos + 24 + name_len > w->cap - w->pos)
        return false;
    write_zeros(w, at - w->pos);
    if (*last != FSCC_NO_STREAM)
        patch_u32(w, *last, (uint32_t)(at - *last));
    *last = at;
    write_u32(w, 0);
    write_u32(w, (uint32_t)name_len);
    write_u64(w, stream->size);
    write_u64(w, stream->allocation_size);
    write_bytes(w, slice_of(before, sizeof(before)));
    write_bytes(w, stream->name);
    write_bytes(w, slice_of(behind, sizeof(behind)));
    return true;
}

/* ---- file systems -------------------------------------------------------------------------- */

typedef ntstatus encode_volume(const struct fscc_volume *v, struct writer *w);

static ntstatus fs_volume(const struct fscc_volume *v, struct writer *w)
{
    struct slice label = slice_sub(v->label, 0, v->label.len > 64 ? 64 : v->label.len);
    write_u64(w, v->creation_time);
    write_u32(w, v->serial);
    write_u32(w, (uint32_t)label.len);
    write_u8(w, 0); /* SupportsObjects */
    write_u8(w, 0);
    return put_text(w, label);
}

static ntstatus fs_size(const struct fscc_volume *v, struct writer *w)
{
    write_u64(w, v->total_bytes / FSCC_CLUSTER_BYTES);
    write_u64(w, v->free_bytes / FSCC_CLUSTER_BYTES);
    write_u32(w, FSCC_CLUSTER_BYTES / FSCC_SECTOR_BYTES);
    write_u32(w, FSCC_SECTOR_BYTES);
    return STATUS_OK;
}

static ntstatus fs_device(const struct fscc_volume *v, struct writer *w)
{
    (void)v;
    write_u32(w, 0x00000007); /* FILE_DEVICE_DISK */
    write_u32(w, 0x00000020); /* FILE_DEVICE_IS_MOUNTED */
    return STATUS_OK;
}

/* Names are Unicode, kept as given, found in any case; ACLs are kept and enforced; sparse
 * files cost only what they hold. Nothing is claimed that is not there: hosts act on these
 * bits. */
static ntstatus fs_attribute(const struct fscc_volume *v, struct writer *w)
{
    static const char name[] = "N\0T\0F\0S"; /* Windows clients offer ACLs for this name only */
    (void)v;
    /* PERSISTENT_ACLS, UNICODE_ON_DISK, CASE_PRESERVED_NAMES; SUPPORTS_SPARSE_FILES,
     * SUPPORTS_REPARSE_POINTS; NAMED_STREAMS, SUPPORTS_EXTENDED_ATTRIBUTES;
     * SUPPORTS_BLOCK_REFCOUNTING; SUPPORTS_SPARSE_VDL: whether a block holds data is known of
     * each, and no valid data length is kept */
    write_u32(w, 0x0000000E | 0x000000C0 | 0x00040000 | 0x00800000 | 0x08000000 | 0x10000000);
    write_u32(w, 255);
    write_u32(w, sizeof(name));
    return put_text(w, slice_of(name, sizeof(name)));
}

static ntstatus fs_control(const struct fscc_volume *v, struct writer *w)
{
    (void)v;
    write_zeros(w, 24);
    write_u64(w, UINT64_MAX); /* no default quota */
    write_u64(w, UINT64_MAX);
    write_u32(w, 0);
    write_u32(w, 0);
    return STATUS_OK;
}

static ntstatus fs_full_size(const struct fscc_volume *v, struct writer *w)
{
    write_u64(w, v->total_bytes / FSCC_CLUSTER_BYTES);
    write_u64(w, v->free_bytes / FSCC_CLUSTER_BYTES); /* to the caller: no quotas */
    write_u64(w, v->free_bytes / FSCC_CLUSTER_BYTES);
    write_u32(w, FSCC_CLUSTER_BYTES / FSCC_SECTOR_BYTES);
    write_u32(w, FSCC_SECTOR_BYTES);
    return STATUS_OK;
}

static ntstatus fs_object_id(const struct fscc_volume *v, struct writer *w)
{
    write_bytes(w, slice_of(v->object_id, sizeof(v->object_id)));
    write_zeros(w, 48);
    return STATUS_OK;
}

static ntstatus fs_sector_size(const struct fscc_volume *v, struct writer *w)
{
    (void)v;
    write_u32(w, FSCC_SECTOR_BYTES);
    for (int i = 0; i < 3; i++)
        write_u32(w, FSCC_CLUSTER_BYTES); /* physical: atomicity, performance, effective */
    /* ALIGNED_DEVICE, PARTITION_ALIGNED_ON_DEVICE, TRIM_ENABLED */
    write_u32(w, 0x01 | 0x02 | 0x08);
    write_u32(w, 0);
    write_u32(w, 0);
    return STATUS_OK;
}

static const struct {
    uint8_t info_class;
    uint16_t least;
    encode_volume *encode;
} fs_classes[] = {
    {FILE_FS_VOLUME_INFORMATION, 24, fs_volume},
    {FILE_FS_SIZE_INFORMATION, 24, fs_size},
    {FILE_FS_DEVICE_INFORMATION, 8, fs_device},
    {FILE_FS_ATTRIBUTE_INFORMATION, 16, fs_attribute},
    {FILE_FS_CONTROL_INFORMATION, 48, fs_control},
    {FILE_FS_FULL_SIZE_INFORMATION, 32, fs_full_size},
    {FILE_FS_OBJECT_ID_INFORMATION, 64, fs_object_id},
    {FILE_FS_SECTOR_SIZE_INFORMATION, 28, fs_sector_size},
};

ntstatus fscc_encode_volume(uint8_t info_class, const struct fscc_volume *v, struct writer *w)
{
    for (size_t i = 0; i < array_len(fs_classes); i++) {
        if (fs_classes[i].info_class != info_class)
            continue;
        if (room(w) < fs_classes[i].least)
            return STATUS_INFO_LENGTH_MISMATCH;
        return fs_classes[i].encode(v, w);
    }
    /* [MS-SMB2] 3.3.5.20.2: known to [MS-FSCC], but for local use only. */
    return info_class == FILE_FS_LABEL_INFORMATION || info_class == 9 || info_class == 10
               ? STATUS_NOT_SUPPORTED
               : STATUS_INVALID_INFO_CLASS;
}
