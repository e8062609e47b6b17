#pragma once
/* A client that lost its connection comes back with a new session and names the old one in
 * PreviousSessionId ([MS-SMB2] 3.3.5.5.3). The old one ends, on whichever node it is, if it is the
 * same user's; and the new one is answered when the opens of the old are closed, so that what the
 * client opens next does not collide with itself. */
#include "node/smb/smb_int.h"

/* Nobody is kept waiting longer than this. */
#define PREVIOUS_NS (5 * SMB_SECOND)

/* Somebody waits for a session to end. Known by its handle to all that is left of the session. */
struct smb_previous {
    handle self;
    uint32_t left;   /* objects of the session still there; 1 while another node has it */
    handle request;  /* who waits here; {0}: another node, or nobody any more */
    bool remote;     /* the session is on another node: only its answer ends this */
    uint32_t asker;  /* the node that waits; 0: none */
    uint64_t ticket; /* its own name for this */
};

/* Ends the session that `r`, whose session is new, has named. True: `r` waits, and goes on in
 * `then` when that session has ended, or has had long enough. */
bool previous_end(struct smb *s, struct smb_request *r, uint64_t session_id, smb_resume *then);
/* Another node asks for this. */
void previous_asked(struct smb *s, const struct smb_event *ev);
/* Another node has answered. */
void previous_answered(struct smb *s, uint64_t ticket);
/* One more object, or one less, of the session that `at` waits for; {0} is nobody. */
void previous_hold(struct smb *s, handle at);
void previous_release(struct smb *s, handle at);
/* The request waits no longer. */
void previous_forget(struct smb *s, struct smb_request *r);
