#include "tests/lib/hex.h"

#include "proto/base/must.h"

static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

struct slice hex_decode(const char *hex, uint8_t *to, size_t cap)
{
    size_t len = 0;
    while (*hex != '\0') {
        if (*hex == ' ') {
            hex++;
            continue;
        }
        int high = digit(hex[0]);
        int low = high < 0 ? -1 : digit(hex[1]);
        must(low >= 0);
        must(len < cap);
        to[len++] = (uint8_t)(high << 4 | low);
        hex += 2;
    }
    return slice_of(to, len);
}
