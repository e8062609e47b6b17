/* covers: pipe.c service.c */
#include "proto/rpc/dcerpc_pdu.h"
#include "proto/rpc/pipe.h"
#include "proto/rpc/wkssvc.h"
#include "tests/lib/hex.h"
#include "tests/proto/rpc/facts.h"

/* Requests as Samba's NDR library packs them. */
#define ENUM_LEVEL_1                                                                               \
    "000002000b000000000000000b0000005c005c00310030002e0030002e0030002e0031000000000001000000"     \
    "01000000040002000000000000000000ffffffff0800020000000000"
#define SERVER_INFO_101 "00000200040000000000000004000000730072007600000065000000"
#define SESSION_ENUM                                                                               \
    "00000000 00000000 00000000 00000000 00000000 00000200 00000000 00000000 ffffffff 00000000"

struct fixture {
    struct asker asker; /* facts and memory */
    struct mem *mem;
    struct rpc_pipe *p;
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

/* Writes, and answers every call at once. */
static ntstatus put(struct fixture *f, struct slice data)
{
    while (rpc_pipe_feed(f->p, &data))
        assert_null(rpc_pipe_answer(f->p, &f->asker.facts, NULL));
    return rpc_pipe_status(f->p);
}

static ntstatus transceive(struct fixture *f, struct slice data, size_t max)
{
    ntstatus status = put(f, data);
    f->to = writer_of(f->out, sizeof f->out);
    return status == STATUS_OK ? rpc_pipe_read(f->p, &f->to, max, NULL) : status;
}

static void setup(struct fixture *f, const char *name, bool administrator)
{
    memset(f, 0, sizeof *f);
    asker_init(&f->asker, administrator);
    f->mem = &f->asker.mem;
    f->p = rpc_pipe_new(f->mem, name);
    assert_non_null(f->p);
    assert_int_equal(transceive(f, bind(f, &rpc_service_find(name)->interface), sizeof f->out),
                     STATUS_OK);
    assert_int_equal(f->out[2], RPC_BIND_ACK);
}

static void teardown(struct fixture *f)
{
    rpc_pipe_free(f->p);
    asker_fini(&f->asker);
}

static void names_are_known(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        bool known;
    } rows[] = {{"srvsvc", true},         {"SRVSVC", true},   {"PIPE\\srvsvc", true},
                {"\\pipe\\Wkssvc", true}, {"spoolss", false}, {"LSARPC", true},
                {"srvsvc2", false},       {"", false},        {"srvsv", false},
                {"pipe\\", false}};
    for (size_t i = 0; i < array_len(rows); i++)
        assert_row(rows[i].name, (rpc_service_find(rows[i].name) != NULL) == rows[i].known);
    struct mem mem = test_mem(SIZE_MAX);
    assert_null(rpc_pipe_new(&mem, "spoolss"));
}

