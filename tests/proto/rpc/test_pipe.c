/* covers: pipe.c srvsvc.c wkssvc.c */
#include "tests/lib/unit.h"

#include "proto/base/must.h"
#include "proto/rpc/dcerpc_pdu.h"
#include "proto/rpc/ndr.h"
#include "proto/rpc/pipe.h"
#include "proto/rpc/wkssvc.h"
#include "tests/lib/faults.h"
#include "tests/lib/hex.h"
#include <string.h>

/* Requests as Samba's NDR library packs them. */
#define ENUM_LEVEL_1                                                                               \
    "000002000b000000000000000b0000005c005c00310030002e0030002e0030002e0031000000000001000000"     \
    "01000000040002000000000000000000ffffffff0800020000000000"
#define GET_INFO_VMS_LEVEL_2                                                                       \
    "00000200040000000000000004000000730072007600000004000000000000000400000076006d0073000000"     \
    "02000000"
#define SERVER_INFO_101 "00000200040000000000000004000000730072007600000065000000"

static const struct srvsvc_share shares[] = {
    {.name = {(const uint8_t *)"vms", 3},
     .comment = {(const uint8_t *)"disks", 5},
     .path = {(const uint8_t *)"C:\\vol1\\vms", 11},
     .type = STYPE_DISKTREE | STYPE_CLUSTER_SOFS,
     .flags_1005 = SHI1005_FLAGS_ENABLE_CA},
    {.name = {(const uint8_t *)"\xff", 1}},
    {.name = {(const uint8_t *)"IPC$", 4}, .type = STYPE_IPC | STYPE_SPECIAL},
};

static struct srvsvc_source source(bool administrator)
{
    return (struct srvsvc_source){.server_name = slice_str("FLOTILLA"),
                                  .server_comment = slice_str("files"),
                                  .shares = shares,
                                  .share_count = array_len(shares),
                                  .administrator = administrator};
}

struct fixture {
    struct mem mem;
    struct rpc_pipe *p;
    struct srvsvc_source source;
    uint8_t bytes[8192], out[1 << 16];
    struct writer w, to;
};

static void pdu_begin(struct fixture *f, uint8_t ptype, uint32_t call_id)
{
    f->w = writer_of(f->bytes, sizeof f->bytes);
    rpc_pdu_begin(&f->w, ptype, PFC_FIRST_FRAG | PFC_LAST_FRAG, call_id);
}

static struct slice pdu_end(struct fixture *f)
{
    rpc_pdu_end(&f->w, 0);
    return written(&f->w);
}

static struct slice bind(struct fixture *f, const struct rpc_interface *i)
{
    static const uint8_t ndr20[16] = NDR_TRANSFER_UUID;
    pdu_begin(f, RPC_BIND, 1);
    write_u16(&f->w, 4280);
    write_u16(&f->w, 4280);
    write_u32(&f->w, 0);
    write_u32(&f->w, 1);
    write_u32(&f->w, UINT32_C(0x10000));
    write_bytes(&f->w, slice_of(i->uuid, 16));
    write_u16(&f->w, i->major);
    write_u16(&f->w, i->minor);
    write_bytes(&f->w, slice_of(ndr20, 16));
    write_u32(&f->w, 2);
    return pdu_end(f);
}

static struct slice request(struct fixture *f, uint16_t opnum, const char *hex)
{
    uint8_t stub[256];
    struct slice s = hex_decode(hex, stub, sizeof stub);
    pdu_begin(f, RPC_REQUEST, 2);
    write_u32(&f->w, (uint32_t)s.len);
    write_u16(&f->w, 0);
    write_u16(&f->w, opnum);
    write_bytes(&f->w, s);
    return pdu_end(f);
}

static void setup(struct fixture *f, const char *name, bool administrator)
{
    memset(f, 0, sizeof *f);
    f->mem = test_mem(SIZE_MAX);
    f->p = rpc_pipe_new(&f->mem, name);
    assert_non_null(f->p);
    f->source = source(administrator);
    f->to = writer_of(f->out, sizeof f->out);
    const struct rpc_interface *i = f->p != NULL && strlen(name) > 0 && strstr(name, "wks") != NULL
                                        ? &wkssvc_interface
                                        : &srvsvc_interface;
    assert_int_equal(rpc_pipe_transceive(f->p, bind(f, i), &f->source, &f->to, sizeof f->out),
                     STATUS_OK);
    assert_int_equal(f->out[2], RPC_BIND_ACK);
}

