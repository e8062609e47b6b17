#pragma once
/* The node's shell: one reactor that carries sockets, files, GSSAPI and time to the pure node, and
 * its effects back.
 *
 *   smbnet.c  clients (NetBIOS framing)     peers.c    links to other nodes
 *   disk.c    extents, journal              control.c  the line to the coordinators
 *   auth.c    GSSAPI, in its own thread     shell.c    steps, effects, timer, signals
 *
 * The node is stepped from the loop only: what happens while its effects are carried out (a link
 * that breaks while it is written to, an outcome known at once) is put in `inbox` and follows. */
#include "node/io/disk.h"
#include "node/io/reactor.h"
#include "node/io/tlslink.h"
#include "node/node.h"
#include "proto/base/list.h"
#include "proto/daemon/settings.h"

struct shell;
struct smbnet;
struct peers;
struct line;
struct auth;

/* ---- smbnet.c: connections of SMB clients ---------------------------------------------------- */
struct smbnet *smbnet_new(struct shell *s);
/* One more address to listen on. 0 or -errno. */
int smbnet_listen(struct smbnet *n, const char *address, uint32_t port);
void smbnet_send(struct smbnet *n, const struct smb_effect *e);
void smbnet_close(struct smbnet *n, uint64_t conn, const char *why);

/* ---- interfaces.c: where clients reach this node ----------------------------------------------
 */
/* Fills `out` (1 + SETTINGS_SMB_ADDRESSES_MAX places); an address no interface has now is left out.
 */
uint32_t interfaces_list(const struct settings *s, struct smb_interface *out);

/* ---- peers.c: links to the other nodes ------------------------------------------------------- */
struct peers *peers_new(struct shell *s);
int peers_listen(struct peers *p, const char *address, uint32_t port);
/* Which nodes there are, and where. */
void peers_config(struct peers *p, const Fl__ClusterConfig *config);
void peers_send(struct peers *p, uint32_t node_id, uint64_t session, const struct frame *f);
/* Dials what is down; when to be called again. */
uint64_t peers_maintain(struct peers *p, uint64_t now_ns);

/* ---- control.c: the line to the coordinators ------------------------------------------------- */
struct line *line_new(struct shell *s);
void line_effect(struct line *l, const struct control_effect *e);
uint64_t line_maintain(struct line *l, uint64_t now_ns);

/* ---- auth.c: who clients are ----------------------------------------------------------------- */
struct auth *auth_new(struct shell *s);
void auth_submit(struct auth *a, const struct smb_effect *e);
/* The cluster's users, for NTLM. */
void auth_config(struct auth *a, const Fl__ClusterConfig *config);
/* NegTokenInit2 of what this configuration accepts. */
size_t auth_hint(const struct settings *s, uint8_t *out, size_t cap);

/* ---- shell.c --------------------------------------------------------------------------------- */
enum { SHELL_CONNS_MAX = 4096 };

struct shell {
    struct reactor reactor;
    struct settings settings;
    struct tls_context *tls;
    struct mem mem;
    struct node *node;
    struct node_config config;
    struct disk *disk;
    struct smbnet *smbnet;
    struct peers *peers;
    struct line *line;
    struct auth *auth;
    struct list inbox; /* of struct shell_event */
    bool stepping, stop, lease;
    int exit_code;
    uint64_t space_ns; /* when the disk's free space is looked at next */
    struct smb_interface interfaces[1 + SETTINGS_SMB_ADDRESSES_MAX]; /* as told to the node */
    uint32_t interface_count;
    uint64_t interfaces_ns; /* when they are looked at next */
    char trouble[200];      /* with the coordinators, as logged last */
};

/* An event that waits for the step in progress to end. Made by shell_post, which copies. */
void shell_post(struct shell *s, const struct node_event *ev);
/* Steps the node now, or posts the event when a step is in progress; then everything posted. What
 * the event points to must be valid for the call only; posted SMB and CONTROL events carry no
 * bytes. */
void shell_step(struct shell *s, struct node_event *ev);
/* [MS-DTYP] 2.3.3, now. */
uint64_t shell_filetime(void);
/* Until told to stop; the exit code. */
int shell_run(struct shell *s);
