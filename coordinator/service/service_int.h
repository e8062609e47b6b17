#pragma once
/* What the files of coordinator/service share. */
#include "coordinator/service/coordinator.h"
#include "proto/base/list.h"
#include "proto/base/map.h"
#include "proto/base/must.h"
#include "proto/cluster/frame.h"
#include "proto/cluster/pack.h"
#include "proto/smb/status.h"
#include <string.h>

#define MS UINT64_C(1000000)

/* One connected client. Owned by `clients`. */
struct client {
    uint64_t id;
    Fl__Role role;
    char name[256];
    bool greeted; /* Hello was accepted and answered, or is being registered */
    bool subscribed, secrets;
    uint32_t node_id;                 /* nodes and witnesses, after Hello */
    uint64_t session;                 /* nodes, after Welcome */
    uint64_t free_bytes, total_bytes; /* nodes: of their disk, as last told */
    bool joining;                     /* has shown its token */
    char *join_name;                  /* joining machines: whose invitation they used */
    uint8_t token_hash[32];
};

enum request_kind {
    REQUEST_COMMAND,  /* the reply goes back under the client's own sequence */
    REQUEST_REGISTER, /* Hello of a node: Welcome follows */
    REQUEST_JOIN,     /* NodeJoin of a machine whose certificate is signed */
    REQUEST_INTERNAL, /* NodeDown, ClusterInit: nobody waits */
    REQUEST_QUERY,    /* waits for ReadIndex */
    REQUEST_LEASE,    /* waits for ReadIndex */
    REQUEST_INVITED,  /* waits for ReadIndex: is this token good? */
};

/* Something the Raft engine was asked, by token. Owned by `requests`. */
struct request {
    uint64_t token, client;
    enum request_kind kind;
    uint64_t id;      /* sequence, query id or nonce: the client's own */
    uint32_t node_id; /* INTERNAL NodeDown: of whom */
    uint8_t *bytes;   /* QUERY: packed Query; INVITED: packed JoinRequest; REGISTER: incarnation */
    size_t len;
};

/* What the leader remembers of a node beside what is in the log. */
struct lease {
    uint64_t until_ns;
    uint64_t session; /* it was granted to */
    bool condemned;   /* a NodeDown for this session is under way: grant nothing */
};

struct coordinator {
    struct mem *mem;
    struct coordinator_config config;
    struct trace *trace;
    struct raft_engine *raft;
    struct meta *meta;
    struct raft_effects raft_effects;
    struct coordinator_effects effects;
    struct arena arena;  /* of the step */
    struct map clients;  /* client id → struct client */
    struct map requests; /* token → struct request */
    struct map leases;   /* node id → struct lease */
    uint64_t next_token, now_ns, filetime;
    uint64_t entropy[2];
    uint64_t leader_since_ns; /* 0: not the leader */
    uint64_t sweep_ns;        /* when leases are looked at next */
    bool config_changed;      /* to be pushed at the end of this step */
    bool changing;            /* a change of the Raft group is under way */
    bool founding;            /* ClusterInit is proposed */
    bool obeying;             /* raft_feed is carrying out effects */
    size_t obeyed;            /* of raft_effects, in this step */
};

/* effects.c */
struct coordinator_effect *emit(struct coordinator *c, enum coordinator_effect_type type);
/* Packs, frames and sends. */
void send_control(struct coordinator *c, uint64_t client, Fl__Control *message);
/* Says why and closes; forgets the client. */
void drop_client(struct coordinator *c, struct client *client, const char *refusal);

/* requests.c */
/* NULL when there are too many or memory is refused. */
struct request *request_new(struct coordinator *c, enum request_kind kind, uint64_t client,
                            uint64_t id);
void request_free(struct coordinator *c, struct request *r);
/* Keeps a copy of the bytes with the request; false when refused (the request is freed). */
bool request_keep(struct coordinator *c, struct request *r, struct slice bytes);
/* Stamps, packs and proposes a command on behalf of `r`; frees r when it cannot. */
void propose(struct coordinator *c, struct request *r, const Fl__Command *command);
/* Asks the engine for a ReadIndex round on behalf of `r`. */
void ask_read(struct coordinator *c, struct request *r);
/* Feeds one event to the engine and obeys everything it answers. */
void raft_feed(struct coordinator *c, const struct raft_engine_event *ev);

/* clients.c */
void client_up(struct coordinator *c, uint64_t id, const struct coordinator_peer *peer);
void client_down(struct coordinator *c, uint64_t id, bool by_peer);
void client_message(struct coordinator *c, const struct coordinator_event *ev);
void client_signed(struct coordinator *c, uint64_t id, struct slice cert_pem);
/* Answers a request whose command was applied here. */
void answer_command(struct coordinator *c, struct request *r, const Fl__Reply *reply);
/* Answers a request whose ReadIndex round is over. */
void answer_read(struct coordinator *c, struct request *r);
/* Sends a reply to the node's client, if it is connected here. */
void answer_node(struct coordinator *c, uint32_t node_id, uint64_t sequence,
                 const Fl__Reply *reply);
void deliver_notice(struct coordinator *c, const Fl__Notice *notice);
void push_config(struct coordinator *c);
/* No longer the leader: every client is sent away. */
void dismiss_clients(struct coordinator *c, uint64_t leader);
/* The "address:port" clients reach that coordinator at; "" when unknown. In the step's arena. */
char *leader_address(struct coordinator *c, uint64_t raft_id);

/* leases.c */
void lease_grant(struct coordinator *c, struct client *client, uint64_t nonce);
void lease_forget_all(struct coordinator *c);
/* Proposes NodeDown for that session, once. */
void declare_down(struct coordinator *c, uint32_t node_id, uint64_t session, const char *why);
/* Looks for leases that ran out; sets sweep_ns. */
void lease_sweep(struct coordinator *c);
/* A node registered: a new session begins. */
void lease_begin(struct coordinator *c, uint32_t node_id, uint64_t session);

/* breaks.c */
/* Proposes BreakTimeout when one is due. */
void breaks_sweep(struct coordinator *c);

/* membership.c */
/* Proposes the next change of the Raft group that the metadata asks for, if any. */
void membership_follow(struct coordinator *c);
/* The outcome of a change came. */
void membership_changed(struct coordinator *c);
