/* Owned bytes, names of the administrator's, and other small things. */
#include "coordinator/meta/meta_int.h"

const char meta_no_memory[] = "memory is exhausted";

bool blob_copy(struct mem *mem, struct slice s, struct blob *out)
{
    *out = (struct blob){0};
    if (s.len == 0)
        return true;
    out->at = mem_alloc(mem, s.len);
    if (out->at == NULL)
        return false;
    memcpy(out->at, s.at, s.len);
    out->len = s.len;
    return true;
}

void blob_free(struct mem *mem, struct blob *b)
{
    mem_free(mem, b->at, b->len);
    *b = (struct blob){0};
}

struct slice blob_slice(const struct blob *b) { return slice_of(b->at, b->len); }

char *blob_text(const struct blob *b, struct arena *a)
{
    char *text = arena_alloc(a, b->len + 1); /* zeroed: the terminator is there */
    if (text != NULL && b->len > 0)
        memcpy(text, b->at, b->len);
    return text;
}

/* Characters no name may have: [MS-FSCC] 2.1.5.2 and [MS-SRVS] 2.2.4.23 agree. */
static bool forbidden(uint16_t unit)
{
    static const char set[] = "\\/:*?\"<>|";
    if (unit < 0x20 || unit == 0x7f)
        return true;
    for (size_t i = 0; i + 1 < sizeof(set); i++)
        if (unit == (uint8_t)set[i])
            return true;
    return false;
}

const char *label_make(struct work *w, const char *text, struct label *out)
{
    *out = (struct label){0};
    if (text_len(text) == 0)
        return "a name is missing";
    struct slice utf8 = slice_of(text, text_len(text)), utf16;
    if (utf8.len > META_LABEL_MAX * 3)
        return "the name is too long";
    if (!utf16_from_utf8(utf8, w->a, &utf16))
        return w->a->failed ? meta_no_memory : "the name is not UTF-8";
    if (utf16.len > META_LABEL_MAX * 2)
        return "the name is too long";
    struct reader r = reader_of(utf16);
    uint16_t last = 0;
    while (read_left(&r) >= 2) {
        last = read_u16(&r);
        if (forbidden(last))
            return "the name has a character that names cannot have";
    }
    if (last == '.' || last == ' ')
        return "a name cannot end in a dot or a space";
    if (!blob_copy(w->m->mem, utf8, &out->utf8) || !blob_copy(w->m->mem, utf16, &out->utf16)) {
        label_free(w->m->mem, out);
        return meta_no_memory;
    }
    return NULL;
}

void label_free(struct mem *mem, struct label *l)
{
    blob_free(mem, &l->utf8);
    blob_free(mem, &l->utf16);
}

bool label_is(const struct label *l, const struct label *other)
{
    return utf16_compare_fold(blob_slice(&l->utf16), blob_slice(&other->utf16)) == 0;
}

size_t text_len(const char *text) { return text == NULL ? 0 : strlen(text); }

int compare_u64(uint64_t a, uint64_t b) { return a < b ? -1 : a > b; }

uint64_t slot_bit(const struct node *n) { return UINT64_C(1) << n->slot; }

uint64_t round_allocation(uint64_t size)
{
    must(size <= META_SIZE_MAX);
    return (size + META_CLUSTER_BYTES - 1) / META_CLUSTER_BYTES * META_CLUSTER_BYTES;
}
