#pragma once
/* The form that enumerations of the management interfaces have in common ([MS-SRVS] 3.1.4.8 and
 * others, [MS-WKST] 3.2.4.3): a level, a container to be filled, how many bytes are wanted at most,
 * and a resume handle, which is the index of the next entry. */
#include "proto/rpc/record.h"
#include "proto/rpc/service.h"

/* InfoStruct with an empty container, PreferedMaximumLength and ResumeHandle. */
struct rpc_enum {
    uint32_t level, bytes_max, resume;
    bool resume_given;
};

/* The levels that a call knows; the container of another one cannot be read. */
bool rpc_enum_read(struct rpc_ask *a, const uint32_t *levels, uint32_t count, struct rpc_enum *out);

/* What is enumerated: the entries up to `end`; `row` fills in the one at an index, or returns false
 * when the call's qualifiers leave it out. */
struct rpc_list {
    bool (*row)(struct rpc_ask *a, const struct rpc_list *list, uint32_t at, struct record *out);
    uint32_t level, end;
    bool more;                 /* there are entries behind `end` */
    struct slice where, whose; /* qualifiers, UTF-16LE; empty: none */
};

/* The whole answer: the entries that fit, or just `status`. */
uint32_t rpc_enum_reply(struct rpc_ask *a, const struct rpc_enum *e, const struct rpc_list *list,
                        uint32_t status);

/* Answers with nothing but a status, after the stub has been read. */
uint32_t rpc_status(struct rpc_ask *a, uint32_t status);
/* The same after a null ParmErr. */
uint32_t rpc_parameter_status(struct rpc_ask *a, uint32_t status);
