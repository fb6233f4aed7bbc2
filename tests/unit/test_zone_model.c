/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/dns/zone.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "base/buf.h"
#include "tests/unit/zone_lab.h"

/* zone.h against a model that looks at everything, each time. */

#define NETS 5
#define EPS 6
#define LINKS 3

static const char *const words[] = { "a", "b", "a.b", "b.ovl", "ovl", "A.a", "_80._tcp.a", "b.a.b" };
static const char *const net_words[] = { "a", "b", "a.b", "ovl", "b.ovl" };
static const char *const suffixes[] = { "",	  ".a",	    ".b",	".a.b",	   ".ovl",
					".a.ovl", ".b.ovl", ".a.b.ovl", ".ovl.ovl" };
static const char *const prefixes[] = { "",	     "",	 "_80._tcp.", "_81._tcp.",
					"_53._udp.", "_x._tcp.", "_tcp." };
static const uint16_t types[] = { ZONE_A, ZONE_AAAA, ZONE_SRV, ZONE_ANY, ZONE_PTR, 16 };

struct model_ep {
	bool there, has4, has6, tcp80, udp53;
	size_t names[3]; /* of words */
};
struct model_net {
	bool known, nameless;
	size_t name; /* of net_words */
	struct model_ep eps[EPS];
};
struct model {
	struct model_net nets[NETS];
	uint64_t seed;
};
struct question {
	unsigned order[NETS];
	size_t n;
	struct strv links;
	char name[96];
	uint16_t type;
	/* of a service */
	bool service, tcp80, udp53; /* which port; none: one that nobody has */
	const char *host;
};

static size_t bytes_of(const struct zone *z)
{
	struct zone_stats s;

	zone_stats(z, &s);
	return s.bytes;
}

static uint32_t pick(struct model *m, uint32_t n)
{
	m->seed = m->seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(m->seed >> 33) % n;
}

static void ip_text(unsigned net, unsigned ep, bool six, char ret[IP_TEXT_MAX])
{
	snprintf(ret, IP_TEXT_MAX, six ? "fd%02x::%x" : "10.0.%u.%u", net + 16, ep + 2);
}

static void model_change(struct model *m, struct zone *z)
{
	unsigned n = pick(m, NETS), e = pick(m, EPS);
	struct model_net *net = &m->nets[n];
	struct model_ep *ep = &net->eps[e];
	char names[64], ip4[IP_TEXT_MAX], ip6[IP_TEXT_MAX], subnets[64];

	switch (pick(m, 16)) {
	case 0:
		memset(net, 0, sizeof(*net));
		zone_network_del(z, zone_lab_id(n));
		break;
	case 1:
	case 2:
		net->known = true;
		net->nameless = pick(m, 4) == 0;
		net->name = pick(m, ARRAY_SIZE(net_words));
		snprintf(subnets, sizeof(subnets), "10.0.%u.0/24 fd%02x::/64", n + 16, n + 16);
		zone_lab_network(z, n, net_words[net->name], net->nameless, subnets);
		break;
	case 3:
	case 4:
	case 5:
		ep->there = false;
		zone_lab_del(z, n, e);
		break;
	default:
		*ep = (struct model_ep){
			true, pick(m, 4) > 0, pick(m, 3) == 0, pick(m, 2) == 0, pick(m, 3) == 0,
			{ 0 }
		};
		for (size_t i = 0; i < ARRAY_SIZE(ep->names); i++)
			ep->names[i] = pick(m, ARRAY_SIZE(words));
		snprintf(names, sizeof(names), "%s %s %s", words[ep->names[0]], words[ep->names[1]],
			 words[ep->names[2]]);
		ip_text(n, e, false, ip4);
		ip_text(n, e, true, ip6);
		zone_lab_put(z, n, e, names, ep->has4 ? ip4 : "", ep->has6 ? ip6 : "",
			     ep->tcp80 ? (ep->udp53 ? "80/tcp 53/udp" : "80/tcp") :
					 (ep->udp53 ? "53/udp" : ""));
	}
}

static void put_ep(const struct model *m, const struct question *q, unsigned n, unsigned e,
		   struct buf *b)
{
	const struct model_ep *ep = &m->nets[n].eps[e];
	char ip[IP_TEXT_MAX], target[96];

