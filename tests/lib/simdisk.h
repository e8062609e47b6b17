#pragma once
/* A disk of one node, in memory, for tests and the simulator. It carries out the store's disk
 * effects one at a time, in any order the caller likes, and can be crashed in between:
 *
 *   simdisk_start    takes an effect; nothing has happened yet; returns a number
 *   simdisk_finish   does it; from now on it is durable; gives the outcome for the DISK event
 *   simdisk_crash    every started and unfinished write is torn: each 512-byte sector of it, and
 *                    each block of a punch or reservation, is done or not, by the given chance
 *
 * With `lying` set, writes that were reported done are held back as well and are torn by a crash: a
 * disk that breaks its promise, to see that the oracles notice. Space is counted in blocks. */
#include "node/store/store.h"
#include "proto/base/prng.h"

struct simdisk {
    struct simdisk_file *files;
    struct simdisk_op *ops;
    uint64_t next_op;
    uint64_t capacity_blocks, used_blocks;              /* capacity 0: endless */
    uint32_t fail_read_per_mille, fail_write_per_mille; /* IO_ERROR, nothing done */
    bool lying;
    uint64_t writes, reads; /* finished */
};

void simdisk_init(struct simdisk *d);
void simdisk_fini(struct simdisk *d);
/* `disk` is copied; its memory must stay until finish or crash. Never 0. */
uint64_t simdisk_start(struct simdisk *d, const struct store_disk *disk);
enum store_result simdisk_finish(struct simdisk *d, uint64_t number, struct prng *rng,
                                 uint64_t *count);
/* Started operations are torn and forgotten; `done_per_mille` of their sectors made it. */
void simdisk_crash(struct simdisk *d, struct prng *rng, uint32_t done_per_mille);
/* What the platter holds now, for oracles: zeros where there is nothing. */
void simdisk_peek(const struct simdisk *d, const struct store_file *file, uint64_t offset,
                  uint64_t len, uint8_t *into);
/* Damages stored bytes, for tests of recovery. */
void simdisk_poke(struct simdisk *d, const struct store_file *file, uint64_t offset, uint64_t len,
                  const uint8_t *from);
/* The platter is empty again: a replaced disk. */
void simdisk_wipe(struct simdisk *d);
