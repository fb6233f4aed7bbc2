/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/zone_lab.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "base/buf.h"

struct id zone_lab_id(unsigned n)
{
	struct id id = { 0 };

	id.b[0] = (uint8_t)n;
	id.b[1] = (uint8_t)(n >> 8);
	id.b[2] = (uint8_t)(n >> 16);
	id.b[31] = 1;
	return id;
}

void zone_lab_network(struct zone *z, unsigned net, const char *name, bool nameless,
		      const char *subnets)
{
	_cleanup_strv_ struct strv words = { 0 };
	struct prefix v[8];

	strv_split(&words, subnets, ' ');
	assert_true(words.n <= ARRAY_SIZE(v));
	for (size_t i = 0; i < words.n; i++)
		assert_int_equal(prefix_parse(words.v[i], &v[i], NULL), 0);
	zone_network_put(z, zone_lab_id(net), name, nameless, v, words.n);
}

static struct ip ip_of(const char *text)
{
	struct ip ip = { 0 };

	if (text[0])
		assert_int_equal(ip_parse(text, &ip, NULL), 0);
	return ip;
}

static struct zone_port port_of(const char *text)
{
	const char *slash = strchr(text, '/');
	struct zone_port p = { .port = (uint16_t)strtoul(text, NULL, 10) };

	assert_non_null(slash);
	p.proto = strcmp(slash, "/tcp") == 0 ? IPPROTO_TCP :
		  strcmp(slash, "/udp") == 0 ? IPPROTO_UDP :
					       IPPROTO_SCTP;
	return p;
}

void zone_lab_put(struct zone *z, unsigned net, unsigned ep, const char *names, const char *ip4,
		  const char *ip6, const char *ports)
{
	_cleanup_strv_ struct strv words = { 0 }, port_words = { 0 };
	struct zone_port v[ZONE_LAB_WORDS];

	strv_split(&words, names, ' ');
	strv_split(&port_words, ports, ' ');
	assert_true(port_words.n <= ARRAY_SIZE(v));
	for (size_t i = 0; i < port_words.n; i++)
		v[i] = port_of(port_words.v[i]);
	zone_endpoint_put(z, &(struct zone_endpoint){ .id = zone_lab_id(ep),
						      .network = zone_lab_id(net),
						      .names = (const char *const *)words.v,
						      .n_names = words.n,
						      .ip4 = ip_of(ip4),
						      .ip6 = ip_of(ip6),
						      .ports = v,
						      .n_ports = port_words.n });
}

void zone_lab_del(struct zone *z, unsigned net, unsigned ep)
{
	zone_endpoint_del(z, zone_lab_id(net), zone_lab_id(ep));
}

static void put_record(struct buf *b, const struct zone_record *r)
{
	char ip[IP_TEXT_MAX];

	switch (r->type) {
	case ZONE_A:
	case ZONE_AAAA:
		assert_int_equal(r->ip.family, r->type == ZONE_A ? AF_INET : AF_INET6);
		if (r->target[0])
			buf_printf(b, " %s=", r->target);
		buf_printf(b, "%s%s", r->target[0] ? "" : " ", ip_format(r->ip, ip));
		break;
	case ZONE_PTR:
		buf_printf(b, " PTR %s", r->target);
		break;
	case ZONE_SRV:
		buf_printf(b, " SRV %u %s", r->port, r->target);
		break;
	case ZONE_HINFO:
		buf_puts(b, " HINFO");
		break;
	default:
		fail_msg("a record of type %u", r->type);
	}
}

static char *text_of(const struct zone_answer *a)
{
	static const char *const outcomes[] = { "FOREIGN", "FOUND", "NODATA ", "NXDOMAIN " };
	struct buf b;

	buf_init(&b, ZONE_LAB_TEXT);
	buf_puts(&b, outcomes[a->outcome]);
	buf_puts(&b, a->owner);
	for (size_t i = 0; i < a->n; i++)
		put_record(&b, &a->v[i]);
	if (a->n_extra)
		buf_puts(&b, " +");
	for (size_t i = 0; i < a->n_extra; i++)
		put_record(&b, &a->extra[i]);
	assert_int_equal(a->outcome == ZONE_FOUND, a->n > 0);
	return buf_take(&b);
}

char *zone_lab_ask(const struct zone *z, const char *nets, const char *links, const char *name,
		   uint16_t type, unsigned turn)
{
	_cleanup_strv_ struct strv words = { 0 }, link_words = { 0 };
	struct id ids[ZONE_LAB_WORDS];
	struct zone_asker asker = { .networks = ids };
	struct zone_answer a;
	char *text;

	strv_split(&words, nets, ' ');
	strv_split(&link_words, links, ' ');
	assert_true(words.n <= ARRAY_SIZE(ids));
	for (; asker.n_networks < words.n; asker.n_networks++)
		ids[asker.n_networks] =
			zone_lab_id((unsigned)strtoul(words.v[asker.n_networks], NULL, 10));
	asker.links = link_words.n ? &link_words : NULL;
	zone_lookup(z, &asker, name, type, turn, &a);
	text = text_of(&a);
	zone_answer_done(&a);
	return text;
}

void zone_lab_says_at(const struct zone *z, const char *nets, const char *links, const char *name,
		      uint16_t type, const char *want, const char *file, int line)
{
	_cleanup_free_ char *got = zone_lab_ask(z, nets, links, name, type, 0);

	if (strcmp(got, want) != 0) {
		print_error("%s type %u, on %s with links \"%s\"\n   got: %s\n  want: %s\n", name,
			    type, nets, links, got, want);
		_fail(file, line);
	}
}
