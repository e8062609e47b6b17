/* Files and directories through the whole core, with the coordinator and the disks played by hand:
 * what is asked of them, in which order, and what the client is told.
 * covers: ea.c open.c create.c data.c info.c set.c dir.c */
#include "tests/lib/unit.h"
#include "tests/node/smb/rig.h"

#include "proto/base/must.h"
#include "proto/smb/create_client.h"
#include "proto/smb/create_ctx.h"
#include "proto/smb/data_client.h"
#include "proto/smb/dir.h"
#include "proto/smb/dtyp.h"
#include "proto/smb/fscc.h"
#include "proto/smb/info_client.h"
#include "proto/smb/negotiate.h"
#include "proto/smb/security.h"
#include <string.h>

enum {
    META_OPEN = FL__COMMAND__BODY_OPEN,
    META_EXTEND = FL__COMMAND__BODY_EXTEND,
    META_SET_SIZE = FL__COMMAND__BODY_SET_SIZE,
    META_INFO = FL__QUERY__BODY_INFO,
    META_ACCESS = FL__QUERY__BODY_ACCESS,
};

static struct rig rig;
static struct client cl;
static struct smb_file_id id;
static Fl__FileInfo file;

static int setup(void **state)
{
    (void)state;
    rig_init(&rig);
    memset(&cl, 0, sizeof(cl));
    client_ready(&cl, &rig, SMB_DIALECT_311);
    rig.file_size = 100;
    assert_int_equal(client_create(&cl, "file", &id), STATUS_OK);
    fl__file_info__init(&file);
    file.volume = 1;
    file.inode = file.data_id = 1000 + id.persistent;
    file.size = 100;
    file.cacheable = true;
    file.version = 2;
    file.attributes = FILE_ATTRIBUTE_ARCHIVE;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    rig.hold_meta = rig.hold_io = false;
    while (rig.op_count > 0)
        rig_answer(&rig, STATUS_FILE_NOT_AVAILABLE);
    client_free(&cl);
    rig_fini(&rig);
    return 0;
}

static void hold(void) { rig.hold_meta = rig.hold_io = true; }

/* The next thing asked, which must be this. */
static const struct rig_op *meta_wanted(int command, int query)
{
    assert_true(rig.op_count > 0);
    assert_int_equal(rig.ops[0].type, SMB_DO_META);
    assert_int_equal(rig.ops[0].command, command);
    assert_int_equal(rig.ops[0].query, query);
    return &rig.ops[0];
}

static void io_wanted(enum smb_io_op op, uint64_t offset, uint64_t len)
{
    assert_true(rig.op_count > 0);
    assert_int_equal(rig.ops[0].type, SMB_DO_IO);
    assert_int_equal(rig.ops[0].io, op);
    assert_int_equal(rig.ops[0].offset, offset);
    assert_int_equal(rig.ops[0].len, len);
}

static void reply_file(ntstatus status)
{
    Fl__InfoReply info = FL__INFO_REPLY__INIT;
    Fl__Reply reply = FL__REPLY__INIT;
    info.info = &file;
    reply.status = status;
    if (status == STATUS_OK) {
        reply.info = &info;
        reply.body_case = FL__REPLY__BODY_INFO;
    }
    rig_reply(&rig, &reply);
}

static void quiet(void) { assert_false(client_receive(&cl)); }

static void answered(ntstatus status)
{
    assert_true(client_receive(&cl));
    assert_int_equal(cl.header.status, status);
}

static void send_write(uint64_t offset, uint32_t len)
{
    static uint8_t bytes[1 << 16];
    struct smb_write_req req = {
        .file_id = id, .offset = offset, .length = len, .data = {bytes, len}};
    smb_write_req_encode(client_begin(&cl, SMB2_WRITE, 0), &req);
    client_send(&cl);
}

static void send_read(uint64_t offset, uint32_t len, uint32_t minimum)
{
    struct smb_read_req req = {
        .file_id = id, .offset = offset, .length = len, .minimum_count = minimum};
    smb_read_req_encode(client_begin(&cl, SMB2_READ, 0), &req);
    client_send(&cl);
}

static void send_set(uint8_t info_class, const void *bytes, size_t len)
{
    struct smb_set_info_req req = {
        .info_type = SMB2_0_INFO_FILE, .info_class = info_class, .file_id = id};
    req.buffer = slice_of(bytes, len);
    smb_set_info_req_encode(client_begin(&cl, SMB2_SET_INFO, 0), &req);
    client_send(&cl);
}

static void invalidate(uint64_t ticket)
{
    struct smb_event ev = {.type = SMB_EV_INVALIDATE};
    ev.invalidate.volume = 1;
    ev.invalidate.inode = file.inode;
    ev.invalidate.ticket = ticket;
    rig_event(&rig, &ev);
}

/* ---- WRITE ---------------------------------------------------------------------------------- */

static void a_write_inside_is_one_io(void **state)
{
    (void)state;
    hold();
    send_write(10, 20);
    io_wanted(SMB_IO_WRITE, 10, 20);
    quiet();
    rig_answer(&rig, STATUS_OK);
    answered(STATUS_OK);
    assert_int_equal(rig.op_count, 0);
}

