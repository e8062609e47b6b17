#include "tests/bench/dial.h"

#include "proto/crypto/kdf.h"
#include "proto/daemon/heap.h"
#include "proto/smb/dtyp.h"
#include "proto/smb/fscc.h"
#include "proto/smb/negotiate_client.h"
#include "proto/smb/session_client.h"
#include <arpa/inet.h>
#include <errno.h>
#include <gssapi/gssapi.h>
#include <gssapi/gssapi_ext.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LENGTH_SIZE = 4, CREDITS_WANTED = 512, CREDIT_BYTES = 65536 };

void die(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)fprintf(stderr, "%s: ", program_invocation_short_name);
    (void)vfprintf(stderr, format, args);
    (void)fputc('\n', stderr);
    va_end(args);
    exit(1);
}

/* ---- frames --------------------------------------------------------------------------------- */

uint32_t dial_charge(uint32_t payload)
{
    return payload == 0 ? 1 : (payload - 1) / CREDIT_BYTES + 1; /* [MS-SMB2] 3.2.4.1.5 */
}

struct writer dial_begin(struct dial *d, enum smb_command command, uint32_t payload)
{
    bool sign = command == SMB2_TREE_CONNECT && d->sign != NULL;
    struct smb_header h = {
        .command = (uint16_t)command,
        .credit_charge = (uint16_t)dial_charge(payload),
        .credits = CREDITS_WANTED,
        .flags = sign ? SMB2_FLAGS_SIGNED : 0,
        .tree_id = d->tree_id,
        .session_id = d->session_id,
        .message_id = d->message_id,
    };
    struct writer w = writer_of(d->out + LENGTH_SIZE, DIAL_FRAME_MAX - LENGTH_SIZE);
    smb_header_encode(&w, &h);
    return w;
}

uint64_t dial_send(struct dial *d, const struct writer *w)
{
    struct slice frame = written(w);
    struct smb_header h;
    if (smb_header_decode(frame, &h) != STATUS_OK)
        die("a request does not fit");
    if ((h.flags & SMB2_FLAGS_SIGNED) != 0) {
        struct sign_message m = {&frame, 1, false};
        if (!sign_message(d->sign, &m, w->at + SMB_SIGNATURE_POS))
            die("cannot sign");
    }
    struct writer length = writer_of(d->out, LENGTH_SIZE);
    write_u32_be(&length, (uint32_t)frame.len);
    size_t total = LENGTH_SIZE + frame.len;
    for (size_t sent = 0; sent < total;) {
        ssize_t n = send(d->fd, d->out + sent, total - sent, MSG_NOSIGNAL);
        if (n <= 0)
            die("the connection broke while sending: %s", strerror(errno));
        sent += (size_t)n;
    }
    if (d->credits < h.credit_charge)
        die("no credits");
    d->credits -= h.credit_charge;
    d->message_id += h.credit_charge;
    return h.message_id;
}

static void receive_bytes(struct dial *d, uint8_t *to, size_t len)
{
    for (size_t got = 0; got < len;) {
        ssize_t n = recv(d->fd, to + got, len - got, MSG_WAITALL);
        if (n <= 0)
            die("the connection broke while receiving: %s", strerror(errno));
        got += (size_t)n;
    }
}

struct slice dial_receive(struct dial *d, struct smb_header *h)
{
    for (;;) {
        uint8_t length[LENGTH_SIZE];
        receive_bytes(d, length, sizeof(length));
        struct reader r = reader_of(slice_of(length, sizeof(length)));
        uint32_t len = read_u32_be(&r);
        if (len > DIAL_FRAME_MAX)
            die("a response of %u bytes", len);
        receive_bytes(d, d->in, len);
        struct slice frame = slice_of(d->in, len);
        if (smb_header_decode(frame, h) != STATUS_OK || h->next_command != 0)
            die("a response that is none");
        d->credits += h->credits;
        bool interim = (h->flags & SMB2_FLAGS_ASYNC_COMMAND) != 0 && h->status == STATUS_PENDING;
        if (!interim && h->message_id != SMB_MESSAGE_ID_UNSOLICITED)
            return frame;
    }
}

struct slice dial_call(struct dial *d, const struct writer *w, struct smb_header *h)
{
    uint64_t id = dial_send(d, w);
    struct slice answer = dial_receive(d, h);
    if (h->message_id != id)
        die("an answer to another request");
    return answer;
}

static void must_be_ok(const struct smb_header *h, const char *what)
{
    if (h->status != STATUS_OK)
        die("%s: status 0x%08x", what, (unsigned)h->status);
}

/* ---- connection ----------------------------------------------------------------------------- */

