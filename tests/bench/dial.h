#pragma once
/* A client's way to an open file on any SMB 3.1.1 server: TCP, NEGOTIATE, NTLM, TREE_CONNECT,
 * CREATE. For measuring only: it trusts its server, waits in system calls, and ends the program
 * with a sentence on stderr when something is not as it should be. */
#include "proto/base/mem.h"
#include "proto/crypto/preauth.h"
#include "proto/crypto/sign.h"
#include "proto/smb/create_client.h"

enum { DIAL_FRAME_MAX = (1 << 20) + 4096 };

struct dial {
    int fd;
    uint64_t message_id; /* of the next request */
    uint64_t session_id;
    uint32_t tree_id;
    uint64_t credits;             /* held and not spent */
    uint32_t max_read, max_write; /* bytes, as negotiated */
    struct preauth preauth;
    struct sign_key *sign; /* once there is a session; used for TREE_CONNECT only */
    struct mem mem;
    uint8_t *out, *in; /* DIAL_FRAME_MAX each; a frame of `out` starts behind 4 bytes of length */
};

struct dial_target {
    const char *address; /* IPv4, port 445 */
    const char *name;    /* what the server calls itself: gss-ntlmssp insists on it */
    const char *share, *user, *password;
};

/* Prints and ends the program. */
_Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Connects to the share. */
void dial_open(struct dial *d, const struct dial_target *to);
/* Closes the connection and frees. */
void dial_close(struct dial *d);
/* Makes or empties `name` for reading and writing, without an oplock; it is deleted on close. */
struct smb_file_id dial_create(struct dial *d, const char *name);
void dial_forget(struct dial *d, struct smb_file_id id);

/* A request: `dial_begin` writes the header, the caller the body, `dial_send` sends both and says
 * what its MessageId is. `payload` is the greater of what is sent and what is asked for, in bytes;
 * there must be dial_charge(payload) credits. */
struct writer dial_begin(struct dial *d, enum smb_command command, uint32_t payload);
uint64_t dial_send(struct dial *d, const struct writer *w);
uint32_t dial_charge(uint32_t payload);
/* Waits for the next final response: interim ones only bring credits. Borrowed until the next. */
struct slice dial_receive(struct dial *d, struct smb_header *h);
/* A request, and the answer to it, when no other is in flight. */
struct slice dial_call(struct dial *d, const struct writer *w, struct smb_header *h);
/* ASCII as UTF-16LE in `bytes`. */
struct slice dial_wide(const char *text, uint8_t *bytes, size_t cap);
