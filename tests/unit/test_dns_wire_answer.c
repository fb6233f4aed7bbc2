/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/dns/dns_wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include "base/mem.h"
#include "tests/unit/dns_packet.h"

#define TTL 5

/* What libldns reads in an answer: dns_show(), and that dns_reply_check() finds it sound. */
struct seen {
	size_t n;
	uint32_t ttl;
	char name[260], type[16], first[300], last[300];
};

static void ask(const char *name, unsigned type, unsigned edns, struct dns_query *q)
{
	enum dns_rcode rcode;
	struct packet p;

	packet_begin(&p, 0x1234, PACKET_RD);
	packet_question(&p, name, type, 1);
	if (edns)
		packet_opt(&p, edns, 0, LIT(""));
	assert_int_equal(dns_query_parse(p.b, p.n, q, &rcode), 0);
}

static void see(void *user, const struct dns_shown *r)
{
	struct seen *s = user;

	if (s->n++ == 0)
		snprintf(s->first, sizeof(s->first), "%s", r->data);
	snprintf(s->last, sizeof(s->last), "%s", r->data);
	snprintf(s->name, sizeof(s->name), "%s", r->name);
	snprintf(s->type, sizeof(s->type), "%s", r->type);
	s->ttl = r->ttl;
}

/* Writes into exactly @max bytes and reads it all back. */
static size_t write_and_see(const struct dns_query *q, const struct zone_answer *a, size_t max,
			    struct dns_reply *reply, struct seen *seen)
{
	uint8_t *buf = mem_alloc(max);
	size_t n = dns_answer_write(q, "ovl", a, TTL, max, buf);

	assert_in_range(n, DNS_HEADER, max);
	assert_int_equal(dns_reply_check(buf, n, q, q->id, reply), 0);
	*seen = (struct seen){ 0 };
	assert_int_equal(dns_show(buf, n, see, seen), 0);
	assert_int_equal(seen->n, buf[6] << 8 | buf[7]);
	assert_memory_equal(buf + DNS_HEADER, q->question, q->question_len);
	free(buf);
	return n;
}

static void an_address_is_these_bytes(void **state)
{
	struct zone_record r = { .type = ZONE_A, .ip = ip_v4(0x0a000002) };
	struct zone_answer a = { .outcome = ZONE_FOUND, .v = &r, .n = 1 };
	struct dns_query q;
	uint8_t buf[512];

	(void)state;
	ask("\2C2", ZONE_A, 0, &q);
	assert_int_equal(dns_answer_write(&q, "ovl", &a, TTL, 512, buf), 36);
	assert_memory_equal(buf,
			    "\x12\x34\x85\x80\0\1\0\1\0\0\0\0\2C2\0\0\1\0\1"
			    "\300\014\0\1\0\1\0\0\0\5\0\4\12\0\0\2",
			    36);
}

static void flags_follow_the_question(void **state)
{
	struct zone_record r = { .type = ZONE_AAAA, .ip = { AF_INET6, { 0xfd, 1 } } };
	struct zone_answer a = { .outcome = ZONE_FOUND, .v = &r, .n = 1 };
	struct dns_query q;
	uint8_t buf[512];
	size_t n;

	(void)state;
	ask("\2c2", ZONE_AAAA, 4096, &q);
	q.rd = false;
	q.cd = true;
	q.dnssec_ok = true;
	n = dns_answer_write(&q, "ovl", &a, TTL, 512, buf);
	assert_int_equal(n, 12 + 8 + 28 + 11);
	assert_memory_equal(buf + 2, "\x84\x90\0\1\0\1\0\0\0\1", 10);
	assert_memory_equal(buf + n - 11, "\0\0\51\x04\xd0\0\0\x80\0\0\0", 11);
}

