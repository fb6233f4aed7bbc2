/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which upstream is asked next, and what is known of each. */
#include <string.h>
#include "agent/dns/dns_forward_priv.h"
#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"

#define TEXT_MAX 512
#define ADDR_TEXT_MAX (IP_TEXT_MAX + 8)

static const char *addr_text(struct dns_server_addr a, char buf[ADDR_TEXT_MAX])
{
	char ip[IP_TEXT_MAX];

	ip_format(a.ip, ip);
	if (a.port == DNS_PORT)
		snprintf(buf, ADDR_TEXT_MAX, "%s", ip);
	else
		snprintf(buf, ADDR_TEXT_MAX, a.ip.family == AF_INET6 ? "[%s]:%u" : "%s:%u", ip,
			 a.port);
	return buf;
}

static struct dns_forward_server *find(const struct dns_forward *f, struct dns_server_addr a)
{
	struct dns_forward_server *s;
	struct dns_server_addr key;

	memset(&key, 0, sizeof(key));
	key.ip = a.ip;
	key.port = a.port;
	HASH_FIND(hh, f->known, &key, sizeof(key), s);
	return s;
}

static bool is_default(const struct dns_forward *f, struct dns_server_addr a)
{
	for (size_t i = 0; i < f->servers.n; i++)
		if (ip_eq(f->servers.v[i].ip, a.ip) && f->servers.v[i].port == a.port)
			return true;
	return false;
}

/* Makes room for one more: containers may have servers of their own, any number of them in time. */
static void forget_one(struct dns_forward *f)
{
	struct dns_forward_server *s, *tmp;

	if (HASH_COUNT(f->known) < DNS_FORWARD_KNOWN_MAX)
		return;
	HASH_ITER(hh, f->known, s, tmp) {
		if (is_default(f, s->addr))
			continue;
		HASH_DEL(f->known, s);
		free(s);
		return;
	}
}

static struct dns_forward_server *get(struct dns_forward *f, struct dns_server_addr a)
{
	struct dns_forward_server *s = find(f, a);

	if (s && !s->hh.next)
		return s;
	if (s) {
		HASH_DEL(f->known, s); /* added again below: the last to be forgotten */
	} else {
		forget_one(f);
		s = mem_alloc(sizeof(*s));
		s->addr.ip = a.ip;
		s->addr.port = a.port;
	}
	/* clang-tidy 14 takes the element before the one just forgotten for freed as well. */
	/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
	HASH_ADD(hh, f->known, addr, sizeof(s->addr), s);
	return s;
}

static bool is_self(struct dns_forward *f, struct dns_server_addr a)
{
	struct dns_forward_server *s;
	char text[ADDR_TEXT_MAX];

	if (!f->config.is_self || !f->config.is_self(f->config.user, a))
		return false;
	s = get(f, a);
	if (!s->warned)
		log_warn("upstream DNS server is this node's own, left out", "server=%s",
			 addr_text(a, text));
	s->warned = true;
	return true;
}

static bool is_sick(const struct dns_forward *f, struct dns_server_addr a)
{
	const struct dns_forward_server *s = find(f, a);

	return s && uv_now(f->loop) < s->sick_until_ms;
}

void dns_forward_server_order(struct dns_forward_question *q)
{
	for (unsigned sick = 0; sick < 2; sick++) {
		for (size_t i = 0; i < q->servers.n; i++) {
			struct dns_forward_choice c = { .addr = q->servers.v[i] };

			if (is_sick(q->f, c.addr) != (bool)sick)
				continue;
			if (is_self(q->f, c.addr))
				c.failure = DNS_FORWARD_SELF;
			q->choice[q->n_choices++] = c;
		}
	}
}

