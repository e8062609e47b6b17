/* Named pipes: reads that wait, calls that wait for the cluster, and what calls do to this node.
 *
 * covers: pipe.c rpc_facts.c rpc_orders.c */
#include "tests/node/smb/rig.h"
#include "tests/proto/rpc/facts.h"

#include "proto/rpc/dcerpc_pdu.h"
#include "proto/smb/create_client.h"
#include "proto/smb/data_client.h"
#include "proto/smb/ioctl.h"
#include "proto/smb/negotiate.h"

static struct rig rig;
static struct client cl, other;
static struct asker k; /* builds stubs, and reads answers */

static int setup(void **state)
{
    (void)state;
    rig_init(&rig);
    rig.administrator = true;
    memset(&cl, 0, sizeof(cl));
    memset(&other, 0, sizeof(other));
    asker_init(&k, true);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    asker_fini(&k);
    client_free(&cl);
    client_free(&other);
    rig_fini(&rig);
    return 0;
}

/* ---- what clients do ----------------------------------------------------------------------------
 */

static void send_read(struct client *c, struct smb_file_id id, uint32_t len)
{
    struct smb_read_req req = {.length = len, .file_id = id};
    smb_read_req_encode(client_begin(c, SMB2_READ, 0), &req);
    client_send(c);
}

static ntstatus read_pipe(struct client *c, struct smb_file_id id, uint32_t len,
                          struct smb_read_answer *a)
{
    send_read(c, id, len);
    if (!client_receive(c))
        return STATUS_CONNECTION_DISCONNECTED;
    if (!status_is_error(c->header.status) && c->header.status != STATUS_PENDING)
        assert_int_equal(smb_read_answer_decode(c->message, a), STATUS_OK);
    return c->header.status;
}

static void send_write(struct client *c, struct smb_file_id id, struct slice data)
{
    struct smb_write_req req = {.file_id = id, .data = data, .length = (uint32_t)data.len};
    smb_write_req_encode(client_begin(c, SMB2_WRITE, 0), &req);
    client_send(c);
}

static ntstatus write_pipe(struct client *c, struct smb_file_id id, struct slice data)
{
    send_write(c, id, data);
    return client_receive(c) ? c->header.status : STATUS_CONNECTION_DISCONNECTED;
}

/* [MS-SMB2] 2.2.31 */
static ntstatus ioctl(struct client *c, uint32_t code, struct smb_file_id id, struct slice input)
{
    struct writer *w = client_begin(c, SMB2_IOCTL, 0);
    write_u16(w, 57);
    write_u16(w, 0);
    write_u32(w, code);
    write_u64(w, id.persistent);
    write_u64(w, id.volatile_);
    write_u32(w, SMB_HEADER_SIZE + 56);
    write_u32(w, (uint32_t)input.len);
    write_u32(w, 0);
    write_u32(w, 0);
    write_u32(w, 0);
    write_u32(w, 4096);
    write_u32(w, SMB2_0_IOCTL_IS_FSCTL);
    write_u32(w, 0);
    write_bytes(w, input);
    if (input.len == 0)
        write_u8(w, 0);
    return client_call(c);
}

/* The output of the IOCTL answered last. */
static struct slice ioctl_output(struct client *c)
{
    struct reader r = reader_of(c->message);
    read_skip(&r, SMB_HEADER_SIZE + 32);
    uint32_t at = read_u32(&r), len = read_u32(&r);
    struct slice s = read_at(&r, at, len);
    assert_false(r.bad);
    return s;
}

static uint8_t pdu[4096];

static struct slice bind_pdu(void)
{
    static const uint8_t ndr20[16] = NDR_TRANSFER_UUID;
    struct writer w = writer_of(pdu, sizeof(pdu));
    rpc_pdu_begin(&w, RPC_BIND, PFC_FIRST_FRAG | PFC_LAST_FRAG, 1);
    write_u16(&w, 4280);
    write_u16(&w, 4280);
    write_u32(&w, 0);
    write_u32(&w, 1);
    write_u32(&w, UINT32_C(0x10000));
    write_bytes(&w, slice_of(srvsvc_service.interface.uuid, 16));
    write_u16(&w, srvsvc_service.interface.major);
    write_u16(&w, srvsvc_service.interface.minor);
    write_bytes(&w, slice_of(ndr20, 16));
    write_u32(&w, 2);
    rpc_pdu_end(&w, 0);
    return written(&w);
}

