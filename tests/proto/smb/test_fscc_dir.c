#include "proto/base/must.h"
#include "proto/smb/fscc.h"
#include "tests/lib/unit.h"

static const struct {
    uint8_t info_class;
    size_t name_at, id_at;
} classes[] = {
    {FILE_DIRECTORY_INFORMATION, 64, 0},
    {FILE_FULL_DIRECTORY_INFORMATION, 68, 0},
    {FILE_BOTH_DIRECTORY_INFORMATION, 94, 0},
    {FILE_NAMES_INFORMATION, 12, 0},
    {FILE_ID_BOTH_DIRECTORY_INFORMATION, 104, 96},
    {FILE_ID_FULL_DIRECTORY_INFORMATION, 80, 72},
    {FILE_ID_EXTD_DIRECTORY_INFORMATION, 88, 72},
    {FILE_ID_64_EXTD_DIRECTORY_INFORMATION, 80, 72},
    {FILE_ID_64_EXTD_BOTH_DIRECTORY_INFORMATION, 106, 72},
    {FILE_ID_ALL_EXTD_DIRECTORY_INFORMATION, 96, 72},
    {FILE_ID_ALL_EXTD_BOTH_DIRECTORY_INFORMATION, 122, 72},
};

static const struct fscc_entry entry = {.creation_time = 1,
                                        .size = 10,
                                        .allocation_size = 4096,
                                        .file_id = 77,
                                        .attributes = FILE_ATTRIBUTE_ARCHIVE,
                                        .name = {(const uint8_t *)"a\0b\0c", 6}};

static void layouts(void **state)
{
    (void)state;
    for (size_t i = 0; i < array_len(classes); i++) {
        uint8_t room[512];
        struct writer w = writer_of(room, sizeof(room));
        struct fscc_packer p = fscc_packer_of(&w, classes[i].info_class, sizeof(room));
        assert_int_equal(fscc_pack(&p, &entry), FSCC_PACKED);
        assert_int_equal(w.pos, classes[i].name_at + 6);
        assert_memory_equal(room + classes[i].name_at, "a\0b\0c\0", 6);
        if (classes[i].id_at != 0)
            assert_int_equal(room[classes[i].id_at], 77);
        size_t second = (w.pos + 7) & ~(size_t)7;
        assert_int_equal(fscc_pack(&p, &entry), FSCC_PACKED);
        assert_int_equal(room[0], second);
        assert_memory_equal(room + second + classes[i].name_at, "a\0b\0c\0", 6);
    }
}

static void small_buffers(void **state)
{
    (void)state;
    for (size_t i = 0; i < array_len(classes); i++) {
        size_t whole = classes[i].name_at + 6;
        for (size_t limit = 0; limit < 2 * whole + 8; limit++) {
            uint8_t room[512];
            struct writer w = writer_of(room, sizeof(room));
            struct fscc_packer p = fscc_packer_of(&w, classes[i].info_class, limit);
            enum fscc_packed first = fscc_pack(&p, &entry);
            assert_int_equal(first, limit >= whole                   ? FSCC_PACKED
                                    : limit < classes[i].name_at + 2 ? FSCC_TOO_SMALL
                                                                     : FSCC_CUT);
            assert_true(w.pos <= limit);
            if (first != FSCC_PACKED)
                continue;
            size_t both = ((whole + 7) & ~(size_t)7) + whole;
            assert_int_equal(fscc_pack(&p, &entry), limit >= both ? FSCC_PACKED : FSCC_FULL);
            assert_true(w.pos <= limit);
        }
    }
}

static void other_classes(void **state)
{
    (void)state;
    assert_false(fscc_is_directory_class(FILE_BASIC_INFORMATION));
    assert_true(fscc_is_directory_class(FILE_NAMES_INFORMATION));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(layouts), cmocka_unit_test(small_buffers),
                                       cmocka_unit_test(other_classes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