static void a_write_beyond_is_extended_before_the_reply(void **state)
{
    (void)state;
    hold();
    send_write(90, 20);
    io_wanted(SMB_IO_WRITE, 90, 20);
    rig_answer(&rig, STATUS_OK);
    quiet();
    assert_int_equal(meta_wanted(META_EXTEND, 0)->size, 110);
    file.size = 110, file.version++;
    reply_file(STATUS_OK);
    answered(STATUS_OK);
    send_write(100, 10); /* the new size is known */
    io_wanted(SMB_IO_WRITE, 100, 10);
    rig_answer(&rig, STATUS_OK);
    answered(STATUS_OK);
}

static void nothing_is_acknowledged_that_is_not_extended(void **state)
{
    (void)state;
    hold();
    send_write(100, 1);
    rig_answer(&rig, STATUS_OK);
    meta_wanted(META_EXTEND, 0);
    reply_file(STATUS_FILE_NOT_AVAILABLE);
    answered(STATUS_FILE_NOT_AVAILABLE);
}

static void a_failed_write_says_why(void **state)
{
    (void)state;
    static const ntstatus statuses[] = {STATUS_DISK_FULL, STATUS_FILE_NOT_AVAILABLE,
                                        STATUS_UNEXPECTED_IO_ERROR};
    hold();
    for (size_t i = 0; i < array_len(statuses); i++) {
        send_write(0, 10);
        rig_answer(&rig, statuses[i]);
        answered(statuses[i]);
    }
}

static void a_write_to_thrown_away_bytes_is_done_again(void **state)
{
    (void)state;
    hold();
    send_write(100, 10);
    rig_answer(&rig, STATUS_OK);
    meta_wanted(META_EXTEND, 0);
    reply_file(STATUS_FILE_CLOSED);
    meta_wanted(0, META_ACCESS);
    file.size = 0, file.data_id += 50, file.version++;
    reply_file(STATUS_OK);
    io_wanted(SMB_IO_WRITE, 100, 10);
    assert_int_equal(rig.ops[0].inode, file.data_id);
    rig_answer(&rig, STATUS_OK);
    meta_wanted(META_EXTEND, 0);
    file.size = 110, file.version++;
    reply_file(STATUS_OK);
    answered(STATUS_OK);
}

static void many_writes_are_in_flight(void **state)
{
    (void)state;
    hold();
    send_write(100, 10);
    send_write(110, 10);
    send_write(0, 10);
    assert_int_equal(rig.op_count, 3);
    rig_answer(&rig, STATUS_OK); /* the first's bytes: Extend goes to the end of the queue */
    rig_answer(&rig, STATUS_OK);
    rig_answer(&rig, STATUS_OK);
    answered(STATUS_OK); /* the third was inside */
    assert_int_equal(meta_wanted(META_EXTEND, 0)->size, 110);
    file.size = 110, file.version++;
    reply_file(STATUS_OK);
    answered(STATUS_OK);
    assert_int_equal(meta_wanted(META_EXTEND, 0)->size, 120);
    file.size = 120, file.version++;
    reply_file(STATUS_OK);
    answered(STATUS_OK);
}

static void invalidation_waits_for_writes(void **state)
{
    (void)state;
    hold();
    invalidate(7); /* nothing under way: at once */
    assert_int_equal(rig.invalidates_done, 1);
    send_write(0, 10);
    meta_wanted(0, META_ACCESS); /* the size was forgotten */
    file.version++;
    reply_file(STATUS_OK);
    io_wanted(SMB_IO_WRITE, 0, 10);
    invalidate(8);
    invalidate(8); /* told again */
    assert_int_equal(rig.invalidates_done, 1);
    rig_answer(&rig, STATUS_OK);
    answered(STATUS_OK);
    assert_int_equal(rig.invalidates_done, 2);
    invalidate(0); /* only news */
    assert_int_equal(rig.invalidates_done, 2);
    send_write(0, 10);
    meta_wanted(0, META_ACCESS);
    reply_file(STATUS_OK);
    rig_answer(&rig, STATUS_OK);
    answered(STATUS_OK);
}

static void an_older_answer_changes_nothing(void **state)
{
    (void)state;
    hold();
    send_read(0, 200, 0);
    file.version = 9;
    reply_file(STATUS_OK);
    rig_answer(&rig, STATUS_OK);
    answered(STATUS_OK);
    file.version = 3, file.size = 5;
    send_read(0, 200, 0);
    reply_file(STATUS_OK);
    rig_answer(&rig, STATUS_OK);
    answered(STATUS_OK);
    send_read(0, 100, 0); /* 100 is still believed */
    io_wanted(SMB_IO_READ, 0, 100);
    rig_answer(&rig, STATUS_OK);
    answered(STATUS_OK);
}

static const struct {
    const char *name;
    uint64_t offset;
    uint32_t len;
    ntstatus status;
} writes[] = {
    {"nothing", 5, 0, STATUS_OK},
    {"nothing, far away", INT64_MAX, 0, STATUS_OK},
    {"at -1", UINT64_MAX, 10, STATUS_INVALID_PARAMETER},
    {"nothing at -1", UINT64_MAX, 0, STATUS_INVALID_PARAMETER},
    {"at the sign", (uint64_t)INT64_MAX + 1, 0, STATUS_INVALID_PARAMETER},
    {"over the sign", INT64_MAX, 1, STATUS_INVALID_PARAMETER},
    {"too far", UINT64_C(0xFFFFFFF0000), 1, STATUS_INVALID_PARAMETER},
    {"the last byte", UINT64_C(0xFFFFFFF0000) - 1, 1, STATUS_OK},
};

