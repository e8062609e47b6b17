#include "proto/rpc/epm.h"
#include "proto/base/must.h"
#include "proto/rpc/ndr.h"
#include <string.h>

const struct rpc_interface epm_interface = {
    .uuid = {0x08, 0x83, 0xaf, 0xe1, 0x1f, 0x5d, 0xc9, 0x11, 0x91, 0xa4, 0x08, 0x00, 0x2b, 0x14,
             0xa0, 0xfa},
    .major = 3,
    .minor = 0,
};

/* Protocol identifiers of tower floors, [C706] appendix I. */
#define FLOOR_UUID 0x0du
#define FLOOR_NCACN 0x0bu
#define FLOOR_TCP 0x07u
#define FLOOR_IP 0x09u
#define TOWER_FLOORS 5u
#define TOWER_SIZE 75u
#define HANDLE_SIZE 20u

static const uint8_t ndr20_uuid[16] = NDR_TRANSFER_UUID;

/* One floor: two counted byte strings, unaligned; the left one begins with the protocol. */
struct floor {
    uint8_t protocol;
    struct slice left, right;
};

static struct floor read_floor(struct reader *r)
{
    struct floor f = {0};
    uint16_t left = read_u16(r);
    f.protocol = read_u8(r);
    f.left = read_slice(r, left > 0 ? left - 1u : 0);
    if (left == 0)
        r->bad = true;
    f.right = read_slice(r, read_u16(r));
    return f;
}

static bool floor_interface(const struct floor *f, struct rpc_interface *out)
{
    if (f->protocol != FLOOR_UUID || f->left.len != 18 || f->right.len != 2)
        return false;
    struct reader left = reader_of(f->left), right = reader_of(f->right);
    read_copy(&left, out->uuid, 16);
    out->major = read_u16(&left);
    out->minor = read_u16(&right);
    return true;
}

static bool decode_tower(struct slice tower, struct epm_map_call *out)
{
    struct reader r = reader_of(tower);
    uint16_t floors = read_u16(&r);
    if (r.bad || floors < 3)
        return false;
    struct floor interface = read_floor(&r), transfer = read_floor(&r), rpc = read_floor(&r);
    struct rpc_interface syntax;
    if (r.bad || !floor_interface(&interface, &out->interface) ||
        !floor_interface(&transfer, &syntax))
        return false;
    out->tcp = false;
    if (floors == TOWER_FLOORS) {
        struct floor port = read_floor(&r), host = read_floor(&r);
        out->tcp = rpc.protocol == FLOOR_NCACN && port.protocol == FLOOR_TCP &&
                   host.protocol == FLOOR_IP && syntax.major == 2 &&
                   memcmp(syntax.uuid, ndr20_uuid, 16) == 0;
    }
    return !r.bad;
}

uint32_t epm_decode_map(struct slice stub, struct epm_map_call *out)
{
    struct reader r = reader_of(stub);
    struct epm_map_call call = {0};
    struct slice tower = {0};
    if (ndr_read_pointer(&r))
        read_skip(&r, 16); /* object UUID: endpoints here serve every object */
    bool given = ndr_read_pointer(&r);
    if (given) {
        uint32_t maximum = ndr_read_count(&r, EPM_TOWER_MAX);
        uint32_t length = ndr_read_u32(&r);
        if (length != maximum)
            r.bad = true;
        tower = read_slice(&r, r.bad ? 0 : length);
    }
    read_align(&r, 4);
    read_skip(&r, HANDLE_SIZE);
    call.max_towers = ndr_read_u32(&r);
    if (r.bad || !given || !decode_tower(tower, &call))
        return RPC_FAULT_NDR;
    *out = call;
    return 0;
}

static void write_floor(struct writer *w, uint8_t protocol, struct slice left, struct slice right)
{
    write_u16(w, (uint16_t)(left.len + 1));
    write_u8(w, protocol);
    write_bytes(w, left);
    write_u16(w, (uint16_t)right.len);
    write_bytes(w, right);
}

static void write_syntax_floor(struct writer *w, const struct rpc_interface *i)
{
    uint8_t left[18], right[2];
    struct writer l = writer_of(left, sizeof left), r = writer_of(right, sizeof right);
    write_bytes(&l, slice_of(i->uuid, 16));
    write_u16(&l, i->major);
    write_u16(&r, i->minor);
    write_floor(w, FLOOR_UUID, written(&l), written(&r));
}

static void write_tower(struct writer *w, const struct epm_endpoint *e, const uint8_t address[4])
{
    struct rpc_interface ndr20 = {.uuid = NDR_TRANSFER_UUID, .major = 2};
    uint8_t port[2] = {(uint8_t)(e->port >> 8), (uint8_t)e->port};
    ndr_write_u32(w, TOWER_SIZE);
    ndr_write_u32(w, TOWER_SIZE);
    size_t start = w->pos;
    write_u16(w, TOWER_FLOORS);
    write_syntax_floor(w, &e->interface);
    write_syntax_floor(w, &ndr20);
    write_floor(w, FLOOR_NCACN, (struct slice){0}, slice_of("\0\0", 2));
    write_floor(w, FLOOR_TCP, (struct slice){0}, slice_of(port, 2));
    write_floor(w, FLOOR_IP, (struct slice){0}, slice_of(address, 4));
    must(w->full || w->pos - start == TOWER_SIZE);
}

static const struct epm_endpoint *find_endpoint(const struct epm_map_call *call,
                                                const struct epm_view *view)
{
    for (uint32_t i = 0; call->tcp && i < view->endpoint_count; i++) {
        const struct rpc_interface *have = &view->endpoints[i].interface;
        if (memcmp(have->uuid, call->interface.uuid, 16) == 0 &&
            have->major == call->interface.major && have->minor >= call->interface.minor)
            return &view->endpoints[i];
    }
    return NULL;
}

void epm_reply_map(const struct epm_map_call *call, const struct epm_view *view,
                   struct writer *stub)
{
    const struct epm_endpoint *found = call->max_towers > 0 ? find_endpoint(call, view) : NULL;
    write_zeros(stub, HANDLE_SIZE); /* everything is in this answer: no handle to continue with */
    ndr_write_u32(stub, found != NULL);
    ndr_write_u32(stub, call->max_towers);
    ndr_write_u32(stub, 0);
    ndr_write_u32(stub, found != NULL);
    if (found != NULL) {
        ndr_write_pointer(stub, true);
        write_tower(stub, found, view->address);
    }
    ndr_write_u32(stub, found != NULL ? 0 : EPM_NOT_REGISTERED);
}

uint32_t epm_dispatch(uint16_t opnum, struct slice stub, const struct epm_view *view,
                      struct writer *out)
{
    struct epm_map_call call;
    if (opnum == EPM_OPNUM_LOOKUP_HANDLE_FREE) {
        write_zeros(out, HANDLE_SIZE);
        ndr_write_u32(out, 0);
        return 0;
    }
    if (opnum != EPM_OPNUM_MAP)
        return RPC_FAULT_OP_RANGE;
    uint32_t fault = epm_decode_map(stub, &call);
    if (fault == 0)
        epm_reply_map(&call, view, out);
    return fault;
}
