/* The load of `make bench`: one client, one connection, one file, a number of requests in flight.
 *
 *   smbload --address A --name N --share S --user U --password P [--file NAME] [--size MIB]
 * [--seconds N]
 *           [--pids PID,PID...] STEP...
 *   STEP: write-seq | write-rand | read-seq | read-rand, with :BLOCK_KIB:DEPTH
 *         cold   empties this machine's page cache before the next step
 *
 * A sequential step passes over the file once; a random one takes N seconds. The first step must be
 * write-seq. Every 8 KiB carry where they belong and how often they were written: each read is
 * checked against that, and one in 16 byte by byte. One line of JSON for each step. Processor time
 * of servers is that of the processes --pids and of their descendants. */
#include "proto/base/must.h"
#include "proto/base/prng.h"
#include "proto/smb/data_client.h"
#include "tests/bench/bench.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { GRANULE = 8192, DEPTH_MAX = 256, BLOCK_MAX = 1 << 20, SAMPLES_MAX = 4 << 20 };

struct slot {
    bool busy;
    uint64_t message_id, offset, sent_ns;
};

struct step {
    const char *name;
    bool write, random;
    uint32_t block, depth;
};

struct load {
    struct dial dial;
    struct smb_file_id file;
    struct prng prng;
    uint64_t size;
    uint32_t *generation; /* of each granule: how often it was written, 0 never */
    bool *in_flight;      /* of each granule: a write is on its way */
    uint8_t *noise;       /* BLOCK_MAX bytes that do not compress */
    uint8_t *block;       /* BLOCK_MAX bytes: what is written, or expected */
    struct step step;
    struct slot slots[DEPTH_MAX];
    uint64_t next; /* offset of the next sequential request */
    uint64_t done; /* requests answered in this step */
    uint32_t *latency_us;
};

/* ---- what is in the file -------------------------------------------------------------------- */

/* The bytes of [offset, offset+len) as of the present generations. */
static void fill(struct load *l, uint64_t offset, uint32_t len)
{
    for (uint32_t at = 0; at < len; at += GRANULE) {
        uint64_t stamp[2] = {offset + at, l->generation[(offset + at) / GRANULE]};
        memcpy(l->block + at, l->noise + (offset + at) % BLOCK_MAX, GRANULE);
        memcpy(l->block + at, stamp, sizeof(stamp));
    }
}

static void check(struct load *l, uint64_t offset, struct slice data)
{
    if (data.len != l->step.block)
        die("a short read of %zu bytes at %llu", data.len, (unsigned long long)offset);
    bool whole = l->done % 16 == 0;
    if (whole)
        fill(l, offset, l->step.block);
    for (uint32_t at = 0; at < data.len; at += GRANULE) {
        uint64_t stamp[2] = {offset + at, l->generation[(offset + at) / GRANULE]};
        const void *wanted = whole ? (const void *)(l->block + at) : stamp;
        if (memcmp(data.at + at, wanted, whole ? GRANULE : sizeof(stamp)) != 0)
            die("wrong bytes at %llu", (unsigned long long)(offset + at));
    }
}

static void mark(struct load *l, uint64_t offset, bool flying)
{
    for (uint32_t at = 0; at < l->step.block; at += GRANULE) {
        uint64_t granule = (offset + at) / GRANULE;
        l->in_flight[granule] = flying;
        l->generation[granule] += flying ? 1 : 0;
    }
}

/* ---- requests ------------------------------------------------------------------------------- */

/* False when a sequential pass is over. No two requests in flight touch the same bytes. */
static bool next_offset(struct load *l, uint64_t *offset)
{
    const struct step *s = &l->step;
    if (!s->random) {
        *offset = l->next;
        l->next += s->block;
        return *offset + s->block <= l->size;
    }
    do
        *offset = prng_below(&l->prng, l->size / s->block) * s->block;
    while (s->write && l->in_flight[*offset / GRANULE]);
    return true;
}

static bool issue(struct load *l, struct slot *slot)
{
    if (!next_offset(l, &slot->offset))
        return false;
    struct writer w;
    if (l->step.write) {
        mark(l, slot->offset, true);
        fill(l, slot->offset, l->step.block);
        struct smb_write_req req = {.offset = slot->offset,
                                    .file_id = l->file,
                                    .length = l->step.block,
                                    .data = {l->block, l->step.block}};
        w = dial_begin(&l->dial, SMB2_WRITE, l->step.block);
        smb_write_req_encode(&w, &req);
    } else {
        struct smb_read_req req = {
            .offset = slot->offset, .file_id = l->file, .length = l->step.block};
        w = dial_begin(&l->dial, SMB2_READ, l->step.block);
        smb_read_req_encode(&w, &req);
    }
    slot->busy = true;
    slot->sent_ns = now_ns();
    slot->message_id = dial_send(&l->dial, &w);
    return true;
}

static struct slot *answered(struct load *l)
{
    struct smb_header h;
    struct slice msg = dial_receive(&l->dial, &h);
    struct slot *slot = l->slots;
    while (slot < l->slots + l->step.depth && !(slot->busy && slot->message_id == h.message_id))
        slot++;
    if (slot == l->slots + l->step.depth)
        die("an answer to nothing");
    if (h.status != STATUS_OK)
        die("%s at %llu: status 0x%08x", l->step.name, (unsigned long long)slot->offset,
            (unsigned)h.status);
    struct smb_write_rsp wrote;
    struct smb_read_answer got;
    if (l->step.write) {
        if (smb_write_rsp_decode(msg, &wrote) != STATUS_OK || wrote.count != l->step.block)
            die("a short write");
        mark(l, slot->offset, false);
    } else {
        if (smb_read_answer_decode(msg, &got) != STATUS_OK)
            die("READ: an answer that is none");
        check(l, slot->offset, got.data);
    }
    if (l->done < SAMPLES_MAX)
        l->latency_us[l->done] = (uint32_t)((now_ns() - slot->sent_ns) / 1000);
    l->done++;
    slot->busy = false;
    return slot;
}

