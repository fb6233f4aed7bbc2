/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * docker_watch_priv - what docker_watch.c (events, when), docker_watch_pass.c (one pass), docker_watch_hold.c (what waits) and docker_watch_names.c
 * (containers) share.
 */
#pragma once
#include <uthash.h>
#include "agent/docker/docker_watch.h"
#include "base/backoff.h"

/* A step that is put off, by the id of what it is about: a network of the cluster, else one of Docker's. */
struct docker_hold {
	char *id;
	enum docker_sync_step step;
	char *name; /* of the network */
	char *why; /* it has failed; NULL: it is not believed yet */
	bool told; /* Docker has told of the removal */
	bool acted; /* has been tried, or reported */
	uint64_t until_ms;
	struct backoff backoff;
	uint64_t pass; /* the last in which it was wanted, or waited for */
	UT_hash_handle hh;
};
struct docker_ask { /* a container to be looked at */
	char *id;
	bool again; /* once more: something was heard while it was asked */
	bool failed; /* waits for docker_names_retry() */
	UT_hash_handle hh; /* in the order asked for */
};
struct docker_watch {
	uv_loop_t *loop;
	struct mirror *mirror;
	struct docker_api *api;
	const struct docker_steps *steps;
	void *user;
	uv_timer_t timer;
	uint64_t due_ms; /* the timer's */
	uint32_t settle_ms, believe_ms, again_ms;
	uint64_t seed;
	bool started, closing, connected, swarm;
	char *problem, *version;
	/* the pass */
	bool busy, dirty; /* dirty: something was heard since it began */
	bool acted, abort;
	bool yielded; /* the pass goes on when the timer rings */
	bool in_run; /* docker_step_done() came from inside */
	uint64_t pass;
	struct docker_network *docker; /* as listed */
	size_t n_docker;
	struct strv passed; /* not to be looked at again in this pass */
	struct docker_step *step;
	struct docker_hold *holds;
	/* Docker's ids. */
	struct strv gone; /* stood for networks that etcd says are gone */
	struct strv destroyed,
		destroyed_before; /* Docker's event said so: since the pass began; before */
	struct docker_ask *asks;
	struct docker_ask *asked; /* the one that is with Docker */
};
struct docker_step {
	struct docker_watch *w; /* NULL: closed meanwhile */
	struct docker_hold *hold;
};

/** docker_watch_begin() - a pass, if one can be. */
void docker_watch_begin(struct docker_watch *w);
/** docker_watch_continue() - with a pass that has ->yielded. */
void docker_watch_continue(struct docker_watch *w);
/** docker_watch_end() - of a pass, also of one that cannot go on. */
void docker_watch_end(struct docker_watch *w);
/** docker_watch_at() - the timer rings at @ms (uv_now) at the latest. */
void docker_watch_at(struct docker_watch *w, uint64_t ms);
void docker_watch_dirty(struct docker_watch *w);

/** docker_hold_get() - the one for @s; made if there is none, or one for another step. */
struct docker_hold *docker_hold_get(struct docker_watch *w, const struct docker_sync *s);
/** docker_hold_fail() - later again. */
void docker_hold_fail(struct docker_watch *w, struct docker_hold *h, const char *why);
/** docker_hold_done() - it was done. Remembered: what is to be done again although nothing has been heard of it waits, longer each time. */
void docker_hold_done(struct docker_watch *w, struct docker_hold *h);
void docker_hold_drop(struct docker_watch *w, const char *id);
/** docker_hold_drop_named() - something of that name went: what failed for the name may do now. */
void docker_hold_drop_named(struct docker_watch *w, const char *name);
/** docker_hold_passed() - those that wait are passed over in this pass. */
void docker_hold_passed(struct docker_watch *w);
/** docker_hold_sweep() - those that were not wanted in this pass are forgotten. Return: when the first of the others is due, UINT64_MAX. */
uint64_t docker_hold_sweep(struct docker_watch *w);
void docker_hold_clear(struct docker_watch *w);

/** docker_names_ask() - look at a container, once whatever is asked before it has been. */
void docker_names_ask(struct docker_watch *w, const char *container);
/** docker_names_all() - at those that run. */
void docker_names_all(struct docker_watch *w);
bool docker_names_pending(struct docker_watch *w, const char *container);
/** docker_names_retry() - those that could not be read. */
void docker_names_retry(struct docker_watch *w);
void docker_names_clear(struct docker_watch *w);
