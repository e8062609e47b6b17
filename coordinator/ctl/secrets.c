#include "coordinator/ctl/ctl.h"

#include "proto/base/must.h"
#include "proto/base/utf16.h"
#include "proto/daemon/heap.h"
#include <openssl/evp.h>
#include <openssl/provider.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <termios.h>
#include <unistd.h>

/* MD4 lives in OpenSSL's legacy provider, loaded into a context of its own so that nothing else in
 * this process can use it by accident. */
bool nt_hash(const char *password, uint8_t out[16])
{
    struct mem mem;
    struct arena a;
    struct slice utf16;
    unsigned len = 0;
    mem_heap_init(&mem, 1 << 20);
    arena_init(&a, &mem, 1 << 19);
    OSSL_LIB_CTX *context = OSSL_LIB_CTX_new();
    OSSL_PROVIDER *legacy = context ? OSSL_PROVIDER_load(context, "legacy") : NULL;
    EVP_MD *md4 = legacy ? EVP_MD_fetch(context, "MD4", NULL) : NULL;
    bool ok = md4 != NULL && utf16_from_utf8(slice_str(password), &a, &utf16) &&
              EVP_Digest(utf16.at, utf16.len, out, &len, md4, NULL) == 1 && len == 16;
    EVP_MD_free(md4);
    if (legacy != NULL)
        (void)OSSL_PROVIDER_unload(legacy);
    OSSL_LIB_CTX_free(context);
    arena_fini(&a);
    return ok;
}

void random_bytes(uint8_t *to, size_t len) { must(getrandom(to, len, 0) == (ssize_t)len); }

void to_hex(const uint8_t *bytes, size_t len, char *out)
{
    for (size_t i = 0; i < len; i++)
        (void)snprintf(out + 2 * i, 3, "%02x", bytes[i]);
    out[2 * len] = '\0';
}

bool from_hex(const char *text, uint8_t *to, size_t len)
{
    if (strlen(text) != 2 * len)
        return false;
    for (size_t i = 0; i < len; i++) {
        char pair[3] = {text[2 * i], text[2 * i + 1], '\0'}, *end = NULL;
        to[i] = (uint8_t)strtoul(pair, &end, 16);
        if (end != pair + 2)
            return false;
    }
    return true;
}

static char *read_line(const char *prompt)
{
    static char line[2][1024];
    static int turn;
    char *to = line[turn++ % 2];
    if (prompt != NULL)
        (void)fputs(prompt, stderr);
    if (fgets(to, sizeof line[0], stdin) == NULL)
        return NULL;
    to[strcspn(to, "\n")] = '\0';
    return to;
}

const char *read_password(struct ctl *c)
{
    const char *given = args_option(&c->args, "password", NULL);
    if (given != NULL)
        return given;
    if (!isatty(STDIN_FILENO)) {
        given = read_line(NULL);
        if (given == NULL)
            (void)fail("a password is wanted: --password, or a line on standard input");
        return given;
    }
    struct termios before, silent;
    (void)tcgetattr(STDIN_FILENO, &before);
    silent = before;
    silent.c_lflag &= ~(tcflag_t)ECHO;
    (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
    const char *first = read_line("Password: "), *second = read_line("\nAgain: ");
    (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
    (void)fputc('\n', stderr);
    if (first != NULL && second != NULL && strcmp(first, second) == 0)
        return first;
    (void)fail("the two passwords differ");
    return NULL;
}
