#pragma once
/* Names as clients send them ([MS-FSCC] 2.1.5, [MS-SMB2] 2.2.13): UTF-16LE, backslash between
 * components, relative to the share. */
#include "proto/base/bytes.h"
#include "proto/smb/status.h"

#define NAME_COMPONENT_MAX 255u /* UTF-16 units of one component or stream name */
#define NAME_PATH_MAX 32760u    /* UTF-16 units of a whole path */
#define NAME_DEPTH_MAX 256u     /* components of a path */

struct name_path {
    struct slice path;   /* without leading or trailing separator, without the stream; borrowed */
    struct slice stream; /* "name" of path:name:$DATA; empty for the unnamed stream; borrowed */
    bool has_stream;     /* a stream suffix was there, perhaps "::$DATA" */
    bool index;          /* it was "$I30:$INDEX_ALLOCATION" or "::$INDEX_ALLOCATION": a directory */
    bool trailing;       /* ended in a separator: only a directory will do */
};

/* Checks a path of CREATE or of a rename's target. "" is the share's root.
 * STATUS_INVALID_PARAMETER for an odd length and for a leading separator ([MS-SMB2] 3.3.5.9);
 * STATUS_OBJECT_NAME_INVALID for an empty or too long component, for "." and "..", wildcards,
 * control characters and the like, STATUS_OBJECT_PATH_SYNTAX_BAD for one that begins with ".." and
 * so leaves the share; STATUS_NAME_TOO_LONG for too long or too deep a path. */
ntstatus name_parse(struct slice wire, struct name_path *out);
/* The pattern of QUERY_DIRECTORY: one component that may hold wildcards. */
ntstatus name_check_pattern(struct slice pattern);
/* The next component of a path: takes it off `path`. False when `path` is empty. */
bool name_next(struct slice *path, struct slice *component);
/* The last component; "" of "". */
struct slice name_last(struct slice path);

#define NAME_SHORT_MAX 12u /* UTF-16 units of an 8.3 name */

/* Is it an 8.3 name as it stands ([MS-FSCC] 2.1.5.2.1)? */
bool name_is_short(struct slice name);
/* The 8.3 name of a file called `name`, into `out`; it depends on the name alone, so every node and
 * the coordinator make the same. Two files of one directory can have the same, though rarely: a
 * lookup by it takes the first. Empty when `name` is an 8.3 name itself, or "." or "..". */
struct slice name_short(struct slice name, uint8_t out[2 * NAME_SHORT_MAX]);
