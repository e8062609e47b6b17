/* [MS-FSCC] 2.4: what SET_INFO brings. */
#include "proto/smb/fscc.h"

#include "proto/base/must.h"
#include "proto/smb/dtyp.h"

#define FILE_RENAME_REPLACE_IF_EXISTS UINT32_C(0x01)
#define FILE_RENAME_POSIX_SEMANTICS UINT32_C(0x02)
#define FILE_RENAME_IGNORE_READONLY_ATTRIBUTE UINT32_C(0x40)

typedef ntstatus decode_set(struct slice b, struct fscc_set *out);

/* 2.4.7: 0, -1 and -2 have meanings; anything below is no time. */
static bool time_ok(int64_t t) { return t >= -2; }

static ntstatus basic(struct slice b, struct fscc_set *out)
{
    struct reader r = reader_of(b);
    struct fscc_set_basic s = {0};
    s.creation_time = (int64_t)read_u64(&r);
    s.access_time = (int64_t)read_u64(&r);
    s.write_time = (int64_t)read_u64(&r);
    s.change_time = (int64_t)read_u64(&r);
    s.attributes = read_u32(&r);
    if (!time_ok(s.creation_time) || !time_ok(s.access_time) || !time_ok(s.write_time) ||
        !time_ok(s.change_time))
        return STATUS_INVALID_PARAMETER;
    out->basic = s;
    return STATUS_OK;
}

/* 2.4.42.2, 2.4.28.2, 2.4.43: one layout; the first four bytes are a Boolean or flags. */
static ntstatus names(struct slice b, struct fscc_set *out)
{
    struct reader r = reader_of(b);
    uint32_t flags = read_u32(&r);
    read_skip(&r, 4);
    struct fscc_set_rename s = {0};
    s.root_directory = read_u64(&r);
    uint32_t len = read_u32(&r);
    s.name = read_slice(&r, len);
    if (r.bad || len == 0 || len % 2 != 0)
        return STATUS_INVALID_PARAMETER;
    if (s.root_directory != 0) /* [MS-SMB2] 3.3.5.21.1 */
        return STATUS_INVALID_PARAMETER;
    bool ex = out->info_class == FILE_RENAME_INFORMATION_EX;
    s.replace = ex ? flags & FILE_RENAME_REPLACE_IF_EXISTS : (flags & 0xFF) != 0;
    s.posix = ex && (flags & FILE_RENAME_POSIX_SEMANTICS);
    s.ignore_readonly = ex && (flags & FILE_RENAME_IGNORE_READONLY_ATTRIBUTE);
    out->rename = s;
    return STATUS_OK;
}

static ntstatus disposition(struct slice b, struct fscc_set *out)
{
    struct reader r = reader_of(b);
    out->disposition = read_u8(&r) != 0 ? FILE_DISPOSITION_DELETE : 0;
    return STATUS_OK;
}

static ntstatus disposition_ex(struct slice b, struct fscc_set *out)
{
    struct reader r = reader_of(b);
    out->disposition = read_u32(&r);
    return out->disposition & ~UINT32_C(0x1F) ? STATUS_INVALID_PARAMETER : STATUS_OK;
}

/* Sizes and positions are signed on the wire, and never negative. */
static ntstatus size(struct slice b, struct fscc_set *out)
{
    struct reader r = reader_of(b);
    out->size = read_u64(&r);
    return out->size > INT64_MAX ? STATUS_INVALID_PARAMETER : STATUS_OK;
}

/* 2.4.31: the combinations that are refused, as far as they do not depend on the open. */
static ntstatus mode(struct slice b, struct fscc_set *out)
{
    const uint32_t sync = FILE_SYNCHRONOUS_IO_ALERT | FILE_SYNCHRONOUS_IO_NONALERT;
    struct reader r = reader_of(b);
    out->mode = read_u32(&r);
    if (out->mode &
        ~(FILE_WRITE_THROUGH | FILE_SEQUENTIAL_ONLY | FILE_NO_INTERMEDIATE_BUFFERING | sync))
        return STATUS_INVALID_PARAMETER;
    return (out->mode & sync) == sync ? STATUS_INVALID_PARAMETER : STATUS_OK;
}

static ntstatus unsupported(struct slice b, struct fscc_set *out)
{
    (void)b, (void)out;
    return STATUS_NOT_SUPPORTED;
}

static ntstatus ea_list(struct slice b, struct fscc_set *out)
{
    out->ea = b;
    return STATUS_OK;
}

static const struct {
    uint8_t info_class, least;
    uint32_t access;
    decode_set *decode;
} classes[] = {
    {FILE_BASIC_INFORMATION, 40, FILE_WRITE_ATTRIBUTES, basic},
    {FILE_RENAME_INFORMATION, 24, ACCESS_DELETE, names},
    {FILE_RENAME_INFORMATION_EX, 24, ACCESS_DELETE, names},
    {FILE_LINK_INFORMATION, 24, 0, unsupported},
    {FILE_DISPOSITION_INFORMATION, 1, ACCESS_DELETE, disposition},
    {FILE_DISPOSITION_INFORMATION_EX, 4, ACCESS_DELETE, disposition_ex},
    {FILE_POSITION_INFORMATION, 8, 0, size},
    {FILE_FULL_EA_INFORMATION, 0, FILE_WRITE_EA, ea_list},
    {FILE_MODE_INFORMATION, 4, 0, mode},
    {FILE_ALLOCATION_INFORMATION, 8, FILE_WRITE_DATA, size},
    {FILE_END_OF_FILE_INFORMATION, 8, FILE_WRITE_DATA, size},
    {FILE_VALID_DATA_LENGTH_INFORMATION, 8, FILE_WRITE_DATA, size},
    {FILE_SHORT_NAME_INFORMATION, 0, ACCESS_DELETE, unsupported},
    {FILE_PIPE_INFORMATION, 0, FILE_WRITE_ATTRIBUTES, unsupported},
    {FILE_QUOTA_INFORMATION, 0, 0, unsupported},
};

ntstatus fscc_decode_set(uint8_t info_class, struct slice buffer, struct fscc_set *out)
{
    for (size_t i = 0; i < array_len(classes); i++) {
        if (classes[i].info_class != info_class)
            continue;
        struct fscc_set set = {.info_class = info_class};
        if (buffer.len < classes[i].least)
            return STATUS_INFO_LENGTH_MISMATCH;
        ntstatus status = classes[i].decode(buffer, &set);
        if (status == STATUS_OK)
            *out = set;
        return status;
    }
    return STATUS_INVALID_INFO_CLASS;
}

uint32_t fscc_set_access(uint8_t info_class)
{
    for (size_t i = 0; i < array_len(classes); i++)
        if (classes[i].info_class == info_class)
            return classes[i].access;
    return 0;
}
