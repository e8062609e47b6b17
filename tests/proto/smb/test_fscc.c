#include "proto/base/must.h"
#include "proto/smb/dtyp.h"
#include "proto/smb/fscc.h"
#include "tests/lib/unit.h"
#include <string.h>

static const struct fscc_file file = {.creation_time = 1,
                                      .access_time = 2,
                                      .write_time = 3,
                                      .change_time = 4,
                                      .size = 5,
                                      .allocation_size = 4096,
                                      .links = 1,
                                      .file_id = 7,
                                      .volume_serial = 8,
                                      .granted_access = 0x1F01FF,
                                      .mode = 2,
                                      .position = 9,
                                      .path = {(const uint8_t *)"a\0b\0c\0d", 8}};

/* Windows refuses a buffer of `least` - 1, whatever it would have returned. */
static const struct {
    uint8_t info_class;
    size_t least, whole;
    ntstatus at_least;
} sizes[] = {
    {FILE_BASIC_INFORMATION, 40, 40, STATUS_OK},
    {FILE_STANDARD_INFORMATION, 24, 24, STATUS_OK},
    {FILE_INTERNAL_INFORMATION, 8, 8, STATUS_OK},
    {FILE_EA_INFORMATION, 4, 4, STATUS_OK},
    {FILE_ACCESS_INFORMATION, 4, 4, STATUS_OK},
    {FILE_POSITION_INFORMATION, 8, 8, STATUS_OK},
    {FILE_MODE_INFORMATION, 4, 4, STATUS_OK},
    {FILE_ALIGNMENT_INFORMATION, 4, 4, STATUS_OK},
    {FILE_ALL_INFORMATION, 104, 104, STATUS_OK},
    {FILE_COMPRESSION_INFORMATION, 16, 16, STATUS_OK},
    {FILE_NETWORK_OPEN_INFORMATION, 56, 56, STATUS_OK},
    {FILE_ATTRIBUTE_TAG_INFORMATION, 8, 8, STATUS_OK},
    {FILE_NORMALIZED_NAME_INFORMATION, 8, 12, STATUS_BUFFER_OVERFLOW},
    {FILE_ID_INFORMATION, 24, 24, STATUS_OK},
};

static void file_sizes(void **state)
{
    (void)state;
    for (size_t i = 0; i < array_len(sizes); i++) {
        uint8_t room[256];
        struct writer w = writer_of(room, sizes[i].least - 1);
        uint8_t c = sizes[i].info_class;
        assert_int_equal(fscc_encode_file(c, &file, &w), STATUS_INFO_LENGTH_MISMATCH);
        w = writer_of(room, 0);
        assert_int_equal(fscc_encode_file(c, &file, &w), STATUS_INFO_LENGTH_MISMATCH);
        w = writer_of(room, sizes[i].least);
        assert_int_equal(fscc_encode_file(c, &file, &w), sizes[i].at_least);
        assert_false(w.full);
        w = writer_of(room, sizeof(room));
        assert_int_equal(fscc_encode_file(c, &file, &w), STATUS_OK);
        assert_int_equal(w.pos, sizes[i].whole);
    }
}

static void file_contents(void **state)
{
    (void)state;
    uint8_t room[256];
    struct writer w = writer_of(room, sizeof(room));
    assert_int_equal(fscc_encode_file(FILE_ALL_INFORMATION, &file, &w), STATUS_OK);
    struct reader r = reader_of(written(&w));
    for (uint64_t t = 1; t <= 4; t++)
        assert_int_equal(read_u64(&r), t);
    assert_int_equal(read_u32(&r), FILE_ATTRIBUTE_NORMAL);
    read_skip(&r, 4);
    assert_int_equal(read_u64(&r), 4096);
    assert_int_equal(read_u64(&r), 5);
    assert_int_equal(read_u32(&r), 1);
    read_skip(&r, 4);
    assert_int_equal(read_u64(&r), 7);
    assert_int_equal(read_u32(&r), 0);
    assert_int_equal(read_u32(&r), 0x1F01FF);
    assert_int_equal(read_u64(&r), 9);
    assert_int_equal(read_u32(&r), 2);
    w = writer_of(room, 10);
    assert_int_equal(fscc_encode_file(FILE_NORMALIZED_NAME_INFORMATION, &file, &w),
                     STATUS_BUFFER_OVERFLOW);
    assert_memory_equal(room, "\x08\0\0\0a\0b\0c\0", 10);
}

