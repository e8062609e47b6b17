#include "node/io/reactor.h"

#include "proto/base/must.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { RING_ENTRIES = 1024, BATCH = 256 };

uint64_t reactor_now(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

int reactor_init(struct reactor *r, char *error)
{
    *r = (struct reactor){0};
    struct io_uring_params params = {.flags =
                                         IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN};
    int result = io_uring_queue_init_params(RING_ENTRIES, &r->ring, &params);
    if (result == -EINVAL) { /* before Linux 6.1 */
        params = (struct io_uring_params){0};
        result = io_uring_queue_init_params(RING_ENTRIES, &r->ring, &params);
    }
    if (result < 0)
        (void)snprintf(error, 256,
                       "io_uring is not available here (%s): a container or a seccomp profile may "
                       "forbid it, see /proc/sys/kernel/io_uring_disabled",
                       strerror(-result));
    return result;
}

void reactor_fini(struct reactor *r) { io_uring_queue_exit(&r->ring); }

struct io_uring_sqe *reactor_entry(struct reactor *r, struct io_op *op)
{
    must(!op->busy);
    struct io_uring_sqe *sqe = io_uring_get_sqe(&r->ring);
    while (sqe == NULL) {
        (void)io_uring_submit(&r->ring);
        sqe = io_uring_get_sqe(&r->ring);
    }
    io_uring_sqe_set_data(sqe, op);
    op->busy = true;
    r->busy++;
    return sqe;
}

void reactor_cancel(struct reactor *r, struct io_op *op)
{
    if (!op->busy)
        return;
    struct io_uring_sqe *sqe = io_uring_get_sqe(&r->ring);
    while (sqe == NULL) {
        (void)io_uring_submit(&r->ring);
        sqe = io_uring_get_sqe(&r->ring);
    }
    io_uring_prep_cancel(sqe, op, 0);
    io_uring_sqe_set_data(sqe, NULL);
}

void reactor_run(struct reactor *r, uint64_t timeout_ns)
{
    struct __kernel_timespec wait = {.tv_sec = (long long)(timeout_ns / 1000000000),
                                     .tv_nsec = (long long)(timeout_ns % 1000000000)};
    struct io_uring_cqe *first = NULL;
    (void)io_uring_submit_and_wait_timeout(&r->ring, &first, 1, &wait, NULL);
    struct io_uring_cqe *batch[BATCH];
    unsigned count = io_uring_peek_batch_cqe(&r->ring, batch, BATCH);
    for (unsigned i = 0; i < count; i++) {
        struct io_op *op = io_uring_cqe_get_data(batch[i]);
        int result = batch[i]->res;
        io_uring_cqe_seen(&r->ring, batch[i]);
        if (op == NULL) /* a cancellation's own outcome */
            continue;
        op->busy = false;
        r->busy--;
        op->done(op, result);
    }
}
