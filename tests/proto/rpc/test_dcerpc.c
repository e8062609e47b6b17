/* covers: dcerpc.c dcerpc_bind.c dcerpc_pdu.c */
#include "tests/lib/unit.h"

#include "proto/base/must.h"
#include "proto/rpc/dcerpc_pdu.h"
#include "proto/rpc/ndr.h"
#include "proto/rpc/swn.h"
#include "tests/lib/faults.h"
#include <string.h>

#define NDR20 "\x04\x5d\x88\x8a\xeb\x1c\xc9\x11\x9f\xe8\x08\x00\x2b\x10\x48\x60\x02\0\0\0"
#define NDR64 "\x33\x05\x71\x71\xba\xbe\x37\x49\x83\x19\xb5\xdb\xef\x9c\xcc\x36\x01\0\0\0"
#define FEATURES "\x2c\x1c\xb7\x6c\x12\x98\x40\x45\x03\0\0\0\0\0\0\0\x01\0\0\0"

/* --- PDUs as a client makes them -------------------------------------------------------------- */

struct pdu {
    uint8_t bytes[8192];
    struct writer w;
};

static void begin(struct pdu *p, uint8_t ptype, uint8_t flags, uint32_t call_id)
{
    p->w = writer_of(p->bytes, sizeof p->bytes);
    rpc_pdu_begin(&p->w, ptype, flags, call_id);
}

static struct slice end(struct pdu *p, const struct rpc_trailer *t)
{
    if (t != NULL)
        rpc_trailer_encode(t, &p->w);
    rpc_pdu_end(&p->w, t != NULL ? (uint16_t)t->token.len : 0);
    assert_false(p->w.full);
    return written(&p->w);
}

static void offer(struct pdu *p, uint16_t id, const struct rpc_interface *i, const char *transfer)
{
    write_u16(&p->w, id);
    write_u16(&p->w, 1);
    write_bytes(&p->w, slice_of(i->uuid, 16));
    write_u16(&p->w, i->major);
    write_u16(&p->w, i->minor);
    write_bytes(&p->w, slice_of(transfer, 20));
}

static struct slice bind(struct pdu *p, uint8_t ptype, uint16_t max_recv,
                         const struct rpc_trailer *t)
{
    static const struct rpc_interface other = {.uuid = {1, 2, 3}, .major = 1};
    begin(p, ptype, PFC_FIRST_FRAG | PFC_LAST_FRAG | PFC_SUPPORT_HEADER_SIGN, 1);
    write_u16(&p->w, 5840);
    write_u16(&p->w, max_recv);
    write_u32(&p->w, 0);
    write_u32(&p->w, 4);
    offer(p, 0, &swn_interface, NDR20);
    offer(p, 1, &swn_interface, NDR64);
    offer(p, 2, &swn_interface, FEATURES);
    offer(p, 3, &other, NDR20);
    return end(p, t);
}

static struct slice request(struct pdu *p, uint8_t flags, uint32_t call_id, uint16_t context,
                            struct slice stub)
{
    begin(p, RPC_REQUEST, flags, call_id);
    write_u32(&p->w, 0);
    write_u16(&p->w, context);
    write_u16(&p->w, 7);
    write_bytes(&p->w, stub);
    return end(p, NULL);
}

#define WHOLE (PFC_FIRST_FRAG | PFC_LAST_FRAG)

/* --- a connection under test ------------------------------------------------------------------ */

struct fixture {
    struct mem mem;
    struct rpc_conn *c;
    struct rpc_effects out;
    struct pdu pdu;
};

static void setup(struct fixture *f, bool auth)
{
    memset(f, 0, sizeof *f);
    f->mem = test_mem(SIZE_MAX);
    struct rpc_config config = {.interfaces = &swn_interface,
                                .interface_count = 1,
                                .assoc_group = 77,
                                .secondary_address = "49152",
                                .auth = auth};
    f->c = rpc_conn_new(&f->mem, &config);
    assert_non_null(f->c);
}

static void teardown(struct fixture *f)
{
    rpc_conn_free(f->c);
    test_mem_check(&f->mem);
}

static void step(struct fixture *f, const struct rpc_event *e) { rpc_conn_step(f->c, e, &f->out); }

