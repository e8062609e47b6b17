/* Stands in for libFuzzer with any compiler: runs a fuzz target over every file of the corpus, and
 * over a few thousand mutations of each corpus that are the same on every run.
 *   fuzz_x [-n MUTATIONS] FILE-OR-FOLDER...
 * When a run dies, the bytes it died of stay behind in the file named by FUZZ_LAST (if set). */
#include "proto/base/must.h"
#include "proto/base/prng.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_MAX = 1 << 16, INPUTS_MAX = 4096, MUTATIONS_DEFAULT = 3000 };

struct input {
    uint8_t *at;
    size_t size;
};

static struct input inputs[INPUTS_MAX];
static size_t inputs_count;

/* Shared with a file, so that the last input survives the death of the process. */
struct last {
    uint32_t size;
    uint8_t at[INPUT_MAX];
};
static struct last *last;

static void run(const uint8_t *at, size_t size)
{
    if (last != NULL) {
        last->size = (uint32_t)size;
        memcpy(last->at, at, size);
    }
    (void)LLVMFuzzerTestOneInput(at, size);
}

static void add_file(const char *path)
{
    must(inputs_count < INPUTS_MAX);
    struct input *in = &inputs[inputs_count];
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        perror(path);
        exit(2);
    }
    in->at = malloc(INPUT_MAX);
    must(in->at != NULL);
    in->size = fread(in->at, 1, INPUT_MAX, file);
    fclose(file);
    inputs_count++;
}

static int visible(const struct dirent *e) { return e->d_name[0] != '.'; }

static void add(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return; /* a target without a corpus still runs on mutations of nothing */
    if (!S_ISDIR(st.st_mode)) {
        add_file(path);
        return;
    }
    struct dirent **names = NULL;
    int count = scandir(path, &names, visible, alphasort); /* sorted: the same order everywhere */
    for (int i = 0; i < count; i++) {
        char file[4096];
        snprintf(file, sizeof(file), "%s/%s", path, names[i]->d_name);
        add_file(file);
        free(names[i]);
    }
    free(names);
}

static const uint8_t edges[] = {0, 1, 2, 3, 4, 8, 16, 24, 32, 63, 64, 65, 127, 128, 254, 255};

static uint8_t other_byte(struct prng *p, uint8_t old)
{
    switch (prng_below(p, 4)) {
    case 0: return (uint8_t)prng_u64(p);
    case 1: return (uint8_t)(old ^ 1u << prng_below(p, 8));
    }
    return edges[prng_below(p, array_len(edges))];
}

static size_t mutate_once(struct prng *p, uint8_t *at, size_t size)
{
    size_t i = size == 0 ? 0 : prng_below(p, size);
    size_t n = 1 + prng_below(p, size - i < 16 ? size - i + 1 : 16);
    switch (prng_below(p, 7)) {
    case 0: return i; /* cut short */
    case 1:           /* grow at the end */
        n = size + n > INPUT_MAX ? 0 : n;
        for (size_t k = 0; k < n; k++)
            at[size + k] = (uint8_t)prng_u64(p);
        return size + n;
    case 2: /* cut out */
        n = n > size - i ? size - i : n;
        memmove(at + i, at + i + n, size - i - n);
        return size - n;
    case 3: /* double a piece */
        n = n > size - i ? size - i : n;
        n = size + n > INPUT_MAX ? 0 : n;
        memmove(at + i + n, at + i, size - i);
        return size + n;
    }
    for (size_t k = 0; k < n && i + k < size; k++) /* overwrite: an edge, a bit, noise */
        at[i + k] = other_byte(p, at[i + k]);
    return size;
}

static void run_mutations(uint64_t mutations)
{
    static uint8_t scratch[INPUT_MAX];
    struct prng p;
    prng_init(&p, 1);
    for (uint64_t i = 0; i < mutations; i++) {
        const struct input *in = inputs_count ? &inputs[i % inputs_count] : NULL;
        size_t size = in == NULL ? 0 : in->size;
        if (size > 0)
            memcpy(scratch, in->at, size);
        for (uint64_t n = 1 + prng_below(&p, 6); n > 0; n--)
            size = mutate_once(&p, scratch, size);
        run(scratch, size);
    }
}

static void keep_last(const char *path)
{
    int fd = path == NULL ? -1 : open(path, O_RDWR | O_CREAT | O_TRUNC, 0644);
    if (fd < 0 || ftruncate(fd, sizeof(*last)) != 0)
        return;
    void *at = mmap(NULL, sizeof(*last), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    last = at == MAP_FAILED ? NULL : at;
    close(fd);
}

int main(int argc, char **argv)
{
    uint64_t mutations = MUTATIONS_DEFAULT;
    int first = 1;
    if (argc > 2 && strcmp(argv[1], "-n") == 0) {
        mutations = strtoull(argv[2], NULL, 10);
        first = 3;
    }
    keep_last(getenv("FUZZ_LAST"));
    for (int i = first; i < argc; i++)
        add(argv[i]);
    run((const uint8_t *)"", 0);
    for (size_t i = 0; i < inputs_count; i++)
        run(inputs[i].at, inputs[i].size);
    run_mutations(mutations);
    printf("%zu inputs and %llu mutations\n", inputs_count, (unsigned long long)mutations);
    for (size_t i = 0; i < inputs_count; i++)
        free(inputs[i].at);
    return 0;
}