	if (!q->service) {
		ip_text(n, e, q->type == ZONE_AAAA, ip);
		if (q->type == ZONE_A ? ep->has4 : q->type == ZONE_AAAA && ep->has6)
			buf_printf(b, " %s", ip);
		return;
	}
	if (q->type != ZONE_SRV || !((q->tcp80 && ep->tcp80) || (q->udp53 && ep->udp53)))
		return;
	snprintf(target, sizeof(target), "%s.%s.ovl", words[ep->names[0]],
		 net_words[m->nets[n].name]);
	if (m->nets[n].nameless)
		snprintf(target, sizeof(target), "%s", q->host);
	for (char *c = target; *c; c++)
		*c = *c == 'A' ? 'a' : *c;
	if (!m->nets[n].nameless || b->len == 0)
		buf_printf(b, " SRV %d %s", q->tcp80 ? 80 : 53, target);
	for (int six = 0; six < 2; six++) {
		ip_text(n, e, six, ip);
		if (six ? ep->has6 : ep->has4)
			buf_printf(b, " %s=%s", target, ip);
	}
}

/* Everybody on network @n called @name. Return: is there anybody? @ret_port: has anybody the port? */
static bool look(const struct model *m, const struct question *q, unsigned n, const char *name,
		 bool *ret_port, struct buf *b)
{
	bool there = false;

	for (unsigned e = 0; e < EPS; e++) {
		const struct model_ep *ep = &m->nets[n].eps[e];
		bool is = false;

		for (size_t i = 0; ep->there && i < ARRAY_SIZE(ep->names); i++)
			is = is || strcasecmp(words[ep->names[i]], name) == 0;
		if (!is)
			continue;
		there = true;
		*ret_port = *ret_port || (q->tcp80 && ep->tcp80) || (q->udp53 && ep->udp53);
		put_ep(m, q, n, e, b);
	}
	return there;
}

enum host { NOBODY, LINK_AWAY, THERE };

static enum host look_links(const struct model *m, const struct question *q, const char *host,
			    bool *ret_port, struct buf *b)
{
	enum host is = NOBODY;

	for (size_t l = 0; l < q->links.n; l++) {
		_cleanup_strv_ struct strv ends = { 0 };

		strv_split(&ends, q->links.v[l], ':');
		for (size_t end = 0; end < 4; end++) {
			char as[96];

			snprintf(as, sizeof(as), "%s%s", ends.v[end % 2], end / 2 ? ".ovl" : "");
			if (strcasecmp(as, host) != 0)
				continue;
			is = is ? is : LINK_AWAY;
			for (size_t i = 0; i < q->n && b->len == 0; i++) {
				if (m->nets[q->order[i]].known &&
				    look(m, q, q->order[i], ends.v[0], ret_port, b))
					is = THERE;
			}
		}
		if (is == THERE)
			return is;
	}
	return is;
}

/* Each way to read @host, each of the asker's networks, until one gives records. */
static enum host look_host(const struct model *m, const struct question *q, const char *host,
			   bool *ret_port, struct buf *b)
{
	enum host is = look_links(m, q, host, ret_port, b);

	if (is != NOBODY)
		return is;
	for (int way = 0; way < 3; way++) {
		for (size_t i = 0; i < q->n && b->len == 0; i++) {
			const struct model_net *net = &m->nets[q->order[i]];
			char tail[64] = "", name[96];
			size_t len = strlen(host), tail_len;

			if (!net->known || net->nameless)
				continue;
			if (way > 0)
				snprintf(tail, sizeof(tail), ".%s%s", net_words[net->name],
					 way == 2 ? ".ovl" : "");
			tail_len = strlen(tail);
			if (len <= tail_len || strcmp(host + len - tail_len, tail) != 0)
				continue;
			snprintf(name, sizeof(name), "%.*s", (int)(len - tail_len), host);
			if (look(m, q, q->order[i], name, ret_port, b))
				is = THERE;
		}
	}
	return is;
}

static bool under_domain(const char *name)
{
	size_t len = strlen(name);

	return strcmp(name, "ovl") == 0 || (len > 4 && strcmp(name + len - 4, ".ovl") == 0);
}

static bool has_below(const struct model *m, const struct question *q)
{
	if (strcmp(q->name, "ovl") == 0)
		return true;
	for (size_t i = 0; i < q->n; i++) {
		const struct model_net *net = &m->nets[q->order[i]];
		char full[64];
		size_t len, name_len = strlen(q->name);

		snprintf(full, sizeof(full), ".%s.ovl", net_words[net->name]);
		len = strlen(full);
		if (net->known && !net->nameless && name_len < len &&
		    full[len - name_len - 1] == '.' && strcmp(full + len - name_len, q->name) == 0)
			return true;
	}
	return false;
}

