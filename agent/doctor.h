/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * doctor - where Docker's view, etcd, what this node wants and the kernel differ, and what to do about it (`ovlctl doctor`).
 *
 * It looks and writes nothing. Each area is looked at by itself (doctor_kernel.c, ...), some by asking etcd or Docker. What is under way is no finding: an
 * examination begins when nothing is due (at most DOCTOR_QUIET_MS are waited for that), and what it finds it looks for a second time DOCTOR_AGAIN_MS
 * later: only what is there both times is told.
 */
#pragma once
#include <uv.h>
#include "agent/config.h"
#include "agent/endpoint.h"
#include "agent/network.h"
#include "agent/node.h"
#include "agent/reconcile.h"

#define DOCTOR_QUIET_MS 2000
#define DOCTOR_AGAIN_MS 200
#define DOCTOR_FINDINGS_MAX 1000 /* of one area; the rest is counted */
#define DOCTOR_EXAMINATIONS_MAX 16 /* at a time */
#define DOCTOR_BY_ITSELF "ovld repairs this by itself within a minute"

struct containers;
struct publishes;
struct surroundings;

enum doctor_area {
	DOCTOR_KERNEL, /* what this node's kernel holds, against what is desired */
	DOCTOR_ETCD, /* the link, the cluster's picture, subnets held, bindings */
	DOCTOR_ENDPOINT, /* endpoints and addresses in etcd, against this node's own */
	DOCTOR_DOCKER,
	DOCTOR_NAMES,
	DOCTOR_NODE, /* this node's record and leases, its forwarding, ports, run containers */
	DOCTOR_FIREWALL,
	DOCTOR_AREAS,
};
const char *doctor_area_name(enum doctor_area a);

struct doctor_finding {
	enum doctor_area area;
	char *what; /* one line that names the object as the user knows it */
	char *cure; /* a command, or what happens by itself */
};
struct doctor_report {
	struct doctor_finding *v; /* area by area */
	size_t n;
	size_t left_out; /* above DOCTOR_FINDINGS_MAX */
	char *not_checked[DOCTOR_AREAS]; /* why; NULL: it was */
};

struct doctor_check; /* one area, being looked at */
struct doctor;
struct doctor_deps {
	uv_loop_t *loop;
	const struct config *config;
	struct kv *kv; /* NULL: standalone */
	struct mirror *mirror;
	struct reconcile *reconcile;
	struct networks *networks;
	struct endpoints *endpoints;
	struct node *node;
	struct containers *containers;
	struct publishes *publishes;
	struct surroundings *surroundings;
	bool names; /* are served */
	void (*names_problems)(void *user, struct strv *ret);
	/* Docker's part, as the others below; doctor_docker.h does it. NULL: there is none. */
	void (*docker)(void *user, struct doctor_check *c);
	void *user;
};
/** doctor_new() - @d is copied, what it points to is borrowed. */
struct doctor *doctor_new(const struct doctor_deps *d);
/**
 * doctor_close() - examinations under way end with -ECANCELED
 *
 * With the agent, before the modules it looks at: calls of theirs that are still open come back to nobody.
 */
void doctor_close(struct doctor *d); /* NULL is none */
/* @r: borrowed, NULL unless @status is 0. */
typedef void (*doctor_done_fn)(void *user, int status, const struct doctor_report *r);
/** doctor_delays() - for tests: instead of DOCTOR_QUIET_MS and DOCTOR_AGAIN_MS. */
void doctor_delays(struct doctor *d, uint32_t quiet_ms, uint32_t again_ms);
/** doctor_examine() - @done exactly once, never from inside. -EAGAIN: DOCTOR_EXAMINATIONS_MAX are under way. */
void doctor_examine(struct doctor *d, doctor_done_fn done, void *user);

/* ---- for those who look: one area's findings, then exactly one doctor_checked() ---- */

/** doctor_find() - one more difference; doctor_cure() tells its cure. Its words must be the same each time it is found. */
void doctor_find(struct doctor_check *c, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void doctor_cure(struct doctor_check *c, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/** doctor_skip() - the area, or what is left of it, cannot be looked at: why. */
void doctor_skip(struct doctor_check *c, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/** doctor_checked() - @c is gone. */
void doctor_checked(struct doctor_check *c);
/**
 * doctor_keep() - until doctor_checked() this is under way
 * @drop: doctor_close() calls it; @c is gone then, too, and doctor_checked() must not be called any more
 */
void doctor_keep(struct doctor_check *c, void *state, void (*drop)(void *state));
