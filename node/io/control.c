/* The line to the coordinators: node/control says whom to call, this holds the receiver. */
#include "node/io/shell.h"

#include "proto/base/must.h"
#include "proto/daemon/log.h"
#include <stdlib.h>
#include <string.h>

#define CHECK_NS (UINT64_C(200) * 1000000)

struct line {
    struct shell *shell;
    struct tlslink *link;
};

static void post_down(struct line *l, bool by_peer)
{
    struct control_event ev = {.type = CONTROL_EV_LINK_DOWN, .link_down = {by_peer}};
    shell_post(l->shell, &(struct node_event){.type = NODE_EV_CONTROL, .control = &ev});
}

static void on_up(struct tlslink *link, const struct tls_peer *who)
{
    struct line *l = tlslink_owner(link);
    log_debug("connected with coordinator '%s'", who->name);
    struct control_event ev = {.type = CONTROL_EV_LINK_UP};
    shell_post(l->shell, &(struct node_event){.type = NODE_EV_CONTROL, .control = &ev});
}

static void on_frame(struct tlslink *link, const struct frame *f)
{
    struct line *l = tlslink_owner(link);
    if (f->kind != FRAME_CONTROL)
        return;
    struct control_event ev = {.type = CONTROL_EV_MESSAGE, .message = {f->control}};
    shell_step(l->shell, &(struct node_event){.type = NODE_EV_CONTROL, .control = &ev});
}

static void on_down(struct tlslink *link, bool by_peer, const char *why)
{
    struct line *l = tlslink_owner(link);
    l->link = NULL;
    log_info("the line to the coordinator is down: %s", why);
    post_down(l, by_peer);
}

static const struct tlslink_callbacks callbacks = {on_up, on_frame, on_down};

void line_effect(struct line *l, const struct control_effect *e)
{
    struct shell *s = l->shell;
    if (e->type == CONTROL_DO_SEND && l->link != NULL) {
        tlslink_send(l->link, e->send.bytes);
    } else if (e->type == CONTROL_DO_DISCONNECT && l->link != NULL) {
        struct tlslink *link = l->link;
        l->link = NULL;
        tlslink_close(link);
    } else if (e->type == CONTROL_DO_CONNECT) {
        must(l->link == NULL);
        l->link = tlslink_connect(&s->reactor, s->tls, e->connect.address, s->settings.address,
                                  &callbacks);
        tlslink_own(l->link, l);
        if (l->link == NULL)
            post_down(l, true);
    }
}

uint64_t line_maintain(struct line *l, uint64_t now_ns)
{
    if (l->link != NULL)
        tlslink_check_time(l->link, now_ns);
    return now_ns + CHECK_NS;
}

struct line *line_new(struct shell *s)
{
    struct line *l = calloc(1, sizeof *l);
    must(l != NULL);
    l->shell = s;
    return l;
}
