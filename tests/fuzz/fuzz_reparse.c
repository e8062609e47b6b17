/* A stranger's reparse point: what is accepted is accepted again, and a link's names lie in it. */
#include "proto/base/must.h"
#include "proto/smb/reparse.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy = fuzz_copy(data, size);
    struct slice bytes = slice_of(copy, size);
    struct reparse point, again;
    struct reparse_symlink link;
    if (reparse_decode(bytes, &point) == STATUS_OK) {
        must(reparse_decode(bytes, &again) == STATUS_OK);
        must(reparse_same(&point, &again) == STATUS_OK);
        must(point.tag == reparse_tag(bytes));
        must(reparse_head(bytes) + point.data.len == size);
        if (point.tag == IO_REPARSE_TAG_SYMLINK) {
            must(reparse_symlink_decode(&point, &link));
            must(link.substitute_name.len + 12 <= point.data.len);
        }
    }
    (void)reparse_decode_owner(bytes, &point);
    free(copy);
    return 0;
}