static void connect_to(struct dial *d, const char *address)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(445)};
    if (inet_pton(AF_INET, address, &to.sin_addr) != 1)
        die("%s is no IPv4 address", address);
    d->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (d->fd < 0 || connect(d->fd, (struct sockaddr *)&to, sizeof(to)) != 0)
        die("cannot connect to %s: %s", address, strerror(errno));
    int on = 1;
    (void)setsockopt(d->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

static void negotiate(struct dial *d)
{
    uint8_t dialect[2];
    struct writer list = writer_of(dialect, sizeof(dialect));
    write_u16(&list, SMB_DIALECT_311);
    struct smb_negotiate_offer offer = {
        .security_mode = SMB2_NEGOTIATE_SIGNING_ENABLED,
        .capabilities = SMB2_GLOBAL_CAP_LARGE_MTU,
        .client_guid = "smbload of bench",
        .dialects = {written(&list)},
        .salt = slice_str("the same for both servers, salt."),
    };
    struct writer w = dial_begin(d, SMB2_NEGOTIATE, 0);
    smb_negotiate_offer_encode(&w, &offer);
    bool hashed = preauth_add(&d->preauth, written(&w));
    struct smb_header h;
    struct smb_negotiate_answer a;
    struct slice answer = dial_call(d, &w, &h);
    must_be_ok(&h, "NEGOTIATE");
    if (!hashed || !preauth_add(&d->preauth, answer) ||
        smb_negotiate_answer_decode(answer, &a) != STATUS_OK || a.dialect != SMB_DIALECT_311)
        die("the server does not speak SMB 3.1.1");
    d->max_read = a.max_read;
    d->max_write = a.max_write;
}

/* ---- logon: bare NTLM, which both servers take ---------------------------------------------- */

static gss_OID_desc ntlm_oid = {10, "\x2b\x06\x01\x04\x01\x82\x37\x02\x02\x0a"};
static gss_OID_desc session_key_oid = {11, "\x2a\x86\x48\x86\xf7\x12\x01\x02\x02\x05\x05"};

struct logon {
    gss_cred_id_t cred;
    gss_name_t target;
    gss_ctx_id_t ctx;
    bool done;
};

static gss_buffer_desc buffer(const char *text)
{
    return (gss_buffer_desc){strlen(text), (void *)(uintptr_t)text};
}

static struct logon logon_begin(const struct dial_target *to)
{
    struct logon l = {.ctx = GSS_C_NO_CONTEXT};
    OM_uint32 minor;
    char full[128];
    (void)snprintf(full, sizeof(full), "FLOTILLA\\%s", to->user);
    gss_buffer_desc user = buffer(full), password = buffer(to->password);
    char full_target[128];
    (void)snprintf(full_target, sizeof(full_target), "cifs@%s", to->name);
    gss_buffer_desc target = buffer(full_target);
    gss_OID_set_desc mechs = {1, &ntlm_oid};
    gss_name_t name = GSS_C_NO_NAME;
    if (gss_import_name(&minor, &user, GSS_C_NT_USER_NAME, &name) != 0 ||
        gss_import_name(&minor, &target, GSS_C_NT_HOSTBASED_SERVICE, &l.target) != 0 ||
        gss_acquire_cred_with_password(&minor, name, &password, GSS_C_INDEFINITE, &mechs,
                                       GSS_C_INITIATE, &l.cred, NULL, NULL) != 0)
        die("no NTLM credentials: is gss-ntlmssp installed?");
    (void)gss_release_name(&minor, &name);
    return l;
}

static gss_buffer_desc logon_step(struct logon *l, struct slice in)
{
    OM_uint32 minor;
    gss_buffer_desc token = {in.len, (void *)(uintptr_t)in.at}, out = GSS_C_EMPTY_BUFFER;
    OM_uint32 major =
        gss_init_sec_context(&minor, l->cred, &l->ctx, l->target, &ntlm_oid, GSS_C_INTEG_FLAG, 0,
                             GSS_C_NO_CHANNEL_BINDINGS, &token, NULL, &out, NULL, NULL);
    if (GSS_ERROR(major))
        die("NTLM fails: %u/%u", major, minor);
    l->done = major == GSS_S_COMPLETE;
    return out;
}

static void make_sign_key(struct dial *d, const struct logon *l)
{
    OM_uint32 minor;
    gss_buffer_set_t set = GSS_C_NO_BUFFER_SET;
    if (gss_inquire_sec_context_by_oid(&minor, l->ctx, &session_key_oid, &set) != 0 ||
        set->count == 0)
        die("NTLM gives no session key");
    uint8_t key[SMB_SESSION_KEY_SIZE];
    smb_session_key(slice_of(set->elements[0].value, set->elements[0].length), key);
    (void)gss_release_buffer_set(&minor, &set);
    struct kdf_input in = {
        .dialect = SMB_DIALECT_311, .session_key = {key, sizeof(key)}, .preauth = d->preauth};
    struct smb_keys keys;
    if (!smb_keys_derive(&in, &keys))
        die("cannot derive keys");
    d->sign = sign_key_new(&d->mem, SMB_SIGNING_AES_CMAC,
                           slice_of(keys.signing.bytes, keys.signing.size));
    if (d->sign == NULL)
        die("cannot make the signing key");
}

static void log_on(struct dial *d, const struct dial_target *to)
{
    struct logon l = logon_begin(to);
    struct smb_session_setup_rsp rsp = {0};
    struct smb_header h = {.status = STATUS_MORE_PROCESSING_REQUIRED};
    OM_uint32 minor;
    while (h.status == STATUS_MORE_PROCESSING_REQUIRED && !l.done) {
        gss_buffer_desc token = logon_step(&l, rsp.security);
        struct smb_session_setup_req req = {.security_mode = SMB2_NEGOTIATE_SIGNING_ENABLED,
                                            .security = slice_of(token.value, token.length)};
        struct writer w = dial_begin(d, SMB2_SESSION_SETUP, 0);
        smb_session_setup_req_encode(&w, &req);
        (void)gss_release_buffer(&minor, &token);
        bool hashed = preauth_add(&d->preauth, written(&w));
        struct slice answer = dial_call(d, &w, &h);
        d->session_id = h.session_id;
        /* 3.2.5.3.1: the hash ends with the last request. */
        if (h.status == STATUS_MORE_PROCESSING_REQUIRED)
            hashed = preauth_add(&d->preauth, answer) &&
                     smb_session_setup_rsp_decode(answer, &rsp) == STATUS_OK;
        if (!hashed)
            die("SESSION_SETUP: an answer that is none");
    }
    must_be_ok(&h, "SESSION_SETUP");
    make_sign_key(d, &l);
    (void)gss_delete_sec_context(&minor, &l.ctx, GSS_C_NO_BUFFER);
    (void)gss_release_cred(&minor, &l.cred);
    (void)gss_release_name(&minor, &l.target);
}

/* ---- share and file ------------------------------------------------------------------------- */

struct slice dial_wide(const char *text, uint8_t *bytes, size_t cap)
{
    struct writer w = writer_of(bytes, cap);
    for (; *text != '\0'; text++)
        write_u16(&w, (uint16_t)*text);
    return written(&w);
}

void dial_open(struct dial *d, const struct dial_target *to)
{
    *d = (struct dial){.credits = 1};
    mem_heap_init(&d->mem, SIZE_MAX);
    d->out = malloc(DIAL_FRAME_MAX);
    d->in = malloc(DIAL_FRAME_MAX);
    if (d->out == NULL || d->in == NULL)
        die("no memory");
    connect_to(d, to->address);
    negotiate(d);
    log_on(d, to);
    char path[256];
    uint8_t bytes[512];
    (void)snprintf(path, sizeof(path), "\\\\%s\\%s", to->address, to->share);
    struct smb_tree_connect_req req = {.path = dial_wide(path, bytes, sizeof(bytes))};
    struct writer w = dial_begin(d, SMB2_TREE_CONNECT, 0);
    smb_tree_connect_req_encode(&w, &req);
    struct smb_header h;
    (void)dial_call(d, &w, &h);
    must_be_ok(&h, "TREE_CONNECT");
    d->tree_id = h.tree_id;
}

void dial_close(struct dial *d)
{
    (void)close(d->fd);
    sign_key_free(d->sign);
    free(d->out);
    free(d->in);
}

struct smb_file_id dial_create(struct dial *d, const char *name)
{
    uint8_t bytes[256];
    struct smb_create_req req = {
        .impersonation = SMB2_IMPERSONATION_IMPERSONATION,
        .desired_access = GENERIC_READ | GENERIC_WRITE | ACCESS_DELETE,
        .share_access = FILE_SHARE_READ,
        .disposition = FILE_OVERWRITE_IF,
        .options = FILE_NON_DIRECTORY_FILE | FILE_DELETE_ON_CLOSE,
        .name = dial_wide(name, bytes, sizeof(bytes)),
    };
    struct writer w = dial_begin(d, SMB2_CREATE, 0);
    smb_create_req_encode(&w, &req);
    struct smb_header h;
    struct smb_create_rsp rsp;
    struct slice answer = dial_call(d, &w, &h);
    must_be_ok(&h, "CREATE");
    if (smb_create_rsp_decode(answer, &rsp) != STATUS_OK)
        die("CREATE: an answer that is none");
    return rsp.file_id;
}

void dial_forget(struct dial *d, struct smb_file_id id)
{
    struct smb_close_req req = {.file_id = id};
    struct writer w = dial_begin(d, SMB2_CLOSE, 0);
    smb_close_req_encode(&w, &req);
    struct smb_header h;
    (void)dial_call(d, &w, &h);
    must_be_ok(&h, "CLOSE");
}
