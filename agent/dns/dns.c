/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/dns/dns.h"
#include <errno.h>
#include <string.h>
#include <utlist.h>
#include "base/mem.h"

/* A question that is being forwarded: whose answer it becomes, of a socket or of dns_ask(). */
struct relay {
	struct dns *d;
	struct dns_asked *asked; /* NULL: within dns_forward_ask() */
	struct dns_asker *asker;
	dns_told_fn fn;
	void *user;
	struct relay *prev, *next; /* d->relays: those of dns_ask() */
};
struct dns {
	struct zone *zone;
	struct dns_clients *clients;
	struct dns_forward *forward;
	struct dns_listen *listen;
	struct dns_hold *hold;
	uint32_t strange_key; /* 0: none */
	dns_stranger_fn stranger;
	void *stranger_user;
	uint32_t ttl_s;
	unsigned turn; /* whose address comes first */
	uint16_t id; /* of dns_ask()'s questions */
	struct relay *relays;
	struct dns_stats stats;
	uint8_t buf[DNS_PACKET_MAX];
};

static void on_gone(void *user)
{
	struct relay *r = user;

	dns_forward_cancel(r->asked);
	free(r);
}

static void on_reply(void *user, const uint8_t *reply, size_t len,
		     const struct dns_forward_how *how)
{
	struct relay *r = user;
	struct dns_asker *asker = r->asker;

	(void)how;
	free(r);
	dns_listen_answer(asker, reply, len);
}

/* Return: 0: taken; -EBUSY. @user's fn may have been called by then. */
static int pass_on(struct dns *d, const struct dns_client *client, const struct dns_query *q,
		   const uint8_t *pkt, size_t len, size_t max, dns_forward_fn fn, struct relay *r,
		   struct dns_asked **ret)
{
	const struct dns_forward_ask ask = {
		.client = client->place,
		.servers = &client->servers,
		.query = q,
		.pkt = pkt,
		.len = len,
		.max = max,
	};
	int n = dns_forward_ask(d->forward, &ask, fn, r, ret);

	if (n == 0)
		d->stats.forwarded++;
	return n;
}

static bool forward(struct dns *d, const struct dns_client *client, const struct dns_query *q,
		    const uint8_t *pkt, size_t len, size_t max, struct dns_asker *asker)
{
	struct dns_asked *asked = NULL;
	struct relay *r;

	if (!client->forward)
		return false;
	r = mem_alloc(sizeof(*r));
	r->d = d;
	r->asker = asker;
	if (pass_on(d, client, q, pkt, len, max, on_reply, r, &asked) < 0) {
		free(r);
		return false;
	}
	if (asked) {
		r->asked = asked;
		dns_listen_watch(asker, on_gone, r);
	}
	return true;
}

/* Return: bytes of the answer in d->buf, 0: it is not ours. @ret_a: to be done with. */
static size_t look_up(struct dns *d, const struct dns_client *client, const struct dns_query *q,
		      size_t max, struct zone_answer *ret_a)
{
	struct zone_asker asker = dns_client_asker(client);

	*ret_a = (struct zone_answer){ .outcome = ZONE_FOREIGN };
	if (q->odd_name)
		return 0;
	zone_lookup(d->zone, &asker, q->name, q->type, d->turn++, ret_a);
	if (ret_a->outcome == ZONE_FOREIGN)
		return 0;
	return dns_answer_write(q, zone_domain(d->zone), ret_a, d->ttl_s, max, d->buf);
}

/* Who it is did not become known in time. */
static void on_unknown(void *user, struct dns_asker *asker, const struct dns_from *from,
		       const uint8_t *pkt, size_t len)
{
	enum dns_rcode rcode = DNS_NOERROR;
	struct dns *d = user;
	struct dns_query q;
	int r = dns_query_parse(pkt, len, &q, &rcode);

	(void)from;
	if (r == -EBADMSG) {
		d->stats.bad++;
		dns_listen_drop(asker);
		return;
	}
	d->stats.unknown++;
	dns_listen_answer(asker, d->buf, dns_error_write(&q, DNS_SERVFAIL, d->buf));
}

static void on_stranger(struct dns *d, struct dns_asker *asker, const struct dns_from *from,
			const uint8_t *pkt, size_t len)
{
	struct ip source = from->source;

	if (from->key == 0 || from->key != d->strange_key) {
		d->stats.strangers++;
		dns_listen_drop(asker);
		return;
	}
	if (dns_hold_put(d->hold, asker, from, pkt, len))
		d->stats.held++;
	else
		on_unknown(d, asker, from, pkt, len);
	d->stranger(d->stranger_user, source);
}

static const struct dns_client *client_of(const struct dns *d, const struct dns_from *from)
{
	return from->key != 0 ? dns_client_find(d->clients, from->key, from->source) : NULL;
}

static void on_question(void *user, struct dns_asker *asker, const struct dns_from *from,
			const uint8_t *pkt, size_t len)
{
	struct dns *d = user;
	const struct dns_client *client = client_of(d, from);
	enum dns_rcode rcode = DNS_NOERROR;
	struct zone_answer a;
	struct dns_query q;
	size_t max, n;
	int r;

	if (!client) {
		on_stranger(d, asker, from, pkt, len);
		return;
	}
	r = dns_query_parse(pkt, len, &q, &rcode);
	d->stats.bad += r < 0;
	if (r == -EBADMSG) {
		dns_listen_drop(asker);
		return;
	}
	d->stats.questions++;
	if (r < 0) {
		dns_listen_answer(asker, d->buf, dns_error_write(&q, rcode, d->buf));
		return;
	}
	max = from->tcp ? DNS_PACKET_MAX : q.udp_size;
	n = look_up(d, client, &q, max, &a);
	zone_answer_done(&a);
	d->stats.ours += n > 0;
	if (n == 0 && forward(d, client, &q, pkt, len, max, asker))
		return;
	if (n == 0) {
		d->stats.refused++;
		n = dns_error_write(&q, DNS_REFUSED, d->buf);
	}
	dns_listen_answer(asker, d->buf, n);
}