static void feed(struct fixture *f, struct slice bytes)
{
    assert_true(bytes.len <= rpc_conn_room(f->c));
    step(f, &(struct rpc_event){.kind = RPC_EVENT_BYTES, .bytes = bytes});
}

/* The only effect of the last step, which must be of that kind. */
static const struct rpc_effect *only(struct fixture *f, enum rpc_effect_kind kind)
{
    assert_int_equal(f->out.count, 1);
    assert_int_equal(f->out.list[0].kind, kind);
    return &f->out.list[0];
}

static struct rpc_header sent(struct fixture *f, uint8_t ptype)
{
    struct rpc_header h;
    const struct rpc_effect *e = only(f, RPC_EFFECT_SEND);
    assert_true(rpc_header_decode(e->bytes, &h));
    assert_int_equal(h.ptype, ptype);
    assert_int_equal(h.frag_len, e->bytes.len);
    return h;
}

static uint32_t fault_status(struct fixture *f)
{
    struct reader r = reader_of(f->out.list[0].bytes);
    read_skip(&r, 24);
    return read_u32(&r);
}

static void bound(struct fixture *f)
{
    feed(f, bind(&f->pdu, RPC_BIND, 5840, NULL));
    (void)sent(f, RPC_BIND_ACK);
}

static void contexts_are_judged_one_by_one(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f, false);
    bound(&f);
    assert_int_equal(rpc_conn_assoc_group(f.c), 77);
    struct reader r = reader_of(f.out.list[0].bytes);
    read_skip(&r, 16 + 4);
    assert_int_equal(read_u32(&r), 77);
    assert_int_equal(read_u16(&r), 6);
    assert_memory_equal(read_slice(&r, 6).at, "49152", 6);
    read_align(&r, 4);
    assert_int_equal(read_u32(&r), 4);
    static const uint16_t want[4][2] = {{RPC_RESULT_ACCEPT, 0},
                                        {RPC_RESULT_PROVIDER_REJECT, RPC_REASON_TRANSFER_SYNTAXES},
                                        {RPC_RESULT_NEGOTIATE_ACK, 0},
                                        {RPC_RESULT_PROVIDER_REJECT, RPC_REASON_ABSTRACT_SYNTAX}};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(read_u16(&r), want[i][0]);
        assert_int_equal(read_u16(&r), want[i][1]);
        read_skip(&r, 20);
    }
    assert_false(r.bad);
    teardown(&f);
}

static void fragments_become_one_call(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f, false);
    bound(&f);
    uint8_t stub[3000];
    for (size_t i = 0; i < sizeof stub; i++)
        stub[i] = (uint8_t)i;
    feed(&f, request(&f.pdu, PFC_FIRST_FRAG, 2, 0, slice_of(stub, 1000)));
    assert_int_equal(f.out.count, 0);
    feed(&f, request(&f.pdu, 0, 2, 0, slice_of(stub + 1000, 1000)));
    struct slice last = request(&f.pdu, PFC_LAST_FRAG, 2, 0, slice_of(stub + 2000, 1000));
    for (size_t i = 0; i < last.len; i++) { /* however the transport cuts it */
        assert_int_equal(f.out.count, 0);
        feed(&f, slice_sub(last, i, 1));
    }
    const struct rpc_effect *call = only(&f, RPC_EFFECT_CALL);
    assert_int_equal(call->opnum, 7);
    assert_int_equal(call->auth_level, RPC_LEVEL_NONE);
    assert_true(slice_equal(call->bytes, slice_of(stub, sizeof stub)));
    teardown(&f);
}

static void long_replies_are_cut(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f, false);
    feed(&f, bind(&f.pdu, RPC_BIND, 2000, NULL));
    feed(&f, request(&f.pdu, WHOLE, 9, 0, slice_str("x")));
    static uint8_t reply[5000];
    for (size_t i = 0; i < sizeof reply; i++)
        reply[i] = (uint8_t)(i * 7);
    uint32_t call = only(&f, RPC_EFFECT_CALL)->call;
    uint8_t got[5000];
    struct writer w = writer_of(got, sizeof got);
    struct rpc_event e = {
        .kind = RPC_EVENT_REPLY, .call = call, .bytes = slice_of(reply, sizeof reply)};
    for (bool first = true;; first = false) {
        step(&f, &e);
        if (f.out.count == 0)
            break;
        struct rpc_header h = sent(&f, RPC_RESPONSE);
        assert_true(h.frag_len <= 2000);
        assert_int_equal(h.call_id, 9);
        assert_true(!!(h.flags & PFC_FIRST_FRAG) == first);
        write_bytes(&w, slice_of(f.out.list[0].bytes.at + 24, h.frag_len - 24u));
        assert_true(!!(h.flags & PFC_LAST_FRAG) == (w.pos == sizeof reply));
        e = (struct rpc_event){.kind = RPC_EVENT_RESUME};
    }
    assert_true(slice_equal(written(&w), slice_of(reply, sizeof reply)));
    step(&f, &(struct rpc_event){.kind = RPC_EVENT_REPLY, .call = call}); /* too late: ignored */
    assert_int_equal(f.out.count, 0);
    teardown(&f);
}

