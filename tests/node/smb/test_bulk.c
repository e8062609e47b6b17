/* FSCTLs that work through ranges of files: what is asked of the disks and the coordinator, and
 * what the client is told.
 * covers: sparse.c zero.c proto/smb/ioctl_client.c */
#include "tests/lib/unit.h"
#include "tests/node/smb/rig.h"

#include "proto/base/must.h"
#include "proto/smb/fscc.h"
#include "proto/smb/ioctl_client.h"
#include "proto/smb/negotiate.h"
#include <string.h>

#define MIB (UINT64_C(1) << 20)

static struct rig rig;
static struct client cl;
static struct smb_file_id id;

static int setup(void **state)
{
    (void)state;
    rig_init(&rig);
    memset(&cl, 0, sizeof(cl));
    client_ready(&cl, &rig, SMB_DIALECT_311);
    rig.file_size = 10 * MIB;
    assert_int_equal(client_create(&cl, "file", &id), STATUS_OK);
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

static void send_ioctl(uint32_t code, struct slice input, uint32_t room)
{
    struct smb_ioctl_req req = {
        .code = code, .file_id = id, .max_output_response = room, .input = input};
    smb_ioctl_req_encode(client_begin(&cl, SMB2_IOCTL, 0), &req);
    client_send(&cl);
}

/* The status, and the output when there is one. */
static ntstatus answer_is(struct slice *output)
{
    *output = (struct slice){0};
    if (!client_receive(&cl))
        return STATUS_CONNECTION_DISCONNECTED;
    if (!status_is_error(cl.header.status))
        assert_int_equal(smb_ioctl_answer_decode(cl.message, output), STATUS_OK);
    return cl.header.status;
}

static struct slice words(const uint64_t *values, size_t count)
{
    static uint8_t bytes[128];
    struct writer w = writer_of(bytes, sizeof(bytes));
    for (size_t i = 0; i < count; i++)
        write_u64(&w, values[i]);
    return written(&w);
}

static struct slice pair(uint64_t a, uint64_t b) { return words((uint64_t[]){a, b}, 2); }

static ntstatus ioctl(uint32_t code, struct slice input, uint32_t room, struct slice *output)
{
    send_ioctl(code, input, room);
    return answer_is(output);
}

static void io_is(enum smb_io_op op, uint64_t offset, uint64_t len)
{
    assert_int_equal(rig.op_count, 1);
    assert_int_equal(rig.ops[0].type, SMB_DO_IO);
    assert_int_equal(rig.ops[0].io, op);
    assert_int_equal(rig.ops[0].offset, offset);
    assert_int_equal(rig.ops[0].len, len);
}

/* Whatever is sent, this is said. */
static void test_refusals(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint32_t code;
        size_t words;
        uint64_t input[3];
        uint32_t room;
        ntstatus status;
    } rows[] = {
        {"zero: short", FSCTL_SET_ZERO_DATA, 1, {0}, 0, STATUS_INVALID_PARAMETER},
        {"zero: backwards", FSCTL_SET_ZERO_DATA, 2, {9, 5}, 0, STATUS_INVALID_PARAMETER},
        {"zero: negative", FSCTL_SET_ZERO_DATA, 2, {0, UINT64_MAX}, 0, STATUS_INVALID_PARAMETER},
        {"zero: beyond the end", FSCTL_SET_ZERO_DATA, 2, {10 * MIB, 11 * MIB}, 0, STATUS_OK},
        {"ranges: wrap",
         FSCTL_QUERY_ALLOCATED_RANGES,
         2,
         {9, INT64_MAX},
         64,
         STATUS_INVALID_PARAMETER},
        {"ranges: no room", FSCTL_QUERY_ALLOCATED_RANGES, 2, {0, 9}, 15, STATUS_BUFFER_TOO_SMALL},
        {"ranges: nothing, no room", FSCTL_QUERY_ALLOCATED_RANGES, 2, {0, 0}, 0, STATUS_OK},
        {"regions: no room", FSCTL_QUERY_FILE_REGIONS, 0, {0}, 39, STATUS_BUFFER_TOO_SMALL},
        {"regions: usage", FSCTL_QUERY_FILE_REGIONS, 3, {0, 9, 8}, 99, STATUS_INVALID_PARAMETER},
        {"trim: none", FSCTL_FILE_LEVEL_TRIM, 3, {0, 0, 9}, 4, STATUS_INVALID_PARAMETER},
        {"trim: fewer than said",
         FSCTL_FILE_LEVEL_TRIM,
         3,
         {UINT64_C(2) << 32, 0, 9},
         4,
         STATUS_INVALID_PARAMETER},
        {"trim: wraps",
         FSCTL_FILE_LEVEL_TRIM,
         3,
         {UINT64_C(1) << 32, 4096, UINT64_MAX},
         4,
         STATUS_INTEGER_OVERFLOW},
        {"trim: no room for the answer",
         FSCTL_FILE_LEVEL_TRIM,
         3,
         {UINT64_C(1) << 32, 0, 9},
         3,
         STATUS_INVALID_PARAMETER},
        {"compression: LZNT1", FSCTL_SET_COMPRESSION, 1, {2}, 0, STATUS_NOT_SUPPORTED},
        {"compression: none", FSCTL_SET_COMPRESSION, 1, {0}, 0, STATUS_OK},
        {"compression: unknown", FSCTL_SET_COMPRESSION, 1, {77}, 0, STATUS_INVALID_PARAMETER},
        {"compression: which?", FSCTL_GET_COMPRESSION, 0, {0}, 2, STATUS_OK},
        {"compression: no room", FSCTL_GET_COMPRESSION, 0, {0}, 1, STATUS_INVALID_PARAMETER},
        {"integrity", FSCTL_GET_INTEGRITY_INFORMATION, 0, {0}, 16, STATUS_INVALID_DEVICE_REQUEST},
        {"integrity, to be set",
         FSCTL_SET_INTEGRITY_INFORMATION,
         1,
         {0},
         0,
         STATUS_INVALID_DEVICE_REQUEST},
        {"IS_CSV_FILE", 0x00090248, 0, {0}, 16, STATUS_INVALID_DEVICE_REQUEST},
    };
    for (size_t i = 0; i < array_len(rows); i++) {
        struct slice out;
        ntstatus status =
            ioctl(rows[i].code, words(rows[i].input, rows[i].words), rows[i].room, &out);
        if (status != rows[i].status)
            fail_msg("%s: %08x", rows[i].name, status);
        assert_int_equal(rig.op_count, 0);
    }
}

