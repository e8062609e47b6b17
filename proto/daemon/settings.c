#include "proto/daemon/settings.h"

#include "proto/base/must.h"
#include <ini.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum kind { TEXT, PATH, NUMBER, BIG, FLAG, HEX16, COORDINATOR, ADDRESSES, CIPHERS, SIGNINGS };

/* Every key there is: section, key, where it goes, how it is read, and its default. */
struct key {
    const char *section, *name;
    enum kind kind;
    size_t offset, size;
    const char *fallback; /* NULL: stays zero */
};

#define FIELD(f) offsetof(struct settings, f), sizeof(((struct settings *)0)->f)
static const struct key keys[] = {
    {"cluster", "name", TEXT, FIELD(cluster_name), "flotilla"},
    {"cluster", "id", HEX16, FIELD(cluster_id), NULL},
    {"cluster", "coordinator", COORDINATOR, FIELD(coordinators), NULL},
    {"tls", "ca", PATH, FIELD(ca), "ca.crt"},
    {"tls", "cert", PATH, FIELD(cert), "node.crt"},
    {"tls", "key", PATH, FIELD(key), "node.key"},
    {"node", "id", NUMBER, FIELD(node_id), NULL},
    {"node", "name", TEXT, FIELD(node_name), NULL},
    {"node", "address", TEXT, FIELD(address), NULL},
    {"node", "smb_addresses", ADDRESSES, FIELD(smb_addresses), NULL},
    {"node", "data_port", NUMBER, FIELD(data_port), "4461"},
    {"node", "smb_port", NUMBER, FIELD(smb_port), "445"},
    {"node", "data_dir", PATH, FIELD(data_dir), "/var/lib/flotilla/data"},
    {"node", "state_dir", PATH, FIELD(state_dir), "/var/lib/flotilla"},
    {"node", "memory_mib", BIG, FIELD(memory_mib), "1024"},
    {"coordinator", "enabled", FLAG, FIELD(coordinator_enabled), "no"},
    {"coordinator", "joins", FLAG, FIELD(coordinator_joins), "no"},
    {"coordinator", "port", NUMBER, FIELD(coordinator_port), "4460"},
    {"coordinator", "dir", PATH, FIELD(coordinator_dir), "/var/lib/flotilla/coordinator"},
    {"coordinator", "founding", PATH, FIELD(founding_file), NULL},
    {"smb", "require_signing", FLAG, FIELD(require_signing), "no"},
    {"smb", "require_encryption", FLAG, FIELD(require_encryption), "no"},
    {"smb", "ciphers", CIPHERS, FIELD(ciphers), NULL},
    {"smb", "signing", SIGNINGS, FIELD(signings), NULL},
    {"smb", "compression", FLAG, FIELD(compression), "yes"},
    {"smb", "ntlm", FLAG, FIELD(ntlm), "yes"},
    {"smb", "keytab", PATH, FIELD(keytab), NULL},
    {"witness", "endpoint_mapper_port", NUMBER, FIELD(endpoint_mapper_port), "135"},
    {"witness", "port", NUMBER, FIELD(witness_port), "0"},
    {"log", "level", TEXT, FIELD(log_level), "info"},
};

struct parse {
    struct settings *s;
    const char *path, *why; /* why: set by the handler that refuses a line */
    char directory[4096];
    bool seen[array_len(keys)];
};

static const char *set_text(const struct key *k, void *to, const char *value)
{
    if (strlen(value) >= k->size)
        return "the value is too long";
    memcpy(to, value, strlen(value) + 1);
    return NULL;
}

static const char *set_path(const struct parse *p, const struct key *k, void *to, const char *value)
{
    char whole[8192];
    if (value[0] == '/' || value[0] == '\0')
        return set_text(k, to, value);
    (void)snprintf(whole, sizeof whole, "%s/%s", p->directory, value);
    return set_text(k, to, whole);
}

static const char *set_number(const struct key *k, void *to, const char *value)
{
    char *end = NULL;
    unsigned long long n = strtoull(value, &end, 10);
    if (end == value || *end != '\0')
        return "a number is wanted";
    if (k->kind == NUMBER && n > UINT32_MAX)
        return "the number is too large";
    if (k->kind == NUMBER)
        *(uint32_t *)to = (uint32_t)n;
    else
        *(uint64_t *)to = n;
    return NULL;
}

static const char *set_flag(void *to, const char *value)
{
    bool yes = strcasecmp(value, "yes") == 0 || strcasecmp(value, "true") == 0;
    if (!yes && strcasecmp(value, "no") != 0 && strcasecmp(value, "false") != 0)
        return "yes or no is wanted";
    *(bool *)to = yes;
    return NULL;
}

static const char *set_hex16(uint8_t *to, const char *value)
{
    if (strlen(value) != 32)
        return "32 hexadecimal digits are wanted";
    for (int i = 0; i < 16; i++) {
        char pair[3] = {value[2 * i], value[2 * i + 1], '\0'}, *end = NULL;
        to[i] = (uint8_t)strtoul(pair, &end, 16);
        if (end != pair + 2)
            return "32 hexadecimal digits are wanted";
    }
    return NULL;
}

static const char *add_coordinator(struct settings *s, const char *value)
{
    if (s->coordinator_count == SETTINGS_COORDINATORS_MAX)
        return "too many coordinators";
    struct settings_coordinator *c = &s->coordinators[s->coordinator_count];
    int blank = 0; /* without it "%u %s" takes "10.0.0.1:4460" apart after the 10 */
    if (sscanf(value, "%u%n %79s", &c->id, &blank, c->address) != 2 || value[blank] != ' ' ||
        c->id == 0)
        return "coordinator = ID ADDRESS:PORT is wanted";
    s->coordinator_count++;
    return NULL;
}

