/* Compressed frames, from the negotiation to the reply of a READ.
 * covers: compress.c */
#include "tests/lib/unit.h"
#include "tests/node/smb/rig.h"

#include "proto/smb/create_client.h"
#include "proto/smb/data_client.h"
#include "proto/smb/negotiate.h"
#include "proto/smb/session_client.h"
#include <string.h>

enum { LENGTH = 60000 };

static struct rig rig;
static struct client cl;
static uint8_t text[LENGTH];

static int setup(void **state)
{
    (void)state;
    rig_init(&rig);
    rig.config.compression = true;
    rig.file_size = LENGTH;
    memset(&cl, 0, sizeof(cl));
    for (size_t i = 0; i < LENGTH; i++)
        text[i] = (uint8_t)(i / 50);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    client_free(&cl);
    rig_fini(&rig);
    return 0;
}

static void ready(const struct compression *c)
{
    client_connect(&cl, &rig);
    cl.compression = *c;
    assert_int_equal(client_negotiate(&cl, SMB_DIALECT_311), STATUS_OK);
    assert_int_equal(client_logon(&cl), STATUS_OK);
    assert_int_equal(client_tree(&cl, "\\\\server\\general"), STATUS_OK);
}

static ntstatus write_text(struct smb_file_id id)
{
    struct smb_write_req req = {.file_id = id, .data = {text, LENGTH}};
    smb_write_req_encode(client_begin(&cl, SMB2_WRITE, 0), &req);
    return client_call(&cl);
}

static ntstatus read_text(struct smb_file_id id, uint8_t flags)
{
    struct smb_read_req req = {.flags = flags, .length = LENGTH, .file_id = id};
    smb_read_req_encode(client_begin(&cl, SMB2_READ, 0), &req);
    ntstatus status = client_call(&cl);
    struct smb_read_answer a;
    if (status != STATUS_OK)
        return status;
    assert_int_equal(smb_read_answer_decode(cl.message, &a), STATUS_OK);
    assert_int_equal(a.data.len, LENGTH);
    for (size_t i = 0; i < a.data.len; i++)
        assert_int_equal(a.data.at[i], (uint8_t)i);
    return STATUS_OK;
}

static const struct compression everything = {
    {CODEC_LZ77, CODEC_LZ4, CODEC_LZ77_HUFFMAN, CODEC_LZNT1, CODEC_PATTERN_V1}, 5, true};

static void test_there_and_back(void **state)
{
    static const uint16_t codecs[] = {CODEC_LZNT1, CODEC_LZ77, CODEC_LZ77_HUFFMAN, CODEC_LZ4};
    (void)state;
    for (size_t i = 0; i < 4; i++)
        for (int mode = 0; mode < 4; mode++) {
            struct smb_file_id id;
            struct compression c = {{codecs[i], CODEC_PATTERN_V1}, 2, (mode & 1) != 0};
            ready(&c);
            assert_int_equal(cl.compression.count, 2);
            assert_int_equal(cl.compression.chained, mode & 1);
            cl.seal = cl.strict = (mode & 2) != 0; /* compressed first, then sealed */
            assert_int_equal(client_create(&cl, "file", &id), STATUS_OK);
            cl.compress = true;
            assert_int_equal(write_text(id), STATUS_OK);
            assert_true(cl.sent < LENGTH);
            cl.compress = false;
            assert_int_equal(read_text(id, SMB2_READFLAG_REQUEST_COMPRESSED), STATUS_OK);
            assert_true(cl.was_compressed);
            assert_true(cl.received < LENGTH);
            assert_int_equal(read_text(id, 0), STATUS_OK);
            assert_false(cl.was_compressed); /* nobody asked */
            assert_int_equal(client_close(&cl, id), STATUS_OK);
            client_leave(&cl);
        }
}

static void test_what_is_offered(void **state)
{
    (void)state;
    struct compression odd = {{77, CODEC_LZ4, 0}, 3, true};
    ready(&odd);
    assert_int_equal(cl.compression.count, 1);
    assert_int_equal(cl.compression.algorithms[0], CODEC_LZ4);
    client_leave(&cl);
    odd = (struct compression){{77}, 1, false};
    ready(&odd);
    assert_int_equal(cl.compression.count, 0); /* answered: NONE */
    client_leave(&cl);
    rig.config.compression = false;
    ready(&everything);
    assert_int_equal(cl.compression.count, 0);
}

