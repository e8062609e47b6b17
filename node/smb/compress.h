#pragma once
/* Compressed frames of a connection that has negotiated it ([MS-SMB2] 3.3.5.2.1.2, 3.3.4.1.5):
 * inside of a sealed frame, never around it. */
#include "node/smb/smb_int.h"

/* A frame of replies on its way out. */
struct outgoing {
    uint8_t *at; /* the messages, with room for a transform header before them */
    size_t len;
    uint8_t *body; /* of the last message, in `buf` */
    size_t body_len;
    handle buf;
};

/* Replaces the compressed `frame` of `r` by what it stands for, in memory of the request. NULL, or
 * why the connection must go. */
const char *compress_open(struct smb *s, struct smb_request *r, struct slice *frame);
/* Compresses a READ's reply in memory of the request, if that makes it smaller and there is memory;
 * else it leaves as it is. */
void compress_reply(struct smb *s, struct smb_request *r, struct outgoing *out);
/* The memory of both, when the request's effects have been carried out. */
void compress_forget(struct smb *s, struct smb_request *r);
