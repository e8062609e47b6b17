#include "proto/base/must.h"
#include "proto/base/prng.h"
#include "proto/base/tree.h"
#include "tests/lib/unit.h"

enum { KEYS = 300, STEPS = 20000 };

struct item {
    uint32_t key;
    struct tree_node node;
    bool in;
};

static int compare(const void *key, const struct tree_node *node)
{
    uint32_t a = *(const uint32_t *)key, b = container_of(node, struct item, node)->key;
    return a < b ? -1 : a > b;
}

static struct item *item_of(struct tree_node *n)
{
    return n ? container_of(n, struct item, node) : NULL;
}

/* Order, parent pointers and heap property of the whole tree. */
static void check_shape(const struct tree *t)
{
    uint32_t count = 0;
    const struct item *before = NULL;
    for (struct tree_node *n = tree_first(t); n != NULL; n = tree_next(n), count++) {
        const struct item *it = item_of(n);
        assert_true(before == NULL || before->key < it->key);
        assert_true(n->left == NULL || (n->left->parent == n && n->left->priority <= n->priority));
        assert_true(n->right == NULL ||
                    (n->right->parent == n && n->right->priority <= n->priority));
        before = it;
    }
    assert_int_equal(count, t->count);
    assert_true(t->root == NULL || t->root->parent == NULL);
}

static void check_searches(const struct tree *t, struct item *items, uint32_t key)
{
    assert_ptr_equal(item_of(tree_get(t, &key)), items[key].in ? &items[key] : NULL);
    uint32_t least = key;
    while (least < KEYS && !items[least].in)
        least++;
    assert_ptr_equal(item_of(tree_seek(t, &key, false)), least < KEYS ? &items[least] : NULL);
    for (least = key + 1; least < KEYS && !items[least].in;)
        least++;
    assert_ptr_equal(item_of(tree_seek(t, &key, true)), least < KEYS ? &items[least] : NULL);
}

static void test_against_model(void **state)
{
    (void)state;
    static struct item items[KEYS];
    struct tree t;
    struct prng p;
    tree_init(&t, compare);
    prng_init(&p, 3);
    for (uint32_t i = 0; i < KEYS; i++)
        items[i] = (struct item){.key = i};
    for (int i = 0; i < STEPS; i++) {
        struct item *it = &items[prng_below(&p, KEYS)];
        if (it->in)
            tree_remove(&t, &it->node);
        else
            tree_insert(&t, &it->key, &it->node, it->key);
        it->in = !it->in;
        check_searches(&t, items, (uint32_t)prng_below(&p, KEYS));
        if (i % 100 == 0)
            check_shape(&t);
    }
}

static uint32_t depth_of(const struct tree_node *n)
{
    uint32_t depth = 0;
    for (; n != NULL; n = n->parent)
        depth++;
    return depth;
}

static void test_shape_depends_on_keys_alone(void **state)
{
    (void)state;
    static struct item up[1000], down[1000];
    struct tree a, b;
    tree_init(&a, compare), tree_init(&b, compare);
    for (uint32_t i = 0; i < 1000; i++) {
        up[i].key = i, down[999 - i].key = 999 - i;
        tree_insert(&a, &up[i].key, &up[i].node, i);
        tree_insert(&b, &down[999 - i].key, &down[999 - i].node, 999 - i);
    }
    uint32_t deepest = 0;
    for (uint32_t i = 0; i < 1000; i++) {
        uint32_t depth = depth_of(&up[i].node);
        assert_int_equal(depth, depth_of(&down[i].node));
        deepest = depth > deepest ? depth : deepest;
    }
    assert_true(deepest < 40); /* ascending keys do not make a list of it */
    check_shape(&a), check_shape(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_model),
        cmocka_unit_test(test_shape_depends_on_keys_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
