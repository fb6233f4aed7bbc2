/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * doctor_lab - a doctor over a real mirror of an etcd in memory; the rest of the agent's modules are stand-ins that say what the test tells them to.
 *
 * In etcd: node 1 (this one) and 2, network 10 ("demo") with endpoints 2 (c2, ours, 10.0.0.2) and 3 (c3, node 2's) and their addresses; our row is c2's.
 */
#pragma once
#include "agent/doctor.h"
#include "overlay/coexist.h"
#include "overlay/diff.h"
#include "tests/fake/fake_kv.h"

#define P "/ovl/v1"
#define DOCTOR_LAB_LEASE_S 3600
#define DOCTOR_LAB_QUIET_MS 50

struct doctor_lab {
	uv_loop_t *loop, own_loop;
	uv_timer_t tick;
	struct fake_kv *f;
	struct mirror *m;
	struct config config;
	struct doctor_deps deps;
	struct doctor *d;
	struct local_endpoint *rows[8];
	size_t n_rows;
	int64_t lease;
	/* What the stand-ins say. */
	bool busy; /* reconcile is never idle */
	bool settles; /* ... but at the third look */
	unsigned looks, examined;
	struct reconcile_finding kernel[8];
	size_t n_kernel;
	bool once; /* the kernel's findings are gone at the second look */
	int examine_status;
	struct reconcile_stats stats;
	struct coexist_finding walls[2];
	size_t n_walls;
	const char *name_problem;
	bool forwarded, forwarding_off, unbound, dead_container;
	void (*docker)(struct doctor_lab *l, struct doctor_check *c);
	/* What was told last: "area: what | cure\n", "not area: why\n". */
	unsigned told;
	int status;
	size_t n, left_out;
	char text[65536];
};
/** doctor_lab_open() - on @loop, NULL: one of its own. The mirror is in sync. */
void doctor_lab_open(struct doctor_lab *l, uv_loop_t *loop);
/** doctor_lab_close() - and all that is on its own loop. */
void doctor_lab_close(struct doctor_lab *l);
struct id doctor_lab_id(unsigned n);
/* As another hand would; @key and @value are taken. The mirror follows. */
void doctor_lab_put(struct doctor_lab *l, char *key, char *value);
void doctor_lab_del(struct doctor_lab *l, char *key);
void doctor_lab_put_endpoint(struct doctor_lab *l, unsigned net, unsigned n, unsigned node);
void doctor_lab_put_address(struct doctor_lab *l, unsigned net, unsigned ip, unsigned ep,
			    unsigned node);
/** doctor_lab_row() - one of this node's, bound, 10.0.0.@n. */
struct local_endpoint *doctor_lab_row(struct doctor_lab *l, unsigned net, unsigned n);
/** doctor_lab_sync() - until the mirror knows all that etcd holds. */
void doctor_lab_sync(struct doctor_lab *l);
/** doctor_lab_look() - an examination to its end. */
void doctor_lab_look(struct doctor_lab *l);
/** doctor_lab_told() - hooks it up for doctor_examine(). */
void doctor_lab_told(void *user, int status, const struct doctor_report *r);
/** doctor_lab_one() - a look finds exactly this: @area, with these words, and a cure with these. */
void doctor_lab_one(struct doctor_lab *l, const char *area, const char *what, const char *cure);