/* The stub in `k` as a request. */
static struct slice request_pdu(uint16_t opnum)
{
    struct slice stub = written(&k.w);
    struct writer w = writer_of(pdu, sizeof(pdu));
    rpc_pdu_begin(&w, RPC_REQUEST, PFC_FIRST_FRAG | PFC_LAST_FRAG, 2);
    write_u32(&w, (uint32_t)stub.len);
    write_u16(&w, 0);
    write_u16(&w, opnum);
    write_bytes(&w, stub);
    rpc_pdu_end(&w, 0);
    asker_next(&k);
    return written(&w);
}

/* An answer's stub into k.r. */
static void take_answer(struct slice message)
{
    struct reader r = reader_of(message);
    read_skip(&r, 2);
    assert_int_equal(read_u8(&r), RPC_RESPONSE);
    read_skip(&r, 21);
    k.r = reader_of(read_rest(&r));
    assert_false(r.bad);
}

/* A pipe to srvsvc, bound. */
static void open_pipe(struct client *c, struct smb_file_id *id)
{
    struct smb_read_answer a;
    client_ready(c, &rig, SMB_DIALECT_311);
    assert_int_equal(client_tree(c, "\\\\s\\IPC$"), STATUS_OK);
    assert_int_equal(client_create(c, "srvsvc", id), STATUS_OK);
    assert_int_equal(write_pipe(c, *id, bind_pdu()), STATUS_OK);
    assert_int_equal(read_pipe(c, *id, 1024, &a), STATUS_OK);
    assert_int_equal(a.data.at[2], RPC_BIND_ACK);
}

static void call(struct client *c, struct smb_file_id id, uint16_t opnum)
{
    assert_int_equal(ioctl(c, FSCTL_PIPE_TRANSCEIVE, id, request_pdu(opnum)), STATUS_OK);
    take_answer(ioctl_output(c));
}

/* ---- pipes as such ------------------------------------------------------------------------------
 */

static void test_pipe(void **state)
{
    (void)state;
    struct smb_file_id id, none;
    struct smb_read_answer a;
    client_ready(&cl, &rig, SMB_DIALECT_311);
    assert_int_equal(client_tree(&cl, "\\\\s\\IPC$"), STATUS_OK);
    rig_lease(&rig, false); /* pipes do not need it */
    assert_int_equal(client_create(&cl, "nopipe", &none), STATUS_OBJECT_NAME_NOT_FOUND);
    assert_int_equal(client_create(&cl, "srvsvc", &id), STATUS_OK);
    assert_int_equal(write_pipe(&cl, id, bind_pdu()), STATUS_OK);
    assert_int_equal(read_pipe(&cl, id, 20, &a), STATUS_BUFFER_OVERFLOW);
    assert_int_equal(a.data.len, 20);
    assert_int_equal(a.data.at[2], RPC_BIND_ACK);
    uint32_t rest = a.remaining;
    assert_int_equal(read_pipe(&cl, id, 1024, &a), STATUS_OK);
    assert_int_equal(a.data.len, rest);
    assert_int_equal(client_close(&cl, id), STATUS_OK);
    assert_int_equal(client_close(&cl, id), STATUS_FILE_CLOSED);
    assert_int_equal(client_create(&cl, "srvsvc", &id), STATUS_OK); /* and one left behind */
}

