#pragma once
/* [MS-SMB2] 2.2.1: the 64 bytes before every message, how messages chain into one frame, and the
 * commands whose body says nothing (LOGOFF, TREE_DISCONNECT, ECHO, CANCEL: 2.2.7, .11, .28, .30).
 *
 *   frame: [header|body|pad to 8][header|body|pad][header|body]
 *            NextCommand ───────►   NextCommand ──►  NextCommand = 0
 *
 * A `msg` in all decoders of this folder is one whole message of a frame, header included; offsets
 * in it count from its header. Encoders of bodies stand right after a header that was written with
 * smb_header_encode and count offsets from that header, wherever it is in the frame. */
#include "proto/base/bytes.h"
#include "proto/smb/status.h"

enum { SMB_HEADER_SIZE = 64, SMB_SIGNATURE_POS = 48, SMB_SIGNATURE_SIZE = 16 };

enum smb_command {
    SMB2_NEGOTIATE,
    SMB2_SESSION_SETUP,
    SMB2_LOGOFF,
    SMB2_TREE_CONNECT,
    SMB2_TREE_DISCONNECT,
    SMB2_CREATE,
    SMB2_CLOSE,
    SMB2_FLUSH,
    SMB2_READ,
    SMB2_WRITE,
    SMB2_LOCK,
    SMB2_IOCTL,
    SMB2_CANCEL,
    SMB2_ECHO,
    SMB2_QUERY_DIRECTORY,
    SMB2_CHANGE_NOTIFY,
    SMB2_QUERY_INFO,
    SMB2_SET_INFO,
    SMB2_OPLOCK_BREAK,
    SMB2_SERVER_TO_CLIENT_NOTIFICATION,
    SMB2_COMMANDS, /* how many there are */
};

enum {
    SMB2_FLAGS_SERVER_TO_REDIR = 0x00000001,
    SMB2_FLAGS_ASYNC_COMMAND = 0x00000002,
    SMB2_FLAGS_RELATED_OPERATIONS = 0x00000004,
    SMB2_FLAGS_SIGNED = 0x00000008,
    SMB2_FLAGS_PRIORITY_MASK = 0x00000070,
    SMB2_FLAGS_DFS_OPERATIONS = 0x10000000,
    SMB2_FLAGS_REPLAY_OPERATION = 0x20000000,
};

/* MessageId of a break notification, which answers no request (2.2.23). */
#define SMB_MESSAGE_ID_UNSOLICITED UINT64_MAX

/* [MS-SMB2] 2.2.14.1. Both halves all ones in a related request means "the open of the request
 * before" (3.3.5.2.7.2). */
struct smb_file_id {
    uint64_t persistent, volatile_;
};

bool smb_file_id_equal(struct smb_file_id a, struct smb_file_id b);
/* { all ones, all ones } */
bool smb_file_id_is_related(struct smb_file_id id);
struct smb_file_id smb_file_id_related(void);

struct smb_header {
    uint16_t command; /* enum smb_command, or anything a stranger wrote: check < SMB2_COMMANDS */
    uint16_t credit_charge;
    uint16_t credits; /* requested in a request, granted in a response */
    uint32_t flags;
    uint32_t next_command;     /* 0 in the last message of a frame */
    ntstatus status;           /* responses */
    uint16_t channel_sequence; /* requests of 3.x; shares its bytes with `status` */
    uint32_t tree_id;          /* unless SMB2_FLAGS_ASYNC_COMMAND */
    uint64_t message_id;
    uint64_t async_id; /* with SMB2_FLAGS_ASYNC_COMMAND only */
    uint64_t session_id;
    uint8_t signature[SMB_SIGNATURE_SIZE];
};

/* What a frame is, by its first four bytes. SMB_FRAME_OTHER covers frames that are too short. */
enum smb_frame {
    SMB_FRAME_SMB2,
    SMB_FRAME_SMB1,
    SMB_FRAME_TRANSFORM,
    SMB_FRAME_COMPRESSED,
    SMB_FRAME_OTHER,
};

enum smb_frame smb_frame_kind(struct slice frame);

/* Decodes the header at the start of `msg`. STATUS_INVALID_PARAMETER when it is shorter than 64
 * bytes, is not SMB2 or has another StructureSize. Which commands exist, flags and NextCommand are
 * the caller's to judge. `*out` is written only on success. */
ntstatus smb_header_decode(struct slice msg, struct smb_header *out);
/* Writes 64 bytes. SMB2_FLAGS_SERVER_TO_REDIR in `flags` decides whether status (response) or
 * channel_sequence (request) is written; SMB2_FLAGS_ASYNC_COMMAND whether async_id or tree_id. */
void smb_header_encode(struct writer *w, const struct smb_header *h);

/* Walks the messages of one frame (3.3.5.2.7). A NextCommand that is not a multiple of 8, points
 * into its own header or leaves no room for another header makes the walk SMB_WALK_BAD; messages
 * before it were returned already, as Windows handles them. */
struct smb_walk {
    struct slice frame;
    size_t pos;
    bool done;
};

enum smb_walked { SMB_WALK_MESSAGE, SMB_WALK_END, SMB_WALK_BAD };

struct smb_walk smb_walk_of(struct slice frame);
/* On SMB_WALK_MESSAGE `*msg` (borrowed; includes the padding before the next message: signatures
 * cover it) and `*h` are the next message; otherwise they are untouched. */
enum smb_walked smb_walk_next(struct smb_walk *walk, struct slice *msg, struct smb_header *h);

/* Closes the message whose header was written at `header_pos`: pads with zeros to a multiple of 8
 * counted from that header and sets its NextCommand, so that another header can follow. */
void smb_compound_link(struct writer *w, size_t header_pos);

/* The bodies without content: LOGOFF, TREE_DISCONNECT, ECHO, CANCEL requests: StructureSize 4. */
ntstatus smb_empty_decode(struct slice msg);
/* LOGOFF, TREE_DISCONNECT, ECHO, FLUSH, LOCK responses, and the requests above. */
void smb_empty_encode(struct writer *w);
