#pragma once
/* The rules of caching, without any state: what a use of a file breaks, and what may be granted
 * beside what others hold ([MS-FSA] 2.1.4.12, 2.1.5.18). An oplock is a right of one open, a lease
 * is shared by opens with one key; their rules differ a little:
 *
 *             READ | WRITE | HANDLE   READ | WRITE   READ | HANDLE   READ
 *   lease     RWH                     RW             RH              R
 *   oplock    batch                   exclusive      -               level II */
#include <stdbool.h>
#include <stdint.h>

enum { CACHE_READ = 1, CACHE_HANDLE = 2, CACHE_WRITE = 4 }; /* SMB2_LEASE_*_CACHING */

/* What somebody else does to the file. */
enum cache_use {
    USE_ATTRIBUTES, /* opens it for no more than these */
    USE_CONTROL,    /* opens it for these, or to read its security descriptor */
    USE_OPEN,       /* opens it for more */
    USE_OVERWRITE,  /* opens it and throws its bytes away */
    USE_SHARE,      /* opens it in a way that its sharing forbids */
    USE_DATA,       /* changes its bytes or its size, or locks them */
    USE_HANDLE,     /* renames it, deletes it, changes its security */
    USE_ENTRIES,    /* changes what is in this directory */
};

/* What somebody holds. */
struct cache_hold {
    bool oplock, breaking;
    uint8_t state; /* while it breaks: as before */
    uint8_t to;    /* what it is to become in the end, when breaking */
};

/* What comes of it: `to` is what may remain; wait: the use must wait until it is so. */
struct cache_verdict {
    bool breaks, wait;
    uint8_t to;
};
struct cache_verdict cache_judge(const struct cache_hold *hold, enum cache_use use);

/* Must the holder acknowledge that he loses some of it? [MS-SMB2] 3.3.4.7. */
bool cache_acknowledges(uint8_t state);

/* What others than the asker have of the file. */
struct cache_others {
    bool any;       /* something is cached */
    bool exclusive; /* with WRITE, or it was not long ago and still breaks */
    bool level_two; /* as oplocks of level II */
    bool handle;    /* as leases with HANDLE: with these level II does not mix */
    bool opens;     /* opens that could change or read it */
    bool locked;    /* byte ranges within it: who reads from a cache would not meet them */
};
/* The state a new lease or oplock gets: all that was asked for or a lesser one; 0: nothing. */
uint8_t cache_grant(bool oplock, uint8_t wanted, const struct cache_others *others);
/* The same for one that holds something already: all or nothing more ([MS-SMB2] 3.3.5.9.8). */
uint8_t cache_upgrade(uint8_t held, uint8_t wanted, const struct cache_others *others);