/* A READ of an empty pipe sleeps until somebody writes, or it is cancelled, or the pipe closed. */
static void test_reads_wait(void **state)
{
    (void)state;
    struct smb_file_id id;
    struct smb_read_answer a;
    open_pipe(&cl, &id);
    assert_int_equal(read_pipe(&cl, id, 1024, &a), STATUS_PENDING);
    smb_empty_encode(client_begin(&cl, SMB2_CANCEL, SMB2_FLAGS_ASYNC_COMMAND));
    assert_int_equal(client_call(&cl), STATUS_CANCELLED);
    assert_int_equal(read_pipe(&cl, id, 1024, &a), STATUS_PENDING);
    put_server(&k);
    ndr_write_u32(&k.w, 100);
    send_write(&cl, id, request_pdu(SRVSVC_NETR_SERVER_GET_INFO));
    bool read = false, wrote = false;
    for (int i = 0; i < 2; i++) {
        assert_true(client_receive(&cl));
        assert_int_equal(cl.header.status, STATUS_OK);
        wrote |= cl.header.command == SMB2_WRITE;
        if (cl.header.command != SMB2_READ)
            continue;
        read = true;
        assert_int_equal(smb_read_answer_decode(cl.message, &a), STATUS_OK);
        take_answer(a.data);
        assert_int_equal(asker_status(&k), WERR_OK);
    }
    assert_true(read && wrote);
    assert_int_equal(read_pipe(&cl, id, 1024, &a), STATUS_PENDING);
    assert_int_equal(client_close(&cl, id), STATUS_PIPE_BROKEN);
    assert_true(client_receive(&cl));
    assert_int_equal(cl.header.command, SMB2_CLOSE);
}

static void test_control_codes(void **state)
{
    (void)state;
    struct smb_file_id id, nobody = {UINT64_MAX, UINT64_MAX};
    uint8_t bytes[64];
    static const struct {
        const char *name;
        uint32_t len;
        ntstatus status;
    } rows[] = {{"srvsvc", 12, STATUS_OK},
                {"nothin", 12, STATUS_OBJECT_NAME_NOT_FOUND},
                {"srvsvc", 13, STATUS_INVALID_PARAMETER},
                {"srvsvc", 14, STATUS_INVALID_PARAMETER}};
    open_pipe(&cl, &id);
    for (size_t i = 0; i < array_len(rows); i++) {
        struct writer w = writer_of(bytes, sizeof(bytes));
        write_u64(&w, 0);
        write_u32(&w, rows[i].len);
        write_u16(&w, 0);
        for (const char *c = rows[i].name; *c != 0; c++)
            write_u16(&w, (uint8_t)*c);
        assert_row(rows[i].name,
                   ioctl(&cl, FSCTL_PIPE_WAIT, nobody, written(&w)) == rows[i].status);
    }
    assert_int_equal(ioctl(&cl, FSCTL_PIPE_PEEK, id, (struct slice){0}), STATUS_OK);
    assert_int_equal(ioctl_output(&cl).len, 16);
    put_server(&k);
    ndr_write_u32(&k.w, 100);
    assert_int_equal(write_pipe(&cl, id, request_pdu(SRVSVC_NETR_SERVER_GET_INFO)), STATUS_OK);
    assert_int_equal(ioctl(&cl, FSCTL_PIPE_PEEK, id, (struct slice){0}), STATUS_OK);
    struct reader r = reader_of(ioctl_output(&cl));
    read_skip(&r, 4);
    uint32_t available = read_u32(&r);
    assert_int_equal(read_u32(&r), 1);
    read_skip(&r, 4);
    assert_int_equal(read_left(&r), available);
    assert_int_equal(ioctl(&cl, FSCTL_PIPE_TRANSCEIVE, id, slice_str("x")), STATUS_PIPE_BUSY);
    assert_int_equal(ioctl(&cl, FSCTL_SET_SPARSE, id, (struct slice){0}),
                     STATUS_INVALID_DEVICE_REQUEST);
}

/* ---- orders -------------------------------------------------------------------------------------
 */

static void put_remove(const char *share)
{
    put_server(&k);
    put_string(&k, share);
    ndr_write_u32(&k.w, 0);
}

