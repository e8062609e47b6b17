#include "proto/rpc/record.h"
#include "proto/base/must.h"

static void add(struct record *r, enum record_kind kind, uint32_t number, struct slice bytes)
{
    must(r->count < RECORD_FIELDS_MAX);
    r->fields[r->count].kind = kind;
    r->fields[r->count].number = number;
    r->fields[r->count].bytes = bytes;
    r->count++;
}

void record_number(struct record *r, uint32_t number)
{
    add(r, RECORD_NUMBER, number, (struct slice){0});
}

void record_text(struct record *r, struct slice text) { add(r, RECORD_TEXT, 0, text); }

void record_bytes(struct record *r, struct slice bytes) { add(r, RECORD_BYTES, 0, bytes); }

void record_null(struct record *r) { add(r, RECORD_NULL, 0, (struct slice){0}); }

size_t record_size(const struct record *r)
{
    size_t size = 0;
    for (uint32_t i = 0; i < r->count; i++) {
        size_t len = r->fields[i].bytes.len;
        switch (r->fields[i].kind) {
        case RECORD_NUMBER:
        case RECORD_NULL: size += 4; break;
        case RECORD_TEXT: size += 4 + 2 * (len + 1); break; /* UTF-16 is never longer than this */
        case RECORD_BYTES: size += 8 + len; break;
        }
    }
    return size;
}

void record_write_fixed(const struct record *r, struct writer *w)
{
    for (uint32_t i = 0; i < r->count; i++) {
        struct slice bytes = r->fields[i].bytes;
        switch (r->fields[i].kind) {
        case RECORD_NUMBER: ndr_write_u32(w, r->fields[i].number); break;
        case RECORD_NULL: ndr_write_pointer(w, false); break;
        case RECORD_TEXT: ndr_write_pointer(w, true); break;
        case RECORD_BYTES:
            ndr_write_u32(w, (uint32_t)bytes.len);
            ndr_write_pointer(w, bytes.len > 0);
            break;
        }
    }
}

bool record_write_pointees(const struct record *r, struct writer *w, struct arena *scratch)
{
    for (uint32_t i = 0; i < r->count; i++) {
        struct slice bytes = r->fields[i].bytes;
        bool text = r->fields[i].kind == RECORD_TEXT;
        if (text && !ndr_write_string(w, bytes, scratch) &&
            (scratch->failed || !ndr_write_string(w, (struct slice){0}, scratch)))
            return false;
        if (r->fields[i].kind == RECORD_BYTES && bytes.len > 0) {
            ndr_write_u32(w, (uint32_t)bytes.len);
            write_bytes(w, bytes);
        }
    }
    return true;
}

bool record_write(const struct record *r, struct writer *w, struct arena *scratch)
{
    record_write_fixed(r, w);
    return record_write_pointees(r, w, scratch);
}