static void write_limits(void **state)
{
    (void)state;
    for (size_t i = 0; i < array_len(writes); i++) {
        send_write(writes[i].offset, writes[i].len);
        assert_row(writes[i].name, client_receive(&cl));
        assert_row(writes[i].name, cl.header.status == writes[i].status);
    }
}

/* ---- READ and FLUSH ---------------------------------------------------------------------------
 */

static const struct {
    const char *name;
    uint64_t offset;
    uint32_t len, minimum;
    ntstatus status;
    uint32_t got;
} reads[] = {
    {"inside", 0, 100, 0, STATUS_OK, 100},
    {"across", 50, 100, 0, STATUS_OK, 50},
    {"across, enough", 50, 100, 50, STATUS_OK, 50},
    {"across, not enough", 50, 100, 51, STATUS_END_OF_FILE, 0},
    {"at the end", 100, 1, 0, STATUS_END_OF_FILE, 0},
    {"nothing at the end", 100, 0, 0, STATUS_OK, 0},
    {"nothing, wanting one", 0, 0, 1, STATUS_END_OF_FILE, 0},
    {"far away", INT64_MAX - 1, 1, 0, STATUS_END_OF_FILE, 0},
    {"over the sign", INT64_MAX, 1, 0, STATUS_INVALID_PARAMETER, 0},
    {"nothing at -1", UINT64_MAX, 0, 0, STATUS_INVALID_PARAMETER, 0},
};

static void read_limits(void **state)
{
    (void)state;
    for (size_t i = 0; i < array_len(reads); i++) {
        struct smb_read_answer a;
        send_read(reads[i].offset, reads[i].len, reads[i].minimum);
        assert_row(reads[i].name, client_receive(&cl));
        assert_row(reads[i].name, cl.header.status == reads[i].status);
        if (reads[i].status != STATUS_OK)
            continue;
        assert_row(reads[i].name, smb_read_answer_decode(cl.message, &a) == STATUS_OK);
        assert_row(reads[i].name, a.data.len == reads[i].got);
    }
}

static void a_short_read_is_an_error(void **state)
{
    (void)state;
    hold();
    send_read(0, 50, 0);
    rig.ops[0].len = 40; /* the disks give less than was asked for */
    rig_answer(&rig, STATUS_OK);
    answered(STATUS_UNEXPECTED_IO_ERROR);
}

static void flush_waits_for_writes(void **state)
{
    (void)state;
    hold();
    struct smb_flush_req req = {.file_id = id};
    send_write(0, 10);
    smb_flush_req_encode(client_begin(&cl, SMB2_FLUSH, 0), &req);
    client_send(&cl);
    quiet();
    rig_answer(&rig, STATUS_OK);
    answered(STATUS_OK);
    assert_int_equal(cl.header.command, SMB2_WRITE);
    answered(STATUS_OK);
    assert_int_equal(cl.header.command, SMB2_FLUSH);
    smb_flush_req_encode(client_begin(&cl, SMB2_FLUSH, 0), &req);
    assert_int_equal(client_call(&cl), STATUS_OK);
}

/* ---- sizes --------------------------------------------------------------------------------------
 */

static void growing_is_one_command(void **state)
{
    (void)state;
    const uint8_t size[8] = {200};
    hold();
    send_set(FILE_END_OF_FILE_INFORMATION, size, 8);
    meta_wanted(0, META_INFO);
    reply_file(STATUS_OK);
    assert_int_equal(meta_wanted(META_SET_SIZE, 0)->size, 200);
    file.size = 200, file.version++;
    reply_file(STATUS_OK);
    answered(STATUS_OK);
}

static void what_is_cut_off_is_zeroed_first(void **state)
{
    (void)state;
    const uint8_t size[8] = {30};
    hold();
    send_set(FILE_END_OF_FILE_INFORMATION, size, 8);
    reply_file(STATUS_OK);
    io_wanted(SMB_IO_MAP, 30, 70);
    rig_answer(&rig, STATUS_OK);
    io_wanted(SMB_IO_ZERO, 30, 70);
    rig_answer(&rig, STATUS_OK);
    assert_int_equal(meta_wanted(META_SET_SIZE, 0)->size, 30);
    file.size = 30, file.version++;
    reply_file(STATUS_OK);
    answered(STATUS_OK);
    send_set(FILE_END_OF_FILE_INFORMATION, (const uint8_t[8]){10}, 8);
    reply_file(STATUS_OK);
    rig_answer(&rig, STATUS_FILE_NOT_AVAILABLE); /* not zeroed: not cut */
    answered(STATUS_FILE_NOT_AVAILABLE);
    assert_int_equal(rig.op_count, 0);
}