static void what_is_refused_and_how(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f, false);
    feed(&f, request(&f.pdu, WHOLE, 1, 0, slice_str("x"))); /* before the bind */
    (void)only(&f, RPC_EFFECT_CLOSE);
    assert_int_equal(rpc_conn_room(f.c), 0);
    teardown(&f);

    setup(&f, false);
    bound(&f);
    feed(&f, request(&f.pdu, WHOLE, 2, 1, slice_str("x"))); /* a context that was rejected */
    (void)sent(&f, RPC_FAULT);
    assert_int_equal(fault_status(&f), RPC_FAULT_UNKNOWN_INTERFACE);
    feed(&f, request(&f.pdu, PFC_LAST_FRAG, 3, 0, slice_str("x"))); /* continues nothing */
    (void)only(&f, RPC_EFFECT_CLOSE);
    teardown(&f);

    setup(&f, false);
    struct rpc_trailer t = {.auth_type = 10, .auth_level = 5, .token = slice_str("token")};
    feed(&f, bind(&f.pdu, RPC_BIND, 5840, &t)); /* no authentication here */
    assert_int_equal(f.out.count, 2);
    assert_int_equal(f.out.list[1].kind, RPC_EFFECT_CLOSE);
    struct rpc_header h;
    assert_true(rpc_header_decode(f.out.list[0].bytes, &h));
    assert_int_equal(h.ptype, RPC_BIND_NAK);
    teardown(&f);

    static const struct {
        const char *name;
        size_t at;
        uint8_t value;
    } rows[] = {{"version", 0, 4},
                {"big-endian", 4, 0},
                {"longer than any PDU", 9, 0xff},
                {"shorter than itself", 8, 3},
                {"trailer beyond", 11, 0x40},
                {"PDU type", 2, 5}};
    for (size_t i = 0; i < array_len(rows); i++) {
        setup(&f, false);
        bound(&f);
        struct slice s = request(&f.pdu, WHOLE, 1, 0, slice_str("stub"));
        f.pdu.bytes[rows[i].at] = rows[i].value;
        if (rows[i].at == 8)
            f.pdu.bytes[9] = 0;
        feed(&f, s);
        assert_row(rows[i].name, f.out.count == 1 && f.out.list[0].kind == RPC_EFFECT_CLOSE);
        teardown(&f);
    }
}

static void requests_have_a_limit(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f, false);
    bound(&f);
    static uint8_t stub[5000];
    uint32_t fragments = 0;
    do {
        uint8_t flags = fragments == 0 ? PFC_FIRST_FRAG : 0;
        feed(&f, request(&f.pdu, flags, 2, 0, slice_of(stub, sizeof stub)));
        assert_true(++fragments <= RPC_REQUEST_MAX / sizeof stub + 1);
    } while (f.out.count == 0);
    assert_int_equal(f.out.list[0].kind, RPC_EFFECT_SEND);
    assert_int_equal(f.out.list[1].kind, RPC_EFFECT_CLOSE);
    teardown(&f);
}