static void teardown(struct fixture *f)
{
    rpc_pipe_free(f->p);
    test_mem_check(&f->mem);
}

/* The stub of the answer to one request. */
static struct reader ask(struct fixture *f, uint16_t opnum, const char *hex)
{
    f->to = writer_of(f->out, sizeof f->out);
    assert_int_equal(
        rpc_pipe_transceive(f->p, request(f, opnum, hex), &f->source, &f->to, sizeof f->out),
        STATUS_OK);
    struct slice all = written(&f->to);
    assert_int_equal(f->out[2], RPC_RESPONSE);
    return reader_of(slice_sub(all, 24, all.len - 24));
}

static uint32_t last_word(struct reader r)
{
    read_skip(&r, r.all.len - 4);
    return read_u32(&r);
}

static bool is_utf16(struct slice s, const char *text)
{
    bool same = s.len == strlen(text) * 2;
    for (size_t i = 0; same && i < s.len; i += 2)
        same = s.at[i] == (uint8_t)text[i / 2] && s.at[i + 1] == 0;
    return same;
}

static void names_are_known(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        bool known;
    } rows[] = {{"srvsvc", true},
                {"SRVSVC", true},
                {"PIPE\\srvsvc", true},
                {"\\pipe\\Wkssvc", true},
                {"lsarpc", false},
                {"srvsvc2", false},
                {"", false},
                {"srvsv", false},
                {"pipe\\", false}};
    for (size_t i = 0; i < array_len(rows); i++)
        assert_row(rows[i].name, rpc_pipe_known(rows[i].name) == rows[i].known);
    struct mem mem = test_mem(SIZE_MAX);
    assert_null(rpc_pipe_new(&mem, "lsarpc"));
}

static void shares_are_listed(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f, "srvsvc", false);
    struct reader r = ask(&f, SRVSVC_NETR_SHARE_ENUM, ENUM_LEVEL_1);
    assert_int_equal(ndr_read_u32(&r), 1);
    assert_int_equal(ndr_read_u32(&r), 1);
    assert_true(ndr_read_pointer(&r));
    assert_int_equal(ndr_read_u32(&r), 2); /* the name that is no UTF-8 is left out */
    assert_true(ndr_read_pointer(&r));
    assert_int_equal(ndr_read_u32(&r), 2);
    assert_true(ndr_read_pointer(&r));
    assert_int_equal(ndr_read_u32(&r), STYPE_DISKTREE); /* [MS-SRVS] 2.2.2.4: no cluster bits */
    assert_true(ndr_read_pointer(&r));
    assert_true(ndr_read_pointer(&r));
    assert_int_equal(ndr_read_u32(&r), STYPE_IPC | STYPE_SPECIAL);
    assert_true(ndr_read_pointer(&r));
    assert_true(is_utf16(ndr_read_string(&r, 64), "vms"));
    assert_true(is_utf16(ndr_read_string(&r, 64), "disks"));
    assert_true(is_utf16(ndr_read_string(&r, 64), "IPC$"));
    assert_true(is_utf16(ndr_read_string(&r, 64), ""));
    assert_int_equal(ndr_read_u32(&r), 2);
    assert_true(ndr_read_pointer(&r));
    assert_int_equal(ndr_read_u32(&r), 0);
    assert_int_equal(ndr_read_u32(&r), WERR_OK);
    assert_int_equal(read_left(&r), 0);
    assert_false(r.bad);
    teardown(&f);
}

