#pragma once
/* One io_uring ring and the operations on it. The only file that knows liburing.
 *
 * An operation is a `struct io_op` inside its owner: the ring knows it by its address, so the owner
 * lives until `done` was called. Buffers of an operation likewise. */
#include <liburing.h>
#include <stdbool.h>
#include <stdint.h>

struct io_op {
    void (*done)(struct io_op *op, int result); /* result as the system call's, or -errno */
    bool busy;
};

struct reactor {
    struct io_uring ring;
    uint32_t busy; /* operations in the ring */
};

/* 0, or -errno with a sentence in `error` (256 bytes): containers often forbid io_uring. */
int reactor_init(struct reactor *r, char *error);
void reactor_fini(struct reactor *r);
/* An entry for `op`, to be filled by an io_uring_prep_ function. Never NULL. `op` is not busy. */
struct io_uring_sqe *reactor_entry(struct reactor *r, struct io_op *op);
/* Asks that a busy operation be cancelled; its `done` still comes. */
void reactor_cancel(struct reactor *r, struct io_op *op);
/* Submits what is prepared, waits until something completes or `timeout_ns` has passed, and calls
 * `done` of everything that has completed. */
void reactor_run(struct reactor *r, uint64_t timeout_ns);
/* Monotonic time. */
uint64_t reactor_now(void);
