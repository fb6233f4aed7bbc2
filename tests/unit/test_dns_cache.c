/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/dns/dns_cache.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "base/mem.h"

#define ID 4711
#define A_RECORD 16 /* bytes: a pointer to the question's name, type, class, TTL, length, address */

static const struct dns_servers upstream = { .v = { { .ip = { AF_INET, { 10, 0, 0, 1 } },
						      .port = 53 } },
					     .n = 1 };
static const struct dns_servers other = { .v = { { .ip = { AF_INET, { 10, 0, 0, 1 } },
						   .port = 54 } },
					  .n = 1 };

struct packet {
	uint8_t b[8192];
	size_t len;
};

static void put(struct packet *p, const void *data, size_t n)
{
	memcpy(p->b + p->len, data, n);
	p->len += n;
}

static void put32(struct packet *p, uint32_t n)
{
	n = htonl(n);
	put(p, &n, 4);
}

static struct dns_query ask_type(const char *name, uint16_t type)
{
	enum dns_rcode rcode;
	struct dns_query q;
	uint8_t buf[512];
	size_t n = dns_query_make(ID, name, type, buf, sizeof(buf));

	assert_true(n > 0);
	assert_int_equal(dns_query_parse(buf, n, &q, &rcode), 0);
	return q;
}

static struct dns_query ask(const char *name)
{
	return ask_type(name, ZONE_A);
}

static struct packet begin(const struct dns_query *q, enum dns_rcode rcode, uint8_t answers,
			   uint8_t authorities)
{
	uint8_t header[DNS_HEADER] = { ID >> 8, ID & 0xff, 0x81, 0x80 | rcode, 0, 1,
				       0,	answers,   0,	 authorities };
	struct packet p = { 0 };

	put(&p, header, sizeof(header));
	put(&p, q->question, q->question_len);
	return p;
}

/* @n addresses with a TTL. */
static struct packet found(const struct dns_query *q, uint8_t n, uint32_t ttl)
{
	struct packet p = begin(q, DNS_NOERROR, n, 0);

	for (uint8_t i = 0; i < n; i++) {
		put(&p, "\xc0\x0c\0\1\0\1", 6);
		put32(&p, ttl);
		put(&p, (uint8_t[]){ 0, 4, 192, 0, 2, i }, 6);
	}
	return p;
}

static struct packet not_found(const struct dns_query *q, enum dns_rcode rcode, uint32_t ttl,
			       uint32_t minimum)
{
	struct packet p = begin(q, rcode, 0, 1);

	put(&p, "\0\0\6\0\1", 5);
	put32(&p, ttl);
	put(&p, "\0\x16\0\0", 4);
	for (unsigned i = 0; i < 4; i++)
		put32(&p, 1);
	put32(&p, minimum);
	return p;
}

static void keep(struct dns_cache *c, const struct dns_servers *from, const struct dns_query *q,
		 const struct packet *p, uint64_t now_ms)
{
	struct dns_reply r;

	assert_int_equal(dns_reply_check(p->b, p->len, q, ID, &r), 0);
	dns_cache_put(c, from, q, p->b, p->len, &r, now_ms);
}

static struct packet look(struct dns_cache *c, const struct dns_servers *from,
			  const struct dns_query *q, size_t max, uint64_t now_ms)
{
	_cleanup_free_ uint8_t *buf = mem_alloc(DNS_PACKET_MAX);
	struct packet p = { 0 };
	size_t n = dns_cache_get(c, from, q, max, now_ms, buf);

	assert_true(n <= sizeof(p.b));
	put(&p, buf, n);
	return p;
}

static bool has(struct dns_cache *c, const struct dns_query *q, uint64_t now_ms)
{
	return look(c, &upstream, q, DNS_PACKET_MAX, now_ms).len > 0;
}

static uint32_t ttl_of(const struct packet *p, const struct dns_query *q)
{
	uint32_t ttl;

	memcpy(&ttl, p->b + DNS_HEADER + q->question_len + 6, 4);
	return ntohl(ttl);
}

static struct dns_cache_stats stats(const struct dns_cache *c)
{
	struct dns_cache_stats s;

	dns_cache_stats(c, &s);
	return s;
}