static void paths_are_for_administrators(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f, "srvsvc", false);
    struct reader r = ask(&f, SRVSVC_NETR_SHARE_GET_INFO, GET_INFO_VMS_LEVEL_2);
    assert_int_equal(last_word(r), WERR_ACCESS_DENIED);
    f.source.administrator = true;
    r = ask(&f, SRVSVC_NETR_SHARE_GET_INFO, GET_INFO_VMS_LEVEL_2);
    assert_int_equal(ndr_read_u32(&r), 2);
    assert_true(ndr_read_pointer(&r));
    read_skip(&r, 8 * 4);
    assert_true(is_utf16(ndr_read_string(&r, 64), "vms"));
    assert_true(is_utf16(ndr_read_string(&r, 64), "disks"));
    assert_true(is_utf16(ndr_read_string(&r, 64), "C:\\vol1\\vms"));
    assert_int_equal(last_word(r), WERR_OK);
    f.source.share_count = 0;
    r = ask(&f, SRVSVC_NETR_SHARE_GET_INFO, GET_INFO_VMS_LEVEL_2);
    assert_int_equal(last_word(r), NERR_NET_NAME_NOT_FOUND);
    teardown(&f);
}

static void the_server_is_described(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f, "srvsvc", false);
    struct reader r = ask(&f, SRVSVC_NETR_SERVER_GET_INFO, SERVER_INFO_101);
    read_skip(&r, 8 * 4);
    assert_true(is_utf16(ndr_read_string(&r, 64), "FLOTILLA"));
    assert_true(is_utf16(ndr_read_string(&r, 64), "files"));
    assert_int_equal(ndr_read_u32(&r), WERR_OK);
    teardown(&f);
    setup(&f, "wkssvc", false);
    r = ask(&f, WKSSVC_NETR_WKSTA_GET_INFO, "00000000 64000000");
    read_skip(&r, 7 * 4);
    assert_true(is_utf16(ndr_read_string(&r, 64), "FLOTILLA"));
    assert_int_equal(last_word(r), WERR_OK);
    teardown(&f);
}

static void other_calls_are_faults(void **state)
{
    (void)state;
    static const struct {
        const char *name, *hex;
        uint16_t opnum;
        uint32_t fault;
    } rows[] = {
        {"NetrShareAdd", "00", 14, RPC_FAULT_OP_RANGE},
        {"far away", "", 65535, RPC_FAULT_OP_RANGE},
        {"cut off", "00000000 01000000", SRVSVC_NETR_SHARE_ENUM, RPC_FAULT_NDR},
        {"a union of another level", "00000000 01000000 02000000 00000000 ffffffff 00000000",
         SRVSVC_NETR_SHARE_ENUM, RPC_FAULT_NDR},
    };
    for (size_t i = 0; i < array_len(rows); i++) {
        struct fixture f;
        setup(&f, "srvsvc", true);
        f.to = writer_of(f.out, sizeof f.out);
        assert_int_equal(rpc_pipe_transceive(f.p, request(&f, rows[i].opnum, rows[i].hex),
                                             &f.source, &f.to, sizeof f.out),
                         STATUS_OK);
        struct reader r = reader_of(written(&f.to));
        read_skip(&r, 24);
        assert_row(rows[i].name, f.out[2] == RPC_FAULT && read_u32(&r) == rows[i].fault);
        teardown(&f);
    }
}

static void messages_are_read_piece_by_piece(void **state)
{
    (void)state;
    struct fixture f;
    size_t more = 0, available;
    uint32_t messages;
    setup(&f, "srvsvc", false);
    f.to = writer_of(f.out, sizeof f.out);
    assert_int_equal(rpc_pipe_read(f.p, &f.to, 100, &more), STATUS_PIPE_EMPTY);
    struct slice q = request(&f, SRVSVC_NETR_SHARE_ENUM, ENUM_LEVEL_1);
    assert_int_equal(rpc_pipe_write(f.p, q, &f.source), STATUS_OK);
    rpc_pipe_peek(f.p, &available, &messages);
    assert_int_equal(messages, 1);
    assert_int_equal(rpc_pipe_transceive(f.p, q, &f.source, &f.to, 100), STATUS_PIPE_BUSY);
    assert_int_equal(rpc_pipe_read(f.p, &f.to, 100, &more), STATUS_BUFFER_OVERFLOW);
    assert_int_equal(more, available - 100);
    assert_int_equal(rpc_pipe_read(f.p, &f.to, 4000, &more), STATUS_OK);
    assert_int_equal(more, 0);
    assert_int_equal(f.to.pos, available);
    teardown(&f);
}

