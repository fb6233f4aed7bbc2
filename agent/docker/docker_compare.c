/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Endpoints that Docker has no more and could not say so: the plugin was away when their containers ended. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "agent/docker/docker_priv.h"
#include "base/log.h"
#include "base/mem.h"

#define BELIEVE_MS 5000 /* Docker lists an endpoint only once CreateEndpoint has been answered */

struct docker_missing {
	struct id endpoint;
	uint64_t since_ms;
	bool seen; /* in this comparison */
};

/* ---- one endpoint ---- */

struct drop {
	struct docker *d;
	struct id network;
	struct ip ip[2];
};

static void freed(void *user, int status, int64_t revision, const struct err *e)
{
	(void)status; /* swept otherwise */
	(void)revision;
	(void)e;
	docker_unref(user);
}

/* Its addresses are reservations by now, as for Docker to release. */
static void dropped(void *user, int status, const struct local_endpoint *ep, const struct err *e)
{
	struct drop *o = user;
	struct docker *d = o->d;

	(void)ep;
	if (status < 0)
		log_warn("an endpoint that Docker has no more cannot be given back; will retry",
			 "err=%s", LOG_Q(err_text(e)));
	for (size_t i = 0; status == 0 && !d->closing && i < ARRAY_SIZE(o->ip); i++) {
		if (!ip_is_set(o->ip[i]))
			continue;
		docker_ref(d);
		claim_address_free(d->d.claim, o->network, o->ip[i], docker_self(d), freed, d);
	}
	free(o);
	docker_unref(d);
}

static void drop(struct docker *d, const struct local_endpoint *ep)
{
	struct drop *o = mem_alloc(sizeof(*o));

	log_warn("an endpoint is not in Docker any more, and is given back", "name=%s network=%.*s",
		 ep->name, ID_SHORT_LEN, ep->engine_network);
	*o = (struct drop){ .d = d, .network = ep->network, .ip = { ep->ip4, ep->ip6 } };
	docker_touch(d, ep->network);
	docker_ref(d);
	endpoint_docker_delete(d->d.endpoints, ep->id, dropped, o);
}

static void forget(struct docker *d, size_t i)
{
	d->missing[i] = d->missing[--d->n_missing];
}

static void miss(struct docker *d, const struct local_endpoint *ep)
{
	uint64_t now = uv_now(d->d.loop);
	size_t i = 0;

	while (i < d->n_missing && !id_eq(d->missing[i].endpoint, ep->id))
		i++;
	if (i == d->n_missing) {
		d->missing = mem_grow(d->missing, d->n_missing + 1, sizeof(*d->missing));
		d->missing[d->n_missing++] =
			(struct docker_missing){ .endpoint = ep->id, .since_ms = now };
	}
	d->missing[i].seen = true;
}

/* ---- one network ---- */

struct docker_compare_ask {
	struct docker *d;
	char *docker; /* NetworkID */
	const struct docker_network *net; /* NULL: Docker has none */
	struct docker_compare_ask *prev, *next;
};

static void ask_free(struct docker_compare_ask *a)
{
	DL_DELETE(a->d->asks, a);
	free(a->docker);
	free(a);
}

static void check_row(void *user, const struct local_endpoint *ep)
{
	struct docker_compare_ask *a = user;

	if (!ep->engine_network || strcmp(ep->engine_network, a->docker) != 0 ||
	    (ep->state != LOCAL_BOUND && ep->state != LOCAL_CONFLICT))
		return;
	for (size_t i = 0; a->net && i < a->net->n_endpoints; i++) {
		if (id_eq(a->net->endpoints[i].endpoint, ep->id))
			return;
	}
	miss(a->d, ep);
}

static void again(uv_timer_t *t)
{
	docker_compare(t->data);
}

/* All networks were asked for. */
static void finish(struct docker *d)
{
	uint64_t now = uv_now(d->d.loop);

	for (size_t i = 0; i < d->n_missing;) {
		struct docker_missing m = d->missing[i];
		const struct local_endpoint *ep = endpoint_get(d->d.endpoints, m.endpoint);

		if (!m.seen || !ep) {
			forget(d, i);
			continue;
		}
		d->missing[i++].seen = false;
		if (now - m.since_ms < BELIEVE_MS)
			continue;
		forget(d, --i);
		drop(d, ep);
	}
	if (d->n_missing > 0)
		uv_timer_start(&d->compare, again, BELIEVE_MS, 0);
}

static void listed(void *user, int status, const struct docker_network *v, size_t n,
		   const struct err *e)
{
	struct docker_compare_ask *a = user;
	struct docker *d = a->d;

	(void)e; /* Docker is away: nothing can be said of it */
	if (status == 0 || status == -ENOENT) {
		a->net = status == 0 && n > 0 ? v : NULL;
		endpoint_each(d->d.endpoints, check_row, a);
	} else {
		d->compare_failed = true;
	}
	ask_free(a);
	if (!d->asks && !d->compare_failed)
		finish(d);
}

static void gather(void *user, const struct local_endpoint *ep)
{
	struct strv *networks = user;

	if (ep->engine_network && !strv_has(networks, ep->engine_network))
		strv_add(networks, ep->engine_network);
}

void docker_compare(struct docker *d)
{
	struct strv networks = { 0 };

	if (d->closing || !d->watch || d->asks)
		return;
	endpoint_each(d->d.endpoints, gather, &networks);
	d->compare_failed = false;
	for (size_t i = 0; i < networks.n; i++) {
		struct docker_compare_ask *a = mem_alloc(sizeof(*a));

		*a = (struct docker_compare_ask){ .d = d, .docker = mem_strdup(networks.v[i]) };
		DL_APPEND(d->asks, a);
		docker_api_network(docker_watch_api(d->watch), a->docker, listed, a);
	}
	strv_done(&networks);
}

void docker_compare_believe(struct docker *d)
{
	for (size_t i = 0; i < d->n_missing; i++)
		d->missing[i].since_ms -= BELIEVE_MS;
}

void docker_compare_done(struct docker *d)
{
	struct docker_compare_ask *a = d->asks, *next;

	d->asks = NULL;
	for (; a; a = next) {
		next = a->next;
		free(a->docker);
		free(a);
	}
	free(d->missing);
	d->missing = NULL;
	d->n_missing = 0;
}