void dns_strangers(struct dns *d, uint32_t key, dns_stranger_fn fn, void *user)
{
	d->strange_key = key;
	d->stranger = fn;
	d->stranger_user = user;
}

static bool is_known(void *user, const struct dns_from *from)
{
	return client_of(user, from) != NULL;
}

void dns_strangers_again(struct dns *d)
{
	dns_hold_again(d->hold, is_known, on_question, d);
}

static bool is_self(void *user, struct dns_server_addr a)
{
	const struct dns *d = user;

	return dns_listen_is_self(d->listen, a);
}

struct dns *dns_new(const struct dns_config *c)
{
	struct dns *d = mem_alloc(sizeof(*d));
	struct dns_forward_config forward_config = {
		.loop = c->loop, .cache_bytes = c->cache_bytes, .is_self = is_self, .user = d
	};

	d->ttl_s = c->ttl_s;
	d->zone = zone_new(c->domain);
	d->clients = dns_clients_new();
	d->listen = dns_listen_new(c->loop, on_question, d);
	d->hold = dns_hold_new(c->loop, on_unknown, d);
	d->forward = dns_forward_new(&forward_config);
	return d;
}

static void tell_end(struct dns *d, struct relay *r)
{
	struct dns_told t = { .how.error = "the name server is being stopped" };

	dns_forward_cancel(r->asked);
	DL_DELETE(d->relays, r);
	r->fn(r->user, &t);
	free(r);
}

/* Listening first: its questions under way are withdrawn from the forwarder. */
void dns_close(struct dns *d)
{
	if (!d)
		return;
	dns_listen_close(d->listen);
	dns_hold_close(d->hold);
	while (d->relays)
		tell_end(d, d->relays);
	dns_forward_close(d->forward);
	dns_clients_free(d->clients);
	zone_free(d->zone);
	free(d);
}

static void on_told(void *user, const uint8_t *reply, size_t len, const struct dns_forward_how *how)
{
	struct relay *r = user;
	struct dns_told t = { .pkt = reply, .len = len, .how = *how };

	if (r->asked)
		DL_DELETE(r->d->relays, r);
	r->fn(r->user, &t);
	free(r);
}

static int ask_others(struct dns *d, const struct dns_client *client, const struct dns_query *q,
		      const uint8_t *pkt, size_t len, dns_told_fn fn, void *user, struct err *e)
{
	struct relay *r = mem_alloc(sizeof(*r));
	struct dns_asked *asked = NULL;

	r->d = d;
	r->fn = fn;
	r->user = user;
	if (pass_on(d, client, q, pkt, len, DNS_PACKET_MAX, on_told, r, &asked) < 0) {
		free(r);
		return err_set(e, -EBUSY, "too many questions are under way; ask again");
	}
	if (asked) {
		r->asked = asked;
		DL_APPEND(d->relays, r);
	}
	return 0;
}

int dns_ask(struct dns *d, const struct dns_client *client, const char *name, uint16_t type,
	    dns_told_fn fn, void *user, struct err *e)
{
	uint8_t pkt[DNS_UDP_MIN];
	size_t len = dns_query_make(++d->id, name, type, pkt, sizeof(pkt));
	struct dns_told t = { .pkt = d->buf, .zone.outcome = ZONE_FOREIGN };
	struct zone_answer a;
	enum dns_rcode rcode = DNS_NOERROR;
	struct dns_query q;
	int r = len > 0 ? dns_query_parse(pkt, len, &q, &rcode) : -EBADMSG;

	if (r == -EBADMSG)
		return err_set(e, -EINVAL, "\"%s\" is no domain name", name);
	if (r < 0) {
		t.ours = true;
		t.len = dns_error_write(&q, rcode, d->buf);
	} else {
		t.len = look_up(d, client, &q, DNS_PACKET_MAX, &a);
		t.ours = t.len > 0;
		t.zone = a;
		zone_answer_done(&a);
		t.zone.v = t.zone.extra = NULL;
		t.zone.n = t.zone.n_extra = 0;
	}
	if (!t.ours && client->forward)
		return ask_others(d, client, &q, pkt, len, fn, user, e);
	if (!t.ours) {
		t.refused = true;
		t.len = dns_error_write(&q, DNS_REFUSED, d->buf);
	}
	fn(user, &t);
	return 0;
}

struct zone *dns_zone(struct dns *d)
{
	return d->zone;
}

struct dns_clients *dns_clients(struct dns *d)
{
	return d->clients;
}

struct dns_forward *dns_forward(struct dns *d)
{
	return d->forward;
}

struct dns_listen *dns_listen(struct dns *d)
{
	return d->listen;
}

void dns_stats(const struct dns *d, struct dns_stats *ret)
{
	*ret = d->stats;
	zone_stats(d->zone, &ret->zone);
	dns_forward_stats(d->forward, &ret->forward);
	dns_listen_stats(d->listen, &ret->listen);
}
