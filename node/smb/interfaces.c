/* FSCTL_QUERY_NETWORK_INTERFACE_INFO ([MS-SMB2] 3.3.5.15.11): where this node can be reached. The
 * other nodes' addresses are no answer: all channels of a session end at one node. */
#include "node/smb/channel.h"

#include "proto/smb/ioctl.h"

void interfaces_set(struct smb *s, const struct smb_interface *list, uint32_t count)
{
    must(count <= SMB_INTERFACES_MAX);
    s->interface_count = 0;
    for (uint32_t i = 0; i < count; i++)
        if (list[i].index != 0) /* MUST NOT be told, and clients would skip it */
            s->interfaces[s->interface_count++] = list[i];
}

void interfaces_ioctl(struct smb *s, struct smb_request *r, const struct smb_ioctl_req *req)
{
    size_t size = (size_t)s->interface_count * SMB_INTERFACE_SIZE;
    if ((r->conn->capabilities & SMB2_GLOBAL_CAP_MULTI_CHANNEL) == 0 || size == 0) {
        request_fail(s, r, STATUS_NOT_SUPPORTED);
        return;
    }
    if (req->max_output_response < size) {
        request_fail(s, r, STATUS_BUFFER_TOO_SMALL);
        return;
    }
    struct writer w = writer_of(arena_alloc(&r->arena, size), size);
    if (w.at == NULL) {
        request_fail(s, r, STATUS_INSUFFICIENT_RESOURCES);
        return;
    }
    for (uint32_t i = 0; i < s->interface_count; i++)
        smb_interface_encode(&w, &s->interfaces[i], i + 1 == s->interface_count);
    ioctl_reply(s, r, req, (struct ioctl_result){STATUS_OK, written(&w)});
}