static void calls_have_a_limit_and_can_be_cancelled(void **state)
{
    (void)state;
    struct fixture f;
    uint32_t calls[RPC_CALLS_MAX];
    setup(&f, false);
    bound(&f);
    for (uint32_t i = 0; i < RPC_CALLS_MAX; i++) {
        feed(&f, request(&f.pdu, WHOLE, 100 + i, 0, slice_str("x")));
        calls[i] = only(&f, RPC_EFFECT_CALL)->call;
    }
    feed(&f, request(&f.pdu, WHOLE, 200, 0, slice_str("x")));
    (void)sent(&f, RPC_FAULT);
    assert_int_equal(fault_status(&f), RPC_FAULT_NO_MEMORY);

    begin(&f.pdu, RPC_CO_CANCEL, WHOLE, 101);
    feed(&f, end(&f.pdu, NULL));
    assert_int_equal(f.out.list[0].kind, RPC_EFFECT_CANCEL);
    assert_int_equal(f.out.list[0].call, calls[1]);
    assert_int_equal(f.out.list[1].kind, RPC_EFFECT_SEND);
    begin(&f.pdu, RPC_ORPHANED, WHOLE, 102);
    feed(&f, end(&f.pdu, NULL));
    assert_int_equal(only(&f, RPC_EFFECT_CANCEL)->call, calls[2]);
    feed(&f, request(&f.pdu, WHOLE, 201, 0, slice_str("x"))); /* there is room again */
    (void)only(&f, RPC_EFFECT_CALL);
    teardown(&f);
}

/* --- security ----------------------------------------------------------------------------------
 */

static void log_on(struct fixture *f, uint8_t level)
{
    struct rpc_trailer t = {
        .auth_type = 9, .auth_level = level, .context_id = 5, .token = slice_str("first")};
    feed(f, bind(&f->pdu, RPC_BIND, 5840, &t));
    const struct rpc_effect *ask = only(f, RPC_EFFECT_GSS_ACCEPT);
    assert_true(ask->fresh);
    assert_true(slice_equal(ask->bytes, slice_str("first")));
    assert_true(rpc_conn_busy(f->c));
    step(f, &(struct rpc_event){.kind = RPC_EVENT_GSS_ACCEPTED,
                                .ok = true,
                                .can_sign_headers = true,
                                .bytes = slice_str("second")});
    struct rpc_header h = sent(f, RPC_BIND_ACK);
    assert_int_equal(h.auth_len, 6);
    assert_true(h.flags & PFC_SUPPORT_HEADER_SIGN);
    t.token = slice_str("third");
    feed(f, bind(&f->pdu, RPC_ALTER_CONTEXT, 5840, &t));
    assert_false(only(f, RPC_EFFECT_GSS_ACCEPT)->fresh);
    step(f, &(struct rpc_event){
                .kind = RPC_EVENT_GSS_ACCEPTED, .ok = true, .done = true, .token_size = 16});
    assert_int_equal(sent(f, RPC_ALTER_CONTEXT_RESP).auth_len, 0);
}

static struct slice signed_request(struct fixture *f, uint8_t level, uint8_t pad)
{
    struct rpc_trailer t = {.auth_type = 9,
                            .auth_level = level,
                            .pad_len = pad,
                            .context_id = 5,
                            .token = slice_str("0123456789abcdef")};
    begin(&f->pdu, RPC_REQUEST, WHOLE, 4);
    write_zeros(&f->pdu.w, 8);
    write_bytes(&f->pdu.w, slice_str("stub"));
    write_zeros(&f->pdu.w, 12);
    return end(&f->pdu, &t);
}

static void sealed_both_ways(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f, true);
    log_on(&f, RPC_LEVEL_PRIVACY);
    feed(&f, signed_request(&f, RPC_LEVEL_PRIVACY, 12));
    struct rpc_pdu in = only(&f, RPC_EFFECT_GSS_UNWRAP)->pdu;
    assert_int_equal(in.head_len, 24);
    assert_int_equal(in.data_len, 16);
    assert_int_equal(in.tail_len, 8);
    assert_int_equal(in.token_len, 16);
    assert_true(in.seal && in.header_sign);
    feed(&f, slice_str("\x05")); /* more input meanwhile waits its turn */
    assert_int_equal(f.out.count, 0);
    step(&f, &(struct rpc_event){.kind = RPC_EVENT_GSS_UNWRAPPED, .ok = true});
    const struct rpc_effect *call = only(&f, RPC_EFFECT_CALL);
    assert_true(slice_equal(call->bytes, slice_str("stub")));
    assert_int_equal(call->auth_level, RPC_LEVEL_PRIVACY);
    step(&f, &(struct rpc_event){
                 .kind = RPC_EVENT_REPLY, .call = call->call, .bytes = slice_str("answer")});
    struct rpc_pdu out = only(&f, RPC_EFFECT_GSS_WRAP)->pdu;
    assert_int_equal(out.data_len, 16); /* padded */
    assert_memory_equal(out.at + 24, "answer", 6);
    step(&f, &(struct rpc_event){.kind = RPC_EVENT_GSS_WRAPPED, .ok = true});
    assert_int_equal(sent(&f, RPC_RESPONSE).frag_len, 24 + 16 + 8 + 16);
    teardown(&f);
}

