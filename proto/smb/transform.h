#pragma once
/* [MS-SMB2] 2.2.41: the header of an encrypted frame. 2.2.42, of a compressed one, is
 * proto/compress/message.h's. */
#include "proto/base/bytes.h"
#include "proto/smb/status.h"

enum {
    SMB_TRANSFORM_SIZE = 52,
    SMB_TRANSFORM_AAD_POS = 20, /* Nonce .. SessionId is authenticated as well (3.1.4.3) */
    SMB_TRANSFORM_AAD_SIZE = 32,
    SMB_TRANSFORM_NONCE_SIZE = 16,
    SMB_TRANSFORM_ENCRYPTED = 1, /* Flags in 3.1.1; EncryptionAlgorithm AES128_CCM before */
};

struct smb_transform {
    uint8_t signature[16];                   /* the AEAD tag */
    uint8_t nonce[SMB_TRANSFORM_NONCE_SIZE]; /* 11 bytes used by CCM, 12 by GCM, the rest zero */
    uint32_t original_size;
    uint16_t flags;
    uint64_t session_id;
    struct slice aad;  /* decode only: borrowed from the frame */
    struct slice body; /* decode only: the encrypted bytes, exactly original_size */
};

/* Decodes a frame that smb_frame_kind calls SMB_FRAME_TRANSFORM. STATUS_INVALID_PARAMETER when it
 * is short, OriginalMessageSize is not what follows, that is less than an SMB2 header, or Flags is
 * not 1 (3.3.5.2.1.1: the caller disconnects). */
ntstatus smb_transform_decode(struct slice frame, struct smb_transform *out);
/* Writes 52 bytes; the tag as it is in `signature` (usually zero, copied in after sealing). */
void smb_transform_encode(struct writer *w, const struct smb_transform *t);
