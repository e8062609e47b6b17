#pragma once
/* Between oracle.c, which knows the registers, and oracle_cluster.c, which looks into the cluster.
 */
#include "tests/sim/oracle.h"

/* Whose bytes these are (0: zeros); false when they are nobody's, or damaged. */
bool atom_name(const struct oracle *o, const uint8_t *at, uint32_t file, uint32_t atom,
               uint32_t *write);
/* NULL: never written there. */
struct version *version_of(struct oracle *o, uint32_t file, uint32_t atom, uint32_t write);
/* A name of the register whose zone clashes with v's, or NULL. */
const struct version *zone_clash(const struct oracle *o, uint32_t file, uint32_t atom,
                                 const struct version *v);
/* Was the register ever made zero? Then zeros do not say whose they are. */
bool atom_zeroed(const struct oracle *o, uint32_t file, uint32_t atom);
/* ... but they are somebody's: the same with v's zone for one of those who may have made them. */
bool zeros_clash(struct oracle *o, uint32_t file, uint32_t atom, const struct version *seen);
/* Invariant 4 for a range. */
void oracle_disk_range(struct oracle *o, uint32_t file, uint32_t atom, uint32_t count);
