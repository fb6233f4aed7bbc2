/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * docker_watch - keeps Docker's networks and the cluster's alike: a loop of look (GET /networks, and the mirror), think (docker_sync.h), do one step.
 *
 *   event of Docker's, change of the mirror, DOCKER_COMPARE_MS --> DOCKER_SETTLE_MS later a pass: list, then step after step until none is left
 *
 * One thing at a time: each step is a call of Docker's API or one of struct docker_steps, and the next begins when it has ended. An entity is touched once
 * in a pass; after a pass that has done something another one follows. No pass begins while the picture of the cluster is not complete (mirror SYNCED) or
 * Docker is away: every step needs both.
 *
 * What looks lost is not believed at once: Docker lists a network only when CreateNetwork has been answered, and still after DeleteNetwork has. UNBIND,
 * BIND, REMOVE and STRANGE wait for DOCKER_WATCH_BELIEVE_MS and are looked at again, unless Docker's event or etcd has told of the removal. A step that
 * fails waits longer each time, DOCKER_WATCH_AGAIN_MIN_MS to _MAX_MS; something heard of that network ends the wait.
 *
 * What can be lost: that a Docker network without mark stood for a network of the cluster is known from the mirror's changes only. Should the agent end
 * after it has heard of a removal and before Docker has carried it out, such a network is called strange afterwards.
 */
#pragma once
#include <uv.h>
#include "agent/docker/docker_api.h"
#include "agent/docker/docker_sync.h"
#include "store/mirror.h"

#define DOCKER_WATCH_COMPARE_MS 60000
#define DOCKER_WATCH_SETTLE_MS 100
#define DOCKER_WATCH_BELIEVE_MS 5000
#define DOCKER_WATCH_AGAIN_MIN_MS 1000
#define DOCKER_WATCH_AGAIN_MAX_MS 60000

struct docker_step; /* one that is being done */
/** docker_step_done() - exactly once for each, from inside or later, also after docker_watch_close(). Its effect is in the mirror by then (mirror_apply_own()). */
void docker_step_done(struct docker_step *s, int status, const struct err *e);

/* What is done elsewhere. Records are borrowed until the function returns. */
struct docker_steps {
	/* @net has its name: rename, READY. -EEXIST: taken; it stays as it is. */
	void (*name)(void *user, const struct model_network *net, const char *name,
		     struct docker_step *s);
	/*
	 * @net is bound here to @docker, which is no more. @told: Docker has said so: as if DeleteNetwork had come. Else it is merely not there: removed
	 * while nobody listened, or Docker has lost its memory altogether, which is no reason to remove what others can still use.
	 */
	void (*unbind)(void *user, const struct model_network *net, const char *docker, bool told,
		       struct docker_step *s);
	/* @docker is @net here: write the binding, in the place of the one that there is. */
	void (*bind)(void *user, const struct model_network *net, const char *docker,
		     struct docker_step *s);
	/* `docker network rm` was said here while others still used it. */
	bool (*left)(void *user, struct id network);
	/* This node; zero while it is none. */
	struct id (*self)(void *user);
	/* What a container is called: it was connected, started, renamed, or runs when the stream of events opens. Borrowed. */
	void (*container)(void *user, const struct docker_container *c);
	/* The stream of events has opened: Docker may be asked, and nothing heard before counts any more. May be NULL. */
	void (*connected)(void *user);
};
struct docker_watch;
/** docker_watch_new() - @path: of Docker's socket; @steps borrowed. Nothing is done yet. */
struct docker_watch *docker_watch_new(uv_loop_t *loop, const char *path, struct mirror *m,
				      const struct docker_steps *steps, void *user);
void docker_watch_start(struct docker_watch *w);
/** docker_watch_close() - no callback comes afterwards; memory goes when the loop has run. NULL is none. */
void docker_watch_close(struct docker_watch *w);
/** docker_watch_mirror() - one change of the mirror. */
void docker_watch_mirror(struct docker_watch *w, const struct mirror_change *c);
/** docker_watch_soon() - compare; what was put off for @net is tried again. NULL: for none in particular (the mirror's state has changed). */
void docker_watch_soon(struct docker_watch *w, const struct id *net);
/** docker_watch_api() - for other questions to Docker; never from inside a plugin callback. Borrowed. */
struct docker_api *docker_watch_api(struct docker_watch *w);
struct docker_watch_state {
	bool connected, swarm;
	const char *problem; /* "" none; borrowed */
	const char *version; /* "" not known; borrowed */
	size_t networks,
		strange; /* of driver ovl, as of the last list; those that belong to nothing */
	uint64_t passes;
};
void docker_watch_state(const struct docker_watch *w, struct docker_watch_state *ret);
/** docker_watch_why() - why a step for @net waits ("" if it only does), NULL: none does; borrowed until control returns to the loop. */
const char *docker_watch_why(const struct docker_watch *w, struct id net);
/** docker_watch_delays() - for tests: other times to settle, believe and try again. */
void docker_watch_delays(struct docker_watch *w, uint32_t settle_ms, uint32_t believe_ms,
			 uint32_t again_ms);