static void streams(void **state)
{
    (void)state;
    uint8_t room[38 + 2 + 24 + 16];
    size_t last = FSCC_NO_STREAM;
    const struct fscc_stream data = {.size = 5, .allocation_size = 4096};
    const struct fscc_stream named = {.name = slice_of("s", 2), .size = 6};
    struct writer w = writer_of(room, 37);
    assert_false(fscc_write_stream(&w, &last, &data));
    assert_int_equal(w.pos, 0);
    w = writer_of(room, sizeof(room) - 1);
    assert_true(fscc_write_stream(&w, &last, &data));
    assert_int_equal(w.pos, 38);
    assert_memory_equal(room + 24, ":\0:\0$\0D\0A\0T\0A\0", 14);
    assert_false(fscc_write_stream(&w, &last, &named));
    w.cap++;
    assert_true(fscc_write_stream(&w, &last, &named));
    assert_int_equal(room[0], 40);
    assert_int_equal(room[40], 0);
    assert_int_equal(room[40 + 8], 6);
    assert_memory_equal(room + 40 + 24, ":\0s\0:\0$\0D\0A\0T\0A\0", 16);
}

static void refused_classes(void **state)
{
    (void)state;
    uint8_t room[256];
    struct writer w = writer_of(room, sizeof(room));
    assert_int_equal(fscc_encode_file(0, &file, &w), STATUS_INVALID_INFO_CLASS);
    assert_int_equal(fscc_encode_file(FILE_RENAME_INFORMATION, &file, &w),
                     STATUS_INVALID_INFO_CLASS);
    assert_int_equal(fscc_encode_file(FILE_NAME_INFORMATION, &file, &w), STATUS_NOT_SUPPORTED);
    assert_int_equal(fscc_encode_file(FILE_FULL_EA_INFORMATION, &file, &w),
                     STATUS_INVALID_INFO_CLASS); /* ea_write's */
    assert_int_equal(fscc_encode_file(FILE_ALTERNATE_NAME_INFORMATION, &file, &w),
                     STATUS_OBJECT_NAME_NOT_FOUND);
    assert_int_equal(fscc_query_access(FILE_BASIC_INFORMATION), FILE_READ_ATTRIBUTES);
    assert_int_equal(fscc_query_access(FILE_STANDARD_INFORMATION), 0);
}

static const struct {
    uint8_t info_class;
    size_t least, whole;
} volumes[] = {
    {FILE_FS_VOLUME_INFORMATION, 24, 26},    {FILE_FS_SIZE_INFORMATION, 24, 24},
    {FILE_FS_DEVICE_INFORMATION, 8, 8},      {FILE_FS_ATTRIBUTE_INFORMATION, 16, 20},
    {FILE_FS_CONTROL_INFORMATION, 48, 48},   {FILE_FS_FULL_SIZE_INFORMATION, 32, 32},
    {FILE_FS_OBJECT_ID_INFORMATION, 64, 64}, {FILE_FS_SECTOR_SIZE_INFORMATION, 28, 28},
};

static void file_systems(void **state)
{
    (void)state;
    const struct fscc_volume v = {.label = {(const uint8_t *)"v\0o\0l\0"
                                                             "1",
                                            8},
                                  .total_bytes = 1 << 20,
                                  .free_bytes = 1 << 19};
    for (size_t i = 0; i < array_len(volumes); i++) {
        uint8_t room[128];
        struct writer w = writer_of(room, volumes[i].least - 1);
        assert_int_equal(fscc_encode_volume(volumes[i].info_class, &v, &w),
                         STATUS_INFO_LENGTH_MISMATCH);
        w = writer_of(room, volumes[i].least);
        ntstatus status = fscc_encode_volume(volumes[i].info_class, &v, &w);
        assert_true(status ==
                    (volumes[i].whole > volumes[i].least ? STATUS_BUFFER_OVERFLOW : STATUS_OK));
        w = writer_of(room, sizeof(room));
        assert_int_equal(fscc_encode_volume(volumes[i].info_class, &v, &w), STATUS_OK);
        assert_int_equal(w.pos, volumes[i].whole);
    }
    uint8_t room[128];
    struct writer w = writer_of(room, sizeof(room));
    assert_int_equal(fscc_encode_volume(FILE_FS_LABEL_INFORMATION, &v, &w), STATUS_NOT_SUPPORTED);
    assert_int_equal(fscc_encode_volume(99, &v, &w), STATUS_INVALID_INFO_CLASS);
    assert_int_equal(fscc_encode_volume(FILE_FS_SIZE_INFORMATION, &v, &w), STATUS_OK);
    struct reader r = reader_of(written(&w));
    assert_int_equal(read_u64(&r), 256);
    assert_int_equal(read_u64(&r), 128);
    assert_int_equal(read_u32(&r) * read_u32(&r), 4096);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(file_sizes), cmocka_unit_test(file_contents), cmocka_unit_test(streams),
        cmocka_unit_test(refused_classes), cmocka_unit_test(file_systems)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