static void test_directories(void **state)
{
    (void)state;
    struct slice out;
    assert_int_equal(client_create(&cl, "dir", &id), STATUS_OK);
    assert_int_equal(ioctl(FSCTL_SET_ZERO_DATA, pair(0, 9), 0, &out), STATUS_INVALID_PARAMETER);
    assert_int_equal(ioctl(FSCTL_QUERY_ALLOCATED_RANGES, pair(0, 9), 16, &out),
                     STATUS_INVALID_PARAMETER);
    assert_int_equal(ioctl(FSCTL_QUERY_FILE_REGIONS, words(NULL, 0), 99, &out),
                     STATUS_INVALID_PARAMETER);
    assert_int_equal(
        ioctl(FSCTL_FILE_LEVEL_TRIM, words((uint64_t[]){UINT64_C(1) << 32, 0, 9}, 3), 4, &out),
        STATUS_INVALID_PARAMETER);
}

/* Only what holds data is made zero, up to the end of file; small gaps go with it. */
static void test_zero(void **state)
{
    (void)state;
    struct slice out;
    struct ranges map;
    ranges_init(&map, 8 * MIB);
    (void)ranges_add(&map, 1 * MIB, 4096);
    (void)ranges_add(&map, 1 * MIB + 8192, 4096);
    (void)ranges_add(&map, 3 * MIB, 4096);
    rig.map = &map;
    rig.hold_io = true;
    send_ioctl(FSCTL_SET_ZERO_DATA, pair(4096, 99 * MIB), 0);
    io_is(SMB_IO_MAP, 4096, 10 * MIB - 4096);
    rig_answer(&rig, STATUS_OK);
    io_is(SMB_IO_ZERO, 1 * MIB, 12288);
    rig_answer(&rig, STATUS_OK);
    io_is(SMB_IO_ZERO, 3 * MIB, 4096);
    rig_answer(&rig, STATUS_OK);
    io_is(SMB_IO_MAP, 8 * MIB, 2 * MIB); /* the map had said no more */
    rig.map = NULL;
    rig_answer(&rig, STATUS_OK);
    io_is(SMB_IO_ZERO, 8 * MIB, 2 * MIB);
    assert_false(client_receive(&cl));
    rig_answer(&rig, STATUS_OK);
    assert_int_equal(answer_is(&out), STATUS_OK);
    assert_int_equal(rig.op_count, 0);
}

