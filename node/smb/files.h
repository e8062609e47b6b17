#pragma once
/* What the files that serve opens on disk shares (open, create, data, dir, info, set) offer each
 * other. Nobody else includes this. */
#include "node/smb/smb_int.h"
#include "proto/smb/create.h"
#include "proto/smb/dtyp.h"
#include "proto/smb/fscc.h"

/* The largest file: NTFS's with 4 KiB clusters, which clients know to respect. */
#define SMB_FILE_SIZE_MAX UINT64_C(0xFFFFFFF0000)

/* The FileInfo of a reply that is a success and has one; NULL otherwise. */
const Fl__FileInfo *info_of(const Fl__Reply *reply);
/* The status to fail with when `reply` is not the success that was expected. */
ntstatus reply_failure(const Fl__Reply *reply);

/* Takes over what a reply says about the file, unless something newer is known. */
void inode_learn(struct smb_inode *inode, const Fl__FileInfo *info);
/* Where the bytes lie according to `info`. */
struct smb_file_ref info_ref(const Fl__FileInfo *info);

/* `r` sleeps until the inode's cut or its writes have ended; then `again` goes on. */
void inode_wait(struct smb *s, struct smb_request *r, struct smb_inode *inode, smb_resume *again);

/* Remembers the path, from the share's root; false without memory (then it is as it was). */
bool open_set_path(struct smb *s, struct smb_open *o, struct slice path);
struct slice open_path(const struct smb_open *o);
/* Tells the coordinator to let go of the open; the answer goes to `done`. False: failed
 * already. */
bool open_close_meta(struct smb *s, struct smb_request *r, struct smb_open *o, smb_meta_done *done);
/* Is another part than `r` at work on the open with this command? Sleeping ones do not count. */
bool open_working(const struct smb_open *o, const struct smb_request *r, uint16_t command);
/* `r` sleeps until open_wake; then `again` goes on. */
void open_wait(struct smb *s, struct smb_request *r, struct smb_open *o, smb_resume *again);
void open_wake(struct smb *s, struct smb_open *o);

/* Asks the coordinator about the open's file; the answer goes to `done`. */
void open_query_info(struct smb *s, struct smb_request *r, const struct smb_open *o,
                     smb_meta_done *done);
/* The same with the path, as it is stored. */
void open_query_path(struct smb *s, struct smb_request *r, const struct smb_open *o,
                     smb_meta_done *done);

/* Bytes up to `end` are durable at `file`: the end of file of the part's open is to say so. The
 * answer goes to `done`: STATUS_FILE_CLOSED when the file's bytes have been thrown away meanwhile,
 * these among them; on success open_extended takes over what it says. */
struct open_growth {
    struct smb_file_ref file;
    uint64_t end;
};
void open_extend(struct smb *s, struct smb_request *r, const struct open_growth *growth,
                 smb_meta_done *done);
void open_extended(struct smb_open *o, const struct open_growth *growth, const Fl__Reply *reply);
/* The open has written: its times are to say so ([MS-FSA] 2.1.4.17). */
void open_modified(struct smb *s, struct smb_open *o);

/* The open of a named stream? */
bool open_is_stream(const struct smb_open *o);
/* The number clients see for a file: a stream has its file's. */
uint64_t file_id_of(const Fl__FileInfo *info);
/* Borrowed bytes as protobuf-c wants them; packing does not write. */
ProtobufCBinaryData borrowed(struct slice s);

struct smb_query_info_req;
/* QUERY_INFO of FileFullEaInformation and FileStreamInformation, and SET_INFO of the former: answer
 * by themselves. `req` and `list` live as long as the request. */
void query_ea(struct smb *s, struct smb_request *r, const struct smb_open *o,
              const struct smb_query_info_req *req);
void query_streams(struct smb *s, struct smb_request *r, const struct smb_open *o,
                   const struct smb_query_info_req *req);
void set_ea(struct smb *s, struct smb_request *r, const struct smb_open *o, struct slice list);
/* The reply to QUERY_INFO and SET_INFO. */
void query_info_reply(struct smb *s, struct smb_request *r, ntstatus status, struct slice output);
void set_info_reply(struct smb *s, struct smb_request *r);
/* A stranger's list of extended attributes as what Open.ea and SetEa.changes hold, in the request's
 * memory. */
ntstatus ea_changes(struct smb_request *r, struct slice list, ProtobufCBinaryData *out);

/* An open met a reparse point: the client is told where it leads, if it is a symbolic link. `name`
 * is what it asked for. */
void reparse_stopped(struct smb *s, struct smb_request *r, const Fl__Reply *reply,
                     struct slice name);

/* The facts of a CREATE or CLOSE response; times of writes that only this node knows included. */
struct smb_file_facts facts_of(const struct smb *s, const Fl__FileInfo *info,
                               const struct smb_inode *inode);
/* The serial number clients see for a volume: the same on every node. */
uint32_t volume_serial(const struct smb *s, uint32_t volume);
