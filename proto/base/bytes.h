#pragma once
/* Reading bytes a stranger sent, and writing bytes for one.
 *
 * A reader never leaves its slice: the first read that would marks it bad, and from then on every
 * read gives zero and moves nothing. So a decoder reads its fields straight down the page and asks
 * once, at the end, whether all was well. A writer likewise: the first write that does not fit
 * marks it full, and from then on nothing is written. Integers are little-endian unless the name
 * ends in _be. This is the only place where an offset is added to a pointer into a message. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Borrowed bytes: dies with whatever owns them. {0} is the empty slice. */
struct slice {
    const uint8_t *at;
    size_t len;
};

/* A slice over `len` bytes at `at`; `at` may be NULL when len is 0. */
struct slice slice_of(const void *at, size_t len);
/* The bytes of a C string without its terminator. */
struct slice slice_str(const char *text);
/* Equal length and equal bytes. Not constant-time. */
bool slice_equal(struct slice a, struct slice b);
/* Constant-time in the contents (for MACs and secrets); false at once when lengths differ. */
bool slice_equal_secret(struct slice a, struct slice b);
/* [off, off+len) of s; an out-of-range request is a bug. */
struct slice slice_sub(struct slice s, size_t off, size_t len);

struct reader {
    struct slice all; /* what offsets in the message are relative to */
    size_t pos;
    bool bad;
};

struct reader reader_of(struct slice all);
uint8_t read_u8(struct reader *r);
uint16_t read_u16(struct reader *r);
uint32_t read_u32(struct reader *r);
uint64_t read_u64(struct reader *r);
uint16_t read_u16_be(struct reader *r);
uint32_t read_u32_be(struct reader *r);
void read_skip(struct reader *r, size_t len);
/* Skips to the next multiple of `align` (a power of two) counted from the start of the message. */
void read_align(struct reader *r, size_t align);
/* Copies `len` bytes to `to`; zeroes it when they are not there. */
void read_copy(struct reader *r, void *to, size_t len);
/* The next `len` bytes, borrowed. */
struct slice read_slice(struct reader *r, size_t len);
/* What is left, borrowed; the reader stands at the end afterwards. */
struct slice read_rest(struct reader *r);
/* Bytes not yet read; 0 once bad. */
size_t read_left(const struct reader *r);
/* The bytes [off, off+len) of the whole message, wherever the reader stands. */
struct slice read_at(struct reader *r, size_t off, size_t len);

struct writer {
    uint8_t *at;
    size_t cap, pos;
    bool full;
};

/* Writes into `cap` bytes at `at`, owned by the caller. */
struct writer writer_of(void *at, size_t cap);
void write_u8(struct writer *w, uint8_t v);
void write_u16(struct writer *w, uint16_t v);
void write_u32(struct writer *w, uint32_t v);
void write_u64(struct writer *w, uint64_t v);
void write_u16_be(struct writer *w, uint16_t v);
void write_u32_be(struct writer *w, uint32_t v);
void write_bytes(struct writer *w, struct slice s);
void write_zeros(struct writer *w, size_t len);
/* Zero bytes up to the next multiple of `align` (a power of two) counted from the start. */
void write_align(struct writer *w, size_t align);
/* Reserves `len` bytes and returns where they are, or NULL when full. Contents are undefined. */
uint8_t *write_space(struct writer *w, size_t len);
/* Overwrites an earlier field at `pos`; it must lie wholly in what is written, unless full. */
void patch_u16(struct writer *w, size_t pos, uint16_t v);
void patch_u32(struct writer *w, size_t pos, uint32_t v);
void patch_u64(struct writer *w, size_t pos, uint64_t v);
/* What was written so far, borrowed from the writer's memory; empty when full. */
struct slice written(const struct writer *w);