static void who_is_not_genuine_is_dropped(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f, true); /* a PDU without its trailer */
    log_on(&f, RPC_LEVEL_INTEGRITY);
    feed(&f, request(&f.pdu, WHOLE, 4, 0, slice_str("stub")));
    (void)only(&f, RPC_EFFECT_CLOSE);
    teardown(&f);

    setup(&f, true); /* a trailer of a lower level */
    log_on(&f, RPC_LEVEL_PRIVACY);
    feed(&f, signed_request(&f, RPC_LEVEL_CONNECT, 12));
    (void)only(&f, RPC_EFFECT_CLOSE);
    teardown(&f);

    setup(&f, true); /* padding longer than what it pads */
    log_on(&f, RPC_LEVEL_PRIVACY);
    feed(&f, signed_request(&f, RPC_LEVEL_PRIVACY, 17));
    (void)only(&f, RPC_EFFECT_CLOSE);
    teardown(&f);

    setup(&f, true); /* a wrong signature */
    log_on(&f, RPC_LEVEL_INTEGRITY);
    feed(&f, signed_request(&f, RPC_LEVEL_INTEGRITY, 12));
    step(&f, &(struct rpc_event){.kind = RPC_EVENT_GSS_UNWRAPPED, .ok = false});
    (void)only(&f, RPC_EFFECT_CLOSE);
    teardown(&f);

    setup(&f, true); /* a request in the middle of the logon */
    struct rpc_trailer t = {.auth_type = 9, .auth_level = 5, .token = slice_str("first")};
    feed(&f, bind(&f.pdu, RPC_BIND, 5840, &t));
    step(&f, &(struct rpc_event){
                 .kind = RPC_EVENT_GSS_ACCEPTED, .ok = true, .bytes = slice_str("second")});
    feed(&f, request(&f.pdu, WHOLE, 4, 0, slice_str("stub")));
    (void)sent(&f, RPC_FAULT);
    assert_int_equal(fault_status(&f), RPC_FAULT_ACCESS_DENIED);
    teardown(&f);

    setup(&f, true); /* a refused logon */
    feed(&f, bind(&f.pdu, RPC_BIND, 5840, &t));
    step(&f, &(struct rpc_event){.kind = RPC_EVENT_GSS_ACCEPTED, .ok = false});
    assert_int_equal(f.out.count, 2);
    assert_int_equal(f.out.list[1].kind, RPC_EFFECT_CLOSE);
    teardown(&f);
}

static void memory_may_be_refused(void **state)
{
    (void)state;
    for (uint64_t nth = 1;; nth++) {
        struct fixture f;
        setup(&f, false);
        bound(&f);
        faults_arm(nth);
        feed(&f, request(&f.pdu, WHOLE, 2, 0, slice_str("x")));
        if (f.out.list[0].kind == RPC_EFFECT_CALL)
            step(&f, &(struct rpc_event){.kind = RPC_EVENT_REPLY,
                                         .call = f.out.list[0].call,
                                         .bytes = slice_str("y")});
        (void)only(&f, RPC_EFFECT_SEND);
        bool fired = faults_fired();
        teardown(&f);
        if (!fired)
            break;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(contexts_are_judged_one_by_one),
        cmocka_unit_test(fragments_become_one_call),
        cmocka_unit_test(long_replies_are_cut),
        cmocka_unit_test(what_is_refused_and_how),
        cmocka_unit_test(requests_have_a_limit),
        cmocka_unit_test(calls_have_a_limit_and_can_be_cancelled),
        cmocka_unit_test(sealed_both_ways),
        cmocka_unit_test(who_is_not_genuine_is_dropped),
        cmocka_unit_test(memory_may_be_refused),
    };
    return cmocka_run_group_tests_name("rpc/dcerpc", tests, NULL, NULL);
}
