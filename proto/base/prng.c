/* xoshiro256** 1.0 and splitmix64 by Blackman and Vigna (public domain algorithms,
 * https://prng.di.unimi.it). */
#include "proto/base/prng.h"

#include "proto/base/must.h"

uint64_t mix64(uint64_t x)
{
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

static uint64_t rotate_left(uint64_t x, unsigned by) { return x << by | x >> (64 - by); }

void prng_init(struct prng *p, uint64_t seed)
{
    for (unsigned i = 0; i < 4; i++)
        p->s[i] = mix64(seed += UINT64_C(0x9e3779b97f4a7c15)); /* never all zero */
}

uint64_t prng_u64(struct prng *p)
{
    uint64_t *s = p->s;
    uint64_t result = rotate_left(s[1] * 5, 7) * 9;
    uint64_t shifted = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= shifted;
    s[3] = rotate_left(s[3], 45);
    return result;
}

uint64_t prng_below(struct prng *p, uint64_t bound)
{
    must(bound > 0);
    /* The lowest (2^64 mod bound) values would make small results likelier: draw again. */
    uint64_t least = (0 - bound) % bound;
    uint64_t value = prng_u64(p);
    while (value < least)
        value = prng_u64(p);
    return value % bound;
}

bool prng_chance(struct prng *p, uint32_t per_mille) { return prng_below(p, 1000) < per_mille; }
