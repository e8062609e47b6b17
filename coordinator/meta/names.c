/* Directories: a tree of names in each, ordered without regard to case, and the walk along a path.
 */
#include "coordinator/meta/meta_int.h"

struct slice inode_name(const struct inode *i) { return slice_of(i->name, i->name_len); }

bool is_directory(const struct inode *i) { return (i->attributes & FILE_ATTRIBUTE_DIRECTORY) != 0; }

bool is_below(const struct inode *i, const struct inode *ancestor)
{
    while (i != NULL && i != ancestor)
        i = i->parent;
    return i == ancestor;
}

void count_opens_above(struct inode *i, int64_t by)
{
    for (struct inode *up = i->parent; up != NULL; up = up->parent) {
        int64_t count = (int64_t)up->opens_below + by;
        must(count >= 0 && count <= UINT32_MAX);
        up->opens_below = (uint32_t)count;
    }
}

struct inode *file_of(const struct inode *i)
{
    /* Callers that only look have const inodes; what they get is as const to them. */
    return i->stream ? i->parent : (struct inode *)(uintptr_t)i;
}

ntstatus walk(struct inode *root, struct slice path, struct place *out)
{
    struct name_path parsed;
    ntstatus status = name_parse(path, &parsed);
    if (status != STATUS_OK)
        return status;
    struct place place = {.inode = root, .stream = parsed.stream};
    place.directory = parsed.trailing || parsed.index;
    place.data = parsed.has_stream && !parsed.index;
    struct slice rest = parsed.path;
    while (name_next(&rest, &place.name)) {
        if (place.inode == NULL || !is_directory(place.inode))
            return STATUS_OBJECT_PATH_NOT_FOUND;
        if (place.inode->delete_pending)
            return STATUS_DELETE_PENDING;
        if (place.inode->reparse.len > 0) {
            *out = place;
            return STATUS_STOPPED_ON_SYMLINK;
        }
        place.parsed = parsed.path.len - (rest.len > 0 ? rest.len + 2 : 0);
        place.parent = place.inode;
        place.inode = child_get(place.parent, place.name);
    }
    *out = place;
    return STATUS_OK;
}