/* The cluster is asked; whoever writes meanwhile waits for his turn. */
static void test_commands_are_waited_for(void **state)
{
    (void)state;
    struct smb_file_id id;
    struct smb_read_answer a;
    open_pipe(&cl, &id);
    rig.hold_meta = true;
    put_remove(rig.shares[0].name);
    send_write(&cl, id, request_pdu(SRVSVC_NETR_SHARE_DEL));
    assert_int_equal(rig.op_count, 1);
    assert_int_equal(rig.ops[0].command, FL__COMMAND__BODY_SHARE_REMOVE);
    put_server(&k);
    ndr_write_u32(&k.w, 100);
    send_write(&cl, id, request_pdu(SRVSVC_NETR_SERVER_GET_INFO));
    assert_false(client_receive(&cl));
    rig_answer(&rig, STATUS_OBJECT_NAME_NOT_FOUND);
    for (int i = 0; i < 2; i++) {
        assert_true(client_receive(&cl));
        assert_int_equal(cl.header.status, STATUS_OK);
        assert_int_equal(cl.header.command, SMB2_WRITE);
    }
    assert_int_equal(read_pipe(&cl, id, 1024, &a), STATUS_OK);
    take_answer(a.data);
    assert_int_equal(asker_status(&k), NERR_NET_NAME_NOT_FOUND);
    assert_int_equal(read_pipe(&cl, id, 1024, &a), STATUS_OK);
    take_answer(a.data);
    assert_int_equal(asker_status(&k), WERR_OK);
}

/* An order that is given up has failed: it is not given again by who writes next. */
static void test_a_silent_cluster(void **state)
{
    (void)state;
    struct smb_file_id id;
    struct smb_read_answer a;
    open_pipe(&cl, &id);
    rig.hold_meta = true;
    put_remove(rig.shares[0].name);
    send_write(&cl, id, request_pdu(SRVSVC_NETR_SHARE_DEL));
    rig_advance(&rig, UINT64_C(60000000000));
    assert_true(client_receive(&cl));
    assert_int_equal(cl.header.status, STATUS_PENDING);
    assert_true(client_receive(&cl));
    assert_int_equal(cl.header.status, STATUS_FILE_NOT_AVAILABLE);
    uint32_t ops = rig.op_count;
    put_server(&k);
    ndr_write_u32(&k.w, 100);
    assert_int_equal(write_pipe(&cl, id, request_pdu(SRVSVC_NETR_SERVER_GET_INFO)), STATUS_OK);
    assert_int_equal(rig.op_count, ops);
    assert_int_equal(read_pipe(&cl, id, 1024, &a), STATUS_OK);
    take_answer(a.data);
    assert_int_equal(asker_status(&k), WERR_NOT_READY);
    assert_int_equal(read_pipe(&cl, id, 1024, &a), STATUS_OK);
    take_answer(a.data);
    assert_int_equal(asker_status(&k), WERR_OK);
}

static void test_clients_that_go(void **state)
{
    (void)state;
    struct smb_file_id id;
    struct smb_read_answer a;
    open_pipe(&cl, &id);
    open_pipe(&other, &id);
    assert_int_equal(read_pipe(&other, id, 1024, &a), STATUS_PENDING);
    client_free(&other);
    rig.hold_meta = true;
    put_remove(rig.shares[0].name);
    struct smb_file_id mine;
    assert_int_equal(client_create(&cl, "srvsvc", &mine), STATUS_OK);
    assert_int_equal(write_pipe(&cl, mine, bind_pdu()), STATUS_OK);
    send_write(&cl, mine, request_pdu(SRVSVC_NETR_SHARE_DEL));
    client_free(&cl);
    rig_answer(&rig, STATUS_OK); /* nobody is left whom it could be told */
}

static void test_changes_become_commands(void **state)
{
    (void)state;
    struct smb_file_id id;
    open_pipe(&cl, &id);
    rig.hold_meta = true;
    put_server(&k);
    put_string(&k, rig.shares[0].name);
    for (int i = 0; i < 2; i++)
        ndr_write_u32(&k.w, 1005);
    ndr_write_pointer(&k.w, true);
    ndr_write_u32(&k.w, SHI1005_FLAGS_ENCRYPT_DATA);
    ndr_write_pointer(&k.w, false);
    send_write(&cl, id, request_pdu(SRVSVC_NETR_SHARE_SET_INFO));
    assert_int_equal(rig.ops[0].command, FL__COMMAND__BODY_SHARE_SET);
    rig_answer(&rig, STATUS_OK);
    assert_true(client_receive(&cl));
    assert_int_equal(cl.header.status, STATUS_OK);
}

/* ---- what clients do here -----------------------------------------------------------------------
 */

static uint32_t count_listed(void)
{
    assert_int_equal(asker_status(&k), WERR_OK);
    read_skip(&k.r, 12);
    return ndr_read_u32(&k.r);
}

