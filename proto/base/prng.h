#pragma once
/* xoshiro256**: the seeded generator of simulations and of anything that must be repeatable. Not
 * for secrets: those come with events from the shell's getrandom(). */
#include <stdbool.h>
#include <stdint.h>

struct prng {
    uint64_t s[4];
};

void prng_init(struct prng *p, uint64_t seed);
uint64_t prng_u64(struct prng *p);
/* Uniform in [0, bound); bound > 0. */
uint64_t prng_below(struct prng *p, uint64_t bound);
/* True `per_mille` times in a thousand. */
bool prng_chance(struct prng *p, uint32_t per_mille);
/* splitmix64 finaliser: a good 64-bit mix of one word. */
uint64_t mix64(uint64_t x);
