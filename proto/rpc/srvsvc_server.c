/* What the server is ([MS-SRVS] 3.1.4.17 to 3.1.4.24). */
#include "proto/base/must.h"
#include "proto/rpc/srvsvc_int.h"

/* [MS-SRVS] 2.2.2.6 and 2.2.2.7; the version is what Windows Server 2022 says. */
#define PLATFORM_ID_NT 500u
#define VERSION_MAJOR 10u
#define VERSION_MINOR 0u
#define SV_TYPE_WORKSTATION UINT32_C(0x00000001)
#define SV_TYPE_SERVER UINT32_C(0x00000002)
#define SV_TYPE_NT UINT32_C(0x00001000)
#define SV_TYPE_SERVER_NT UINT32_C(0x00008000)
#define SV_NODISC UINT32_C(0xFFFFFFFF) /* idle sessions are not ended */

static void server_fields(const struct rpc_facts *f, uint32_t level, struct record *out)
{
    record_number(out, PLATFORM_ID_NT);
    record_text(out, f->server_name);
    if (level == 100)
        return;
    record_number(out, VERSION_MAJOR);
    record_number(out, VERSION_MINOR);
    record_number(out, SV_TYPE_WORKSTATION | SV_TYPE_SERVER | SV_TYPE_NT | SV_TYPE_SERVER_NT);
    record_text(out, slice_str("Flotilla"));
    if (level == 101)
        return;
    record_number(out, UINT32_MAX); /* users: no limit */
    record_number(out, SV_NODISC);
    record_number(out, 0); /* not hidden */
    record_number(out, 240);
    record_number(out, 3000); /* announcements, as Windows' defaults have it */
    record_number(out, 0);
    record_text(out, slice_str("C:\\"));
    if (level == 103)
        record_number(out, 0);
}

uint32_t srvsvc_server_get_info(struct rpc_ask *a)
{
    rpc_skip_server_name(a);
    uint32_t level = ndr_read_u32(&a->r);
    if (a->r.bad)
        return RPC_FAULT_NDR;
    bool known = level >= 100 && level <= 103;
    uint32_t status = known ? WERR_OK : WERR_INVALID_LEVEL;
    if (level == 102 || level == 103) /* as Windows has it: how the server is set up */
        status = a->facts->caller.administrator ? WERR_OK : WERR_ACCESS_DENIED;
    ndr_write_u32(a->w, level);
    ndr_write_pointer(a->w, status == WERR_OK);
    if (status == WERR_OK) {
        struct record row = {.count = 0};
        server_fields(a->facts, level, &row);
        if (!record_write(&row, a->w, a->scratch))
            return RPC_FAULT_NO_MEMORY;
    }
    return rpc_status(a, status);
}

/* What there is to set is the cluster's configuration, and set there. */
uint32_t srvsvc_server_set_info(struct rpc_ask *a)
{
    bool administrator = a->facts->caller.administrator;
    return rpc_parameter_status(a, administrator ? WERR_NOT_SUPPORTED : WERR_ACCESS_DENIED);
}

/* The drives as "C:": one, which all volumes are below. */
uint32_t srvsvc_disk_enum(struct rpc_ask *a)
{
    rpc_skip_server_name(a);
    uint32_t level = ndr_read_u32(&a->r);
    (void)ndr_read_u32(&a->r); /* DISK_ENUM_CONTAINER: nothing in it comes from the client */
    if (ndr_read_pointer(&a->r))
        a->r.bad = true;
    (void)ndr_read_u32(&a->r);
    bool resume_given = ndr_read_pointer(&a->r);
    if (a->r.bad)
        return RPC_FAULT_NDR;
    uint32_t status = !a->facts->caller.administrator ? WERR_ACCESS_DENIED
                      : level != 0                    ? WERR_INVALID_LEVEL
                                                      : WERR_OK;
    uint32_t count = status == WERR_OK ? 2 : 0; /* "C:" and the empty one that ends the list */
    ndr_write_u32(a->w, count);
    ndr_write_pointer(a->w, count > 0);
    if (count > 0) {
        ndr_write_u32(a->w, count);
        ndr_write_u32(a->w, 0);
        ndr_write_u32(a->w, count);
        ndr_write_u32(a->w, 0); /* Disk is [string] WCHAR[3]: offset, count, units */
        ndr_write_u32(a->w, 3);
        ndr_write_u16(a->w, 'C');
        ndr_write_u16(a->w, ':');
        ndr_write_u16(a->w, 0);
        ndr_write_u32(a->w, 0);
        ndr_write_u32(a->w, 1);
        ndr_write_u16(a->w, 0);
    }
    ndr_write_u32(a->w, count > 0 ? 1 : 0);
    ndr_write_pointer(a->w, resume_given);
    if (resume_given)
        ndr_write_u32(a->w, 0);
    return rpc_status(a, status);
}

static uint32_t unix_seconds(uint64_t filetime)
{
    return (uint32_t)(filetime_to_unix_ns(filetime) / UINT64_C(1000000000));
}

