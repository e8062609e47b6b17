#pragma once
/* What every unit test includes: cmocka with what it wants before itself. */
/* clang-format off */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
/* clang-format on */

/* The row's name beside a failure, since cmocka knows only the line. */
#define assert_row(name, cond)                                                                     \
    do {                                                                                           \
        if (!(cond))                                                                               \
            fail_msg("row '%s': %s", (name), #cond);                                               \
    } while (0)
