#pragma once
/* NEGOTIATE as a client sees it: for models of clients and for tests. Encoders stand behind a
 * request header (smb_header_encode without SMB2_FLAGS_SERVER_TO_REDIR); decoders take a whole
 * response, whose status the caller has judged already. */
#include "proto/smb/negotiate.h"

struct smb_negotiate_offer {
    uint16_t security_mode;
    uint32_t capabilities;
    uint8_t client_guid[16];
    struct smb_id_list dialects; /* contexts are written when it has SMB_DIALECT_311 */
    struct slice salt;
    struct smb_id_list ciphers, signing, compression; /* empty: no such context */
    uint32_t compression_flags;
};

void smb_negotiate_offer_encode(struct writer *w, const struct smb_negotiate_offer *offer);

struct smb_negotiate_answer {
    uint16_t security_mode, dialect;
    uint8_t server_guid[16];
    uint32_t capabilities;
    uint32_t max_transact, max_read, max_write;
    uint64_t system_time, server_start_time;
    struct slice security;                  /* borrowed */
    struct smb_negotiate_contexts contexts; /* all absent before 3.1.1 */
};

/* STATUS_INVALID_NETWORK_RESPONSE when ill-formed. */
ntstatus smb_negotiate_answer_decode(struct slice msg, struct smb_negotiate_answer *out);