static void many_shares_come_in_fragments(void **state)
{
    (void)state;
    static struct srvsvc_share many[500];
    struct fixture f;
    setup(&f, "srvsvc", false);
    for (size_t i = 0; i < array_len(many); i++)
        many[i] = shares[0];
    f.source.shares = many;
    f.source.share_count = array_len(many);
    struct slice q = request(&f, SRVSVC_NETR_SHARE_ENUM, ENUM_LEVEL_1);
    assert_int_equal(rpc_pipe_write(f.p, q, &f.source), STATUS_OK);
    uint32_t fragments = 0;
    uint8_t flags = 0;
    while (!(flags & PFC_LAST_FRAG)) {
        f.to = writer_of(f.out, sizeof f.out);
        assert_int_equal(rpc_pipe_read(f.p, &f.to, sizeof f.out, NULL), STATUS_OK);
        assert_true(f.to.pos <= 4280);
        flags = f.out[3];
        fragments++;
    }
    assert_true(fragments > 5);
    assert_int_equal(rpc_pipe_read(f.p, &f.to, 100, NULL), STATUS_PIPE_EMPTY);
    teardown(&f);
}

/* Requests that come in one write are all answered, in order. */
static void pipelined_requests(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f, "srvsvc", false);
    uint8_t twenty[20 * 128];
    struct writer w = writer_of(twenty, sizeof twenty);
    for (uint32_t i = 0; i < 20; i++) {
        struct slice q = request(&f, SRVSVC_NETR_SERVER_GET_INFO, SERVER_INFO_101);
        f.bytes[12] = (uint8_t)(10 + i);
        write_bytes(&w, q);
    }
    assert_int_equal(rpc_pipe_write(f.p, written(&w), &f.source), STATUS_OK);
    for (uint32_t i = 0; i < 20; i++) {
        f.to = writer_of(f.out, sizeof f.out);
        assert_int_equal(rpc_pipe_read(f.p, &f.to, sizeof f.out, NULL), STATUS_OK);
        assert_int_equal(f.out[12], 10 + i);
    }
    teardown(&f);
}

static void nonsense_breaks_the_pipe(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f, "srvsvc", false);
    uint8_t nonsense[64] = {0};
    struct slice s = slice_of(nonsense, sizeof nonsense);
    assert_int_equal(rpc_pipe_write(f.p, s, &f.source), STATUS_PIPE_DISCONNECTED);
    assert_int_equal(rpc_pipe_write(f.p, s, &f.source), STATUS_PIPE_DISCONNECTED);
    assert_int_equal(rpc_pipe_read(f.p, &f.to, 100, NULL), STATUS_PIPE_DISCONNECTED);
    teardown(&f);
}

static void memory_may_be_refused(void **state)
{
    (void)state;
    for (uint64_t nth = 1;; nth++) {
        struct fixture f;
        setup(&f, "srvsvc", false);
        faults_arm(nth);
        f.to = writer_of(f.out, sizeof f.out);
        ntstatus s = rpc_pipe_transceive(f.p, request(&f, SRVSVC_NETR_SHARE_ENUM, ENUM_LEVEL_1),
                                         &f.source, &f.to, sizeof f.out);
        bool fired = faults_fired();
        assert_true(s == STATUS_OK || (fired && s == STATUS_INSUFFICIENT_RESOURCES));
        teardown(&f);
        if (!fired)
            break;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_known),
        cmocka_unit_test(shares_are_listed),
        cmocka_unit_test(paths_are_for_administrators),
        cmocka_unit_test(the_server_is_described),
        cmocka_unit_test(other_calls_are_faults),
        cmocka_unit_test(messages_are_read_piece_by_piece),
        cmocka_unit_test(many_shares_come_in_fragments),
        cmocka_unit_test(pipelined_requests),
        cmocka_unit_test(nonsense_breaks_the_pipe),
        cmocka_unit_test(memory_may_be_refused),
    };
    return cmocka_run_group_tests_name("rpc/pipe", tests, NULL, NULL);
}