static void writes_and_cuts_exclude_each_other(void **state)
{
    (void)state;
    const uint8_t size[8] = {30};
    hold();
    send_write(0, 10);
    send_set(FILE_END_OF_FILE_INFORMATION, size, 8); /* waits for the write */
    send_write(50, 10);                              /* waits for the cut */
    assert_int_equal(rig.op_count, 1);
    rig_answer(&rig, STATUS_OK);
    answered(STATUS_OK);
    meta_wanted(0, META_INFO);
    reply_file(STATUS_OK);
    io_wanted(SMB_IO_MAP, 30, 70);
    rig_answer(&rig, STATUS_OK);
    io_wanted(SMB_IO_ZERO, 30, 70);
    assert_int_equal(rig.op_count, 1);
    rig_answer(&rig, STATUS_OK);
    file.size = 30, file.version++;
    reply_file(STATUS_OK);
    answered(STATUS_OK);
    assert_int_equal(cl.header.command, SMB2_SET_INFO);
    io_wanted(SMB_IO_WRITE, 50, 10);
    rig_answer(&rig, STATUS_OK);
    assert_int_equal(meta_wanted(META_EXTEND, 0)->size, 60);
    file.size = 60, file.version++;
    reply_file(STATUS_OK);
    answered(STATUS_OK);
}

static void a_cut_that_is_lost_lets_others_go_on(void **state)
{
    (void)state;
    const uint8_t size[8] = {30};
    hold();
    send_set(FILE_END_OF_FILE_INFORMATION, size, 8);
    send_write(50, 10);
    assert_int_equal(rig.op_count, 1);
    rig_advance(&rig, UINT64_C(51000000000)); /* the coordinator is silent: given up */
    answered(STATUS_PENDING);
    answered(STATUS_PENDING);
    answered(STATUS_FILE_NOT_AVAILABLE);
    assert_true(client_receive(&cl));
}

static void a_smaller_allocation_cuts_clusters(void **state)
{
    (void)state;
    hold();
    file.size = 10000;
    send_set(FILE_ALLOCATION_INFORMATION, (const uint8_t[8]){1}, 8);
    reply_file(STATUS_OK);
    io_wanted(SMB_IO_MAP, 4096, 10000 - 4096);
    rig_answer(&rig, STATUS_OK);
    io_wanted(SMB_IO_ZERO, 4096, 10000 - 4096);
    rig_answer(&rig, STATUS_OK);
    meta_wanted(FL__COMMAND__BODY_SET_ALLOCATION, 0);
    reply_file(STATUS_OK);
    answered(STATUS_OK);
}

/* ---- CREATE and CLOSE ------------------------------------------------------------------------ */

static struct slice wide(const char *text, uint8_t *room)
{
    for (size_t i = 0; i < strlen(text); i++)
        room[2 * i] = (uint8_t)text[i], room[2 * i + 1] = 0;
    return slice_of(room, 2 * strlen(text));
}

static const struct smb_create_req plain = {.impersonation = 2,
                                            .desired_access = GENERIC_READ,
                                            .share_access = 7,
                                            .disposition = FILE_OPEN_IF};

#define WITH(field, value)                                                                         \
    .req = {.impersonation = 2,                                                                    \
            .desired_access = GENERIC_READ,                                                        \
            .share_access = 7,                                                                     \
            .disposition = FILE_OPEN_IF,                                                           \
            field = (value)}

static const struct {
    const char *name, *path;
    struct smb_create_req req;
    ntstatus status;
} creates[] = {
    {"plain", "a", WITH(.options, 0), STATUS_OK},
    {"root", "", WITH(.options, 0), STATUS_OK},
    {"impersonation", "a", WITH(.oplock_level, 0), STATUS_OK},
    {"no access", "a", .req = {.impersonation = 2, .share_access = 7, .disposition = 3},
     STATUS_ACCESS_DENIED},
    {"strange access", "a",
     .req = {.impersonation = 2, .desired_access = 0x08000000, .disposition = 3},
     STATUS_ACCESS_DENIED},
    {"delegate", "a", .req = {.impersonation = 4, .desired_access = 1, .disposition = 3},
     STATUS_BAD_IMPERSONATION_LEVEL},
    {"strange sharing", "a",
     .req = {.impersonation = 2, .desired_access = 1, .share_access = 8, .disposition = 3},
     STATUS_INVALID_PARAMETER},
    {"strange disposition", "a", .req = {.impersonation = 2, .desired_access = 1, .disposition = 6},
     STATUS_INVALID_PARAMETER},
    {"strange options", "a", WITH(.options, 0x10000000), STATUS_INVALID_PARAMETER},
    {"by id", "a", WITH(.options, FILE_OPEN_BY_FILE_ID), STATUS_NOT_SUPPORTED},
    {"filter", "a", WITH(.options, FILE_RESERVE_OPFILTER), STATUS_NOT_SUPPORTED},
    {"both kinds", "a", WITH(.options, FILE_DIRECTORY_FILE | FILE_NON_DIRECTORY_FILE),
     STATUS_INVALID_PARAMETER},
    {"device", "a", WITH(.file_attributes, 0x40), STATUS_INVALID_PARAMETER},
    {"encrypted", "a", WITH(.file_attributes, FILE_ATTRIBUTE_ENCRYPTED), STATUS_ACCESS_DENIED},
    {"delete without right", "a", WITH(.options, FILE_DELETE_ON_CLOSE), STATUS_INVALID_PARAMETER},
    {"directory overwritten", "d",
     .req =
         {.impersonation = 2, .desired_access = 1, .disposition = FILE_OVERWRITE_IF, .options = 1},
     STATUS_INVALID_PARAMETER},
    {"leading separator", "\\a", WITH(.options, 0), STATUS_INVALID_PARAMETER},
    {"wildcard", "a*", WITH(.options, 0), STATUS_OBJECT_NAME_INVALID},
    {"dots", "a\\..\\b", WITH(.options, 0), STATUS_OBJECT_NAME_INVALID},
    {"trailing, a file", "a\\", WITH(.options, FILE_NON_DIRECTORY_FILE),
     STATUS_OBJECT_NAME_INVALID},
    {"trailing, a directory", "a\\", WITH(.options, FILE_DIRECTORY_FILE), STATUS_OK},
    {"the unnamed stream", "a::$DATA", WITH(.options, 0), STATUS_OK},
    {"a stream", "a:b", WITH(.options, 0), STATUS_OK},
    {"a stream as a directory", "a:b", WITH(.options, FILE_DIRECTORY_FILE), STATUS_NOT_A_DIRECTORY},
};