static ntstatus share_flags(const char *path, uint32_t *flags)
{
    struct smb_tree_connect_rsp rsp;
    ntstatus status = client_tree(&cl, path);
    if (status == STATUS_OK)
        assert_int_equal(smb_tree_connect_rsp_decode(cl.message, &rsp), STATUS_OK);
    if (status == STATUS_OK)
        *flags = rsp.share_flags;
    return status;
}

static void test_share_flag(void **state)
{
    (void)state;
    uint32_t flags = 0;
    rig.shares[1].compress = true;
    ready(&everything);
    assert_int_equal(share_flags("\\\\s\\general", &flags), STATUS_OK);
    assert_true((flags & SMB2_SHAREFLAG_COMPRESS_DATA) != 0);
    assert_int_equal(share_flags("\\\\s\\vms", &flags), STATUS_OK);
    assert_true((flags & SMB2_SHAREFLAG_COMPRESS_DATA) == 0);
    client_leave(&cl);
    client_ready(&cl, &rig, SMB_DIALECT_311); /* cannot compress */
    assert_int_equal(share_flags("\\\\s\\general", &flags), STATUS_OK);
    assert_true((flags & SMB2_SHAREFLAG_COMPRESS_DATA) == 0);
}

/* What a frame may be that costs its connection; each begins with 0xFC "SMB". */
static const struct {
    const char *name;
    bool negotiated;
    size_t len;
    uint8_t bytes[32];
} junk[] = {
    {"the four bytes", true, 4, {0xFC, 'S', 'M', 'B'}},
    {"not negotiated", false, 20, {0xFC, 'S', 'M', 'B', 2, 0, 0, 0, 0, 0, 1, 0, 2, 0, 0, 0, 1, 2}},
    {"too short to be a message",
     true,
     18,
     {0xFC, 'S', 'M', 'B', 2, 0, 0, 0, 0, 0, 1, 0, 2, 0, 0, 0, 0xFE, 'S'}},
    {"HTTP inside", true, 24, {0xFC, 'S', 'M', 'B', 8,   0,   0,   0,   0,   0,   1,   0,
                               8,    0,   0,   0,   'G', 'E', 'T', ' ', '/', ' ', 'H', 'T'}},
    {"a compressed frame inside", true, 20, {0xFC, 'S', 'M', 'B', 4, 0, 0,    0,   0,   0,
                                             1,    0,   4,   0,   0, 0, 0xFC, 'S', 'M', 'B'}},
    {"a sealed frame inside", true, 20, {0xFC, 'S', 'M', 'B', 4, 0, 0,    0,   0,   0,
                                         1,    0,   4,   0,   0, 0, 0xFD, 'S', 'M', 'B'}},
    {"a bomb", true, 24, {0xFC, 'S', 'M', 'B', 0xFF, 0xFF, 0xFF, 0xFF, 4,    0,    1,    0,
                          8,    0,   0,   0,   'a',  0,    0,    0,    0xFF, 0xFF, 0xFF, 0xFF}},
    {"a bomb within the limit", true, 24, {0xFC, 'S', 'M', 'B', 0,   0, 0x80, 0, 4, 0, 1,    0,
                                           8,    0,   0,   0,   'a', 0, 0,    0, 0, 0, 0x80, 0}},
};

static void test_junk(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(junk) / sizeof(*junk); i++) {
        ready(junk[i].negotiated ? &everything : &(const struct compression){{0}, 0, false});
        client_send_raw(&cl, slice_of(junk[i].bytes, junk[i].len));
        assert_row(junk[i].name, rig.closed_conn == cl.conn);
        client_free(&cl);
    }
}

/* A whole ECHO, compressed as NONE, from somebody who may be anybody. */
static void test_before_logon(void **state)
{
    (void)state;
    client_connect(&cl, &rig);
    cl.compression = everything;
    assert_int_equal(client_negotiate(&cl, SMB_DIALECT_311), STATUS_OK);
    smb_empty_encode(client_begin(&cl, SMB2_ECHO, 0));
    uint8_t frame[128];
    struct slice echo = written(&cl.w);
    struct writer w = writer_of(frame, sizeof(frame));
    write_bytes(&w, slice_of("\xFCSMB", 4));
    write_u32(&w, (uint32_t)echo.len);
    write_u16(&w, CODEC_NONE);
    write_u16(&w, COMPRESSION_CHAINED);
    write_u32(&w, (uint32_t)echo.len);
    write_bytes(&w, echo);
    client_send_raw(&cl, written(&w));
    assert_int_equal(rig.closed_conn, cl.conn);
}

