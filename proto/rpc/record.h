#pragma once
/* An information structure of the management interfaces ([MS-SRVS] 2.2.4, [MS-WKST] 2.2.5): numbers
 * and unique pointers to text or bytes. In an array all structures come first and what they point
 * to follows ([C706] 14.3.12.3), so a row is filled in once and written in two parts. */
#include "proto/rpc/ndr.h"

#define RECORD_FIELDS_MAX 20u

enum record_kind {
    RECORD_NUMBER,
    RECORD_TEXT,  /* UTF-8 here, a [string] on the wire */
    RECORD_BYTES, /* their count, then a pointer to them */
    RECORD_NULL,  /* a pointer to nothing */
};

struct record {
    struct {
        enum record_kind kind;
        uint32_t number;
        struct slice bytes;
    } fields[RECORD_FIELDS_MAX];
    uint32_t count;
};

/* Each appends a field; what slices borrow must live until the record is written. */
void record_number(struct record *r, uint32_t number);
/* Text that is not UTF-8 is written as an empty string. */
void record_text(struct record *r, struct slice text);
void record_bytes(struct record *r, struct slice bytes);
void record_null(struct record *r);

/* What the record takes in a client's memory, which PreferedMaximumLength speaks of. */
size_t record_size(const struct record *r);
void record_write_fixed(const struct record *r, struct writer *w);
/* False when the arena is exhausted. */
bool record_write_pointees(const struct record *r, struct writer *w, struct arena *scratch);
/* Both parts. */
bool record_write(const struct record *r, struct writer *w, struct arena *scratch);
