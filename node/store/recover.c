/* The start: whose directory is this, and which regions were hot when it was last used?
 *
 *   read identity ─┬─ there: read journal ──► READY with the hot regions
 *                  └─ none:  write journal ──► write identity ──► READY, fresh
 *
 * The identity is written last: a directory that has one has a whole journal, and no extent was
 * written before. A damaged journal means that the regions which may differ from other members are
 * not known: the directory is refused, its node comes back with an empty one and is brought up to
 * date by the others. */
#include "node/store/store_int.h"

#include <string.h>

static void refuse(struct store *s, const char *why)
{
    s->phase = PHASE_REFUSED;
    store_emit(s, &(struct store_effect){.type = STORE_DO_REFUSED, .refused = {why}});
}

static void ready(struct store *s)
{
    s->phase = PHASE_READY;
    struct store_effect e = {.type = STORE_DO_READY};
    memcpy(e.ready.store_id, s->store_id, STORE_ID);
    e.ready.fresh = s->fresh;
    e.ready.hot = s->journal.recovered;
    e.ready.hot_count = s->journal.recovered_count;
    store_emit(s, &e);
    task_unheld(s);
}

static void start_io(struct store *s, enum store_phase phase, const struct store_disk *disk)
{
    s->phase = phase;
    store_disk(s, TOKEN_START, disk);
}

void recover_start(struct store *s, const struct store_event *ev)
{
    must(s->phase == PHASE_NEW);
    memcpy(s->store_id, ev->start.new_store_id, STORE_ID);
    memcpy(s->cluster_id, ev->start.cluster_id, STORE_ID);
    start_io(s, PHASE_READ_IDENTITY,
             &(struct store_disk){.type = DISK_READ,
                                  .file = {.kind = STORE_FILE_IDENTITY},
                                  .len = STORE_BLOCK,
                                  .into = s->bounce_base});
}

static void identity_read(struct store *s, uint64_t count)
{
    if (count == 0 || layout_blank(s->bounce_base)) {
        s->fresh = true;
        journal_format(s, s->bounce_base);
        start_io(s, PHASE_WRITE_JOURNAL,
                 &(struct store_disk){.type = DISK_WRITE,
                                      .file = {.kind = STORE_FILE_JOURNAL},
                                      .len = JOURNAL_BYTES,
                                      .data = s->bounce_base});
        return;
    }
    uint8_t cluster_id[STORE_ID];
    uint32_t version;
    if (!layout_identity_decode(s->bounce_base, s->store_id, cluster_id, &version)) {
        refuse(s, version > LAYOUT_VERSION && layout_sealed(s->bounce_base, IDENTITY_CHECK_AT)
                      ? "the data directory was written by a newer version of Flotilla"
                      : "the data directory's identity file is damaged");
        return;
    }
    if (memcmp(cluster_id, s->cluster_id, STORE_ID) != 0) {
        refuse(s, "the data directory belongs to another cluster");
        return;
    }
    start_io(s, PHASE_READ_JOURNAL,
             &(struct store_disk){.type = DISK_READ,
                                  .file = {.kind = STORE_FILE_JOURNAL},
                                  .len = JOURNAL_BYTES,
                                  .into = s->bounce_base});
}

static void journal_written(struct store *s)
{
    layout_identity_encode(s->bounce_base, s->store_id, s->cluster_id);
    start_io(s, PHASE_WRITE_IDENTITY,
             &(struct store_disk){.type = DISK_WRITE,
                                  .file = {.kind = STORE_FILE_IDENTITY},
                                  .len = STORE_BLOCK,
                                  .data = s->bounce_base});
}

void recover_disk(struct store *s, enum store_result result, uint64_t count)
{
    if (result != STORE_OK) {
        refuse(s, result == STORE_NO_SPACE ? "the data directory's disk is full"
                                           : "the data directory cannot be read or written");
        return;
    }
    switch (s->phase) {
    case PHASE_READ_IDENTITY: identity_read(s, count); break;
    case PHASE_READ_JOURNAL:
        if (count < JOURNAL_BYTES || !journal_load(s, s->bounce_base))
            refuse(
                s,
                "the journal is damaged: this copy must be replaced (remove the data directory)");
        else
            ready(s);
        break;
    case PHASE_WRITE_JOURNAL: journal_written(s); break;
    case PHASE_WRITE_IDENTITY: ready(s); break;
    case PHASE_NEW:
    case PHASE_READY:
    case PHASE_REFUSED:
        must(s->phase == PHASE_READ_IDENTITY); /* nothing was asked for */
        break;
    }
}
