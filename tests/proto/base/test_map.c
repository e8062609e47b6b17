#include "proto/base/map.h"
#include "proto/base/must.h"
#include "proto/base/prng.h"
#include "tests/lib/faults.h"
#include "tests/lib/unit.h"

#include <string.h>

/* The naive model: an array in insertion order. Keys are 0..KEYS-1; keys from LONG on are written
 * with more bytes than the map keeps inline. */
enum { KEYS = 200, LONG = 100, STEPS = 20000 };

struct model {
    uint32_t order[KEYS], count;
    void *values[KEYS];
};

static struct slice key_text(uint32_t key, uint8_t *mem)
{
    size_t len = key >= LONG ? 20 + key % 40 : key % 16;
    memset(mem, 'k', 64);
    struct writer w = writer_of(mem, 64);
    write_u16(&w, (uint16_t)key);
    return slice_of(mem, len < 2 ? 2 : len);
}

static void model_remove(struct model *model, uint32_t key)
{
    uint32_t at = 0;
    while (model->order[at] != key)
        at++;
    memmove(&model->order[at], &model->order[at + 1], (--model->count - at) * sizeof(uint32_t));
    model->values[key] = NULL;
}

static void check_same(const struct map *m, const struct model *model)
{
    assert_int_equal(map_count(m), model->count);
    uint32_t cursor = 0, seen = 0;
    struct slice key;
    for (void *value; (value = map_next(m, &cursor, &key)) != NULL; seen++) {
        uint8_t mem[64];
        assert_true(seen < model->count);
        assert_ptr_equal(value, model->values[model->order[seen]]);
        assert_true(slice_equal(key, key_text(model->order[seen], mem)));
    }
    assert_int_equal(seen, model->count);
}

static void step(struct map *m, struct model *model, struct prng *p, uint32_t puts_per_mille)
{
    uint8_t mem[64];
    uint32_t key = (uint32_t)prng_below(p, KEYS);
    struct slice text = key_text(key, mem);
    void *value = &model->values[prng_below(p, KEYS)];
    if (prng_chance(p, puts_per_mille)) {
        bool done = map_put(m, text, value);
        if (done && model->values[key] == NULL)
            model->order[model->count++] = key;
        if (done)
            model->values[key] = value;
    } else {
        void *old = model->values[key];
        assert_ptr_equal(map_remove(m, text), old);
        if (old != NULL)
            model_remove(model, key);
    }
    key = (uint32_t)prng_below(p, KEYS);
    assert_ptr_equal(map_get(m, key_text(key, mem)), model->values[key]);
}

static void test_against_model(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        struct mem mem = test_mem(SIZE_MAX);
        struct map m;
        struct model model = {0};
        struct prng p;
        prng_init(&p, seed);
        map_init(&m, &mem, seed);
        for (int i = 0; i < STEPS; i++) {
            /* tides, so that the map grows and shrinks */
            step(&m, &model, &p, i / 1000 % 2 == 0 ? 800 : 150);
            if (i % 50 == 0)
                check_same(&m, &model);
        }
        map_fini(&m);
        test_mem_check(&mem);
    }
}

static void test_small_budget(void **state)
{
    (void)state;
    struct mem mem = test_mem(8000);
    struct map m;
    struct model model = {0};
    struct prng p;
    prng_init(&p, 9);
    map_init(&m, &mem, 9);
    for (int i = 0; i < STEPS; i++) {
        step(&m, &model, &p, 700);
        if (i % 50 == 0)
            check_same(&m, &model);
    }
    map_fini(&m);
    test_mem_check(&mem);
}

static void test_by_exhaustion(void **state)
{
    (void)state;
    for (uint64_t nth = 1;; nth++) {
        faults_arm(nth);
        struct mem mem = test_mem(SIZE_MAX);
        struct map m;
        struct model model = {0};
        struct prng p;
        prng_init(&p, 5);
        map_init(&m, &mem, 5);
        for (int i = 0; i < 300; i++)
            step(&m, &model, &p, 800);
        check_same(&m, &model);
        map_fini(&m);
        test_mem_check(&mem);
        if (!faults_fired())
            break;
    }
}

static void test_integers_and_removal_while_iterating(void **state)
{
    (void)state;
    struct mem mem = test_mem(SIZE_MAX);
    struct map m;
    map_init(&m, &mem, 1);
    static int things[1000];
    for (uint64_t i = 0; i < 1000; i++)
        assert_true(map_put_u64(&m, i << 32 | i, &things[i]));
    uint32_t cursor = 0, seen = 0;
    struct slice key;
    for (void *v; (v = map_next(&m, &cursor, &key)) != NULL; seen++) {
        assert_ptr_equal(v, &things[seen]);
        if (seen % 3 != 0)
            assert_ptr_equal(map_remove(&m, key), v);
    }
    assert_int_equal(seen, 1000);
    assert_int_equal(map_count(&m), 334);
    assert_null(map_get_u64(&m, UINT64_C(1) << 32 | 1));
    assert_ptr_equal(map_get_u64(&m, UINT64_C(3) << 32 | 3), &things[3]);
    for (uint64_t i = 0; i < 1000; i += 3)
        assert_ptr_equal(map_remove_u64(&m, i << 32 | i), &things[i]);
    assert_int_equal(mem.used, 0); /* an empty map holds nothing */
    assert_null(map_next(&m, &cursor, NULL));
    assert_true(map_put(&m, (struct slice){0}, things)); /* the empty key is a key */
    assert_ptr_equal(map_get(&m, (struct slice){0}), things);
    map_fini(&m);
    test_mem_check(&mem);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_model),
        cmocka_unit_test(test_small_budget),
        cmocka_unit_test(test_by_exhaustion),
        cmocka_unit_test(test_integers_and_removal_while_iterating),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