/* Others may have made the file longer than this node knows. */
static void test_zero_beyond(void **state)
{
    (void)state;
    struct slice out;
    rig.hold_io = rig.hold_meta = true;
    send_ioctl(FSCTL_SET_ZERO_DATA, pair(0, 20 * MIB), 0);
    assert_int_equal(rig.ops[0].query, FL__QUERY__BODY_ACCESS);
    rig.file_size = 12 * MIB;
    rig_answer(&rig, STATUS_OK);
    io_is(SMB_IO_MAP, 0, 12 * MIB);
    rig_answer(&rig, STATUS_OK);
    rig_answer(&rig, STATUS_OK);
    assert_int_equal(answer_is(&out), STATUS_OK);
}

static void test_zero_fails(void **state)
{
    (void)state;
    struct slice out;
    static const ntstatus statuses[] = {STATUS_DISK_FULL, STATUS_FILE_NOT_AVAILABLE};
    for (size_t i = 0; i < 2 * array_len(statuses); i++) {
        rig.hold_io = true;
        send_ioctl(FSCTL_SET_ZERO_DATA, pair(0, 5), 0);
        if (i % 2 == 1)
            rig_answer(&rig, STATUS_OK);
        rig_answer(&rig, statuses[i / 2]);
        assert_int_equal(answer_is(&out), statuses[i / 2]);
        assert_int_equal(rig.op_count, 0);
    }
}

/* A CANCEL takes effect after the piece that is under way; a cut of another node waits for one
 * piece only. */
static void test_zero_interrupted(void **state)
{
    (void)state;
    struct slice out;
    struct ranges map;
    ranges_init(&map, 1 * MIB);
    (void)ranges_add(&map, 0, 4096);
    rig.map = &map;
    rig.hold_io = true;
    send_ioctl(FSCTL_SET_ZERO_DATA, pair(0, 10 * MIB), 0);
    struct smb_event ev = {.type = SMB_EV_INVALIDATE};
    ev.invalidate.volume = 1, ev.invalidate.inode = 1000 + id.persistent;
    ev.invalidate.ticket = 5;
    rig_event(&rig, &ev);
    assert_int_equal(rig.invalidates_done, 0);
    rig_answer(&rig, STATUS_OK);
    io_is(SMB_IO_ZERO, 0, 4096);
    assert_int_equal(rig.invalidates_done, 0);
    rig_answer(&rig, STATUS_OK);
    assert_int_equal(rig.invalidates_done, 1);
    io_is(SMB_IO_MAP, 1 * MIB, 9 * MIB);

    rig_advance(&rig, 600000000);
    assert_true(client_receive(&cl));
    assert_int_equal(cl.header.status, STATUS_PENDING);
    smb_empty_encode(client_begin(&cl, SMB2_CANCEL, SMB2_FLAGS_ASYNC_COMMAND));
    client_send(&cl);
    assert_false(client_receive(&cl));
    ranges_init(&map, 5 * MIB); /* there is more behind it */
    (void)ranges_add(&map, 2 * MIB, 4096);
    rig_answer(&rig, STATUS_OK);
    rig_answer(&rig, STATUS_OK);
    assert_int_equal(answer_is(&out), STATUS_CANCELLED);
    assert_int_equal(rig.op_count, 0);
}

static void test_trim(void **state)
{
    (void)state;
    struct slice out;
    uint64_t input[] = {UINT64_C(4) << 32, 100,      4000, /* no whole page */
                        4096 + 1,          3 * 4096, 20 * MIB, 4096, 8 * MIB, 99 * MIB};
    rig.hold_io = true;
    send_ioctl(FSCTL_FILE_LEVEL_TRIM, words(input, array_len(input)), 4);
    io_is(SMB_IO_MAP, 8192, 2 * 4096);
    rig_answer(&rig, STATUS_OK);
    io_is(SMB_IO_ZERO, 8192, 2 * 4096);
    rig_answer(&rig, STATUS_OK);
    io_is(SMB_IO_MAP, 8 * MIB, 2 * MIB);
    rig_answer(&rig, STATUS_OK);
    rig_answer(&rig, STATUS_OK);
    assert_int_equal(answer_is(&out), STATUS_OK);
    assert_int_equal(out.len, 4);
    assert_int_equal(out.at[0], 2);
}

static void range_at(struct slice out, size_t i, uint64_t offset, uint64_t len)
{
    struct reader r = reader_of(out);
    read_skip(&r, 16 * i);
    assert_int_equal(read_u64(&r), offset);
    assert_int_equal(read_u64(&r), len);
    assert_false(r.bad);
}

