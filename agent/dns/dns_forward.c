/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/dns/dns_forward.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <utlist.h>
#include "agent/dns/dns_forward_priv.h"
#include "base/mem.h"

void dns_forward_ref(struct dns_forward *f)
{
	f->refs++;
}

void dns_forward_unref(struct dns_forward *f)
{
	if (--f->refs == 0)
		free(f);
}

uint16_t dns_forward_id(struct dns_forward *f)
{
	while (f->n_ids == 0) {
		ssize_t n = getrandom(f->ids, sizeof(f->ids), 0);

		if (n < 0 && errno == EINTR)
			continue;
		/* Ids that can be guessed let anybody on the way answer for the upstream. */
		if (n < (ssize_t)sizeof(f->ids[0]))
			abort();
		f->n_ids = (size_t)n / sizeof(f->ids[0]);
	}
	return f->ids[--f->n_ids];
}

struct dns_forward *dns_forward_new(const struct dns_forward_config *c)
{
	struct dns_forward *f = mem_alloc(sizeof(*f));

	f->loop = c->loop;
	f->refs = 1;
	f->config = *c;
	if (!c->try_ms)
		f->config.try_ms = DNS_FORWARD_TRY_MS;
	if (!c->total_ms)
		f->config.total_ms = DNS_FORWARD_MS;
	if (!c->sick_ms)
		f->config.sick_ms = DNS_FORWARD_SICK_MS;
	f->cache = dns_cache_new(c->cache_bytes ? c->cache_bytes : DNS_CACHE_BYTES);
	return f;
}

static bool servers_eq(const struct dns_servers *a, const struct dns_servers *b)
{
	for (size_t i = 0; i < a->n && i < b->n; i++)
		if (!ip_eq(a->v[i].ip, b->v[i].ip) || a->v[i].port != b->v[i].port)
			return false;
	return a->n == b->n;
}

void dns_forward_servers(struct dns_forward *f, const struct dns_servers *s)
{
	if (servers_eq(&f->servers, s))
		return;
	f->servers = *s;
	dns_cache_clear(f->cache);
}

static struct dns_forward_client *find_client(struct dns_forward *f, struct dns_place place)
{
	struct dns_forward_client *c;

	HASH_FIND(hh, f->clients, &place, sizeof(place), c);
	return c;
}

static struct dns_forward_client *get_client(struct dns_forward *f, struct dns_place place)
{
	struct dns_forward_client *c = find_client(f, place);

	if (c)
		return c;
	c = mem_alloc(sizeof(*c));
	c->place = place;
	HASH_ADD(hh, f->clients, place, sizeof(c->place), c);
	return c;
}

/* Off its question and its client; the caller's to free. */
static void detach(struct dns_asked *a)
{
	struct dns_forward_question *q = a->question;

	DL_DELETE(q->askers, a);
	q->n_askers--;
	if (--a->client->n > 0)
		return;
	HASH_DEL(q->f->clients, a->client);
	free(a->client);
}

/* Return: the length of what @a is to be told, in f->out. */
static size_t write_reply(struct dns_forward *f, const struct dns_asked *a, const uint8_t *reply,
			  size_t len)
{
	size_t n = 0;

	/* EDNS options answer those of whose packet it was (a cookie); the others get the answer without. */
	if (!a->own)
		n = dns_reply_aged(reply, len, 0, &a->query, a->max, f->out);
	if (n > 0)
		return n;
	memcpy(f->out, reply, len);
	return dns_reply_adopt(f->out, len, &a->query, a->max);
}

void dns_forward_tell(struct dns_forward_question *q, const uint8_t *reply, size_t len,
		      enum dns_rcode rcode, const struct dns_forward_how *how)
{
	struct dns_forward *f = q->f;
	struct dns_asked *a;

	/* Who is told may cancel others, ask anew, and close everything. */
	dns_forward_ref(f);
	while ((a = q->askers)) {
		/* That a client has askers left is in its count, which clang-tidy 14 does not follow. */
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
		detach(a);
		if (!f->closed) {
			size_t n = reply ? write_reply(f, a, reply, len) :
					   dns_error_write(&a->query, rcode, f->out);

			a->fn(a->user, f->out, n, how);
		}
		free(a);
	}
	dns_forward_unref(f);
}