static void ages_and_ends(void **state)
{
	struct dns_cache *c = dns_cache_new(DNS_CACHE_BYTES);
	struct dns_query q = ask("www.example.org"), mixed = ask("wWw.Example.ORG");
	struct packet p = found(&q, 2, 60), got;

	(void)state;
	assert_false(has(c, &q, 0));
	keep(c, &upstream, &q, &p, 1000);
	got = look(c, &upstream, &q, DNS_PACKET_MAX, 1999);
	assert_int_equal(got.len, p.len);
	assert_memory_equal(got.b, p.b, p.len);
	mixed.id = 99;
	got = look(c, &upstream, &mixed, DNS_PACKET_MAX, 41000);
	assert_int_equal(got.len, p.len);
	assert_int_equal(got.b[1], 99);
	assert_memory_equal(got.b + DNS_HEADER, mixed.question, mixed.question_len);
	assert_int_equal(ttl_of(&got, &q), 20);
	got = look(c, &upstream, &q, DNS_PACKET_MAX, 60999);
	assert_int_equal(ttl_of(&got, &q), 1);
	assert_int_equal(stats(c).entries, 1);
	assert_false(has(c, &q, 61000));
	assert_int_equal(stats(c).entries, 0);
	assert_int_equal(stats(c).bytes, 0);
	assert_int_equal(stats(c).hits, 3);
	assert_int_equal(stats(c).misses, 2);
	dns_cache_free(c);
}

static void what_makes_questions_differ(void **state)
{
	struct dns_cache *c = dns_cache_new(DNS_CACHE_BYTES);
	struct dns_query q = ask("a.org"), d;
	struct packet p = found(&q, 1, 60);

	(void)state;
	keep(c, &upstream, &q, &p, 0);
	assert_true(has(c, &q, 0));
	assert_int_equal(look(c, &other, &q, DNS_PACKET_MAX, 0).len, 0);
	d = ask_type("a.org", ZONE_AAAA);
	assert_false(has(c, &d, 0));
	d = ask("b.org");
	assert_false(has(c, &d, 0));
	d = ask("a.or");
	assert_false(has(c, &d, 0));
	for (unsigned i = 0; i < 4; i++) {
		d = q;
		d.edns = i == 0;
		d.dnssec_ok = i == 1;
		d.cd = i == 2;
		if (i == 3)
			d.rd = !d.rd;
		assert_false(has(c, &d, 0));
	}
	/* What tells nothing of the answer wanted. */
	d = q;
	d.udp_size = 4096;
	assert_true(has(c, &d, 0));
	dns_cache_free(c);
}

static void negative_ones(void **state)
{
	static const enum dns_rcode rcodes[] = { DNS_NOERROR, DNS_NXDOMAIN };
	struct dns_cache *c = dns_cache_new(DNS_CACHE_BYTES);
	struct dns_query q = ask("nobody.org");
	struct packet p;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rcodes); i++) {
		p = not_found(&q, rcodes[i], 100, 10);
		keep(c, &upstream, &q, &p, 0);
		assert_true(has(c, &q, 9999));
		assert_false(has(c, &q, 10000));
		p = not_found(&q, rcodes[i], 86400, 86400);
		keep(c, &upstream, &q, &p, 0);
		assert_true(has(c, &q, DNS_CACHE_NEGATIVE_MAX * 1000 - 1));
		assert_false(has(c, &q, DNS_CACHE_NEGATIVE_MAX * 1000));
	}
	dns_cache_free(c);
}

static void what_is_not_kept(void **state)
{
	struct dns_cache *c = dns_cache_new(DNS_CACHE_BYTES);
	struct dns_query q = ask("a.org");
	struct packet p = begin(&q, DNS_SERVFAIL, 0, 0);

	(void)state;
	keep(c, &upstream, &q, &p, 0);
	p = begin(&q, DNS_NXDOMAIN, 0, 0); /* no SOA: nobody knows for how long */
	keep(c, &upstream, &q, &p, 0);
	p = found(&q, 1, 0);
	keep(c, &upstream, &q, &p, 0);
	p = found(&q, 1, 60);
	p.b[2] |= 2; /* TC */
	keep(c, &upstream, &q, &p, 0);
	p = found(&q, 255, 60);
	assert_true(p.len > DNS_CACHE_PACKET_MAX);
	keep(c, &upstream, &q, &p, 0);
	assert_int_equal(stats(c).entries, 0);
	/* For longer than a day nobody is believed. */
	p = found(&q, 1, 604800);
	keep(c, &upstream, &q, &p, 0);
	assert_true(has(c, &q, DNS_CACHE_TTL_MAX * 1000ULL - 1));
	assert_false(has(c, &q, DNS_CACHE_TTL_MAX * 1000ULL));
	dns_cache_free(c);
}