static bool may_be_tried(const struct dns_forward_choice *c)
{
	switch (c->failure) {
	case DNS_FORWARD_NOT_ASKED:
	case DNS_FORWARD_SILENT:
	case DNS_FORWARD_WRONG:
		return c->tries < DNS_FORWARD_SERVER_TRIES_MAX;
	case DNS_FORWARD_SELF:
	case DNS_FORWARD_RCODE:
	case DNS_FORWARD_ERRNO:
		break;
	}
	return false;
}

struct dns_forward_choice *dns_forward_server_next(struct dns_forward_question *q)
{
	struct dns_forward_choice *best = NULL;

	for (size_t i = 0; i < q->n_choices; i++) {
		struct dns_forward_choice *c = &q->choice[i];

		if (may_be_tried(c) && (!best || c->tries < best->tries))
			best = c;
	}
	return best;
}

void dns_forward_server_asked(struct dns_forward *f, struct dns_server_addr a)
{
	get(f, a)->asked++;
}

void dns_forward_server_answered(struct dns_forward *f, struct dns_server_addr a)
{
	struct dns_forward_server *s = get(f, a);

	s->answered++;
	s->answered_ms = uv_now(f->loop);
	s->sick_until_ms = 0;
}

void dns_forward_server_failed(struct dns_forward *f, struct dns_server_addr a, bool silent,
			       uint64_t since_ms)
{
	struct dns_forward_server *s = get(f, a);

	s->failed++;
	/* A name whose own servers are dead says nothing of the upstream, if others were answered. */
	if (silent && s->answered_ms <= since_ms)
		s->sick_until_ms = uv_now(f->loop) + f->config.sick_ms;
	if (!silent) {
		s->answered_ms = uv_now(f->loop);
		s->sick_until_ms = 0;
	}
}

static void put_failure(struct buf *b, const struct dns_forward *f,
			const struct dns_forward_choice *c)
{
	char rcode[DNS_TYPE_TEXT_MAX];

	switch (c->failure) {
	case DNS_FORWARD_NOT_ASKED:
		buf_puts(b, "not asked");
		return;
	case DNS_FORWARD_SELF:
		buf_puts(b, "left out, it is this node itself");
		return;
	case DNS_FORWARD_SILENT:
		buf_printf(b, "no answer within %llu ms", (unsigned long long)f->config.try_ms);
		break;
	case DNS_FORWARD_WRONG:
		buf_puts(b, "wrong answers only");
		break;
	case DNS_FORWARD_RCODE:
		buf_puts(b, dns_rcode_text((unsigned)c->code, rcode));
		return;
	case DNS_FORWARD_ERRNO:
		buf_puts(b, strerror(-c->code));
		return;
	}
	if (c->tries > 1)
		buf_printf(b, " (%u times)", c->tries);
}

char *dns_forward_server_text(const struct dns_forward_question *q)
{
	char text[ADDR_TEXT_MAX];
	struct buf b;

	buf_init(&b, TEXT_MAX);
	if (q->n_choices == 0)
		buf_puts(&b, "no upstream servers");
	for (size_t i = 0; i < q->n_choices; i++) {
		buf_printf(&b, "%s%s: ", i ? "; " : "", addr_text(q->choice[i].addr, text));
		put_failure(&b, q->f, &q->choice[i]);
	}
	return buf_take(&b);
}

void dns_forward_server_state(const struct dns_forward *f, struct dns_server_addr a,
			      struct dns_forward_server_state *ret)
{
	const struct dns_forward_server *s = find(f, a);

	*ret = (struct dns_forward_server_state){ .addr = a };
	ret->self = f->config.is_self && f->config.is_self(f->config.user, a);
	if (!s)
		return;
	ret->asked = s->asked;
	ret->answered = s->answered;
	ret->failed = s->failed;
	ret->sick = is_sick(f, a);
}

void dns_forward_server_free(struct dns_forward *f)
{
	struct dns_forward_server *s = f->known, *next;

	HASH_CLEAR(hh, f->known); /* the table; the elements' own list stays to walk along */
	for (; s; s = next) {
		next = s->hh.next;
		free(s);
	}
}
