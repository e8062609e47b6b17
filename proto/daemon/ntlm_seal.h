#pragma once
/* NTLM message confidentiality with header signing, [MS-NLMP] 3.4: the one thing of NTLM that is
 * here and not in gss-ntlmssp. A DCE/RPC PDU is sealed in its middle and signed as a whole;
 * gss_wrap() can only sign what it seals and there are no iov calls, and clients (Samba's always,
 * Windows' when both ends can) sign the whole. RC4 is used for nothing else, and only when a client
 * insists on NTLM with sealing. Server side only. */
#include "proto/base/bytes.h"

struct ntlm_rc4 {
    uint8_t s[256], i, j;
};

struct ntlm_seal {
    struct {
        uint8_t sign_key[16];
        struct ntlm_rc4 rc4;
        uint32_t sequence;
    } receive, send;
    bool key_exchange; /* the checksum is encrypted as well */
};

/* NegotiateFlags of [MS-NLMP] 2.2.2.5. */
#define NTLM_NEGOTIATE_SEAL UINT32_C(0x00000020)
#define NTLM_NEGOTIATE_EXTENDED_SESSIONSECURITY UINT32_C(0x00080000)
#define NTLM_NEGOTIATE_128 UINT32_C(0x20000000)
#define NTLM_NEGOTIATE_KEY_EXCH UINT32_C(0x40000000)

#define NTLM_SIGNATURE_SIZE 16u
#define NTLM_MESSAGE_MAX 8192u /* longest that is signed */

/* `session_key` is the ExportedSessionKey (16 bytes), `flags` those of the AUTHENTICATE_MESSAGE.
 * False unless they promise extended session security, 128 bits and sealing: nothing weaker is
 * done. */
bool ntlm_seal_init(struct ntlm_seal *n, struct slice session_key, uint32_t flags);
/* Signs `whole`, which is a copy of the PDU in the clear, and seals `data` in place. */
void ntlm_seal_protect(struct ntlm_seal *n, struct slice whole, uint8_t *data, size_t len,
                       uint8_t signature[NTLM_SIGNATURE_SIZE]);
/* Unseals in place; ntlm_seal_check() must follow before the bytes are believed. */
void ntlm_seal_open(struct ntlm_seal *n, uint8_t *data, size_t len);
/* Whether `signature` is the peer's over `whole`, a copy of the PDU in the clear. */
bool ntlm_seal_check(struct ntlm_seal *n, struct slice whole, struct slice signature);
