/* The load of `make bench` on names: one client, one connection, a number of requests in flight.
 *
 *   smbmeta --address A --name N --share S --user U --password P [--seconds N] [--pids P,...]
 * STEP...
 *
 *   create:DEPTH   makes empty files for N seconds: CREATE and CLOSE
 *   open:DEPTH     opens them at random and closes them, for N seconds
 *   delete:DEPTH   opens each once to delete it on close; none is left
 *   fill:COUNT     makes COUNT files, 64 at a time
 *   adopt:COUNT    COUNT files of these names are there already
 *   list:TIMES     lists the folder: every entry must be there once
 *
 * All in one folder, which is made if it is not there. One line of JSON for each step: files, or
 * entries of the listing, a second. */
#include "proto/base/must.h"
#include "proto/base/prng.h"
#include "proto/smb/dtyp.h"
#include "proto/smb/fscc.h"
#include "proto/smb/info_client.h"
#include "tests/bench/bench.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH_MAX = 256, FILL_DEPTH = 64, FILES_MAX = 1 << 20, LIST_BYTES = 65536 };

enum kind { CREATE, OPEN, DELETE };

struct slot {
    bool busy, closing;
    uint64_t message_id, began_ns;
};

struct meta {
    struct dial dial;
    struct smb_file_id folder;
    const char *name; /* of the folder */
    struct prng prng;
    uint32_t files; /* file 0 to files - 1 exist, or are about to */
    enum kind kind;
    uint32_t depth;
    uint32_t left; /* how many may still be begun */
    uint64_t end_ns;
    struct slot slots[DEPTH_MAX];
    uint64_t done;
    uint32_t *latency_us; /* of CREATE and CLOSE together */
};

static struct writer create_request(struct meta *m, const char *name,
                                    const struct smb_create_req *like)
{
    uint8_t bytes[256];
    struct smb_create_req req = *like;
    req.impersonation = SMB2_IMPERSONATION_IMPERSONATION;
    req.share_access = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;
    req.name = dial_wide(name, bytes, sizeof(bytes));
    struct writer w = dial_begin(&m->dial, SMB2_CREATE, 0);
    smb_create_req_encode(&w, &req);
    return w;
}

/* The file of a slot's next round. */
static uint32_t next_file(struct meta *m)
{
    switch (m->kind) {
    case CREATE: return m->files++;
    case OPEN: return (uint32_t)prng_below(&m->prng, m->files);
    case DELETE: return --m->files;
    }
    must(!"a kind of step");
    return 0;
}

static bool issue(struct meta *m, struct slot *slot)
{
    static const struct smb_create_req likes[] = {
        [CREATE] = {.desired_access = GENERIC_READ | GENERIC_WRITE,
                    .disposition = FILE_CREATE,
                    .options = FILE_NON_DIRECTORY_FILE},
        [OPEN] = {.desired_access = GENERIC_READ,
                  .disposition = FILE_OPEN,
                  .options = FILE_NON_DIRECTORY_FILE},
        [DELETE] = {.desired_access = ACCESS_DELETE,
                    .disposition = FILE_OPEN,
                    .options = FILE_NON_DIRECTORY_FILE | FILE_DELETE_ON_CLOSE},
    };
    if (m->left == 0 || now_ns() >= m->end_ns)
        return false;
    m->left--;
    char name[64];
    (void)snprintf(name, sizeof(name), "%s\\file-%07u", m->name, next_file(m));
    struct writer w = create_request(m, name, &likes[m->kind]);
    slot->busy = true;
    slot->closing = false;
    slot->began_ns = now_ns();
    slot->message_id = dial_send(&m->dial, &w);
    return true;
}

static void close_it(struct meta *m, struct slot *slot, struct slice answer)
{
    struct smb_create_rsp rsp;
    if (smb_create_rsp_decode(answer, &rsp) != STATUS_OK)
        die("CREATE: an answer that is none");
    struct smb_close_req req = {.file_id = rsp.file_id};
    struct writer w = dial_begin(&m->dial, SMB2_CLOSE, 0);
    smb_close_req_encode(&w, &req);
    slot->closing = true;
    slot->message_id = dial_send(&m->dial, &w);
}

/* Takes one answer; true when a slot came free. */
static bool answered(struct meta *m)
{
    struct smb_header h;
    struct slice answer = dial_receive(&m->dial, &h);
    struct slot *slot = m->slots;
    while (slot < m->slots + m->depth && !(slot->busy && slot->message_id == h.message_id))
        slot++;
    if (slot == m->slots + m->depth)
        die("an answer to nothing");
    if (h.status != STATUS_OK)
        die("%s: status 0x%08x", slot->closing ? "CLOSE" : "CREATE", (unsigned)h.status);
    if (!slot->closing) {
        close_it(m, slot, answer);
        return false;
    }
    m->latency_us[m->done++] = (uint32_t)((now_ns() - slot->began_ns) / 1000);
    slot->busy = false;
    return true;
}

static void run_rounds(struct meta *m)
{
    uint32_t flying = 0;
    memset(m->slots, 0, sizeof(m->slots));
    m->done = 0;
    for (;;) {
        for (uint32_t i = 0; i < m->depth && m->dial.credits > m->depth; i++)
            if (!m->slots[i].busy)
                flying += issue(m, &m->slots[i]) ? 1 : 0;
        if (flying == 0)
            break;
        flying -= answered(m) ? 1 : 0;
    }
    if (m->done == 0)
        die("nothing was done: too few files or credits");
}

/* Entries of one answer: each says how far the next one is. */
static uint32_t entries_of(struct slice list)
{
    uint32_t count = 1;
    for (;; count++) {
        struct reader r = reader_of(list);
        uint32_t next = read_u32(&r);
        if (r.bad || next > list.len)
            die("a list that is none");
        if (next == 0)
            return count;
        list = slice_of(list.at + next, list.len - next);
    }
}

