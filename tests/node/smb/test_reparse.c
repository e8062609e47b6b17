/* Reparse points through the whole core: what is asked of the coordinator, and what a client is
 * told that meets one. covers: reparse.c */
#include "tests/lib/unit.h"
#include "tests/node/smb/rig.h"

#include "proto/base/must.h"
#include "proto/cluster/pack.h"
#include "proto/smb/create_client.h"
#include "proto/smb/ioctl_client.h"
#include "proto/smb/reparse.h"
#include <string.h>

#define LINK                                                                                       \
    slice_of("\x0c\0\0\xa0\x0e\0\0\0\0\0\2\0\0\0\0\0\1\0\0\0x\0", 22) /* relative, to "x" */

static struct rig rig;
static struct client cl;
static struct smb_file_id id;

static int setup(void **state)
{
    (void)state;
    rig_init(&rig);
    memset(&cl, 0, sizeof(cl));
    client_ready(&cl, &rig, SMB_DIALECT_302);
    assert_int_equal(client_create(&cl, "file", &id), STATUS_OK);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    client_free(&cl);
    rig_fini(&rig);
    return 0;
}

static void ask(uint32_t code, struct slice input, uint32_t room)
{
    struct smb_ioctl_req req = {
        .code = code, .file_id = id, .max_output_response = room, .input = input};
    smb_ioctl_req_encode(client_begin(&cl, SMB2_IOCTL, 0), &req);
    client_send(&cl);
}

static void answered(ntstatus status)
{
    assert_true(client_receive(&cl));
    assert_int_equal(cl.header.status, status);
}

/* The coordinator's answer, about a reparse point. */
static void met(ntstatus status, struct slice data, uint32_t parsed)
{
    Fl__Reply reply = FL__REPLY__INIT;
    Fl__ReparseReply body = FL__REPARSE_REPLY__INIT;
    body.data = pb_bytes(data);
    body.parsed = parsed;
    reply.status = status;
    if (data.len > 0) {
        reply.reparse = &body;
        reply.body_case = FL__REPLY__BODY_REPARSE;
    }
    rig_reply(&rig, &reply);
}

static void test_ioctls(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint32_t code;
        int command, query;
    } rows[] = {
        {"set", FSCTL_SET_REPARSE_POINT, FL__COMMAND__BODY_SET_REPARSE, 0},
        {"delete", FSCTL_DELETE_REPARSE_POINT, FL__COMMAND__BODY_DELETE_REPARSE, 0},
        {"get", FSCTL_GET_REPARSE_POINT, 0, FL__QUERY__BODY_REPARSE},
    };
    rig.hold_meta = true;
    for (size_t i = 0; i < array_len(rows); i++) {
        ask(rows[i].code, LINK, 100);
        assert_int_equal(rig.op_count, 1);
        assert_int_equal(rig.ops[0].command, rows[i].command);
        assert_int_equal(rig.ops[0].query, rows[i].query);
        met(STATUS_ACCESS_DENIED, (struct slice){0}, 0);
        answered(STATUS_ACCESS_DENIED);
        ask(rows[i].code, LINK, 100);
        met(STATUS_OK, LINK, 0);
        answered(STATUS_OK);
    }
    static uint8_t big[REPARSE_BYTES_MAX + 1];
    ask(FSCTL_SET_REPARSE_POINT, slice_of(big, sizeof(big)), 0);
    answered(STATUS_IO_REPARSE_DATA_INVALID);
    ask(FSCTL_DELETE_REPARSE_POINT, slice_of(big, sizeof(big)), 0);
    answered(STATUS_IO_REPARSE_DATA_INVALID);
}

static void test_get(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint32_t room;
        ntstatus status;
        size_t len;
    } rows[] = {
        {"whole", 100, STATUS_OK, 22},           {"just", 22, STATUS_OK, 22},
        {"cut", 21, STATUS_BUFFER_OVERFLOW, 21}, {"the head", 8, STATUS_BUFFER_OVERFLOW, 8},
        {"less", 7, STATUS_BUFFER_TOO_SMALL, 0},
    };
    rig.hold_meta = true;
    for (size_t i = 0; i < array_len(rows); i++) {
        struct slice out = {0};
        ask(FSCTL_GET_REPARSE_POINT, (struct slice){0}, rows[i].room);
        met(STATUS_OK, LINK, 0);
        answered(rows[i].status);
        if (rows[i].len == 0)
            continue;
        assert_int_equal(smb_ioctl_answer_decode(cl.message, &out), STATUS_OK);
        assert_true(slice_equal(out, slice_sub(LINK, 0, rows[i].len)));
    }
}

static void open_path(const char *text)
{
    uint8_t wide[64];
    struct writer w = writer_of(wide, sizeof(wide));
    for (; *text != 0; text++)
        write_u16(&w, (uint16_t)*text);
    struct smb_create_req req = {.impersonation = SMB2_IMPERSONATION_IMPERSONATION,
                                 .desired_access = 1,
                                 .disposition = 1,
                                 .name = written(&w)};
    smb_create_req_encode(client_begin(&cl, SMB2_CREATE, 0), &req);
    client_send(&cl);
}

static void test_stopped(void **state)
{
    (void)state;
    rig.hold_meta = true;
    open_path("a\\link\\b\\c:s");
    met(STATUS_STOPPED_ON_SYMLINK, LINK, 12);
    answered(STATUS_STOPPED_ON_SYMLINK);
    /* [MS-SMB2] 2.2.2.2.1 */
    struct reader r = reader_of(cl.message);
    read_skip(&r, SMB_HEADER_SIZE + 8);
    assert_int_equal(read_u32(&r), 0x1A); /* SymLinkLength */
    assert_int_equal(read_u32(&r), 0x4C4D5953);
    assert_int_equal(read_u32(&r), IO_REPARSE_TAG_SYMLINK);
    assert_int_equal(read_u16(&r), 14);
    assert_int_equal(read_u16(&r), 12); /* "\b\c:s" */
    read_skip(&r, 2);
    assert_int_equal(read_u16(&r), 2);
    read_skip(&r, 4);
    assert_int_equal(read_u32(&r), 1);
    assert_int_equal(read_u16(&r), 'x');
    assert_false(r.bad);
    open_path("other");
    met(STATUS_STOPPED_ON_SYMLINK, slice_of("\x23\0\0\x80\2\0\0\0yz", 10), 10);
    answered(STATUS_IO_REPARSE_TAG_NOT_HANDLED);
    open_path("link");
    met(STATUS_STOPPED_ON_SYMLINK, (struct slice){0}, 0); /* only the status was remembered */
    answered(STATUS_FILE_NOT_AVAILABLE);
    open_path("link");
    met(STATUS_STOPPED_ON_SYMLINK, LINK, 10);
    answered(STATUS_FILE_NOT_AVAILABLE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_ioctls, setup, teardown),
        cmocka_unit_test_setup_teardown(test_get, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stopped, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