static void newer_replaces(void **state)
{
	struct dns_cache *c = dns_cache_new(DNS_CACHE_BYTES);
	struct dns_query q = ask("a.org");
	struct packet p = found(&q, 1, 60), got;
	size_t bytes;

	(void)state;
	keep(c, &upstream, &q, &p, 0);
	bytes = stats(c).bytes;
	p = found(&q, 2, 30);
	keep(c, &upstream, &q, &p, 10000);
	assert_int_equal(stats(c).entries, 1);
	assert_int_equal(stats(c).bytes, bytes + A_RECORD);
	got = look(c, &upstream, &q, DNS_PACKET_MAX, 20000);
	assert_int_equal(got.len, p.len);
	assert_int_equal(ttl_of(&got, &q), 20);
	dns_cache_clear(c);
	assert_int_equal(stats(c).bytes, 0);
	assert_false(has(c, &q, 20000));
	dns_cache_free(c);
}

static void cut_to_what_fits(void **state)
{
	struct dns_cache *c = dns_cache_new(DNS_CACHE_BYTES);
	struct dns_query q = ask("a.org");
	struct packet p = found(&q, 100, 60), got;

	(void)state;
	keep(c, &upstream, &q, &p, 0);
	got = look(c, &upstream, &q, DNS_UDP_MIN, 0);
	assert_true(got.len > 0 && got.len <= DNS_UDP_MIN);
	assert_int_equal(got.b[2] & 2, 2);
	got = look(c, &upstream, &q, p.len, 0);
	assert_int_equal(got.len, p.len);
	assert_int_equal(got.b[2] & 2, 0);
	dns_cache_free(c);
}

static struct dns_query nth(unsigned i)
{
	char name[32];

	snprintf(name, sizeof(name), "n%05u.org", i);
	return ask(name);
}

static void bounded(void **state)
{
	struct dns_cache *c = dns_cache_new(DNS_CACHE_BYTES), *small = dns_cache_new(100000);
	struct dns_query q = nth(0);
	struct packet p = found(&q, 1, 60);
	size_t one, room;

	(void)state;
	keep(c, &upstream, &q, &p, 0);
	one = stats(c).bytes;
	room = 100000 / one;
	for (unsigned i = 0; i < 10 * room; i++) {
		q = nth(i);
		p = found(&q, 1, 60);
		keep(small, &upstream, &q, &p, 0);
		q = nth(0); /* asked for all the time */
		assert_true(has(small, &q, 0));
		assert_true(stats(small).bytes <= 100000);
	}
	assert_int_equal(stats(small).entries, room);
	assert_int_equal(stats(small).evicted, 9 * room);
	q = nth((unsigned)(9 * room - 1)); /* used longest ago but for the first */
	assert_false(has(small, &q, 0));
	q = nth((unsigned)(10 * room - 1));
	assert_true(has(small, &q, 0));
	dns_cache_free(small);
	/* One that is larger than all there is room for. */
	small = dns_cache_new(one - 1);
	q = nth(0);
	p = found(&q, 1, 60);
	keep(small, &upstream, &q, &p, 0);
	assert_int_equal(stats(small).entries, 0);
	dns_cache_free(small);
	dns_cache_free(c);
	dns_cache_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ages_and_ends),  cmocka_unit_test(what_makes_questions_differ),
		cmocka_unit_test(negative_ones),  cmocka_unit_test(what_is_not_kept),
		cmocka_unit_test(newer_replaces), cmocka_unit_test(cut_to_what_fits),
		cmocka_unit_test(bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
