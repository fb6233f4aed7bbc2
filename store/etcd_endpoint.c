/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The one that answered last is used until it fails. One that failed is passed over for a while, unless nothing else is
 * left, and asked for its health when that while is over, so that what is shown of it stays true.
 */
#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "store/etcd_internal.h"

#define PORT_DEFAULT "2379"
#define HEALTH_MAX 65536

static void curl_url_freep(CURLU **u)
{
	curl_url_cleanup(*u);
}

static void curl_text_freep(char **s)
{
	curl_free(*s);
}

static int unix_init(struct etcd_endpoint *ep, const char *url, struct err *err)
{
	const char *path = url + strlen("unix://");

	if (*path != '/' || strlen(path) >= sizeof(((struct sockaddr_un *)0)->sun_path))
		return err_set(err, -EINVAL,
			       "etcd endpoint %s: not an absolute path below %zu bytes", url,
			       sizeof(((struct sockaddr_un *)0)->sun_path));
	ep->unix_path = mem_strdup(path);
	ep->base = mem_strdup("http://localhost");
	return 0;
}

static const char *url_problem(CURLU *u, char **ret_base)
{
	_cleanup_(curl_text_freep) char *scheme = NULL, *path = NULL, *port = NULL, *host = NULL;
	_cleanup_(curl_text_freep) char *extra = NULL;

	if (curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) ||
	    (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0))
		return "not http://, https:// or unix://";
	if (curl_url_get(u, CURLUPART_HOST, &host, 0) || !*host)
		return "no host";
	if (curl_url_get(u, CURLUPART_PATH, &path, 0) || strcmp(path, "/") != 0)
		return "more than scheme, host and port";
	if (!curl_url_get(u, CURLUPART_QUERY, &extra, 0) ||
	    !curl_url_get(u, CURLUPART_FRAGMENT, &extra, 0) ||
	    !curl_url_get(u, CURLUPART_USER, &extra, 0))
		return "more than scheme, host and port";
	curl_url_get(u, CURLUPART_PORT, &port, 0);
	*ret_base = mem_printf("%s://%s:%s", scheme, host, port ? port : PORT_DEFAULT);
	return NULL;
}

int etcd_endpoint_init(struct etcd_endpoint *ep, struct etcd *e, const char *url, struct err *err)
{
	_cleanup_(curl_url_freep) CURLU *u = curl_url();
	const char *problem = NULL;

	*ep = (struct etcd_endpoint){ .etcd = e, .url = mem_strdup(url) };
	if (e)
		backoff_init(&ep->backoff, ETCD_DOWN_MIN_MS, ETCD_DOWN_MAX_MS,
			     backoff_rand(&e->seed));
	if (strlen(url) > ETCD_URL_MAX)
		return err_set(err, -EINVAL, "etcd endpoint: longer than %d bytes", ETCD_URL_MAX);
	if (strncmp(url, "unix://", strlen("unix://")) == 0)
		return unix_init(ep, url, err);
	if (!u || curl_url_set(u, CURLUPART_URL, url, 0))
		problem = "not a URL";
	else
		problem = url_problem(u, &ep->base);
	return problem ? err_set(err, -EINVAL, "etcd endpoint %s: %s", url, problem) : 0;
}

void etcd_endpoint_done(struct etcd_endpoint *ep)
{
	http_cancel(ep->probe);
	free(ep->url);
	free(ep->base);
	free(ep->unix_path);
}

struct etcd_endpoint *etcd_endpoint_pick(struct etcd *e, uint32_t *tried)
{
	uint64_t now = etcd_now(e);
	struct etcd_endpoint *best;

	do {
		best = NULL;
		for (size_t i = 0; i < e->n_eps; i++) {
			size_t n = (e->current + i) % e->n_eps;
			struct etcd_endpoint *ep = &e->eps[n];

			if (*tried & (1u << n))
				continue;
			if (!best || (best->retry_ms > now && ep->retry_ms < best->retry_ms))
				best = ep;
		}
		if (!best)
			*tried = 0;
	} while (!best);
	*tried |= 1u << (best - e->eps);
	return best;
}

void etcd_endpoint_up(struct etcd_endpoint *ep)
{
	struct etcd *e = ep->etcd;

	if (!e->eps[e->current].up)
		e->current = (size_t)(ep - e->eps);
	if (ep->up)
		return;
	ep->up = true;
	ep->down = false;
	ep->retry_ms = 0;
	ep->last_error[0] = '\0';
	backoff_reset(&ep->backoff);
	etcd_watches_kick(e);
}

void etcd_endpoint_down(struct etcd_endpoint *ep, const char *why)
{
	uint64_t now = etcd_now(ep->etcd);

	ep->up = false;
	ep->down = true;
	snprintf(ep->last_error, sizeof(ep->last_error), "%s", why);
	/* Many calls that fail together count once. */
	if (ep->retry_ms <= now)
		ep->retry_ms = now + backoff_next(&ep->backoff);
	etcd_arm(ep->etcd);
}

void etcd_endpoint_request(struct etcd_endpoint *ep, const char *path, const char *body,
			   const char **headers, char **ret_url, struct http_params *ret)
{
	struct etcd *e = ep->etcd;
	size_t n = 0;

	/*
	 * etcd refuses at once where it has no leader: a stream would go silent, a write would be left in
	 * doubt (server/etcdserver/api/v3rpc/interceptor.go).
	 */
	headers[n++] = "Grpc-Metadata-hasleader: true";
	if (e->token_header)
		headers[n++] = e->token_header;
	headers[n] = NULL;
	*ret_url = mem_printf("%s%s", ep->base, path);
	*ret = (struct http_params){
		.url = *ret_url,
		.unix_path = ep->unix_path,
		.headers = headers,
		.body = body,
		.body_len = strlen(body),
	};
}

static void on_probe(void *user, const struct http_answer *a)
{
	struct etcd_endpoint *ep = user;
	char why[64];

	ep->probe = NULL;
	if (a->err == 0 && a->status == 200) {
		etcd_endpoint_up(ep);
		return;
	}
	snprintf(why, sizeof(why), "not healthy (HTTP status %u)", a->status);
	etcd_endpoint_down(ep, a->err ? a->why : why);
}

static void probe(struct etcd_endpoint *ep)
{
	_cleanup_free_ char *url = mem_printf("%s/health", ep->base);
	struct http_params p = {
		.url = url,
		.unix_path = ep->unix_path,
		.timeout_ms = ETCD_PROBE_MS,
		.connect_timeout_ms = ETCD_PROBE_MS,
		.answer_max = HEALTH_MAX,
		.done = on_probe,
		.user = ep,
	};

	ep->probe = http_start(ep->etcd->http, &p);
}

void etcd_endpoints_tick(struct etcd *e, uint64_t now)
{
	for (size_t i = 0; i < e->n_eps; i++) {
		struct etcd_endpoint *ep = &e->eps[i];

		if (ep->down && !ep->probe && ep->retry_ms <= now)
			probe(ep);
	}
}

uint64_t etcd_endpoints_next(const struct etcd *e)
{
	uint64_t next = UINT64_MAX;

	for (size_t i = 0; i < e->n_eps; i++) {
		const struct etcd_endpoint *ep = &e->eps[i];

		if (ep->down && !ep->probe && ep->retry_ms < next)
			next = ep->retry_ms;
	}
	return next;
}