static void create_checks(void **state)
{
    (void)state;
    for (size_t i = 0; i < array_len(creates); i++) {
        uint8_t room[64];
        struct smb_create_req req = creates[i].req;
        req.name = wide(creates[i].path, room);
        smb_create_req_encode(client_begin(&cl, SMB2_CREATE, 0), &req);
        ntstatus status = client_call(&cl);
        if (status != creates[i].status)
            fail_msg("row '%s': %x", creates[i].name, status);
    }
}

static void create_contexts_are_answered(void **state)
{
    (void)state;
    uint8_t room[16], chain[64];
    struct writer w = writer_of(chain, sizeof(chain));
    /* MxAc and QFid without data */
    static const uint8_t asked[] = {
        24, 0, 0, 0, 16, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 'M', 'x', 'A', 'c', 0, 0, 0, 0,
        0,  0, 0, 0, 16, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 'Q', 'F', 'i', 'd', 0, 0, 0, 0};
    write_bytes(&w, slice_of(asked, sizeof(asked)));
    struct smb_create_req req = plain;
    req.name = wide("a", room);
    req.contexts = written(&w);
    smb_create_req_encode(client_begin(&cl, SMB2_CREATE, 0), &req);
    assert_int_equal(client_call(&cl), STATUS_OK);
    struct smb_create_rsp rsp;
    assert_int_equal(smb_create_rsp_decode(cl.message, &rsp), STATUS_OK);
    assert_int_equal(rsp.contexts.len, 32 + 56);
    struct reader r = reader_of(rsp.contexts);
    read_skip(&r, 24);
    assert_int_equal(read_u32(&r), STATUS_OK);
    assert_int_equal(read_u32(&r), FILE_ALL_ACCESS);
}

static void close_tells_the_coordinator_once(void **state)
{
    (void)state;
    uint32_t before = rig.closes;
    struct smb_close_req req = {.flags = SMB2_CLOSE_FLAG_POSTQUERY_ATTRIB, .file_id = id};
    smb_close_req_encode(client_begin(&cl, SMB2_CLOSE, 0), &req);
    assert_int_equal(client_call(&cl), STATUS_OK);
    struct smb_close_rsp rsp;
    assert_int_equal(smb_close_rsp_decode(cl.message, &rsp), STATUS_OK);
    assert_int_equal(rsp.flags, SMB2_CLOSE_FLAG_POSTQUERY_ATTRIB);
    assert_int_equal(rsp.facts.end_of_file, 100);
    assert_int_equal(rig.closes, before + 1);
    struct smb_stats stats;
    smb_stats(rig.smb, &stats);
    assert_int_equal(stats.opens, 0);
}

static void a_lost_connection_closes_its_files(void **state)
{
    (void)state;
    uint32_t before = rig.closes;
    struct smb_event ev = {.type = SMB_EV_DISCONNECT, .disconnect = {cl.conn}};
    rig_event(&rig, &ev);
    assert_int_equal(rig.closes, before + 1);
}

/* ---- directories ----------------------------------------------------------------------------- */

static struct smb_file_id dir_id;

static ntstatus send_find(uint8_t flags, const char *pattern, uint32_t room)
{
    uint8_t bytes[64];
    struct smb_query_directory_req req = {.info_class = FILE_NAMES_INFORMATION,
                                          .flags = flags,
                                          .file_id = dir_id,
                                          .output_length = room,
                                          .pattern = wide(pattern, bytes)};
    smb_query_directory_req_encode(client_begin(&cl, SMB2_QUERY_DIRECTORY, 0), &req);
    client_send(&cl);
    return STATUS_OK;
}

/* Answers QueryDirectory with these one-letter names. */
static void reply_names(const char *names)
{
    Fl__FileInfo infos[8];
    Fl__FileInfo *list[8];
    uint8_t bytes[8][2];
    Fl__DirectoryReply directory = FL__DIRECTORY_REPLY__INIT;
    Fl__Reply reply = FL__REPLY__INIT;
    directory.n_entries = strlen(names);
    directory.entries = list;
    for (size_t i = 0; i < strlen(names); i++) {
        fl__file_info__init(&infos[i]);
        bytes[i][0] = (uint8_t)names[i], bytes[i][1] = 0;
        infos[i].name = (ProtobufCBinaryData){2, bytes[i]};
        list[i] = &infos[i];
    }
    reply.directory = &directory;
    reply.body_case = FL__REPLY__BODY_DIRECTORY;
    meta_wanted(0, FL__QUERY__BODY_DIRECTORY);
    rig_reply(&rig, &reply);
}

