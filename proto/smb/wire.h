#pragma once
/* What the codecs of this folder share, and nobody else needs. */
#include "proto/smb/negotiate.h"

/* A reader of the message that stands after StructureSize of the body; bad unless the body is at
 * least `structure_size` & ~1 bytes and says `structure_size` (an odd size counts one byte of a
 * variable part that need not be there). */
struct reader smb_body(struct slice msg, uint16_t structure_size);
/* A variable part named by an offset from the header. Empty when `len` is 0, whatever `off` says:
 * clients leave it unset. Otherwise it must lie behind what was read so far and inside the message;
 * else the reader turns bad. */
struct slice smb_buffer(struct reader *r, size_t off, size_t len);
/* The 16 bytes of an SMB2_FILEID. */
struct smb_file_id read_file_id(struct reader *r);
void write_file_id(struct writer *w, struct smb_file_id id);

/* Where the header of the message being written starts; to be called right after the header. */
size_t smb_header_pos(const struct writer *w);
/* Bytes from the header at `header_pos` to here: the offset to put into a field. */
uint32_t smb_offset(const struct writer *w, size_t header_pos);
/* Zeros to the next multiple of 8 counted from the header. */
void smb_pad8(struct writer *w, size_t header_pos);
/* A 16-bit wire length of `s`; longer than fits is a bug of the caller. */
uint16_t smb_len16(struct slice s);
/* A 32-bit wire length of `s`. */
uint32_t smb_len32(struct slice s);

/* Negotiate contexts, for both directions. `off` and `count` as in the message of `r`, whose reader
 * stands behind the fixed part. False when ill-formed; `*out` is written only on success. */
bool smb_negotiate_contexts_decode(struct reader *r, size_t off, size_t count,
                                   struct smb_negotiate_contexts *out);
/* A context with its padding in front. SHA-512 is the only hash there is. */
void smb_preauth_context_encode(struct writer *w, size_t header_pos, struct slice salt);
void smb_compression_context_encode(struct writer *w, size_t header_pos, uint32_t flags,
                                    struct smb_id_list ids);
/* An encryption or signing context. */
void smb_id_context_encode(struct writer *w, size_t header_pos, uint16_t type,
                           struct smb_id_list ids);