static void test_query(void **state)
{
    (void)state;
    struct slice out;
    struct ranges map;
    ranges_init(&map, 10 * MIB);
    (void)ranges_add(&map, 4096, 4096);
    (void)ranges_add(&map, 3 * MIB, 7 * MIB);
    rig.map = &map;
    /* All of a file that is not called sparse. */
    assert_int_equal(ioctl(FSCTL_QUERY_ALLOCATED_RANGES, pair(5, 99 * MIB), 160, &out), STATUS_OK);
    assert_int_equal(out.len, 16);
    range_at(out, 0, 5, 10 * MIB - 5);
    rig.attributes = FILE_ATTRIBUTE_SPARSE_FILE;
    assert_int_equal(ioctl(FSCTL_QUERY_ALLOCATED_RANGES, pair(5000, 99 * MIB), 32, &out),
                     STATUS_OK);
    assert_int_equal(out.len, 32);
    range_at(out, 0, 5000, 8192 - 5000);
    range_at(out, 1, 3 * MIB, 7 * MIB);
    assert_int_equal(ioctl(FSCTL_QUERY_ALLOCATED_RANGES, pair(0, 99 * MIB), 31, &out),
                     STATUS_BUFFER_OVERFLOW);
    assert_int_equal(out.len, 16);
    range_at(out, 0, 4096, 4096);
    assert_int_equal(ioctl(FSCTL_QUERY_ALLOCATED_RANGES, pair(0, 99 * MIB), 15, &out),
                     STATUS_BUFFER_TOO_SMALL);
    assert_int_equal(ioctl(FSCTL_QUERY_ALLOCATED_RANGES, pair(0, 4096), 0, &out), STATUS_OK);
    assert_int_equal(out.len, 0);
}

/* Ranges of two answers that touch are one; a full list of ranges is asked on from its end. */
static void test_query_pieces(void **state)
{
    (void)state;
    struct slice out;
    struct ranges map;
    rig.attributes = FILE_ATTRIBUTE_SPARSE_FILE;
    rig.hold_io = true;
    send_ioctl(FSCTL_QUERY_ALLOCATED_RANGES, pair(0, 10 * MIB), 160);
    ranges_init(&map, 4 * MIB);
    (void)ranges_add(&map, 3 * MIB, 1 * MIB);
    rig.map = &map;
    io_is(SMB_IO_MAP, 0, 10 * MIB);
    rig_answer(&rig, STATUS_OK);
    io_is(SMB_IO_MAP, 4 * MIB, 6 * MIB);
    ranges_init(&map, 10 * MIB);
    (void)ranges_add(&map, 4 * MIB, 4096);
    rig_answer(&rig, STATUS_OK);
    assert_int_equal(answer_is(&out), STATUS_OK);
    assert_int_equal(out.len, 16);
    range_at(out, 0, 3 * MIB, 1 * MIB + 4096);
}

static void test_regions(void **state)
{
    (void)state;
    struct slice out;
    assert_int_equal(ioctl(FSCTL_QUERY_FILE_REGIONS, words(NULL, 0), 40, &out), STATUS_OK);
    assert_int_equal(out.len, 40);
    range_at(out, 1, 0, 10 * MIB);
    uint64_t input[] = {10 * MIB, 5, 1};
    assert_int_equal(ioctl(FSCTL_QUERY_FILE_REGIONS, words(input, 3), 40, &out), STATUS_OK);
    assert_int_equal(out.len, 0);
}

static void test_set_sparse(void **state)
{
    (void)state;
    struct slice out;
    rig.hold_meta = true;
    send_ioctl(FSCTL_SET_SPARSE, words(NULL, 0), 0);
    assert_int_equal(rig.ops[0].command, FL__COMMAND__BODY_SET_SPARSE);
    rig_answer(&rig, STATUS_ACCESS_DENIED);
    assert_int_equal(answer_is(&out), STATUS_ACCESS_DENIED);
    send_ioctl(FSCTL_SET_SPARSE, words(NULL, 0), 0);
    rig_answer(&rig, STATUS_OK);
    assert_int_equal(answer_is(&out), STATUS_OK);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_refusals),         TEST(test_directories), TEST(test_zero),
        TEST(test_zero_fails),       TEST(test_zero_beyond), TEST(test_trim),
        TEST(test_zero_interrupted), TEST(test_query),       TEST(test_query_pieces),
        TEST(test_regions),          TEST(test_set_sparse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
