#pragma once
/* must() states what only a bug could make false. It stays on in release builds: a server that
 * stops is repaired by its neighbours, one that goes on with a broken belief loses data. Never use
 * it on bytes from outside. One fact a line. */
#define must(cond) ((cond) ? (void)0 : must_failed(#cond, __FILE__, __LINE__, __func__))

/* Prints the place and the condition to stderr and aborts. */
_Noreturn void must_failed(const char *cond, const char *file, int line, const char *func);

/* Elements of a true array (not of a pointer). */
#define array_len(a) (sizeof(a) / sizeof((a)[0]))

/* The object that holds `member` at `ptr`. */
#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))
