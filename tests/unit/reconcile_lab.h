/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * reconcile_lab - a loop, the kernel in memory, a reconciler, and a desired state that the test sets: for its tests.
 */
#pragma once
#include "agent/reconcile.h"
#include "tests/fake/fake_kernel.h"
#include "tests/unit/state_lab.h"

#define LAB_NETS 4
#define LAB_VNI 1048576u /* of the first network; the others follow */
#define LAB_DEADLINE_MS 5000

struct lab {
	uv_loop_t loop;
	uv_timer_t tick; /* so that a turn of the loop ends */
	struct fake_kernel *f;
	struct kernel *k;
	struct reconcile *r;
	enum reconcile_source source, local_source; /* of overlay networks; of local ones */
	uint32_t keys[LAB_NETS]; /* LAB_VNI and up, unless lab_local() said otherwise */
	struct state_net *want[LAB_NETS]; /* by index; NULL: not desired */
	struct ip vteps[8];
	size_t n_vteps;
	/* what was told */
	unsigned n_drift, n_underlay, n_port_failed, n_desired;
	char drift[64];
	int port_status;
	struct id port_endpoint;
	bool withdraw; /* a port whose namespace is gone is taken off the desired state, as the agent does */
};

int lab_open(void **state); /* not started; source COMPLETE, nothing desired, own VTEP */
int lab_close(void **state);
void lab_start(struct lab *w);
/** lab_restart() - the reconciler closes, another one starts over the same kernel. */
void lab_restart(struct lab *w);
/** lab_want() - network @i with that many endpoints, marked dirty. */
void lab_want(struct lab *w, unsigned i, unsigned n_locals, unsigned n_remotes);
/** lab_local() - the same of a local network. */
void lab_local(struct lab *w, unsigned i, enum state_kind kind, uint32_t key, unsigned n_locals);
/** lab_set() - @i is @n from now on (taken; NULL: not desired), without a word to the reconciler. */
void lab_set(struct lab *w, unsigned i, struct state_net *n);
void lab_want_not(struct lab *w, unsigned i);
/** lab_is() - does the kernel hold what is desired of network @i, and the VTEPs, and nothing else? */
bool lab_is(struct lab *w, unsigned i);
/** lab_settle() - turns of the loop until the kernel is as desired in all networks; fails the test at the deadline. */
void lab_settle(struct lab *w, const char *what);
/** lab_wait() - turns until @done, at most LAB_DEADLINE_MS. Return: @done's last answer. */
bool lab_wait(struct lab *w, bool (*done)(struct lab *w));
/** lab_quiet() - turns of the loop for as long as a dump that is due may wait. */
void lab_quiet(struct lab *w);