static const char *set_addresses(struct settings *s, const char *value)
{
    char words[1024], *state = NULL;
    if (strlen(value) >= sizeof words)
        return "the value is too long";
    memcpy(words, value, strlen(value) + 1);
    s->smb_address_count = 0;
    for (char *w = strtok_r(words, " ,", &state); w != NULL; w = strtok_r(NULL, " ,", &state)) {
        if (s->smb_address_count == SETTINGS_SMB_ADDRESSES_MAX)
            return "too many addresses";
        if (strlen(w) >= sizeof s->smb_addresses[0])
            return "the address is too long";
        memcpy(s->smb_addresses[s->smb_address_count++], w, strlen(w) + 1);
    }
    return NULL;
}

/* Names of algorithms, each a word, as their numbers in [MS-SMB2] 2.2.3.1.2 and 2.2.3.1.7. */
struct names {
    const char *const *names;
    uint16_t first; /* number of the first name */
    size_t count;
    const char *wanted;
};

static const char *const cipher_names[] = {"aes-128-ccm", "aes-128-gcm", "aes-256-ccm",
                                           "aes-256-gcm"};
static const char *const signing_names[] = {"hmac-sha256", "aes-cmac", "aes-gmac"};
static const struct names ciphers = {
    cipher_names, 1, array_len(cipher_names),
    "each of aes-128-gcm, aes-128-ccm, aes-256-gcm, aes-256-ccm is wanted once at most"};
static const struct names signings = {
    signing_names, 0, array_len(signing_names),
    "each of aes-gmac, aes-cmac, hmac-sha256 is wanted once at most"};

static bool add_algorithm(const struct names *n, const char *word, uint16_t *to, uint32_t *count)
{
    for (uint16_t i = 0; i < n->count; i++) {
        uint16_t id = (uint16_t)(n->first + i);
        if (strcasecmp(word, n->names[i]) != 0)
            continue;
        for (uint32_t k = 0; k < *count; k++)
            if (to[k] == id)
                return false;
        to[(*count)++] = id; /* never more than there are names */
        return true;
    }
    return false;
}

static const char *set_algorithms(const struct names *n, const char *value, uint16_t *to,
                                  uint32_t *count)
{
    char words[256], *state = NULL;
    if (strlen(value) >= sizeof words)
        return n->wanted;
    memcpy(words, value, strlen(value) + 1);
    *count = 0;
    for (char *w = strtok_r(words, " ,", &state); w != NULL; w = strtok_r(NULL, " ,", &state))
        if (!add_algorithm(n, w, to, count))
            return n->wanted;
    return *count > 0 ? NULL : n->wanted;
}

static const char *set(struct parse *p, const struct key *k, const char *value)
{
    void *to = (char *)p->s + k->offset;
    switch (k->kind) {
    case TEXT: return set_text(k, to, value);
    case PATH: return set_path(p, k, to, value);
    case NUMBER:
    case BIG: return set_number(k, to, value);
    case FLAG: return set_flag(to, value);
    case HEX16: return set_hex16(to, value);
    case COORDINATOR: return add_coordinator(p->s, value);
    case ADDRESSES: return set_addresses(p->s, value);
    case CIPHERS: return set_algorithms(&ciphers, value, p->s->ciphers, &p->s->cipher_count);
    case SIGNINGS: return set_algorithms(&signings, value, p->s->signings, &p->s->signing_count);
    }
    return "no such kind of key";
}

static int on_line(void *user, const char *section, const char *name, const char *value)
{
    struct parse *p = user;
    if (p->why != NULL)
        return 0; /* inih goes on after a mistake; the first one is told */
    p->why = "no such key in this section";
    for (size_t i = 0; i < array_len(keys); i++) {
        if (strcmp(keys[i].section, section) != 0 || strcmp(keys[i].name, name) != 0)
            continue;
        p->seen[i] = true;
        p->why = set(p, &keys[i], value);
        break;
    }
    return p->why == NULL;
}

static const char *check(const struct settings *s)
{
    if (s->coordinator_count == 0)
        return "[cluster] names no coordinator";
    if (s->node_id != 0 && (s->node_name[0] == '\0' || s->address[0] == '\0'))
        return "[node] needs name and address";
    if (s->memory_mib < 64)
        return "[node] memory_mib must be at least 64";
    return NULL;
}

bool settings_load(struct settings *s, const char *path, char *error)
{
    memset(s, 0, sizeof *s);
    struct parse p = {.s = s, .path = path};
    const char *slash = strrchr(path, '/');
    (void)snprintf(p.directory, sizeof p.directory, "%.*s", slash ? (int)(slash - path) : 1,
                   slash ? path : ".");
    int line = ini_parse(path, on_line, &p);
    if (line < 0) {
        (void)snprintf(error, SETTINGS_ERROR_MAX, "%s: cannot be read", path);
        return false;
    }
    if (line > 0) {
        (void)snprintf(error, SETTINGS_ERROR_MAX, "%s:%d: %s", path, line,
                       p.why != NULL ? p.why : "not of the form key = value");
        return false;
    }
    for (size_t i = 0; i < array_len(keys); i++)
        if (!p.seen[i] && keys[i].fallback != NULL)
            must(set(&p, &keys[i], keys[i].fallback) == NULL);
    const char *why = check(s);
    if (why != NULL)
        (void)snprintf(error, SETTINGS_ERROR_MAX, "%s: %s", path, why);
    return why == NULL;
}

uint32_t settings_coordinators(const struct settings *s, const char **out)
{
    for (uint32_t i = 0; i < s->coordinator_count; i++)
        out[i] = s->coordinators[i].address;
    return s->coordinator_count;
}
