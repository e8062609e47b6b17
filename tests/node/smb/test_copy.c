/* Copies within the server: what is read and written, and what the client is told.
 * covers: copy.c copychunk.c */
#include "tests/lib/unit.h"
#include "tests/node/smb/rig.h"

#include "proto/base/must.h"
#include "proto/smb/dtyp.h"
#include "proto/smb/fscc.h"
#include "proto/smb/ioctl_client.h"
#include "proto/smb/ioctl_copy.h"
#include "proto/smb/negotiate.h"
#include <string.h>

#define MIB (UINT64_C(1) << 20)
#define SIZE (10 * MIB)

static struct rig rig;
static struct client cl;
static struct smb_file_id from, to;
static uint8_t key[SMB_RESUME_KEY_SIZE];

static ntstatus ioctl(struct smb_ioctl_req req, struct slice *output)
{
    smb_ioctl_req_encode(client_begin(&cl, SMB2_IOCTL, 0), &req);
    ntstatus status = client_call(&cl);
    *output = (struct slice){0};
    if (cl.message.len > 100 && smb_ioctl_answer_decode(cl.message, output) != STATUS_OK)
        *output = (struct slice){0};
    return status;
}

static int setup(void **state)
{
    (void)state;
    struct slice out;
    rig_init(&rig);
    memset(&cl, 0, sizeof(cl));
    client_ready(&cl, &rig, SMB_DIALECT_311);
    rig.file_size = SIZE;
    assert_int_equal(client_create(&cl, "from", &from), STATUS_OK);
    assert_int_equal(client_create(&cl, "to", &to), STATUS_OK);
    struct smb_ioctl_req req = {
        .code = FSCTL_SRV_REQUEST_RESUME_KEY, .file_id = from, .max_output_response = 32};
    assert_int_equal(ioctl(req, &out), STATUS_OK);
    assert_int_equal(out.len, SMB_RESUME_KEY_RSP_SIZE);
    memcpy(key, out.at, sizeof(key));
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

/* The input of a COPYCHUNK: triples of source, target, length. */
static struct slice chunks(const uint64_t (*rows)[3], uint32_t count)
{
    static uint8_t bytes[32 + 24 * 300];
    struct writer w = writer_of(bytes, sizeof(bytes));
    write_bytes(&w, slice_of(key, sizeof(key)));
    write_u32(&w, count);
    write_u32(&w, 0);
    for (uint32_t i = 0; i < count; i++) {
        write_u64(&w, rows[i][0]);
        write_u64(&w, rows[i][1]);
        write_u32(&w, (uint32_t)rows[i][2]);
        write_u32(&w, 0);
    }
    return written(&w);
}

static void send_chunks(const uint64_t (*rows)[3], uint32_t count)
{
    struct smb_ioctl_req req = {.code = FSCTL_SRV_COPYCHUNK,
                                .file_id = to,
                                .max_output_response = 12,
                                .input = chunks(rows, count)};
    smb_ioctl_req_encode(client_begin(&cl, SMB2_IOCTL, 0), &req);
    client_send(&cl);
}

static void copied(ntstatus status, uint32_t count, uint32_t total)
{
    struct slice out;
    struct smb_copy_rsp rsp;
    assert_true(client_receive(&cl));
    assert_int_equal(cl.header.status, status);
    assert_int_equal(smb_ioctl_answer_decode(cl.message, &out), STATUS_OK);
    assert_int_equal(smb_copy_rsp_decode(out, &rsp), STATUS_OK);
    assert_int_equal(rsp.chunks_written, count);
    assert_int_equal(rsp.chunk_bytes_written, 0);
    assert_int_equal(rsp.total_bytes_written, total);
    assert_int_equal(rig.op_count, 0);
}

static void io_is(enum smb_io_op op, struct smb_file_id file, uint64_t offset, uint64_t len)
{
    assert_int_equal(rig.op_count, 1);
    assert_int_equal(rig.ops[0].type, SMB_DO_IO);
    assert_int_equal(rig.ops[0].io, op);
    assert_int_equal(rig.ops[0].inode, 1000 + file.persistent);
    assert_int_equal(rig.ops[0].offset, offset);
    assert_int_equal(rig.ops[0].len, len);
}

/* Inside both files: read and written, no more; chunks that follow on each other are one piece. */
static void test_inside(void **state)
{
    (void)state;
    static const uint64_t rows[][3] = {
        {0, 5 * MIB, MIB}, {MIB, 6 * MIB, 77}, {MIB + 78, 6 * MIB + 77, 5}};
    rig.hold_io = true;
    send_chunks(rows, 3);
    io_is(SMB_IO_READ, from, 0, MIB + 77);
    rig_answer(&rig, STATUS_OK);
    io_is(SMB_IO_WRITE, to, 5 * MIB, MIB + 77);
    rig_answer(&rig, STATUS_OK);
    io_is(SMB_IO_READ, from, MIB + 78, 5);
    rig_answer(&rig, STATUS_OK);
    rig_answer(&rig, STATUS_OK);
    copied(STATUS_OK, 3, MIB + 82);
}

/* Zeros are not written but made. */
static void test_zeros(void **state)
{
    (void)state;
    static const uint64_t rows[][3] = {{0, 4096, 8192}};
    rig.hold_io = rig.zeros = true;
    send_chunks(rows, 1);
    rig_answer(&rig, STATUS_OK);
    io_is(SMB_IO_ZERO, to, 4096, 8192);
    rig_answer(&rig, STATUS_OK);
    copied(STATUS_OK, 1, 8192);
}

/* A target that grows is told to the coordinator after its bytes are durable; appended is at its
 * end. */
static void test_grows(void **state)
{
    (void)state;
    static const uint64_t rows[][3] = {{0, SIZE - 1, 4096}}, append[][3] = {{7, UINT64_MAX, 9}};
    rig.hold_io = rig.hold_meta = true;
    send_chunks(rows, 1);
    rig_answer(&rig, STATUS_OK);
    io_is(SMB_IO_WRITE, to, SIZE - 1, 4096);
    rig_answer(&rig, STATUS_OK);
    assert_int_equal(rig.ops[0].command, FL__COMMAND__BODY_EXTEND);
    assert_int_equal(rig.ops[0].size, SIZE + 4095);
    rig.file_size = SIZE + 4095;
    rig_answer(&rig, STATUS_FILE_CLOSED); /* overwritten meanwhile: written again */
    assert_int_equal(rig.ops[0].query, FL__QUERY__BODY_ACCESS);
    rig_answer(&rig, STATUS_OK);
    rig_answer(&rig, STATUS_OK);
    copied(STATUS_OK, 1, 4096);

    send_chunks(append, 1);
    rig_answer(&rig, STATUS_OK);
    assert_int_equal(rig.ops[0].query, FL__QUERY__BODY_ACCESS);
    rig_answer(&rig, STATUS_OK);
    io_is(SMB_IO_WRITE, to, SIZE + 4095, 9);
    rig_answer(&rig, STATUS_OK);
    assert_int_equal(rig.ops[0].size, SIZE + 4095 + 9);
    rig_answer(&rig, STATUS_OK);
    copied(STATUS_OK, 1, 9);

    send_chunks(append, 1);
    rig_answer(&rig, STATUS_OK);
    rig_answer(&rig, STATUS_FILE_LOCK_CONFLICT);
    copied(STATUS_FILE_LOCK_CONFLICT, 0, 0);
}

/* 3.3.5.15.6.1: what failed, and how much was copied before. */
static void test_failures(void **state)
{
    (void)state;
    static const uint64_t beyond[][3] = {{SIZE - 10, 0, 10}, {SIZE, 10, 1}},
                          two[][3] = {{0, 0, 10}, {20, 20, 10}};
    send_chunks(beyond, 2);
    copied(STATUS_INVALID_VIEW_SIZE, 1, 10);
    rig.hold_io = true;
    for (uint32_t fail_at = 0; fail_at < 4; fail_at++) {
        send_chunks(two, 2);
        for (uint32_t i = 0; i < fail_at; i++)
            rig_answer(&rig, STATUS_OK);
        rig_answer(&rig, STATUS_DISK_FULL);
        copied(STATUS_DISK_FULL, fail_at / 2, fail_at / 2 * 10);
    }
}

static void test_limits(void **state)
{
    (void)state;
    static const uint64_t rows[][3] = {{0, 0, MIB + 1}};
    struct slice out;
    struct smb_copy_rsp rsp;
    send_chunks(rows, 1);
    assert_true(client_receive(&cl));
    assert_int_equal(cl.header.status, STATUS_INVALID_PARAMETER);
    assert_int_equal(smb_ioctl_answer_decode(cl.message, &out), STATUS_OK);
    assert_int_equal(smb_copy_rsp_decode(out, &rsp), STATUS_OK);
    assert_int_equal(rsp.chunks_written, 256);
    assert_int_equal(rsp.chunk_bytes_written, MIB);
    assert_int_equal(rsp.total_bytes_written, 16 * MIB);
}

/* A key is good while its open is there, for its session, and only whole. */
static void test_keys(void **state)
{
    (void)state;
    static const uint64_t rows[][3] = {{0, 0, 5}};
    struct slice out;
    struct smb_ioctl_req req = {
        .code = FSCTL_SRV_COPYCHUNK, .file_id = to, .max_output_response = 12};
    for (size_t i = 0; i < sizeof(key); i++) {
        key[i] ^= 1;
        req.input = chunks(rows, 1);
        assert_int_equal(ioctl(req, &out), STATUS_OBJECT_NAME_NOT_FOUND);
        key[i] ^= 1;
    }
    req.input = chunks(rows, 1);
    assert_int_equal(ioctl(req, &out), STATUS_OK);
    req.max_output_response = 11;
    assert_int_equal(ioctl(req, &out), STATUS_INVALID_PARAMETER);
    req.max_output_response = 12;

    struct client other = {0};
    struct smb_file_id its;
    client_ready(&other, &rig, SMB_DIALECT_311);
    assert_int_equal(client_create(&other, "to", &its), STATUS_OK);
    struct smb_ioctl_req theirs = req;
    theirs.file_id = its;
    smb_ioctl_req_encode(client_begin(&other, SMB2_IOCTL, 0), &theirs);
    assert_int_equal(client_call(&other), STATUS_OBJECT_NAME_NOT_FOUND);
    client_free(&other);

    assert_int_equal(client_close(&cl, from), STATUS_OK);
    assert_int_equal(ioctl(req, &out), STATUS_OBJECT_NAME_NOT_FOUND);
    struct smb_ioctl_req small = {
        .code = FSCTL_SRV_REQUEST_RESUME_KEY, .file_id = to, .max_output_response = 31};
    assert_int_equal(ioctl(small, &out), STATUS_INVALID_PARAMETER);
}

/* The source is closed while it is read: nothing is written. The client goes while its copy is
 * written: every buffer comes back (rig_fini counts them). */
static void test_ends(void **state)
{
    (void)state;
    static const uint64_t rows[][3] = {{0, 0, 5}};
    rig.hold_io = true;
    send_chunks(rows, 1);
    assert_int_equal(client_close(&cl, from), STATUS_OK);
    rig_answer(&rig, STATUS_OK);
    copied(STATUS_FILE_CLOSED, 0, 0);

    assert_int_equal(client_create(&cl, "from", &from), STATUS_OK);
    struct slice out;
    struct smb_ioctl_req req = {
        .code = FSCTL_SRV_REQUEST_RESUME_KEY, .file_id = from, .max_output_response = 32};
    assert_int_equal(ioctl(req, &out), STATUS_OK);
    memcpy(key, out.at, sizeof(key));
    send_chunks(rows, 1);
    rig_answer(&rig, STATUS_OK);
    io_is(SMB_IO_WRITE, to, 0, 5);
    struct smb_event ev = {.type = SMB_EV_DISCONNECT, .disconnect = {cl.conn}};
    rig_event(&rig, &ev);
    rig_answer(&rig, STATUS_OK);
}

static void send_duplicate(struct smb_file_id source, const uint64_t range[3])
{
    static uint8_t bytes[40];
    struct writer w = writer_of(bytes, sizeof(bytes));
    write_u64(&w, source.persistent);
    write_u64(&w, source.volatile_);
    for (size_t i = 0; i < 3; i++)
        write_u64(&w, range[i]);
    struct smb_ioctl_req req = {
        .code = FSCTL_DUPLICATE_EXTENTS_TO_FILE, .file_id = to, .input = written(&w)};
    smb_ioctl_req_encode(client_begin(&cl, SMB2_IOCTL, 0), &req);
    client_send(&cl);
}

static void test_duplicate_rules(void **state)
{
    (void)state;
    struct smb_file_id nobody = {77, 77};
    const struct {
        const char *name;
        struct smb_file_id source;
        uint64_t range[3];
        ntstatus status;
    } rows[] = {
        {"a cluster", from, {0, 4096, 4096}, STATUS_OK},
        {"nothing", from, {0, 0, 0}, STATUS_OK},
        {"nobody's", nobody, {0, 0, 4096}, STATUS_INVALID_HANDLE},
        {"source not at a cluster", from, {1, 0, 4096}, STATUS_INVALID_PARAMETER},
        {"target not at a cluster", from, {0, 1, 4096}, STATUS_INVALID_PARAMETER},
        {"half a cluster", from, {0, 0, 2048}, STATUS_INVALID_PARAMETER},
        {"beyond the source", from, {SIZE, 0, 4096}, STATUS_NOT_SUPPORTED},
        {"beyond the target", from, {0, SIZE, 4096}, STATUS_OK},
        {"its own, apart", to, {0, 4096, 4096}, STATUS_OK},
        {"its own, over itself", to, {0, 4096, 8192}, STATUS_NOT_SUPPORTED},
    };
    for (size_t i = 0; i < array_len(rows); i++) {
        send_duplicate(rows[i].source, rows[i].range);
        assert_true(client_receive(&cl));
        if (cl.header.status != rows[i].status)
            fail_msg("%s: %08x", rows[i].name, cl.header.status);
    }
}

/* Pieces of 4 MiB; the target does not grow; a CANCEL ends it after the piece under way. */
static void test_duplicate(void **state)
{
    (void)state;
    static const uint64_t range[3] = {0, 2 * MIB, 10 * MIB};
    rig.hold_io = true;
    send_duplicate(from, range);
    for (uint64_t at = 0; at < 8 * MIB; at += 4 * MIB) {
        io_is(SMB_IO_READ, from, at, 4 * MIB);
        rig_answer(&rig, STATUS_OK);
        io_is(SMB_IO_WRITE, to, at + 2 * MIB, 4 * MIB);
        rig_answer(&rig, STATUS_OK);
    }
    assert_true(client_receive(&cl));
    assert_int_equal(cl.header.status, STATUS_OK);

    send_duplicate(from, range);
    rig_advance(&rig, 600000000);
    assert_true(client_receive(&cl));
    assert_int_equal(cl.header.status, STATUS_PENDING);
    smb_empty_encode(client_begin(&cl, SMB2_CANCEL, SMB2_FLAGS_ASYNC_COMMAND));
    client_send(&cl);
    rig_answer(&rig, STATUS_OK);
    rig_answer(&rig, STATUS_OK);
    assert_true(client_receive(&cl));
    assert_int_equal(cl.header.status, STATUS_CANCELLED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_inside),          TEST(test_zeros),     TEST(test_grows),
        TEST(test_failures),        TEST(test_limits),    TEST(test_keys),
        TEST(test_duplicate_rules), TEST(test_duplicate), TEST(test_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