static void records_read_back(void **state)
{
	struct zone_record r = { .type = ZONE_AAAA, .ip = { AF_INET6, { 0xfd, 1 } } };
	struct zone_answer a = { .outcome = ZONE_FOUND, .v = &r, .n = 1 };
	struct dns_reply reply;
	struct dns_query q;
	struct seen seen;

	(void)state;
	r.ip.b[15] = 9;
	ask("\2C2\3nEt", ZONE_AAAA, 0, &q);
	write_and_see(&q, &a, 512, &reply, &seen);
	assert_string_equal(seen.name, "C2.nEt");
	assert_string_equal(seen.type, "AAAA");
	assert_string_equal(seen.last, "fd01::9");
	assert_int_equal(seen.ttl, TTL);
	assert_true(reply.cacheable);
	assert_int_equal(reply.ttl, TTL);

	r = (struct zone_record){ .type = ZONE_PTR, .target = "c2.net.ovl" };
	ask("\1"
	    "2\1"
	    "0\1"
	    "0\2"
	    "10\7in-addr\4arpa",
	    ZONE_PTR, 0, &q);
	write_and_see(&q, &a, 512, &reply, &seen);
	assert_string_equal(seen.name, "2.0.0.10.in-addr.arpa");
	assert_string_equal(seen.last, "c2.net.ovl.");

	r = (struct zone_record){ .type = ZONE_HINFO };
	ask("\2c2", ZONE_ANY, 0, &q);
	write_and_see(&q, &a, 512, &reply, &seen);
	assert_string_equal(seen.type, "HINFO");
	assert_string_equal(seen.last, "\"RFC8482\" \"\"");
}

static void services_bring_addresses(void **state)
{
	struct zone_record v[] = { { .type = ZONE_SRV, .port = 5000, .target = "c2.net.ovl" },
				   { .type = ZONE_SRV, .port = 5000, .target = "c3.net.ovl" } };
	struct zone_record extra[] = {
		{ .type = ZONE_A, .ip = ip_v4(0x0a000002), .target = "c2.net.ovl" },
		{ .type = ZONE_AAAA, .ip = { AF_INET6, { 0xfd } }, .target = "c2.net.ovl" },
		{ .type = ZONE_A, .ip = ip_v4(0x0a000003), .target = "c3.net.ovl" },
		{ .type = ZONE_A, .ip = ip_v4(0x0a000004), .target = "elsewhere" },
	};
	struct zone_answer a = {
		.outcome = ZONE_FOUND, .v = v, .n = 2, .extra = extra, .n_extra = 4
	};
	struct dns_reply reply;
	struct dns_query q;
	struct seen seen;
	uint8_t buf[512];
	size_t n;

	(void)state;
	ask("\5_5000\4_tcp\3web", ZONE_SRV, 0, &q);
	write_and_see(&q, &a, 512, &reply, &seen);
	assert_true(reply.cacheable);
	assert_int_equal(seen.n, 2);
	assert_string_equal(seen.first, "0 0 5000 c2.net.ovl.");
	assert_string_equal(seen.last, "0 0 5000 c3.net.ovl.");
	n = dns_answer_write(&q, "ovl", &a, TTL, 512, buf);
	/* header, question, two SRV of 12 + 6 + 12, three with a pointer, one with a name of 11 */
	assert_int_equal(n, 12 + 20 + 2 * 30 + 2 * 16 + 28 + 11 + 14);
	assert_int_equal(buf[11], 4);
	assert_memory_equal(buf + 12 + 20 + 60, "\300\062\0\1", 4); /* 12 + 20 + 12 + 6 */
	assert_memory_equal(buf + 50, "\2c2\3net\3ovl", 12);
}