static uint32_t count_sessions(struct smb_file_id id)
{
    put_server(&k);
    put_text(&k, NULL);
    put_text(&k, "user");
    put_enum(&k, 10, UINT32_MAX, 0);
    call(&cl, id, SRVSVC_NETR_SESSION_ENUM);
    return count_listed();
}

static uint32_t count_files(struct smb_file_id id, const char *below)
{
    put_server(&k);
    put_text(&k, below);
    put_text(&k, NULL);
    put_enum(&k, 3, UINT32_MAX, 0);
    call(&cl, id, SRVSVC_NETR_FILE_ENUM);
    return count_listed();
}

static void test_sessions_are_ended(void **state)
{
    (void)state;
    struct smb_file_id id;
    client_ready(&other, &rig, SMB_DIALECT_311);
    open_pipe(&cl, &id);
    assert_int_equal(count_sessions(id), 2);
    put_server(&k);
    put_text(&k, NULL);
    put_text(&k, "user");
    call(&cl, id, SRVSVC_NETR_SESSION_DEL); /* it ends the caller's too, after the answer */
    assert_int_equal(asker_status(&k), WERR_OK);
    smb_empty_encode(client_begin(&other, SMB2_LOGOFF, 0));
    assert_int_equal(client_call(&other), STATUS_USER_SESSION_DELETED);
    smb_empty_encode(client_begin(&cl, SMB2_LOGOFF, 0));
    assert_int_equal(client_call(&cl), STATUS_USER_SESSION_DELETED);
}

static void test_files_are_closed(void **state)
{
    (void)state;
    struct smb_file_id id, file;
    open_pipe(&cl, &id);
    client_ready(&other, &rig, SMB_DIALECT_311);
    assert_int_equal(client_create(&other, "file", &file), STATUS_OK);
    assert_int_equal(count_files(id, NULL), 2);
    assert_int_equal(count_files(id, "\\PIPE\\"), 1);
    assert_int_equal(count_files(id, "C:\\"), 1);
    read_skip(&k.r, 8);
    uint32_t number = ndr_read_u32(&k.r);
    put_server(&k);
    ndr_write_u32(&k.w, number + 1);
    call(&cl, id, SRVSVC_NETR_FILE_CLOSE);
    assert_int_equal(asker_status(&k), NERR_FILE_ID_NOT_FOUND);
    put_server(&k);
    ndr_write_u32(&k.w, number);
    call(&cl, id, SRVSVC_NETR_FILE_CLOSE);
    assert_int_equal(asker_status(&k), WERR_OK);
    assert_int_equal(count_files(id, "C:\\"), 0);
    assert_int_equal(client_close(&other, file), STATUS_FILE_CLOSED);
}

static void test_connections_are_listed(void **state)
{
    (void)state;
    struct smb_file_id id;
    open_pipe(&cl, &id);
    put_server(&k);
    put_text(&k, "IPC$");
    put_enum(&k, 1, UINT32_MAX, 0);
    call(&cl, id, SRVSVC_NETR_CONNECTION_ENUM);
    assert_int_equal(count_listed(), 1);
}

/* A limit on users is one on each node. */
static void test_shares_may_be_full(void **state)
{
    (void)state;
    rig.shares[0].uses_max = 1;
    char path[300] = "\\\\s\\";
    memcpy(path + 4, rig.shares[0].name, strlen(rig.shares[0].name) + 1);
    client_ready(&cl, &rig, SMB_DIALECT_311);
    ntstatus first = client_tree(&cl, path), second = client_tree(&cl, path);
    assert_true(first == STATUS_OK || first == STATUS_REQUEST_NOT_ACCEPTED);
    assert_int_equal(second, STATUS_REQUEST_NOT_ACCEPTED);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_pipe),
        T(test_reads_wait),
        T(test_control_codes),
        T(test_commands_are_waited_for),
        T(test_a_silent_cluster),
        T(test_clients_that_go),
        T(test_changes_become_commands),
        T(test_sessions_are_ended),
        T(test_files_are_closed),
        T(test_connections_are_listed),
        T(test_shares_may_be_full),
    };
    return cmocka_run_group_tests_name("smb/pipe", tests, NULL, NULL);
}