static void list_folder(struct meta *m)
{
    uint8_t star[2];
    struct smb_query_directory_req req = {.info_class = FILE_ID_BOTH_DIRECTORY_INFORMATION,
                                          .flags = SMB2_RESTART_SCANS,
                                          .file_id = m->folder,
                                          .output_length = LIST_BYTES,
                                          .pattern = dial_wide("*", star, sizeof(star))};
    uint32_t entries = 0;
    for (;;) {
        struct writer w = dial_begin(&m->dial, SMB2_QUERY_DIRECTORY, LIST_BYTES);
        smb_query_directory_req_encode(&w, &req);
        uint64_t began = now_ns();
        struct smb_header h;
        struct slice list, answer = dial_call(&m->dial, &w, &h);
        if (h.status == STATUS_NO_MORE_FILES)
            break;
        if (h.status != STATUS_OK || smb_output_decode(answer, &list) != STATUS_OK)
            die("QUERY_DIRECTORY: status 0x%08x", (unsigned)h.status);
        m->latency_us[m->done++ % FILES_MAX] = (uint32_t)((now_ns() - began) / 1000);
        entries += entries_of(list);
        req.flags = 0;
    }
    if (entries != m->files + 2) /* . and .. */
        die("the listing has %u entries, the folder %u", entries, m->files + 2);
}

static void make_folder(struct meta *m)
{
    struct smb_create_req like = {.desired_access = GENERIC_READ | ACCESS_DELETE,
                                  .disposition = FILE_OPEN_IF,
                                  .options = FILE_DIRECTORY_FILE};
    struct writer w = create_request(m, m->name, &like);
    struct smb_header h;
    struct smb_create_rsp rsp;
    struct slice answer = dial_call(&m->dial, &w, &h);
    if (h.status != STATUS_OK || smb_create_rsp_decode(answer, &rsp) != STATUS_OK)
        die("cannot make the folder %s: status 0x%08x", m->name, (unsigned)h.status);
    m->folder = rsp.file_id;
}

struct tally {
    double seconds, server, client;
    uint64_t done; /* files, or entries */
};

static void print_tally(const char *step, const struct meta *m, const struct tally *t)
{
    size_t samples = m->done < FILES_MAX ? m->done : FILES_MAX;
    bench_sort(m->latency_us, samples);
    (void)printf("{\"step\":\"%s\",\"seconds\":%.3f,\"done\":%llu,\"per_s\":%.1f,\"p50_us\":%u,"
                 "\"p99_us\":%u,\"server_cpu_s\":%.2f,\"client_cpu_s\":%.2f,"
                 "\"server_cpu_us_each\":%.1f}\n",
                 step, t->seconds, (unsigned long long)t->done, (double)t->done / t->seconds,
                 m->latency_us[samples / 2], m->latency_us[samples * 99 / 100], t->server,
                 t->client, t->server * 1e6 / (double)t->done);
    (void)fflush(stdout);
}

static uint64_t run_step(struct meta *m, const char *word, uint32_t n, double seconds)
{
    bool bounded = strcmp(word, "fill") == 0 || strcmp(word, "delete") == 0;
    if (strcmp(word, "adopt") == 0) {
        m->done = 0;
        return m->files = n;
    }
    if (strcmp(word, "list") == 0) {
        m->done = 0;
        for (uint32_t i = 0; i < n; i++)
            list_folder(m);
        return (uint64_t)n * m->files;
    }
    if (strcmp(word, "create") == 0 || strcmp(word, "fill") == 0)
        m->kind = CREATE;
    else if (strcmp(word, "open") == 0)
        m->kind = OPEN;
    else if (strcmp(word, "delete") == 0)
        m->kind = DELETE;
    else
        die("%s is no step", word);
    uint32_t room = m->kind == CREATE ? FILES_MAX - m->files : FILES_MAX;
    m->left = strcmp(word, "fill") == 0 ? n : m->kind == DELETE ? m->files : room;
    m->depth = strcmp(word, "fill") == 0 ? FILL_DEPTH : n;
    m->end_ns = bounded ? UINT64_MAX : now_ns() + (uint64_t)(seconds * 1e9);
    if (m->depth > DEPTH_MAX || m->left > room || (m->kind != CREATE && m->files == 0))
        die("%s: depth 1 to %d, at most %d files, and some before others", word, DEPTH_MAX,
            FILES_MAX);
    run_rounds(m);
    return m->done;
}

int main(int argc, char **argv)
{
    static struct meta m;
    int first;
    struct bench_options o = bench_options_of(argc, argv, &first);
    m.name = o.file;
    m.latency_us = calloc(FILES_MAX, sizeof(m.latency_us[0]));
    if (m.latency_us == NULL)
        die("no memory");
    prng_init(&m.prng, 1);
    dial_open(&m.dial, &o.to);
    make_folder(&m);
    for (int i = first; i < argc; i++) {
        char word[16];
        unsigned n;
        if (sscanf(argv[i], "%15[a-z]:%u", word, &n) != 2 || n == 0)
            die("%s is no step", argv[i]);
        struct tally t = {.server = server_cpu(o.pids), .client = client_cpu()};
        uint64_t began = now_ns();
        t.done = run_step(&m, word, n, o.seconds);
        t.seconds = (double)(now_ns() - began) / 1e9;
        t.server = server_cpu(o.pids) - t.server;
        t.client = client_cpu() - t.client;
        print_tally(argv[i], &m, &t);
    }
    dial_forget(&m.dial, m.folder);
    dial_close(&m.dial);
    free(m.latency_us);
    return 0;
}
