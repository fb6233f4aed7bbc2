/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * state_lab - desired networks for the tests of overlay/ and of reconcile, fixed or by chance.
 *
 * The n-th endpoint of a network has the same MAC and addresses in every variant of it, be it local, remote or shut: variants share what
 * they have in common, and an endpoint that is elsewhere in the next one has moved.
 */
#pragma once
#include "overlay/apply.h"
#include "overlay/state.h"
#include "tests/fake/fake_kernel.h"

#define STATE_LAB_MTU 1500

struct ip state_lab_vtep(unsigned node); /* 0: our own */
struct id state_lab_id(uint32_t vni, unsigned n);
/** state_lab_port() - the n-th endpoint as a local one. */
struct state_port state_lab_port(uint32_t vni, unsigned n);
/** state_lab_add_local() / state_lab_add_remote() - with all their entries; the network is to be sorted afterwards. */
void state_lab_add_local(struct state_net *n, unsigned k);
void state_lab_add_remote(struct state_net *n, unsigned k, struct ip vtep);
/** state_lab_make() - endpoints 0.. local, the following ones remote on three nodes, with flooding. Sorted. */
struct state_net *state_lab_make(uint32_t vni, unsigned n_locals, unsigned n_remotes);
/** state_lab_random() - anything that compile could make of a network. */
struct state_net *state_lab_random(uint32_t vni, uint64_t *seed);
/** state_lab_local() - a local network with its elements; its security follows from the key (bridges only). Sorted. */
struct state_net *state_lab_local(enum state_kind kind, uint32_t key, unsigned n_locals);
/** state_lab_random_local() - anything that compile could make of one. */
struct state_net *state_lab_random_local(enum state_kind kind, uint32_t key, uint64_t *seed);
struct state_net *state_lab_dup(const struct state_net *n);
/** state_lab_converge() - dump, diff, apply until nothing differs. Return: 0, the last error, -ELOOP: it does not come to rest. */
int state_lab_converge(struct fake_kernel *f, uint32_t vni, const struct state_net *want,
		       bool may_delete);