/* STAT_SERVER_0 ([MS-SRVS] 2.2.4.39) of this node. */
uint32_t srvsvc_statistics(struct rpc_ask *a)
{
    const struct rpc_facts *f = a->facts;
    rpc_skip_server_name(a);
    (void)rpc_read_text(a); /* the service: there is one */
    uint32_t level = ndr_read_u32(&a->r), options = ndr_read_u32(&a->r);
    if (a->r.bad)
        return RPC_FAULT_NDR;
    uint32_t status = !f->caller.administrator ? WERR_ACCESS_DENIED
                      : level != 0             ? WERR_INVALID_LEVEL
                      : options != 0           ? WERR_INVALID_PARAMETER
                                               : WERR_OK;
    ndr_write_pointer(a->w, status == WERR_OK);
    if (status == WERR_OK) {
        const uint32_t numbers[] = {unix_seconds(f->started),
                                    f->counted.opens,
                                    0,
                                    0,
                                    f->counted.sessions,
                                    0,
                                    0,
                                    0,
                                    0,
                                    0,
                                    (uint32_t)f->counted.sent,
                                    (uint32_t)(f->counted.sent >> 32),
                                    (uint32_t)f->counted.received,
                                    (uint32_t)(f->counted.received >> 32),
                                    0,
                                    0,
                                    0};
        for (size_t i = 0; i < array_len(numbers); i++)
            ndr_write_u32(a->w, numbers[i]);
    }
    return rpc_status(a, status);
}

/* ---- NetrServerTransportEnum --------------------------------------------------------------------
 */

/* One transport, TCP; levels 0 to 3 of SERVER_TRANSPORT_INFO begin alike. */
static bool write_transport(struct rpc_ask *a, uint32_t level)
{
    static const char name[] = "\\Device\\NetbiosSmb";
    struct slice server = a->facts->server_name;
    ndr_write_u32(a->w, 1);
    ndr_write_pointer(a->w, true);
    ndr_write_u32(a->w, 1);
    ndr_write_u32(a->w, a->facts->counted.sessions);
    ndr_write_pointer(a->w, true);
    ndr_write_pointer(a->w, true);
    ndr_write_u32(a->w, (uint32_t)server.len);
    ndr_write_pointer(a->w, true);
    if (level >= 1)
        ndr_write_pointer(a->w, true);
    if (!ndr_write_string(a->w, slice_str(name), a->scratch))
        return false;
    ndr_write_u32(a->w, (uint32_t)server.len);
    write_bytes(a->w, server);
    if (!ndr_write_string(a->w, a->facts->address, a->scratch))
        return false;
    return level < 1 || ndr_write_string(a->w, server, a->scratch);
}

uint32_t srvsvc_transport_enum(struct rpc_ask *a)
{
    static const uint32_t levels[] = {0, 1};
    struct rpc_enum e;
    rpc_skip_server_name(a);
    bool known = rpc_enum_read(a, levels, array_len(levels), &e);
    if (a->r.bad)
        return RPC_FAULT_NDR;
    bool administrator = a->facts->caller.administrator;
    uint32_t status = !administrator ? WERR_ACCESS_DENIED : known ? WERR_OK : WERR_INVALID_LEVEL;
    bool listed = status == WERR_OK && e.resume == 0;
    ndr_write_u32(a->w, e.level);
    ndr_write_u32(a->w, e.level);
    ndr_write_pointer(a->w, listed);
    if (listed && !write_transport(a, e.level))
        return RPC_FAULT_NO_MEMORY;
    ndr_write_u32(a->w, listed ? 1 : 0);
    ndr_write_pointer(a->w, e.resume_given);
    if (e.resume_given)
        ndr_write_u32(a->w, 0);
    return rpc_status(a, status);
}

/* ---- NetrRemoteTOD ------------------------------------------------------------------------------
 */

/* Days since 1601-01-01, a Monday, as a date of the Gregorian calendar. Years are counted from
 * March, so that the leap day is a year's last; eras of 400 years are all alike. */
static void date_of(uint64_t days, uint32_t *year, uint32_t *month, uint32_t *day)
{
    uint64_t since = days + 584694; /* from 0000-03-01 to 1601-01-01 */
    uint64_t era = since / 146097, of_era = since % 146097;
    uint64_t y = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    uint64_t of_year = of_era - (365 * y + y / 4 - y / 100);
    uint64_t m = (5 * of_year + 2) / 153;
    *day = (uint32_t)(of_year - (153 * m + 2) / 5 + 1);
    *month = (uint32_t)(m < 10 ? m + 3 : m - 9);
    *year = (uint32_t)(era * 400 + y + (*month <= 2));
}

uint32_t srvsvc_remote_tod(struct rpc_ask *a)
{
    uint64_t now = a->facts->now, seconds = now / FILETIME_SECOND, days = seconds / 86400;
    uint32_t year, month, day, of_day = (uint32_t)(seconds % 86400);
    rpc_skip_server_name(a);
    date_of(days, &year, &month, &day);
    const uint32_t numbers[] = {
        unix_seconds(now),
        (uint32_t)((now - a->facts->started) / 10000), /* milliseconds since some start */
        of_day / 3600,
        of_day / 60 % 60,
        of_day % 60,
        (uint32_t)(now % FILETIME_SECOND / 100000),
        0,   /* minutes west of UTC: the servers' clocks know no other zone */
        310, /* a clock tick in ten-thousandths of a second, as Windows says */
        day,
        month,
        year,
        (uint32_t)((days + 1) % 7),
    };
    ndr_write_pointer(a->w, true);
    for (size_t i = 0; i < array_len(numbers); i++)
        ndr_write_u32(a->w, numbers[i]);
    return rpc_status(a, WERR_OK);
}
