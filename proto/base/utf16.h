#pragma once
/* UTF-16LE names as they travel in SMB. Unpaired surrogates are legal in names and survive a round
 * trip (as WTF-8 in UTF-8 text). Case folding uses one frozen table (Unicode 15 simple uppercase
 * mappings of the BMP but for U+00B5, U+0131 and U+017F, which NTFS leaves alone): it must never
 * change, or two coordinators would disagree about which names are equal. */
#include "proto/base/arena.h"

/* Uppercase of one UTF-16 unit by the frozen table. */
uint16_t utf16_upcase(uint16_t unit);
/* Compares two UTF-16LE names without regard to case: <0, 0, >0 by upcased units, then length. Odd
 * trailing bytes are a bug: decoders refuse them. */
int utf16_compare_fold(struct slice a, struct slice b);
/* Hash consistent with utf16_compare_fold. */
uint64_t utf16_hash_fold(struct slice name, uint64_t seed);
/* The whole name upcased, in the arena; {0} when refused. */
struct slice utf16_upcased(struct slice name, struct arena *a);
/* Bytes needed, without terminator, for the UTF-8 (WTF-8) form. */
size_t utf16_utf8_len(struct slice name);
/* NUL-terminated UTF-8 in the arena; NULL when refused. */
char *utf16_to_utf8(struct slice name, struct arena *a);
/* UTF-16LE of a UTF-8 string, in the arena. False on ill-formed input or when refused. */
bool utf16_from_utf8(struct slice text, struct arena *a, struct slice *out);
/* [MS-FSA] 2.1.4.4: expression match with * ? and the DOS_STAR, DOS_QM, DOS_DOT wildcards (< > "),
 * without regard to case. Linear space, no recursion: an adversary cannot make it slow. */
bool utf16_match(struct slice pattern, struct slice name);
/* True when the pattern contains any wildcard. */
bool utf16_has_wildcard(struct slice pattern);
