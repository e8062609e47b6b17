#include "proto/smb/error.h"

#include "proto/smb/reparse.h"

#include "proto/base/must.h"
#include "proto/smb/wire.h"

enum { ERROR_RSP = 9, SYMLINK_FIXED = 28 };

#define SYMLINK_ERROR_TAG UINT32_C(0x4C4D5953)

/* Everything in front of `len` bytes of error data. */
static void error_head(struct writer *w, bool dialect_311, uint32_t error_id, uint32_t len)
{
    enum { CONTEXT_HEAD = 8 };
    must(len <= UINT32_MAX - CONTEXT_HEAD);
    write_u16(w, ERROR_RSP);
    write_u8(w, dialect_311 ? 1 : 0);
    write_u8(w, 0);
    write_u32(w, dialect_311 ? len + CONTEXT_HEAD : len);
    if (!dialect_311)
        return;
    write_u32(w, len);
    write_u32(w, error_id);
}

void smb_error_encode(struct writer *w)
{
    write_u16(w, ERROR_RSP);
    write_u16(w, 0);
    write_u32(w, 0);
    write_u8(w, 0); /* clients count StructureSize and want a ninth byte */
}

void smb_error_data_encode(struct writer *w, bool dialect_311, uint32_t error_id, struct slice data)
{
    if (data.len == 0) {
        smb_error_encode(w);
        return;
    }
    error_head(w, dialect_311, error_id, smb_len32(data));
    write_bytes(w, data);
}

void smb_error_length_encode(struct writer *w, bool dialect_311, uint32_t needed)
{
    error_head(w, dialect_311, SMB2_ERROR_ID_DEFAULT, sizeof(needed));
    write_u32(w, needed);
}

void smb_symlink_error_write(struct writer *w, const struct smb_symlink_error *err)
{
    enum { NAMES_FIXED = 12 }; /* four offsets and lengths, Flags */
    uint16_t substitute = smb_len16(err->substitute_name);
    uint16_t print = smb_len16(err->print_name);
    must((size_t)substitute + print + NAMES_FIXED <= UINT16_MAX);
    uint32_t names = (uint32_t)substitute + print;
    write_u32(w, SYMLINK_FIXED - 4 + names);
    write_u32(w, SYMLINK_ERROR_TAG);
    write_u32(w, IO_REPARSE_TAG_SYMLINK);
    write_u16(w, (uint16_t)(NAMES_FIXED + names));
    write_u16(w, err->unparsed_length);
    write_u16(w, 0);
    write_u16(w, substitute);
    write_u16(w, substitute);
    write_u16(w, print);
    write_u32(w, err->relative ? 1 : 0);
    write_bytes(w, err->substitute_name);
    write_bytes(w, err->print_name);
}

void smb_symlink_error_encode(struct writer *w, bool dialect_311,
                              const struct smb_symlink_error *err)
{
    uint32_t names = smb_len32(err->substitute_name) + smb_len32(err->print_name);
    error_head(w, dialect_311, SMB2_ERROR_ID_DEFAULT, SYMLINK_FIXED + names);
    smb_symlink_error_write(w, err);
}

bool smb_status_has_own_body(uint16_t command, ntstatus status)
{
    switch (status) {
    case STATUS_OK: return true;
    case STATUS_MORE_PROCESSING_REQUIRED: return command == SMB2_SESSION_SETUP;
    case STATUS_BUFFER_OVERFLOW:
        return command == SMB2_QUERY_INFO || command == SMB2_READ || command == SMB2_IOCTL;
    case STATUS_NOTIFY_ENUM_DIR: return command == SMB2_CHANGE_NOTIFY;
    }
    return false;
}