/* What zone_lookup() is to say: an outcome, for FOUND followed by the records in some order. */
static void model_answer(const struct model *m, struct question *q, struct buf *b)
{
	static const char *const hosts[] = { "_80._tcp.", "_81._tcp.", "_53._udp.", "_x._tcp.",
					     "_tcp." };
	_cleanup_buf_ struct buf found;
	const char *outcome = "FOREIGN";
	bool port = false;
	enum host is;

	buf_init(&found, 4096);
	is = look_host(m, q, q->name, &port, &found);
	for (size_t i = 0; is == NOBODY && i < ARRAY_SIZE(hosts); i++) {
		if (strncmp(q->name, hosts[i], strlen(hosts[i])) != 0)
			continue;
		q->service = true;
		q->host = q->name + strlen(hosts[i]);
		q->tcp80 = i == 0 || i == 4;
		q->udp53 = i == 2;
		is = look_host(m, q, q->host, &port, &found);
		/* nobody asks for the records of _tcp.NAME */
		if (i == 4)
			buf_reset(&found);
		break;
	}
	if (found.len > 0)
		outcome = "FOUND";
	else if (is == LINK_AWAY || (is == THERE && q->service && !port))
		outcome = "NXDOMAIN";
	else if (is == THERE)
		outcome = q->type == ZONE_ANY ? "FOUND HINFO" : "NODATA";
	else if (under_domain(q->name))
		outcome = has_below(m, q) ? "NODATA" : "NXDOMAIN";
	buf_printf(b, "%s%s", outcome, found.data ? found.data : "");
	if (strncmp(outcome, "N", 1) == 0)
		buf_printf(b, " %s",
			   under_domain(q->name)	   ? "ovl" :
			   q->service && outcome[1] == 'X' ? q->host :
							     q->name);
}

static void ask_something(struct model *m, struct question *q)
{
	*q = (struct question){ .type = types[pick(m, ARRAY_SIZE(types))] };
	q->n = pick(m, NETS + 1);
	for (unsigned i = 0; i < NETS; i++) {
		unsigned at = pick(m, i + 1);

		q->order[i] = q->order[at];
		q->order[at] = i;
	}
	for (uint32_t i = pick(m, 2 * LINKS); i > LINKS; i--) {
		char link[64];

		snprintf(link, sizeof(link), "%s:%s", words[pick(m, 6)], words[pick(m, 6)]);
		strv_add(&q->links, link);
	}
	snprintf(q->name, sizeof(q->name), "%s%s%s", prefixes[pick(m, ARRAY_SIZE(prefixes))],
		 words[pick(m, ARRAY_SIZE(words))], suffixes[pick(m, ARRAY_SIZE(suffixes))]);
	for (char *c = q->name; *c; c++)
		*c = *c == 'A' ? 'a' : *c;
}

static int cmp_word(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The words in order: the records turn. */
static char *sorted(const char *text)
{
	_cleanup_strv_ struct strv v = { 0 };
	struct buf b;

	strv_split(&v, text, ' ');
	qsort(v.v, v.n, sizeof(*v.v), cmp_word);
	buf_init(&b, 65536);
	for (size_t i = 0; i < v.n; i++) {
		if (strcmp(v.v[i], "+") != 0)
			buf_printf(&b, "%s ", v.v[i]);
	}
	return buf_take(&b);
}

static void compare_once(struct model *m, const struct zone *z)
{
	_cleanup_free_ char *got = NULL, *got_sorted = NULL, *want_sorted = NULL;
	_cleanup_buf_ struct buf want, nets, linked;
	struct question q;

	buf_init(&want, 4096);
	buf_init(&nets, 64);
	buf_init(&linked, 512);
	ask_something(m, &q);
	for (size_t i = 0; i < q.n; i++)
		buf_printf(&nets, "%u ", q.order[i]);
	for (size_t i = 0; i < q.links.n; i++)
		buf_printf(&linked, "%s ", q.links.v[i]);
	got = zone_lab_ask(z, nets.data ? nets.data : "", linked.data ? linked.data : "", q.name,
			   q.type, pick(m, 100));
	model_answer(m, &q, &want);
	got_sorted = sorted(got);
	want_sorted = sorted(want.data);
	if (strcmp(got_sorted, want_sorted) != 0)
		fail_msg("%s type %u on %s links %s: %s, not %s", q.name, q.type, nets.data,
			 linked.data, got, want.data);
	strv_done(&q.links);
}

static void as_the_model_says(void **state)
{
	for (uint64_t run = 1; run <= 8; run++) {
		struct zone *z = zone_new("ovl");
		struct model *m = mem_alloc(sizeof(*m));
		size_t nothing = bytes_of(z);

		m->seed = run;
		for (unsigned step = 0; step < 200; step++) {
			model_change(m, z);
			for (unsigned i = 0; i < 8; i++)
				compare_once(m, z);
		}
		for (unsigned n = 0; n < NETS; n++)
			zone_network_del(z, zone_lab_id(n));
		assert_int_equal(bytes_of(z), nothing);
		free(m);
		zone_free(z);
	}
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_the_model_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
