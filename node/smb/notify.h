#pragma once
/* What a directory's open watches, as far as the node is concerned: the changes that its client has
 * not been told yet ([MS-SMB2] 3.3.5.19). */
#include "node/smb/smb_int.h"

/* Bytes of changes kept for one open; more are told as STATUS_NOTIFY_ENUM_DIR. */
#define SMB_WATCH_LIST_MAX 65536u

/* Owned by its open, in smb.mem. */
struct smb_watch {
    uint32_t limit;  /* bytes kept: what the first request had room for */
    bool missed;     /* there were more: the client must look for itself */
    bool deleted;    /* the directory was marked for deletion */
    bool half;       /* the last entry is an old name: its new one is still to come */
    uint8_t *list;   /* FILE_NOTIFY_INFORMATION, in `cap` bytes of smb.mem */
    size_t cap, len; /* len 0: nothing is kept */
    size_t last;     /* where the last entry begins */
};

void watch_event(struct smb *s, const struct smb_event *ev);
/* The open ends. */
void watch_end(struct smb *s, struct smb_open *o);
void watch_check(const struct smb *s, const struct smb_open *o);