static void found(const char *want)
{
    struct slice output;
    char got[64] = "";
    answered(STATUS_OK);
    assert_int_equal(smb_output_decode(cl.message, &output), STATUS_OK);
    struct reader r = reader_of(output);
    for (uint32_t next = 1; next != 0;) {
        struct reader e = r;
        next = read_u32(&e);
        read_skip(&e, 4);
        uint32_t len = read_u32(&e);
        for (uint32_t i = 0; i < len; i += 2)
            got[strlen(got)] = (char)read_u16(&e);
        got[strlen(got)] = ' ';
        assert_false(e.bad);
        read_skip(&r, next);
    }
    assert_string_equal(got, want);
}

static void an_enumeration(void **state)
{
    (void)state;
    assert_int_equal(client_create(&cl, "dir", &dir_id), STATUS_OK);
    hold();
    send_find(0, "*", 4096);
    meta_wanted(0, META_INFO);
    file.attributes = FILE_ATTRIBUTE_DIRECTORY;
    reply_file(STATUS_OK);
    reply_names("abc");
    found(". .. a b c ");
    send_find(0, "*", 4096);
    reply_names("");
    answered(STATUS_NO_MORE_FILES);
    send_find(SMB2_RESTART_SCANS | SMB2_RETURN_SINGLE_ENTRY, "", 4096);
    reply_file(STATUS_OK);
    found(". ");
    send_find(SMB2_RETURN_SINGLE_ENTRY, "", 4096);
    reply_file(STATUS_OK);
    found(".. ");
    send_find(0, "", 32); /* room for two */
    reply_names("abc");
    found("a b ");
    send_find(SMB2_REOPEN, "x*", 4096);
    reply_names("");
    answered(STATUS_NO_SUCH_FILE);
    send_find(0, "", 12);
    reply_names("a");
    answered(STATUS_INFO_LENGTH_MISMATCH);
}

static void two_enumerations_go_one_after_the_other(void **state)
{
    (void)state;
    assert_int_equal(client_create(&cl, "dir", &dir_id), STATUS_OK);
    hold();
    send_find(0, "?", 4096);
    send_find(0, "?", 4096);
    assert_int_equal(rig.op_count, 1);
    reply_file(STATUS_OK);
    reply_names("ab");
    found(". a b "); /* ".." does not match "?" */
    reply_names("");
    answered(STATUS_NO_MORE_FILES);
}

static void files_are_not_enumerated(void **state)
{
    (void)state;
    dir_id = id;
    send_find(0, "*", 4096);
    answered(STATUS_INVALID_PARAMETER);
    assert_int_equal(client_create(&cl, "dir", &dir_id), STATUS_OK);
    send_find(0, "a\\b", 4096);
    answered(STATUS_OBJECT_NAME_INVALID);
    id = dir_id;
    send_read(0, 10, 0);
    answered(STATUS_INVALID_DEVICE_REQUEST);
    send_write(0, 10);
    answered(STATUS_INVALID_DEVICE_REQUEST);
}

/* ---- information ----------------------------------------------------------------------------- */

static void query(uint8_t type, uint8_t info_class, uint32_t room)
{
    struct smb_query_info_req req = {
        .info_type = type, .info_class = info_class, .output_length = room, .file_id = id};
    smb_query_info_req_encode(client_begin(&cl, SMB2_QUERY_INFO, 0), &req);
    client_send(&cl);
}

static void reply_path(const char *name)
{
    Fl__InfoReply info = FL__INFO_REPLY__INIT;
    Fl__Reply reply = FL__REPLY__INIT;
    uint8_t wide[64] = {0};
    for (size_t i = 0; name[i] != '\0'; i++)
        wide[2 * i] = (uint8_t)name[i];
    info.info = &file;
    info.path = (ProtobufCBinaryData){2 * strlen(name), wide};
    reply.info = &info;
    reply.body_case = FL__REPLY__BODY_INFO;
    meta_wanted(0, META_INFO);
    rig_reply(&rig, &reply);
}

/* ---- extended attributes, streams ---- */

static const uint8_t ea_set[] = "\0\1\2\0A\0v1"
                                "\200\1\1\0B\0x"; /* 8 and 7 bytes */

static void query_ea_list(uint32_t flags, uint32_t index, uint32_t room, struct slice names)
{
    struct smb_query_info_req req = {.info_type = SMB2_0_INFO_FILE,
                                     .info_class = FILE_FULL_EA_INFORMATION,
                                     .output_length = room,
                                     .additional = index,
                                     .flags = flags,
                                     .file_id = id,
                                     .input = names};
    smb_query_info_req_encode(client_begin(&cl, SMB2_QUERY_INFO, 0), &req);
    client_send(&cl);
}

