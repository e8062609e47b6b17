/* What leaves the core: effects, and frames to clients. */
#include "coordinator/service/service_int.h"

struct coordinator_effect *emit(struct coordinator *c, enum coordinator_effect_type type)
{
    struct coordinator_effects *fx = &c->effects;
    if (fx->count == fx->cap) {
        uint32_t cap = fx->cap ? fx->cap * 2 : 256;
        size_t one = sizeof(struct coordinator_effect);
        void *grown = mem_resize(c->mem, fx->items, fx->cap * one, cap * one);
        must(grown != NULL); /* a coordinator without memory stops: the others go on */
        fx->items = grown;
        fx->cap = cap;
    }
    struct coordinator_effect *e = &fx->items[fx->count++];
    *e = (struct coordinator_effect){.type = type};
    return e;
}

void send_control(struct coordinator *c, uint64_t client, Fl__Control *message)
{
    struct slice body = pb_pack(&message->base, &c->arena);
    uint8_t *frame = arena_alloc(&c->arena, FRAME_HEADER + body.len);
    must(frame != NULL);
    must(body.len <= FRAME_CONTROL_MAX);
    if (body.len > 0)
        memcpy(frame + FRAME_HEADER, body.at, body.len);
    struct frame f = {.kind = FRAME_CONTROL, .control = slice_of(frame + FRAME_HEADER, body.len)};
    frame_header(frame, &f);
    struct coordinator_effect *e = emit(c, COORDINATOR_DO_SEND);
    e->send.client = client;
    e->send.bytes = slice_of(frame, FRAME_HEADER + body.len);
}

void drop_client(struct coordinator *c, struct client *client, const char *refusal)
{
    if (refusal != NULL) {
        Fl__Refused refused = FL__REFUSED__INIT;
        refused.why = (char *)(uintptr_t)refusal;
        Fl__Control m = FL__CONTROL__INIT;
        m.body_case = FL__CONTROL__BODY_REFUSED;
        m.refused = &refused;
        send_control(c, client->id, &m);
    }
    emit(c, COORDINATOR_DO_CLOSE)->close.client = client->id;
    (void)map_remove_u64(&c->clients, client->id);
    if (client->join_name != NULL)
        mem_free(c->mem, client->join_name, strlen(client->join_name) + 1);
    mem_free(c->mem, client, sizeof *client);
}
