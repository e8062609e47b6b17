#pragma once
/* [MS-SMB2] 2.2.3, 2.2.4 NEGOTIATE with its contexts, and the SMB1 NEGOTIATE by which an old client
 * asks whether SMB2 is spoken (3.3.5.3). */
#include "proto/smb/header.h"

enum smb_dialect {
    SMB_DIALECT_NONE = 0,
    SMB_DIALECT_202 = 0x0202,
    SMB_DIALECT_210 = 0x0210,
    SMB_DIALECT_300 = 0x0300,
    SMB_DIALECT_302 = 0x0302,
    SMB_DIALECT_311 = 0x0311,
    SMB_DIALECT_WILDCARD = 0x02FF,
};

enum {
    SMB2_NEGOTIATE_SIGNING_ENABLED = 0x0001,
    SMB2_NEGOTIATE_SIGNING_REQUIRED = 0x0002,
};

enum {
    SMB2_GLOBAL_CAP_DFS = 0x00000001,
    SMB2_GLOBAL_CAP_LEASING = 0x00000002,
    SMB2_GLOBAL_CAP_LARGE_MTU = 0x00000004,
    SMB2_GLOBAL_CAP_MULTI_CHANNEL = 0x00000008,
    SMB2_GLOBAL_CAP_PERSISTENT_HANDLES = 0x00000010,
    SMB2_GLOBAL_CAP_DIRECTORY_LEASING = 0x00000020,
    SMB2_GLOBAL_CAP_ENCRYPTION = 0x00000040,
    SMB2_GLOBAL_CAP_NOTIFICATIONS = 0x00000080,
};

enum smb_context_type {
    SMB2_PREAUTH_INTEGRITY_CAPABILITIES = 0x0001,
    SMB2_ENCRYPTION_CAPABILITIES = 0x0002,
    SMB2_COMPRESSION_CAPABILITIES = 0x0003,
    SMB2_NETNAME_NEGOTIATE_CONTEXT_ID = 0x0005,
    SMB2_TRANSPORT_CAPABILITIES = 0x0006,
    SMB2_RDMA_TRANSFORM_CAPABILITIES = 0x0007,
    SMB2_SIGNING_CAPABILITIES = 0x0008,
};

enum { SMB_HASH_SHA512 = 1 };

enum smb_cipher {
    SMB_CIPHER_NONE = 0,
    SMB_CIPHER_AES128_CCM = 1,
    SMB_CIPHER_AES128_GCM = 2,
    SMB_CIPHER_AES256_CCM = 3,
    SMB_CIPHER_AES256_GCM = 4,
};

enum smb_signing {
    SMB_SIGNING_HMAC_SHA256 = 0,
    SMB_SIGNING_AES_CMAC = 1,
    SMB_SIGNING_AES_GMAC = 2,
};

enum { SMB2_COMPRESSION_CAPABILITIES_FLAG_CHAINED = 0x00000001 };

enum { SMB_NEGOTIATE_CONTEXTS_MAX = 64 }; /* Windows sends six; more than this is refused */

/* A list of 16-bit ids as it stands in the message, most preferred first. */
struct smb_id_list {
    struct slice bytes; /* borrowed; even length */
};

size_t smb_id_count(struct smb_id_list list);
/* `index` < count. */
uint16_t smb_id_at(struct smb_id_list list, size_t index);
bool smb_id_has(struct smb_id_list list, uint16_t id);

/* The contexts of a 3.1.1 request, or of a response. `has_x` tells whether the context was there;
 * unknown types are ignored. An empty list inside a preauthentication, encryption, signing or
 * compression context, one shorter than its own counts, or two contexts of one type are refused
 * (3.3.5.4). RDMA, transport and netname contexts that are ill-formed count as absent: whoever does
 * not implement them must ignore them. */
struct smb_negotiate_contexts {
    bool has_preauth, has_ciphers, has_compression, has_rdma, has_signing, has_netname,
        has_transport;
    struct smb_id_list hashes;
    struct slice salt;
    struct smb_id_list ciphers;
    struct smb_id_list compression;
    uint32_t compression_flags;
    struct smb_id_list rdma_transforms;
    struct smb_id_list signing;
    struct slice netname; /* UTF-16LE */
    uint32_t transport_flags;
};

struct smb_negotiate_req {
    uint16_t security_mode;
    uint32_t capabilities;
    uint8_t client_guid[16];
    struct smb_id_list dialects; /* may be empty: 3.3.5.4 answers STATUS_INVALID_PARAMETER */
    struct smb_negotiate_contexts contexts; /* all absent unless dialects has 0x0311 */
};

/* STATUS_INVALID_PARAMETER for anything ill-formed, an empty dialect list, and for 0x0311 among the
 * dialects without exactly one preauthentication context. */
ntstatus smb_negotiate_decode(struct slice msg, struct smb_negotiate_req *out);
/* The greatest dialect in the list that lies in [least, most] and is one we know, or
 * SMB_DIALECT_NONE. */
enum smb_dialect smb_dialect_choose(struct smb_id_list dialects, uint16_t least, uint16_t most);

struct smb_negotiate_rsp {
    uint16_t security_mode;
    uint16_t dialect; /* enum smb_dialect; contexts are written for SMB_DIALECT_311 only */
    uint8_t server_guid[16];
    uint32_t capabilities;
    uint32_t max_transact, max_read, max_write; /* bytes */
    uint64_t system_time, server_start_time;    /* FILETIME */
    struct slice security;                      /* GSS token; at most 65535 bytes */
    struct slice salt;                          /* preauthentication salt, <= 64 bytes */
    /* The client sent the context: answer it (3.3.5.4). */
    bool has_cipher, has_signing, has_compression;
    uint16_t cipher;                /* enum smb_cipher; SMB_CIPHER_NONE when none is common */
    uint16_t signing;               /* enum smb_signing */
    struct smb_id_list compression; /* those in common; empty: NONE is answered */
    uint32_t compression_flags;
};

void smb_negotiate_encode(struct writer *w, const struct smb_negotiate_rsp *rsp);

/* What an SMB1 NEGOTIATE offers of SMB2 (3.3.5.3). */
struct smb1_negotiate {
    bool smb_2_002;      /* "SMB 2.002": answer with dialect 0x0202 */
    bool smb_2_wildcard; /* "SMB 2.???": answer with 0x02FF, a second NEGOTIATE follows */
};

/* `frame` is a whole SMB1 frame. STATUS_INVALID_PARAMETER when it is ill-formed,
 * STATUS_NOT_SUPPORTED when it is another SMB1 command. */
ntstatus smb1_negotiate_decode(struct slice frame, struct smb1_negotiate *out);
