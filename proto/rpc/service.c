#include "proto/rpc/service.h"
#include "proto/base/must.h"
#include "proto/base/utf16.h"
#include "proto/rpc/ndr.h"
#include <string.h>

static const struct rpc_service *const services[] = {&srvsvc_service, &wkssvc_service,
                                                     &lsarpc_service, &samr_service};

static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c; }

static bool equal_fold(const char *a, const char *b)
{
    for (; *a != 0 && lower(*a) == lower(*b); a++)
        b++;
    return *a == *b;
}

const struct rpc_service *rpc_service_find(const char *pipe)
{
    char prefix[6] = {0};
    size_t len = strlen(pipe);
    if (len > 0 && pipe[0] == '\\')
        pipe++, len--;
    if (len > 5) {
        memcpy(prefix, pipe, 5);
        pipe += equal_fold(prefix, "pipe\\") ? 5 : 0;
    }
    for (size_t i = 0; i < array_len(services); i++) {
        if (equal_fold(pipe, services[i]->name))
            return services[i];
    }
    return NULL;
}

uint32_t rpc_service_call(const struct rpc_service *service, uint16_t opnum, struct slice stub,
                          struct rpc_ask *a)
{
    if (opnum >= service->handler_count || service->handlers[opnum] == NULL)
        return RPC_FAULT_OP_RANGE;
    a->r = reader_of(stub);
    uint32_t result = service->handlers[opnum](a);
    if (a->scratch->failed)
        return RPC_FAULT_NO_MEMORY;
    return a->r.bad ? RPC_FAULT_NDR : result;
}

/* ---- context handles --------------------------------------------------------------------------
 */

bool rpc_handle_open(struct rpc_handles *h, uint32_t kind, uint32_t value, struct writer *w)
{
    uint32_t slot = 0;
    while (slot < RPC_HANDLES_MAX && h->slots[slot].number != 0)
        slot++;
    write_align(w, 4);
    if (slot == RPC_HANDLES_MAX || h->last == UINT32_MAX) {
        write_zeros(w, RPC_HANDLE_SIZE);
        return false;
    }
    h->slots[slot].number = ++h->last;
    h->slots[slot].kind = kind;
    h->slots[slot].value = value;
    write_u32(w, 0); /* attributes */
    write_u32(w, slot);
    write_zeros(w, 8);
    write_u32(w, h->last);
    return true;
}

/* RPC_HANDLES_MAX: not open. */
static uint32_t slot_read(const struct rpc_handles *h, struct reader *r)
{
    read_align(r, 4);
    read_skip(r, 4);
    uint32_t slot = read_u32(r);
    read_skip(r, 8);
    uint32_t number = read_u32(r);
    bool open = slot < RPC_HANDLES_MAX && number != 0 && h->slots[slot].number == number;
    return open ? slot : RPC_HANDLES_MAX;
}

bool rpc_handle_read(const struct rpc_handles *h, uint32_t kind, struct reader *r, uint32_t *value)
{
    uint32_t slot = slot_read(h, r);
    if (slot == RPC_HANDLES_MAX || h->slots[slot].kind != kind)
        return false;
    if (value != NULL)
        *value = h->slots[slot].value;
    return true;
}

bool rpc_handle_close(struct rpc_handles *h, struct reader *r)
{
    uint32_t slot = slot_read(h, r);
    if (slot == RPC_HANDLES_MAX)
        return false;
    h->slots[slot].number = 0;
    return true;
}

/* ---- what services share ----------------------------------------------------------------------
 */

void rpc_skip_server_name(struct rpc_ask *a) { (void)rpc_read_text(a); }

struct slice rpc_read_text(struct rpc_ask *a)
{
    return ndr_read_pointer(&a->r) ? ndr_read_string(&a->r, RPC_TEXT_MAX) : (struct slice){0};
}

struct slice rpc_text(struct rpc_ask *a, struct slice utf16)
{
    const char *text = utf16_to_utf8(utf16, a->scratch);
    return text == NULL ? (struct slice){0} : slice_str(text);
}

bool rpc_text_is(struct rpc_ask *a, struct slice utf8, struct slice utf16)
{
    struct slice units;
    struct arena line; /* lists are long: what one comparison takes is given back at once */
    if (utf8.len < utf16.len / 2 || utf8.len > utf16.len / 2 * 3)
        return false; /* a unit makes one to three bytes, whatever its case */
    arena_init(&line, a->scratch->mem, 8 * RPC_TEXT_MAX);
    bool same = utf16_from_utf8(utf8, &line, &units) && utf16_compare_fold(units, utf16) == 0;
    a->scratch->failed |= line.failed;
    arena_fini(&line);
    return same;
}

uint32_t rpc_end(const struct rpc_ask *a) { return a->r.bad ? RPC_FAULT_NDR : RPC_ANSWERED; }