static void additional_ones_are_left_out_without_a_word(void **state)
{
	struct zone_record v = { .type = ZONE_SRV, .port = 80, .target = "c" };
	struct zone_record extra[2 * ZONE_RECORDS_MAX];
	struct zone_answer a = {
		.outcome = ZONE_FOUND, .v = &v, .n = 1, .extra = extra, .n_extra = ARRAY_SIZE(extra)
	};
	struct dns_reply reply;
	struct dns_query q;
	struct seen seen;
	uint8_t buf[512];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(extra); i++)
		extra[i] = (struct zone_record){ .type = ZONE_A,
						 .ip = ip_v4((uint32_t)i),
						 .target = "c" };
	ask("\3_80\4_tcp\3web", ZONE_SRV, 512, &q);
	write_and_see(&q, &a, 512, &reply, &seen);
	assert_int_equal(seen.n, 1);
	assert_false(reply.truncated);
	assert_true(reply.cacheable);
	assert_in_range(dns_answer_write(&q, "ovl", &a, TTL, 512, buf), 512 - 16 + 1, 512);
}

static void as_many_records_as_fit(void **state)
{
	static const size_t sizes[] = { 512, 1232, 65535 };
	static const uint16_t types[] = { ZONE_A, ZONE_AAAA, ZONE_PTR, ZONE_SRV };
	static const size_t data[] = { 4, 16, 12, 18 };
	struct zone_record v[ZONE_RECORDS_MAX];
	struct dns_reply reply;
	struct dns_query q;
	struct seen seen;

	(void)state;
	for (size_t t = 0; t < ARRAY_SIZE(types); t++) {
		for (size_t i = 0; i < ZONE_RECORDS_MAX; i++)
			v[i] = (struct zone_record){ .type = types[t],
						     .ip = { AF_INET, { 10, 0, 0, (uint8_t)i } },
						     .port = 1,
						     .target = "c2.net.ovl" };
		for (size_t n = 1; n <= 3 * ZONE_RECORDS_MAX; n += n < 60 ? 1 : 13) {
			size_t size = sizes[n % 3], records = (n + 2) / 3, room, fit;
			struct zone_answer a = { .outcome = ZONE_FOUND, .v = v, .n = records };

			ask("\3web", types[t], n % 2 ? 4096 : 0, &q);
			write_and_see(&q, &a, size, &reply, &seen);
			room = size - 12 - 9 - (n % 2 ? 11 : 0);
			fit = room / (12 + data[t]);
			assert_int_equal(seen.n, fit < records ? fit : records);
			assert_int_equal(reply.truncated, fit < records);
			if (!reply.truncated)
				assert_int_equal(reply.ttl, reply.cacheable ? TTL : 0);
		}
	}
}

static void a_missing_name_has_an_soa(void **state)
{
	struct zone_answer a = { .outcome = ZONE_NXDOMAIN, .owner = "ovl" };
	struct dns_reply reply;
	struct dns_query q;
	struct seen seen;
	uint8_t buf[512];
	size_t n;

	(void)state;
	ask("\1x\3Net\3OVL", ZONE_A, 0, &q);
	n = dns_answer_write(&q, "ovl", &a, TTL, 512, buf);
	assert_memory_equal(buf + 2, "\x85\x83\0\1\0\0\0\1\0\0", 10);
	/* its owner is the question's third label: 12 + 2 + 4 */
	assert_memory_equal(buf + 27, "\300\022\0\6\0\1\0\0\0\5\0\056", 12);
	assert_memory_equal(buf + 39, "\7ovl-dns\3ovl\0\12hostmaster\300\057", 26);
	assert_memory_equal(buf + 65, "\0\0\0\1\0\0\x0e\x10\0\0\2\x58\0\1\x51\x80\0\0\0\5", 20);
	assert_int_equal(n, 85);
	write_and_see(&q, &a, 512, &reply, &seen);
	assert_int_equal(reply.rcode, DNS_NXDOMAIN);
	assert_true(reply.cacheable);
	assert_int_equal(reply.ttl, TTL);
}