static void other_calls_are_faults(void **state)
{
    (void)state;
    static const struct {
        const char *name, *hex;
        uint16_t opnum;
        uint32_t fault;
    } rows[] = {
        {"NetrShareAdd, cut off", "00", 14, RPC_FAULT_NDR},
        {"far away", "", 65535, RPC_FAULT_OP_RANGE},
        {"cut off", "00000000 01000000", SRVSVC_NETR_SHARE_ENUM, RPC_FAULT_NDR},
        {"a union of another level", "00000000 01000000 02000000 00000000 ffffffff 00000000",
         SRVSVC_NETR_SHARE_ENUM, RPC_FAULT_NDR},
    };
    for (size_t i = 0; i < array_len(rows); i++) {
        struct fixture f;
        setup(&f, "srvsvc", true);
        assert_int_equal(transceive(&f, request(&f, rows[i].opnum, rows[i].hex), sizeof f.out),
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
    assert_int_equal(put(&f, q), STATUS_OK);
    rpc_pipe_peek(f.p, &available, &messages);
    assert_int_equal(messages, 1);
    rpc_pipe_look(f.p, &f.to, 16);
    assert_int_equal(f.to.pos, 16);
    assert_int_equal(f.out[2], RPC_RESPONSE);
    f.to.pos = 0;
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
    struct fixture f;
    setup(&f, "srvsvc", false);
    f.asker.facts.share_count = 500; /* the same ones again and again */
    struct slice q = request(&f, SRVSVC_NETR_SHARE_ENUM, ENUM_LEVEL_1);
    assert_int_equal(put(&f, q), STATUS_OK);
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
    assert_int_equal(put(&f, written(&w)), STATUS_OK);
    for (uint32_t i = 0; i < 20; i++) {
        f.to = writer_of(f.out, sizeof f.out);
        assert_int_equal(rpc_pipe_read(f.p, &f.to, sizeof f.out, NULL), STATUS_OK);
        assert_int_equal(f.out[12], 10 + i);
    }
    teardown(&f);
}

/* A call that orders something waits for it, and those behind it wait for the call. */
static void orders_are_waited_for(void **state)
{
    (void)state;
    static const struct rpc_outcome outcome = {.status = STATUS_OK};
    struct fixture f;
    setup(&f, "srvsvc", true);
    for (int given_up = 0; given_up < 2; given_up++) {
        uint8_t two[512];
        struct writer w = writer_of(two, sizeof two);
        write_bytes(&w, request(&f, SRVSVC_NETR_SESSION_ENUM, SESSION_ENUM));
        struct slice second = request(&f, SRVSVC_NETR_SERVER_GET_INFO, SERVER_INFO_101);
        f.bytes[12] = 77;
        write_bytes(&w, second);
        struct slice data = written(&w), nothing = {0};
        assert_true(rpc_pipe_feed(f.p, &data));
        const struct rpc_order *order = rpc_pipe_answer(f.p, &f.asker.facts, NULL);
        assert_non_null(order);
        assert_int_equal(order->kind, RPC_LIST_SESSIONS);
        assert_true(rpc_pipe_feed(f.p, &nothing));
        f.to = writer_of(f.out, sizeof f.out);
        assert_int_equal(rpc_pipe_read(f.p, &f.to, 9999, NULL), STATUS_PIPE_EMPTY);
        assert_null(rpc_pipe_answer(f.p, &f.asker.facts, given_up ? NULL : &outcome));
        assert_int_equal(rpc_pipe_read(f.p, &f.to, 9999, NULL), STATUS_OK);
        struct reader r = reader_of(written(&f.to));
        assert_int_equal(f.out[2], RPC_RESPONSE);
        r.pos = r.all.len - 4;
        assert_int_equal(read_u32(&r), given_up ? WERR_NOT_ENOUGH_MEMORY : WERR_OK);
        assert_int_equal(put(&f, data), STATUS_OK);
        f.to = writer_of(f.out, sizeof f.out);
        assert_int_equal(rpc_pipe_read(f.p, &f.to, 9999, NULL), STATUS_OK);
        assert_int_equal(f.out[12], 77);
    }
    teardown(&f);
}

static void handles(void **state)
{
    (void)state;
    struct rpc_handles h = {0};
    uint8_t bytes[(RPC_HANDLES_MAX + 1) * RPC_HANDLE_SIZE];
    struct writer w = writer_of(bytes, sizeof bytes);
    uint32_t value;
    for (uint32_t i = 0; i <= RPC_HANDLES_MAX; i++)
        assert_int_equal(rpc_handle_open(&h, 7, i, &w), i < RPC_HANDLES_MAX);
    struct reader r = reader_of(written(&w));
    assert_true(rpc_handle_read(&h, 7, &r, &value));
    assert_int_equal(value, 0);
    assert_false(rpc_handle_read(&h, 8, &r, &value)); /* of another kind */
    r.pos = 0;
    assert_true(rpc_handle_close(&h, &r));
    r.pos = 0;
    assert_false(rpc_handle_read(&h, 7, &r, NULL));
    r.pos = 0;
    assert_false(rpc_handle_close(&h, &r));
    w.pos = 0;
    assert_true(rpc_handle_open(&h, 7, 99, &w));
    r.pos = 0;
    assert_true(rpc_handle_read(&h, 7, &r, &value));
    assert_int_equal(value, 99);
    r.pos = RPC_HANDLES_MAX * RPC_HANDLE_SIZE;
    assert_false(rpc_handle_read(&h, 7, &r, NULL)); /* null */
    r.pos = sizeof bytes - 4;
    assert_false(rpc_handle_read(&h, 7, &r, NULL)); /* cut off */
}

static void nonsense_breaks_the_pipe(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f, "srvsvc", false);
    uint8_t nonsense[64] = {0};
    struct slice s = slice_of(nonsense, sizeof nonsense);
    assert_int_equal(put(&f, s), STATUS_PIPE_DISCONNECTED);
    assert_int_equal(put(&f, s), STATUS_PIPE_DISCONNECTED);
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
        ntstatus s =
            transceive(&f, request(&f, SRVSVC_NETR_SHARE_ENUM, ENUM_LEVEL_1), sizeof f.out);
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
        cmocka_unit_test(other_calls_are_faults),
        cmocka_unit_test(messages_are_read_piece_by_piece),
        cmocka_unit_test(many_shares_come_in_fragments),
        cmocka_unit_test(pipelined_requests),
        cmocka_unit_test(orders_are_waited_for),
        cmocka_unit_test(handles),
        cmocka_unit_test(nonsense_breaks_the_pipe),
        cmocka_unit_test(memory_may_be_refused),
    };
    return cmocka_run_group_tests_name("rpc/pipe", tests, NULL, NULL);
}