static bool tell_cached(struct dns_forward *f, const struct dns_servers *servers,
			const struct dns_forward_ask *ask, dns_forward_fn fn, void *user)
{
	static const struct dns_forward_how how = { .cached = true };
	_cleanup_free_ uint8_t *buf = mem_grow(NULL, DNS_PACKET_MAX, 1);
	size_t n = dns_cache_get(f->cache, servers, ask->query, ask->max, uv_now(f->loop), buf);

	if (n == 0)
		return false;
	f->stats.cached++;
	fn(user, buf, n, &how);
	return true;
}

/* May one more be asked? @q: the same, already under way; NULL: none. */
static int admit(struct dns_forward *f, const struct dns_forward_ask *ask,
		 const struct dns_forward_question *q)
{
	const struct dns_forward_client *c = find_client(f, ask->client);

	if (ask->len < DNS_HEADER || ask->len > DNS_FORWARD_QUESTION_MAX)
		return -EMSGSIZE;
	if (c && c->n >= DNS_FORWARD_CLIENT_MAX)
		return -EBUSY;
	if (q ? q->n_askers >= DNS_FORWARD_ASKERS_MAX :
		HASH_COUNT(f->questions) >= DNS_FORWARD_FLIGHT_MAX)
		return -EBUSY;
	return 0;
}

static struct dns_asked *add_asker(struct dns_forward_question *q,
				   const struct dns_forward_ask *ask, dns_forward_fn fn, void *user)
{
	struct dns_asked *a = mem_alloc(sizeof(*a));

	a->question = q;
	a->client = get_client(q->f, ask->client);
	a->client->n++;
	a->query = *ask->query;
	a->max = ask->max;
	a->fn = fn;
	a->user = user;
	DL_APPEND(q->askers, a);
	q->n_askers++;
	return a;
}

int dns_forward_ask(struct dns_forward *f, const struct dns_forward_ask *ask, dns_forward_fn fn,
		    void *user, struct dns_asked **ret)
{
	const struct dns_servers *servers = ask->servers && ask->servers->n ? ask->servers :
									      &f->servers;
	struct dns_forward_question *q;
	struct dns_cache_key key;
	bool own = false;
	int r;

	dns_cache_key(servers, ask->query, &key);
	HASH_FIND(hh, f->questions, key.b, key.len, q);
	if (!q) {
		*ret = NULL;
		if (tell_cached(f, servers, ask, fn, user))
			return 0;
	}
	r = admit(f, ask, q);
	if (r < 0) {
		f->stats.refused++;
		return r;
	}
	if (!q) {
		f->stats.forwarded++;
		q = dns_forward_question_new(f, &key, servers, ask);
		own = true;
	}
	*ret = add_asker(q, ask, fn, user);
	(*ret)->own = own;
	return 0;
}

void dns_forward_cancel(struct dns_asked *a)
{
	struct dns_forward_question *q = a->question;

	detach(a);
	free(a);
	if (!q->askers)
		dns_forward_question_close(q);
}

void dns_forward_close(struct dns_forward *f)
{
	struct dns_forward_question *q, *tmp;

	if (!f)
		return;
	f->closed = true;
	HASH_ITER(hh, f->questions, q, tmp) {
		while (q->askers) {
			struct dns_asked *a = q->askers;

			/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): as above */
			detach(a);
			free(a);
		}
		dns_forward_question_close(q);
	}
	dns_cache_free(f->cache);
	dns_forward_server_free(f);
	dns_forward_unref(f);
}

void dns_forward_stats(const struct dns_forward *f, struct dns_forward_stats *ret)
{
	*ret = f->stats;
	ret->in_flight = HASH_COUNT(f->questions);
	dns_cache_stats(f->cache, &ret->cache);
	ret->n_servers = f->servers.n;
	for (size_t i = 0; i < f->servers.n; i++)
		dns_forward_server_state(f, f->servers.v[i], &ret->server[i]);
}
