#pragma once
/* Extended attributes ([MS-FSCC] 2.4.16): named values of a file, beside its data.
 *
 *   wire list ──ea_decode──► set ──ea_merge──► set ──ea_write──► wire list
 *
 * A set is the list without its offsets and padding: u8 flags | u8 length of the name | u16 length
 * of the value | name, NUL | value, one behind the other. Its length is what [MS-FSA] calls
 * ExtendedAttributesLength. A set of changes has the same form; an empty value there removes.
 * Names are ASCII, kept as given and compared without regard to case. */
#include "proto/base/bytes.h"
#include "proto/smb/status.h"

#define EA_SET_MAX (65536u - 5u) /* [MS-FSA] 2.1.5.15.6 */
#define EA_NAME_MAX 254u         /* [MS-FSCC] 2.4.16: less than 255 */
#define EA_COUNT_MAX 512u        /* of one file: bounds what looking for names costs */
#define FILE_NEED_EA 0x80u

struct ea {
    uint8_t flags;
    struct slice name, value; /* borrowed */
};

/* Takes the next attribute off a set; false when there is none, or when the bytes are no set. */
bool ea_next(struct slice *set, struct ea *out);
/* Are these bytes a set of attributes with valid names and flags? The empty one is. */
bool ea_is_set(struct slice bytes);
/* The attribute of that name; false when there is none. */
bool ea_get(struct slice set, struct slice name, struct ea *out);
/* STATUS_OK, or STATUS_INVALID_EA_NAME for a name or flags that cannot be. */
ntstatus ea_check(const struct ea *e);

/* A stranger's list of FILE_FULL_EA_INFORMATION as a set of changes; `set` needs no more room than
 * the list is long. STATUS_EA_LIST_INCONSISTENT when it is none, STATUS_INVALID_EA_NAME,
 * STATUS_EA_TOO_LARGE when `set` is too small. */
ntstatus ea_decode(struct slice list, struct writer *set);
/* `set` with `changes` made, in the order in which names first came. STATUS_EA_TOO_LARGE when it
 * would have more than EA_SET_MAX bytes or EA_COUNT_MAX entries; STATUS_INVALID_EA_NAME when
 * `changes` is no set. `out` needs no more room than both together. */
ntstatus ea_merge(struct slice set, struct slice changes, struct writer *out);

/* The next name of a stranger's list of FILE_GET_EA_INFORMATION, taken off `list`.
 * STATUS_EA_LIST_INCONSISTENT when it is none. */
ntstatus ea_next_name(struct slice *list, struct slice *name);

#define EA_NO_ENTRY SIZE_MAX
/* Appends a FILE_FULL_EA_INFORMATION; `*last` is where the one before begins, EA_NO_ENTRY for none.
 * False, and nothing written, when it does not fit. */
bool ea_write(struct writer *w, size_t *last, const struct ea *e);