/* Replies that wait for their writes hold memory, and there is an end of it. */
static void test_most_memory(void **state)
{
    (void)state;
    struct smb_file_id id;
    ready(&everything);
    assert_int_equal(client_create(&cl, "file", &id), STATUS_OK);
    enum { MESSAGE = 64 + 48 + 8 * 1048576 };
    cl.sign = false;
    smb_empty_encode(client_begin(&cl, SMB2_ECHO, 0));
    cl.w.at[14] = 0xFF, cl.w.at[15] = 0x1F; /* CreditRequest: 8 MiB cost 128 */
    assert_int_equal(client_call(&cl), STATUS_OK);
    rig.hold_io = true;
    uint32_t sent = 0;
    for (; sent < 40 && rig.closed_conn != cl.conn; sent++) {
        struct smb_write_req req = {.file_id = id, .data = {text, 16}};
        smb_write_req_encode(client_begin(&cl, SMB2_WRITE, 0), &req);
        struct slice head = slice_sub(written(&cl.w), 0, 64 + 48);
        uint8_t frame[256], bytes[64 + 48];
        memcpy(bytes, head.at, sizeof(bytes));
        bytes[6] = 128; /* CreditCharge */
        bytes[68] = bytes[69] = bytes[70] = 0;
        bytes[70] = 0x80; /* Length: 8 MiB */
        cl.message_id += 127;
        struct writer w = writer_of(frame, sizeof(frame));
        write_bytes(&w, slice_of("\xFCSMB", 4));
        write_u32(&w, MESSAGE);
        write_u16(&w, CODEC_NONE);
        write_u16(&w, COMPRESSION_CHAINED);
        write_u32(&w, sizeof(bytes));
        write_bytes(&w, slice_of(bytes, sizeof(bytes)));
        write_u16(&w, CODEC_PATTERN_V1);
        write_u16(&w, 0);
        write_u32(&w, 8);
        write_u32(&w, 'x');
        write_u32(&w, 8 * 1048576);
        client_send_raw(&cl, written(&w));
        while (client_receive(&cl))
            ;
    }
    assert_int_equal(rig.closed_conn, cl.conn);
    assert_int_equal(sent, 32); /* 31 of them fit */
    rig.hold_io = false;
}

/* A frame that is compressed well, and says something that does not fit what it is. */
static void test_bent(void **state)
{
    (void)state;
    struct smb_file_id id;
    for (size_t at = 4; at < 16; at++) {
        ready(&everything);
        assert_int_equal(client_create(&cl, "file", &id), STATUS_OK);
        struct smb_write_req req = {.file_id = id, .data = {text, LENGTH}};
        smb_write_req_encode(client_begin(&cl, SMB2_WRITE, 0), &req);
        cl.compress = true;
        cl.bend = at;
        client_send(&cl);
        assert_int_equal(rig.closed_conn, cl.conn);
        client_free(&cl);
    }
}

/* Compressed outside, sealed inside: never (3.3.5.2.1). Signed, then compressed: as usual. */
static void test_signature_is_inside(void **state)
{
    (void)state;
    struct smb_file_id id;
    ready(&everything);
    assert_int_equal(client_create(&cl, "file", &id), STATUS_OK);
    cl.compress = true;
    cl.bad_signature = true;
    assert_int_equal(write_text(id), STATUS_ACCESS_DENIED);
    cl.bad_signature = false;
    assert_int_equal(write_text(id), STATUS_OK);
}

/* The write outlives its connection: so does what was decompressed for it. */
static void test_loss_amid_a_write(void **state)
{
    (void)state;
    struct smb_file_id id;
    ready(&everything);
    assert_int_equal(client_create(&cl, "file", &id), STATUS_OK);
    rig.hold_io = true;
    cl.compress = true;
    struct smb_write_req req = {.file_id = id, .data = {text, LENGTH}};
    smb_write_req_encode(client_begin(&cl, SMB2_WRITE, 0), &req);
    client_send(&cl);
    assert_int_equal(rig.op_count, 1);
    client_leave(&cl);
    rig.hold_io = false;
    rig_answer(&rig, STATUS_OK);
    assert_int_equal(rig.closes, 1);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_there_and_back), T(test_what_is_offered),     T(test_share_flag),
        T(test_before_logon),   T(test_most_memory),         T(test_junk),
        T(test_bent),           T(test_signature_is_inside), T(test_loss_amid_a_write),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