static void reply_ea(size_t len)
{
    Fl__EaReply ea = FL__EA_REPLY__INIT;
    Fl__Reply reply = FL__REPLY__INIT;
    ea.set = (ProtobufCBinaryData){len, (uint8_t *)(uintptr_t)ea_set};
    reply.ea = &ea;
    reply.body_case = FL__REPLY__BODY_EA;
    meta_wanted(0, FL__QUERY__BODY_EA);
    rig_reply(&rig, &reply);
}

static void extended_attributes(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint32_t flags, index, room;
        const char *names; /* what is asked for by name; 9 bytes each */
        size_t set;
        ntstatus status;
        size_t output;
    } rows[] = {
        {"none", 0, 0, 100, "", 0, STATUS_NO_EAS_ON_FILE, 0},
        {"all", SL_RESTART_SCAN, 0, 100, "", 15, STATUS_OK, 23},
        {"no more", 0, 0, 100, "", 15, STATUS_NO_MORE_EAS, 0},
        {"one does not fit", SL_RESTART_SCAN, 0, 22, "", 15, STATUS_BUFFER_OVERFLOW, 12},
        {"so it is the next", 0, 0, 11, "", 15, STATUS_OK, 11},
        {"none fits", SL_RESTART_SCAN, 0, 11, "", 15, STATUS_BUFFER_TOO_SMALL, 0},
        {"single", SL_RESTART_SCAN | SL_RETURN_SINGLE_ENTRY, 0, 100, "", 15, STATUS_OK, 12},
        {"the next", SL_RETURN_SINGLE_ENTRY, 0, 100, "", 15, STATUS_OK, 11},
        {"index", SL_INDEX_SPECIFIED, 2, 100, "", 15, STATUS_OK, 11},
        {"index 0", SL_INDEX_SPECIFIED, 0, 100, "", 15, STATUS_NONEXISTENT_EA_ENTRY, 0},
        {"index beyond", SL_INDEX_SPECIFIED, 3, 100, "", 15, STATUS_NONEXISTENT_EA_ENTRY, 0},
        {"by name", 0, 0, 100, "b", 15, STATUS_OK, 11},
        {"by a name that is not there", 0, 0, 100, "c", 15, STATUS_OK, 10},
        {"by a bad name", 0, 0, 100, "*", 15, STATUS_INVALID_EA_NAME, 0},
    };
    hold();
    for (size_t i = 0; i < array_len(rows); i++) {
        uint8_t names[7] = {0, 0, 0, 0, 1, (uint8_t)rows[i].names[0], 0};
        query_ea_list(rows[i].flags, rows[i].index, rows[i].room,
                      slice_of(names, rows[i].names[0] != '\0' ? sizeof(names) : 0));
        reply_ea(rows[i].set);
        assert_true(client_receive(&cl));
        if (cl.header.status != rows[i].status)
            fail_msg("row '%s': status %#x", rows[i].name, cl.header.status);
        struct slice output = {0};
        if (rows[i].output > 0)
            assert_int_equal(smb_output_decode(cl.message, &output), STATUS_OK);
        assert_row(rows[i].name, output.len == rows[i].output);
    }
    send_set(FILE_FULL_EA_INFORMATION, "\0\0\0\0\0\1\2\0A\0v1", 12);
    meta_wanted(FL__COMMAND__BODY_SET_EA, 0);
    reply_file(STATUS_OK);
    answered(STATUS_OK);
    send_set(FILE_FULL_EA_INFORMATION, "\0\0\0\0\0\1\2\0A\0v1", 11);
    answered(STATUS_EA_LIST_INCONSISTENT);
    send_set(FILE_FULL_EA_INFORMATION, "", 0);
    answered(STATUS_EA_LIST_INCONSISTENT);
}

static void list_of_streams(void **state)
{
    (void)state;
    Fl__StreamsReply__Stream named = FL__STREAMS_REPLY__STREAM__INIT, *all[] = {&named};
    Fl__StreamsReply streams = FL__STREAMS_REPLY__INIT;
    Fl__Reply reply = FL__REPLY__INIT;
    uint8_t name[] = {'s', 0};
    struct slice output;
    named.name = (ProtobufCBinaryData){sizeof(name), name};
    streams.info = &file;
    streams.streams = all, streams.n_streams = 1;
    reply.streams = &streams;
    reply.body_case = FL__REPLY__BODY_STREAMS;
    hold();
    static const struct {
        uint32_t room;
        ntstatus status;
        size_t output;
    } rows[] = {
        {80, STATUS_OK, 80}, {79, STATUS_BUFFER_OVERFLOW, 38}, {32, STATUS_BUFFER_OVERFLOW, 0}};
    for (size_t i = 0; i < array_len(rows); i++) {
        query(SMB2_0_INFO_FILE, FILE_STREAM_INFORMATION, rows[i].room);
        meta_wanted(0, FL__QUERY__BODY_STREAMS);
        rig_reply(&rig, &reply);
        answered(rows[i].status);
        assert_int_equal(smb_output_decode(cl.message, &output), STATUS_OK);
        assert_int_equal(output.len, rows[i].output);
    }
    query(SMB2_0_INFO_FILE, FILE_STREAM_INFORMATION, 31);
    answered(STATUS_INFO_LENGTH_MISMATCH);
}

