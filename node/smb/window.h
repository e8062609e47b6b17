#pragma once
/* The message ids a client may use and the credits it holds, [MS-SMB2] 3.3.1.1 and 3.3.1.2. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* <209>: what Windows grants at most. The ids between the oldest unused one and the newest granted
 * one may span twice as much. */
#define SMB_CREDITS_MAX 8192u
#define SMB_WINDOW_MAX (2u * SMB_CREDITS_MAX)

struct smb_window {
    uint64_t low, high;                 /* ids in [low, high) whose bit is clear may be used */
    uint32_t credits;                   /* how many those are */
    uint64_t used[SMB_WINDOW_MAX / 64]; /* ring, by id modulo SMB_WINDOW_MAX */
};

/* The set {0}. */
void window_init(struct smb_window *w);
/* Uses `charge` (0 counts as 1) consecutive ids; false when one of them may not be used: the
 * connection must go (3.3.5.2.3), the window is unchanged. */
bool window_take(struct smb_window *w, uint64_t id, uint32_t charge);
/* Grants at most `wanted` credits, so that the client holds at most `limit` (1..SMB_CREDITS_MAX);
 * never leaves it without any unless the ids themselves have run out. */
uint16_t window_grant(struct smb_window *w, uint32_t wanted, uint32_t limit);
/* Every invariant; fails by must(). */
void window_check(const struct smb_window *w);