/* Keeps `depth` requests in flight until the pass is over or the time is up. */
static void run_requests(struct load *l, double seconds)
{
    uint64_t end = now_ns() + (uint64_t)(seconds * 1e9);
    uint32_t flying = 0, charge = dial_charge(l->step.block);
    bool more = true;
    l->next = l->done = 0;
    memset(l->slots, 0, sizeof(l->slots));
    for (;;) {
        for (uint32_t i = 0; i < l->step.depth && more && l->dial.credits >= charge; i++) {
            if (l->slots[i].busy)
                continue;
            more = (!l->step.random || now_ns() < end) && issue(l, &l->slots[i]);
            flying += more ? 1 : 0;
        }
        if (flying == 0)
            break;
        (void)answered(l);
        flying--;
    }
    if (more)
        die("the server grants too few credits for %u KiB", l->step.block / 1024);
}

/* ---- steps ---------------------------------------------------------------------------------- */

static void run_step(struct load *l, const struct bench_options *o)
{
    double server = server_cpu(o->pids), client = client_cpu();
    uint64_t began = now_ns();
    run_requests(l, o->seconds);
    double seconds = (double)(now_ns() - began) / 1e9;
    server = server_cpu(o->pids) - server;
    client = client_cpu() - client;
    if (l->done == 0)
        die("nothing was done");
    double bytes = (double)l->done * l->step.block, gib = bytes / (double)(1 << 30);
    size_t samples = l->done < SAMPLES_MAX ? l->done : SAMPLES_MAX;
    bench_sort(l->latency_us, samples);
    (void)printf("{\"step\":\"%s\",\"seconds\":%.3f,\"mb_s\":%.2f,\"iops\":%.1f,\"p50_us\":%u,"
                 "\"p99_us\":%u,\"server_cpu_s\":%.2f,\"client_cpu_s\":%.2f,"
                 "\"server_cpu_s_per_gib\":%.3f}\n",
                 l->step.name, seconds, bytes / 1e6 / seconds, (double)l->done / seconds,
                 l->latency_us[samples / 2], l->latency_us[samples * 99 / 100], server, client,
                 server / gib);
    (void)fflush(stdout);
}

static void drop_caches(void)
{
    sync();
    int fd = open("/proc/sys/vm/drop_caches", O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, "3", 1) != 1)
        die("cannot empty the page cache: %s", strerror(errno));
    (void)close(fd);
}

static struct step step_of(const char *text, const struct dial *d)
{
    static char name[32];
    unsigned kib, depth;
    struct step s = {.name = name};
    if (sscanf(text, "%31[a-z-]:%u:%u", name, &kib, &depth) != 3)
        die("%s is no step", text);
    s.write = strncmp(name, "write-", 6) == 0;
    s.random = strstr(name, "-rand") != NULL;
    s.block = kib * 1024;
    s.depth = depth;
    if (kib == 0 || s.block % GRANULE != 0 || s.block > BLOCK_MAX || depth == 0 ||
        depth > DEPTH_MAX)
        die("%s: blocks of 8 KiB to 1 MiB, depth 1 to %d", text, DEPTH_MAX);
    if (s.block > (s.write ? d->max_write : d->max_read))
        die("%s: the server takes less at a time", text);
    return s;
}

static void load_init(struct load *l, const struct bench_options *o)
{
    l->size = o->size;
    l->generation = calloc(o->size / GRANULE, sizeof(l->generation[0]));
    l->in_flight = calloc(o->size / GRANULE, sizeof(l->in_flight[0]));
    l->noise = malloc(BLOCK_MAX);
    l->block = malloc(BLOCK_MAX);
    l->latency_us = calloc(SAMPLES_MAX, sizeof(l->latency_us[0]));
    if (l->generation == NULL || l->in_flight == NULL || l->noise == NULL || l->block == NULL ||
        l->latency_us == NULL)
        die("no memory");
    prng_init(&l->prng, 1);
    for (size_t i = 0; i < BLOCK_MAX; i += sizeof(uint64_t)) {
        uint64_t word = prng_u64(&l->prng);
        memcpy(l->noise + i, &word, sizeof(word));
    }
}

static void load_fini(struct load *l)
{
    free(l->generation);
    free(l->in_flight);
    free(l->noise);
    free(l->block);
    free(l->latency_us);
}

int main(int argc, char **argv)
{
    static struct load l;
    int first;
    struct bench_options o = bench_options_of(argc, argv, &first);
    load_init(&l, &o);
    dial_open(&l.dial, &o.to);
    l.file = dial_create(&l.dial, o.file);
    for (int i = first; i < argc; i++) {
        if (strcmp(argv[i], "cold") == 0) {
            drop_caches();
            continue;
        }
        l.step = step_of(argv[i], &l.dial);
        run_step(&l, &o);
    }
    dial_forget(&l.dial, l.file);
    dial_close(&l.dial);
    load_fini(&l);
    return 0;
}
