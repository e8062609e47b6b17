#include "node/buffers.h"

#include "proto/base/must.h"

/* A small request, a small I/O, 128 KiB, 1 MiB, and the largest SMB message with its headers. */
static const size_t class_bytes[BUFFER_CLASSES] = {
    4096, 20480, (128 << 10) + 4096, (1 << 20) + 4096, (8 << 20) + (64 << 10),
};

struct buffer {
    struct list link; /* in idle[class] while not in use */
    uint8_t *raw, *at;
    uint32_t class;
};

static size_t raw_bytes(uint32_t class) { return class_bytes[class] + BUFFER_ALIGN; }

bool buffers_init(struct buffers *b, struct mem *mem, uint64_t bytes_max)
{
    *b = (struct buffers){.mem = mem, .bytes_max = bytes_max};
    for (uint32_t i = 0; i < BUFFER_CLASSES; i++)
        list_init(&b->idle[i]);
    return table_init(&b->table, mem, BUFFERS_MAX);
}

static void destroy(struct buffers *b, struct buffer *one)
{
    b->bytes -= raw_bytes(one->class);
    mem_free(b->mem, one->raw, raw_bytes(one->class));
    mem_free(b->mem, one, sizeof *one);
}

/* Idle buffers of other sizes give way when the budget is spent. */
static bool make_room(struct buffers *b, size_t bytes)
{
    for (uint32_t i = 0; i < BUFFER_CLASSES && b->bytes + bytes > b->bytes_max; i++)
        for (struct list *l;
             b->bytes + bytes > b->bytes_max && (l = list_pop(&b->idle[i])) != NULL;)
            destroy(b, container_of(l, struct buffer, link));
    return b->bytes + bytes <= b->bytes_max;
}

static struct buffer *create(struct buffers *b, uint32_t class)
{
    struct buffer *one = make_room(b, raw_bytes(class)) ? mem_alloc(b->mem, sizeof *one) : NULL;
    if (one == NULL)
        return NULL;
    one->raw = mem_alloc(b->mem, raw_bytes(class));
    if (one->raw == NULL) {
        mem_free(b->mem, one, sizeof *one);
        return NULL;
    }
    one->at = one->raw + (BUFFER_ALIGN - (uintptr_t)one->raw % BUFFER_ALIGN) % BUFFER_ALIGN;
    one->class = class;
    list_init(&one->link);
    b->bytes += raw_bytes(class);
    return one;
}

handle buffers_get(struct buffers *b, size_t len, uint8_t **at)
{
    uint32_t class = 0;
    while (class < BUFFER_CLASSES && class_bytes[class] < len)
        class ++;
    must(class < BUFFER_CLASSES);
    struct list *l = list_pop(&b->idle[class]);
    struct buffer *one = l ? container_of(l, struct buffer, link) : create(b, class);
    if (one == NULL)
        return (handle){0};
    handle h = table_add(&b->table, one);
    if (handle_none(h))
        list_push_front(&b->idle[class], &one->link);
    else
        *at = one->at;
    return h;
}

void buffers_put(struct buffers *b, handle h)
{
    struct buffer *one = table_remove(&b->table, h);
    if (one != NULL)
        list_push_front(&b->idle[one->class], &one->link);
}

void buffers_fini(struct buffers *b)
{
    handle at = {0};
    for (struct buffer *one; (one = table_next(&b->table, &at)) != NULL;)
        buffers_put(b, at);
    for (uint32_t i = 0; i < BUFFER_CLASSES; i++)
        for (struct list *l; (l = list_pop(&b->idle[i])) != NULL;)
            destroy(b, container_of(l, struct buffer, link));
    table_fini(&b->table);
}
