#pragma once
/* The preauthentication integrity hash of 3.1.1: a SHA-512 chain over NEGOTIATE and SESSION_SETUP
 * messages, each from its header to its last byte as it was on the wire, so that keys derived from
 * it differ when somebody in between changed a byte.
 *
 *   connection: H0 = 0, H1 = SHA512(H0 | NEGOTIATE request), H2 = SHA512(H1 | NEGOTIATE response)
 *   session:    starts with H2, goes on with each SESSION_SETUP request and response, except the
 *               final successful response; [MS-SMB2] 3.3.5.4, 3.3.5.5, 3.2.5.2, 3.2.5.3. */
#include "proto/base/bytes.h"

enum { PREAUTH_HASH_SIZE = 64 };

/* A value: copied freely, {0} is the start of the chain. */
struct preauth {
    uint8_t hash[PREAUTH_HASH_SIZE];
};

/* Adds one message. False when libcrypto has no memory: the connection must then be closed. */
bool preauth_add(struct preauth *p, struct slice message);
