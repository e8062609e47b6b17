#pragma once
/* flotilla.conf: one file for all daemons of a machine, and one for the administrator's command. It
 * is made by `flotilla cluster init` or `flotilla node join`; deploy/flotilla.conf.example explains
 * every key. Paths that do not begin with '/' are taken from the file's own directory. */
#include <stdbool.h>
#include <stdint.h>

enum {
    SETTINGS_ERROR_MAX = 512,
    SETTINGS_COORDINATORS_MAX = 9,
    SETTINGS_SMB_ADDRESSES_MAX = 15,
    SETTINGS_CIPHERS_MAX = 4,
    SETTINGS_SIGNINGS_MAX = 3,
};

struct settings_coordinator {
    uint32_t id;      /* node id, which is its Raft id too */
    char address[80]; /* "address:port" */
};

struct settings {
    /* [cluster] */
    char cluster_name[64];
    uint8_t cluster_id[16];
    struct settings_coordinator
        coordinators[SETTINGS_COORDINATORS_MAX]; /* coordinator = ID ADDR:PORT */
    uint32_t coordinator_count;
    /* [tls] */
    char ca[4096], cert[4096], key[4096];
    /* [node]: absent in an administrator's file (node_id 0) */
    uint32_t node_id;
    char node_name[64], address[64];
    /* IP literals beside `address`: further cards, for SMB clients only */
    char smb_addresses[SETTINGS_SMB_ADDRESSES_MAX][64];
    uint32_t smb_address_count;
    uint32_t data_port, smb_port;
    char data_dir[4096];  /* extents and journal */
    char state_dir[4096]; /* key file for NTLM, sockets */
    uint64_t memory_mib;  /* buffers and pools of flotilla-node */
    /* [coordinator] */
    bool coordinator_enabled;
    bool coordinator_joins; /* first start: it was added to a cluster that exists */
    uint32_t coordinator_port;
    char coordinator_dir[4096];
    char founding_file[4096]; /* ClusterInit for the first leader; "" when joining */
    /* [smb] */
    bool require_signing, require_encryption, ntlm, compression;
    /* Allowed in SMB 3.1.1, most preferred first, by number ([MS-SMB2] 2.2.3.1); none: all. */
    uint16_t ciphers[SETTINGS_CIPHERS_MAX], signings[SETTINGS_SIGNINGS_MAX];
    uint32_t cipher_count, signing_count;
    char keytab[4096]; /* "" without Kerberos */
    /* [witness] */
    uint32_t endpoint_mapper_port, witness_port; /* 0: any */
    /* [log] */
    char log_level[16];
};

/* Reads and checks the file. False with "file:line: what is wrong" in `error` (SETTINGS_ERROR_MAX).
 */
bool settings_load(struct settings *s, const char *path, char *error);
/* "a:1,b:2" of all coordinators, as an array of pointers into `s`. */
uint32_t settings_coordinators(const struct settings *s, const char **out);