static void information(void **state)
{
    (void)state;
    struct slice output;
    query(SMB2_0_INFO_FILE, FILE_STANDARD_INFORMATION, 1024);
    answered(STATUS_OK);
    assert_int_equal(smb_output_decode(cl.message, &output), STATUS_OK);
    assert_int_equal(output.len, 24);
    assert_int_equal(output.at[8], 100);
    query(SMB2_0_INFO_FILE, FILE_STANDARD_INFORMATION, 23);
    answered(STATUS_INFO_LENGTH_MISMATCH);
    hold();
    query(SMB2_0_INFO_FILE, FILE_NORMALIZED_NAME_INFORMATION, 8);
    reply_path("Abc");
    answered(STATUS_BUFFER_OVERFLOW);
    query(SMB2_0_INFO_FILE, FILE_NORMALIZED_NAME_INFORMATION, 20);
    reply_path("Ab");
    answered(STATUS_OK);
    assert_int_equal(smb_output_decode(cl.message, &output), STATUS_OK);
    assert_int_equal(output.len, 8);
    rig.hold_meta = rig.hold_io = false;
    query(SMB2_0_INFO_FILE, FILE_RENAME_INFORMATION, 1024);
    answered(STATUS_INVALID_INFO_CLASS);
    query(9, FILE_STANDARD_INFORMATION, 1024);
    answered(STATUS_INVALID_PARAMETER);
    query(SMB2_0_INFO_QUOTA, 0, 1024);
    answered(STATUS_NOT_SUPPORTED);
    const uint8_t position[8] = {42};
    send_set(FILE_POSITION_INFORMATION, position, 8);
    answered(STATUS_OK);
    query(SMB2_0_INFO_FILE, FILE_POSITION_INFORMATION, 8);
    answered(STATUS_OK);
    assert_int_equal(smb_output_decode(cl.message, &output), STATUS_OK);
    assert_int_equal(output.at[0], 42);
}

static void security_that_does_not_fit(void **state)
{
    (void)state;
    uint8_t bytes[100] = {0};
    Fl__SecurityReply security = FL__SECURITY_REPLY__INIT;
    Fl__Reply reply = FL__REPLY__INIT;
    security.security_descriptor = (ProtobufCBinaryData){sizeof(bytes), bytes};
    reply.security = &security;
    reply.body_case = FL__REPLY__BODY_SECURITY;
    hold();
    query(SMB2_0_INFO_SECURITY, 0, 99);
    rig_reply(&rig, &reply);
    answered(STATUS_BUFFER_TOO_SMALL);
    query(SMB2_0_INFO_SECURITY, 0, 100);
    rig_reply(&rig, &reply);
    answered(STATUS_OK);
}

static void settings_that_are_refused(void **state)
{
    (void)state;
    uint8_t zeros[64] = {0};
    send_set(FILE_STANDARD_INFORMATION, zeros, 24);
    answered(STATUS_INVALID_INFO_CLASS);
    send_set(FILE_LINK_INFORMATION, zeros, 24);
    answered(STATUS_NOT_SUPPORTED);
    send_set(FILE_BASIC_INFORMATION, zeros, 39);
    answered(STATUS_INFO_LENGTH_MISMATCH);
    zeros[0] = FILE_DISPOSITION_DELETE | FILE_DISPOSITION_ON_CLOSE;
    send_set(FILE_DISPOSITION_INFORMATION_EX, zeros, 4);
    answered(STATUS_NOT_SUPPORTED);
    memset(zeros, 0, sizeof(zeros));
    zeros[36 - 4] = FILE_ATTRIBUTE_DIRECTORY;
    send_set(FILE_BASIC_INFORMATION, zeros, 40);
    answered(STATUS_INVALID_PARAMETER);
    memset(zeros, 0, sizeof(zeros));
    zeros[16] = 4, zeros[20] = 'x', zeros[22] = '*';
    send_set(FILE_RENAME_INFORMATION, zeros, 24);
    answered(STATUS_OBJECT_NAME_INVALID);
    zeros[22] = 'y';
    send_set(FILE_RENAME_INFORMATION, zeros, 24);
    answered(STATUS_OK);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_write_inside_is_one_io),
        TEST(a_write_beyond_is_extended_before_the_reply),
        TEST(nothing_is_acknowledged_that_is_not_extended),
        TEST(a_failed_write_says_why),
        TEST(a_write_to_thrown_away_bytes_is_done_again),
        TEST(many_writes_are_in_flight),
        TEST(invalidation_waits_for_writes),
        TEST(an_older_answer_changes_nothing),
        TEST(write_limits),
        TEST(read_limits),
        TEST(a_short_read_is_an_error),
        TEST(flush_waits_for_writes),
        TEST(growing_is_one_command),
        TEST(what_is_cut_off_is_zeroed_first),
        TEST(writes_and_cuts_exclude_each_other),
        TEST(a_cut_that_is_lost_lets_others_go_on),
        TEST(a_smaller_allocation_cuts_clusters),
        TEST(create_checks),
        TEST(create_contexts_are_answered),
        TEST(close_tells_the_coordinator_once),
        TEST(a_lost_connection_closes_its_files),
        TEST(an_enumeration),
        TEST(two_enumerations_go_one_after_the_other),
        TEST(files_are_not_enumerated),
        TEST(information),
        TEST(extended_attributes),
        TEST(list_of_streams),
        TEST(security_that_does_not_fit),
        TEST(settings_that_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