static void another_type_is_no_missing_name(void **state)
{
	static const char *const owners[] = { "web.net", "net", "", "elsewhere", "b.net" };
	struct zone_answer a = { .outcome = ZONE_NODATA };
	struct dns_reply reply;
	struct dns_query q;
	struct seen seen;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(owners); i++) {
		snprintf(a.owner, sizeof(a.owner), "%s", owners[i]);
		ask("\3web\3net", 15, 512, &q);
		write_and_see(&q, &a, 512, &reply, &seen);
		assert_int_equal(reply.rcode, DNS_NOERROR);
		assert_int_equal(seen.n, 0);
		assert_false(reply.truncated);
		assert_true(reply.cacheable);
	}
}

static void the_longest_names_have_room_for_an_soa(void **state)
{
	struct zone_answer a = { .outcome = ZONE_NXDOMAIN };
	char name[256] = "", domain[101];
	struct dns_reply reply;
	struct dns_query q;
	uint8_t buf[512];
	size_t n;

	(void)state;
	for (int i = 0; i < 127; i++)
		memcpy(name + 2 * (size_t)i, "\1x", 3);
	memset(domain, 'x', 100);
	domain[50] = '.';
	domain[100] = '\0';
	ask(name, ZONE_A, 512, &q);
	snprintf(a.owner, sizeof(a.owner), "%s", q.name);
	n = dns_answer_write(&q, domain, &a, TTL, 512, buf);
	assert_in_range(n, 1, 512);
	assert_int_equal(dns_reply_check(buf, n, &q, q.id, &reply), 0);
	assert_true(reply.cacheable);
}

/* Nothing such comes from the zone; the buffer holds all the same. */
static void names_no_packet_holds_do_not_overflow(void **state)
{
	struct zone_record v[] = { { .type = ZONE_SRV }, { .type = ZONE_PTR }, { .type = 77 } };
	struct zone_answer a = { .outcome = ZONE_FOUND, .v = v, .n = 3 };
	char domain[ZONE_NAME_MAX + 1];
	struct dns_query q;
	uint8_t *buf = mem_alloc(512);

	(void)state;
	memset(domain, 'd', ZONE_NAME_MAX);
	domain[ZONE_NAME_MAX] = '\0';
	for (size_t i = 0; i < 2; i++)
		memcpy(v[i].target, i ? "a..b" : domain, i ? 5 : sizeof(domain));
	ask("\1a", ZONE_SRV, 0, &q);
	assert_in_range(dns_answer_write(&q, domain, &a, TTL, 512, buf), 12, 512);
	for (size_t i = 1; i < ZONE_NAME_MAX; i += 2)
		domain[i] = '.';
	a = (struct zone_answer){ .outcome = ZONE_NODATA };
	memcpy(a.owner, domain, sizeof(domain));
	assert_in_range(dns_answer_write(&q, domain, &a, TTL, 512, buf), 12, 512);
	assert_true(buf[2] & 2); /* no room: TC */
	free(buf);
}

static void what_is_foreign_is_refused(void **state)
{
	struct zone_answer a = { .outcome = ZONE_FOREIGN };
	struct dns_query q;
	uint8_t buf[512];

	(void)state;
	ask("\1a", ZONE_A, 0, &q);
	assert_int_equal(dns_answer_write(&q, "ovl", &a, TTL, 512, buf), 19);
	assert_memory_equal(buf + 2, "\x81\x85", 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_address_is_these_bytes),
		cmocka_unit_test(flags_follow_the_question),
		cmocka_unit_test(records_read_back),
		cmocka_unit_test(services_bring_addresses),
		cmocka_unit_test(additional_ones_are_left_out_without_a_word),
		cmocka_unit_test(as_many_records_as_fit),
		cmocka_unit_test(a_missing_name_has_an_soa),
		cmocka_unit_test(another_type_is_no_missing_name),
		cmocka_unit_test(the_longest_names_have_room_for_an_soa),
		cmocka_unit_test(names_no_packet_holds_do_not_overflow),
		cmocka_unit_test(what_is_foreign_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
