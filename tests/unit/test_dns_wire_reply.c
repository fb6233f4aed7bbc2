/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/dns/dns_wire.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include "base/mem.h"
#include "tests/unit/dns_packet.h"

#define ID 0x9999
#define NAME "\3www\7example\3com"
#define SELF "\300\014"
#define SOA_DATA                           \
	"\2ns\300\014\4root\300\014"       \
	"\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4" \
	"\0\0\0\74" /* minimum: 60 */
/* RFC 4034 §3.3's, shortened: A, algorithm 5, 2 labels, original TTL 86400, the signer example.com */
#define RRSIG_DATA                                                               \
	"\0\1\5\2\0\1\121\200\76\207\152\257\76\140\0\57\12\122\7example\3com\0" \
	"signature"
#define DNSKEY_DATA "\1\1\3\5public key"

static struct dns_query question(const char *name, unsigned type, unsigned edns, uint32_t flags)
{
	enum dns_rcode rcode;
	struct dns_query q;
	struct packet p;

	packet_begin(&p, 0x1234, PACKET_RD);
	packet_question(&p, name, type, 1);
	if (edns)
		packet_opt(&p, edns, flags, LIT(""));
	assert_int_equal(dns_query_parse(p.b, p.n, &q, &rcode), 0);
	return q;
}

static void reply(struct packet *p, unsigned flags, unsigned type)
{
	packet_begin(p, ID, PACKET_REPLY | flags);
	packet_question(p, NAME, type, 1);
}

static int check(const struct packet *p, const struct dns_query *q, struct dns_reply *ret)
{
	uint8_t *copy = packet_exact(p->b, p->n);
	int rc = dns_reply_check(copy, p->n, q, ID, ret);

	free(copy);
	return rc;
}

static size_t adopt(struct packet *p, const struct dns_query *q, size_t max)
{
	uint8_t *copy = packet_exact(p->b, p->n);
	size_t n = dns_reply_adopt(copy, p->n, q, max);

	assert_in_range(n, 0, p->n < max ? p->n : max);
	memcpy(p->b, copy, n);
	free(copy);
	return n;
}

static size_t age(const struct packet *p, uint32_t age_s, const struct dns_query *q, size_t max,
		  uint8_t *buf)
{
	uint8_t *copy = packet_exact(p->b, p->n);
	size_t n = dns_reply_aged(copy, p->n, age_s, q, max, buf);

	free(copy);
	return n;
}

static void a_signed_answer(struct packet *p)
{
	reply(p, 0x20, 1); /* AD */
	packet_record(p, 6, LIT(SELF), 1, 300, LIT("\12\0\0\1"));
	packet_record(p, 6, LIT(SELF), 46, 200, LIT(RRSIG_DATA));
	packet_record(p, 8, LIT("\300\020"), 48, 3600, LIT(DNSKEY_DATA));
	packet_opt(p, 4096, 0x8000, LIT("\0\12\0\10cookies!"));
}

static void an_answer_is_taken_and_kept(void **state)
{
	struct dns_query q = question("\3WWW\7example\3COM", 1, 4096, 0x8000);
	struct dns_reply r;
	struct packet p;

	(void)state;
	a_signed_answer(&p);
	assert_int_equal(check(&p, &q, &r), 0);
	assert_int_equal(r.rcode, DNS_NOERROR);
	assert_false(r.truncated);
	assert_false(r.no_question);
	assert_true(r.cacheable);
	assert_int_equal(r.ttl, 200);
}

static void another_answer_is_not_taken(void **state)
{
	struct dns_query q = question(NAME, 1, 0, 0);
	struct dns_reply r = { .ttl = 77 };
	struct packet good, p;

	(void)state;
	a_signed_answer(&good);
	p = good;
	p.b[1] ^= 1; /* id */
	assert_int_equal(check(&p, &q, &r), -EBADMSG);
	p = good;
	p.b[2] &= 0x7f; /* a question */
	assert_int_equal(check(&p, &q, &r), -EBADMSG);
	p = good;
	p.b[2] |= 0x28; /* opcode */
	assert_int_equal(check(&p, &q, &r), -EBADMSG);
	for (size_t i = 4; i < 12 + q.question_len; i++) {
		p = good;
		p.b[i] ^= 1;
		if (i < 6 || i >= 12) /* count of questions, question */
			assert_int_equal(check(&p, &q, &r), -EBADMSG);
	}
	packet_begin(&p, ID, PACKET_REPLY); /* its name is a pointer */
	packet_count(&p, 4);
	packet_raw(&p, LIT("\300\014\0\1\0\1"));
	assert_int_equal(check(&p, &q, &r), -EBADMSG);
	packet_begin(&p, ID, PACKET_REPLY); /* a longer name */
	packet_question(&p, NAME "\1x", 1, 1);
	assert_int_equal(check(&p, &q, &r), -EBADMSG);
	assert_int_equal(r.ttl, 77);
}

static void only_errors_may_leave_the_question_out(void **state)
{
	struct dns_query q = question(NAME, 1, 0, 0);
	struct dns_reply r;
	struct packet p;

	(void)state;
	for (unsigned rcode = 0; rcode < 16; rcode++) {
		packet_begin(&p, ID, PACKET_REPLY | rcode);
		assert_int_equal(check(&p, &q, &r),
				 rcode == 0 || rcode == DNS_NXDOMAIN ? -EBADMSG : 0);
		if (rcode == 0 || rcode == DNS_NXDOMAIN)
			continue;
		assert_true(r.no_question);
		assert_int_equal(r.rcode, rcode);
		assert_false(r.cacheable);
		assert_int_equal(adopt(&p, &q, 512), 12);
		assert_memory_equal(p.b, "\x12\x34", 2);
	}
}

static void errors_are_not_kept(void **state)
{
	struct dns_query q = question(NAME, 1, 1232, 0);
	struct dns_reply r;
	struct packet p;

	(void)state;
	reply(&p, DNS_SERVFAIL, 1);
	packet_record(&p, 8, LIT(SELF), 6, 300, LIT(SOA_DATA));
	assert_int_equal(check(&p, &q, &r), 0);
	assert_int_equal(r.rcode, DNS_SERVFAIL);
	assert_false(r.cacheable);
	reply(&p, 0, 1); /* BADVERS: 0 in the header, 1 in OPT */
	packet_opt(&p, 512, 0x01000000, LIT(""));
	assert_int_equal(check(&p, &q, &r), 0);
	assert_int_equal(r.rcode, DNS_BADVERS);
	assert_false(r.cacheable);
}

static void nothing_is_kept_with_an_soa_only(void **state)
{
	struct dns_query q = question(NAME, 28, 0, 0);
	struct dns_reply r;
	struct packet p;

	(void)state;
	for (unsigned rcode = 0; rcode <= DNS_NXDOMAIN; rcode += DNS_NXDOMAIN) {
		reply(&p, rcode, 28);
		assert_int_equal(check(&p, &q, &r), 0);
		assert_false(r.cacheable);
		packet_record(&p, 6, LIT(SELF), 5, 500, LIT("\1b\300\020"));
		assert_int_equal(check(&p, &q, &r), 0); /* an alias of something without the type */
		assert_false(r.cacheable);
		packet_record(&p, 8, LIT("\300\020"), 6, 300, LIT(SOA_DATA));
		assert_int_equal(check(&p, &q, &r), 0);
		assert_true(r.cacheable);
		assert_int_equal(r.ttl, 60);
		p.b[p.n - 3] = 1; /* minimum: 65596 */
		assert_int_equal(check(&p, &q, &r), 0);
		assert_int_equal(r.ttl, 300);
	}
	reply(&p, 0, 28); /* found: its SOA says nothing */
	packet_record(&p, 6, LIT(SELF), 28, 400, LIT("\375\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1"));
	packet_record(&p, 8, LIT("\300\020"), 6, 500, LIT(SOA_DATA));
	assert_int_equal(check(&p, &q, &r), 0);
	assert_true(r.cacheable);
	assert_int_equal(r.ttl, 400);
}

static void a_ttl_above_31_bits_is_none(void **state)
{
	struct dns_query q = question(NAME, 1, 0, 0);
	struct dns_reply r;
	struct packet p;

	(void)state;
	reply(&p, 0, 1);
	packet_record(&p, 6, LIT(SELF), 1, 0x80000000u, LIT("\12\0\0\1"));
	assert_int_equal(check(&p, &q, &r), 0);
	assert_int_equal(r.ttl, 0);
	reply(&p, 0, 1);
	packet_record(&p, 6, LIT(SELF), 1, 0x7fffffffu, LIT("\12\0\0\1"));
	assert_int_equal(check(&p, &q, &r), 0);
	assert_int_equal(r.ttl, 0x7fffffff);
}

static void what_is_broken_is_not_kept(void **state)
{
	struct dns_query q = question(NAME, 1, 4096, 0x8000);
	uint8_t buf[DNS_PACKET_MAX];
	struct packet whole, p;
	struct dns_reply r;

	(void)state;
	a_signed_answer(&whole);
	for (size_t n = 0; n < whole.n; n++) {
		p = whole;
		p.n = n;
		if (n < 12 + q.question_len) {
			assert_int_equal(check(&p, &q, &r), -EBADMSG);
		} else {
			assert_int_equal(check(&p, &q, &r), 0);
			assert_false(r.cacheable);
			assert_int_equal(r.ttl, 0);
		}
		assert_int_equal(age(&p, 1, &q, 512, buf), 0);
		adopt(&p, &q, 512);
	}
	p = whole;
	packet_raw(&p, "x", 1);
	assert_int_equal(check(&p, &q, &r), 0);
	assert_false(r.cacheable);
	assert_int_equal(adopt(&p, &q, 512), whole.n);
	p = whole; /* EDNS twice, and of a name */
	packet_opt(&p, 512, 0, LIT(""));
	assert_int_equal(check(&p, &q, &r), 0);
	assert_false(r.cacheable);
	reply(&p, 0, 1);
	packet_record(&p, 6, LIT(SELF), 1, 300, LIT("\12\0\0\1"));
	packet_record(&p, 10, LIT("\1x\0"), 41, 0, LIT(""));
	assert_int_equal(check(&p, &q, &r), 0);
	assert_false(r.cacheable);
	assert_int_equal(age(&p, 0, &q, 512, buf), p.n);
	assert_memory_equal(buf + p.n - 13, "\1x\0\0\51", 5);
	p = whole;
	p.b[2] |= 2;
	assert_int_equal(check(&p, &q, &r), 0);
	assert_true(r.truncated);
	assert_false(r.cacheable);
}

static void records_lead_nowhere_but_back(void **state)
{
	static const struct {
		const char *name;
		size_t len;
	} names[] = { { LIT("\300\041") }, { LIT("\1a\300\041") }, { LIT("\300\077") },
		      { LIT("\300\0") },   { LIT("\377\377") },	   { LIT("\100") },
		      { LIT("\200\0") } };
	struct dns_query q = question(NAME, 5, 0, 0);
	struct dns_reply r;
	struct packet p;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		reply(&p, 0, 5); /* 33 bytes */
		packet_record(&p, 6, names[i].name, names[i].len, 5, 300, LIT("\300\014"));
		assert_int_equal(check(&p, &q, &r), 0);
		assert_false(r.cacheable);
	}
	/* within the data: to itself, a circle of two, to the header, behind the end, past its length */
	for (size_t i = 0; i < 5; i++) {
		static const char *const data[] = { "\300\055", "\300\057\300\055", "\300\003",
						    "\300\377", "\4ab" };

		reply(&p, 0, 5);
		packet_record(&p, 6, LIT(SELF), 5, 300, data[i], strlen(data[i]));
		packet_record(&p, 6, LIT(SELF), 5, 300, LIT("\300\014"));
		assert_int_equal(check(&p, &q, &r), 0);
		if (i != 2) /* libldns follows it and finds a root there, no harm */
			assert_false(r.cacheable);
	}
}

/* A name that never ends costs the length of a packet once, not once per record. */
static void chains_of_pointers_are_cut_short(void **state)
{
	struct dns_query q = question(NAME, 16, 0, 0);
	uint8_t buf[DNS_PACKET_MAX];
	struct dns_reply r;
	struct packet p;
	size_t at;

	(void)state;
	reply(&p, 0, 16);
	packet_count(&p, 6);
	packet_raw(&p, LIT(SELF "\0\20\0\1\0\0\0\5"));
	packet_16(&p, 0x3000);
	at = p.n;
	packet_raw(&p, "\0\0", 2);
	for (size_t i = 1; i < 0x3000 / 2; i++)
		packet_16(&p, 0xc000u | (unsigned)(at + 2 * (i - 1)));
	for (size_t i = 0; i < 2000; i++) {
		packet_count(&p, 6);
		packet_16(&p, 0xc000u | (unsigned)(at + 0x3000 - 2));
		packet_raw(&p, LIT("\0\1\0\1\0\0\0\5\0\4\12\0\0\1"));
	}
	assert_int_equal(check(&p, &q, &r), 0);
	assert_false(r.cacheable);
	assert_int_equal(age(&p, 0, &q, 512, buf), 0);
}

static void a_reply_takes_the_askers_id_case_and_flags(void **state)
{
	struct dns_query q = question("\3wWw\7eXample\3Com", 1, 1232, 0x8000);
	struct packet p, was;
	size_t n;

	(void)state;
	a_signed_answer(&p);
	was = p;
	q.cd = true;
	n = adopt(&p, &q, 1232);
	assert_int_equal(n, was.n);
	assert_memory_equal(p.b, "\x12\x34\x81\xb0", 4); /* AD stays */
	assert_memory_equal(p.b + 4, was.b + 4, 8);
	assert_memory_equal(p.b + 12, "\3wWw\7eXample\3Com", 17);
	assert_memory_equal(p.b + 29, was.b + 29, n - 29);
	q.rd = q.cd = false;
	adopt(&p, &q, 1232);
	assert_memory_equal(p.b + 2, "\x80\xa0", 2);
}

static void who_does_not_speak_edns_gets_none(void **state)
{
	struct dns_query q = question(NAME, 1, 0, 0);
	struct packet p;
	struct dns_reply r;
	size_t n;

	(void)state;
	a_signed_answer(&p);
	n = adopt(&p, &q, 512);
	assert_int_equal(n, p.n - 23);
	assert_int_equal(p.b[11], 0);
	p.n = n;
	assert_int_equal(dns_reply_check(p.b, p.n, &q, q.id, &r), 0);
	assert_true(r.cacheable);
}

static void what_does_not_fit_is_cut(void **state)
{
	struct dns_query q = question(NAME, 16, 1232, 0x8000);
	static const char text[201] = "\310";
	struct packet big, p;
	struct dns_reply r;

	(void)state;
	reply(&big, 0, 16);
	for (int i = 0; i < 7; i++)
		packet_record(&big, 6, LIT(SELF), 16, 300, text, sizeof(text));
	packet_opt(&big, 4096, 0x8000, LIT(""));
	p = big;
	assert_int_equal(adopt(&p, &q, p.n), p.n);
	p = big;
	p.n = adopt(&p, &q, 1232);
	assert_int_equal(p.n, 33 + 11);
	assert_memory_equal(p.b + 2, "\x83\x80\0\1\0\0\0\0\0\1", 10);
	assert_memory_equal(p.b + 33, "\0\0\51\x04\xd0\0\0\x80\0\0\0", 11);
	assert_int_equal(dns_reply_check(p.b, p.n, &q, q.id, &r), 0);
	assert_true(r.truncated);
	q.edns = false;
	p = big;
	assert_int_equal(adopt(&p, &q, 512), 33);
	assert_memory_equal(p.b + 2, "\x83\x80\0\1\0\0\0\0\0\0", 10);
	/* less than is ever asked for */
	for (size_t max = 12; max < 50; max++) {
		p = big;
		q.edns = max % 2;
		assert_in_range(adopt(&p, &q, max), 12, max);
	}
}

static void a_kept_reply_ages(void **state)
{
	struct dns_query q = question(NAME, 1, 1232, 0x8000);
	uint8_t buf[DNS_PACKET_MAX];
	struct packet p, expected;
	struct dns_reply r;
	size_t n;

	(void)state;
	a_signed_answer(&p);
	n = age(&p, 150, &q, 1232, buf);
	packet_begin(&expected, 0x1234, PACKET_REPLY | 0x20);
	packet_question(&expected, NAME, 1, 1);
	packet_record(&expected, 6, LIT(SELF), 1, 150, LIT("\12\0\0\1"));
	packet_record(&expected, 6, LIT(SELF), 46, 50, LIT(RRSIG_DATA));
	packet_record(&expected, 8, LIT("\300\020"), 48, 3450, LIT(DNSKEY_DATA));
	packet_opt(&expected, 4096, 0x8000,
		   LIT("")); /* its flags are no TTL; the cookie is another's */
	assert_int_equal(n, expected.n);
	assert_memory_equal(buf, expected.b, n);
	assert_int_equal(dns_reply_check(buf, n, &q, q.id, &r), 0);
	assert_true(r.cacheable);
	assert_int_equal(r.ttl, 50);
	n = age(&p, 250, &q, 1232, buf);
	assert_int_equal(dns_reply_check(buf, n, &q, q.id, &r), 0);
	assert_int_equal(r.ttl, 0);
	n = age(&p, UINT32_MAX, &q, 1232, buf);
	assert_int_equal(n, expected.n);
	q.edns = false;
	assert_int_equal(age(&p, 1, &q, 1232, buf), expected.n - 11);
	n = age(&p, 1, &q, 64, buf);
	assert_int_equal(n, 33);
	assert_int_equal(buf[2], 0x83);
}

/* Or who is told "not there" late would believe it for as long again. */
static void what_is_not_there_ages_from_the_soas_minimum(void **state)
{
	struct dns_query q = question(NAME, 1, 0, 0);
	uint8_t buf[DNS_PACKET_MAX];
	struct dns_reply r;
	struct packet p;
	size_t n;

	(void)state;
	reply(&p, DNS_NXDOMAIN, 1);
	packet_record(&p, 8, LIT("\300\020"), 6, 300, LIT(SOA_DATA));
	n = age(&p, 45, &q, 512, buf);
	assert_int_equal(dns_reply_check(buf, n, &q, q.id, &r), 0);
	assert_true(r.cacheable);
	assert_int_equal(r.ttl, 15);
}

static void long_replies_pass_but_are_not_kept(void **state)
{
	struct dns_query q = question(NAME, 1, 0, 0);
	uint8_t buf[DNS_PACKET_MAX];
	struct dns_reply r;
	struct packet p;

	(void)state;
	reply(&p, 0, 1);
	while (p.n + 16 <= DNS_REPLY_CACHEABLE_MAX)
		packet_record(&p, 6, LIT(SELF), 1, 5, LIT("\12\0\0\1"));
	assert_int_equal(check(&p, &q, &r), 0);
	assert_true(r.cacheable);
	while (p.n + 16 <= DNS_PACKET_MAX)
		packet_record(&p, 6, LIT(SELF), 1, 5, LIT("\12\0\0\1"));
	assert_int_equal(check(&p, &q, &r), 0);
	assert_false(r.cacheable);
	assert_int_equal(age(&p, 1, &q, DNS_PACKET_MAX, buf), p.n);
	assert_int_equal(adopt(&p, &q, DNS_PACKET_MAX), p.n);
	p.n = DNS_PACKET_MAX + 1;
	assert_int_equal(check(&p, &q, &r), -EBADMSG);
}

struct shown {
	char text[1000];
	unsigned n;
};

static void show(void *user, const struct dns_shown *r)
{
	struct shown *s = user;
	size_t n = strlen(s->text);

	s->n++;
	snprintf(s->text + n, sizeof(s->text) - n, "%s|%u|%s|%s\n", r->name, r->ttl, r->type,
		 r->data);
}

static void answers_are_shown_as_texts(void **state)
{
	struct shown s = { 0 };
	struct packet p;

	(void)state;
	reply(&p, 0, 255);
	packet_record(&p, 6, LIT(SELF), 1, 300, LIT("\12\0\0\1"));
	packet_record(&p, 6, LIT("\0"), 15, 1, LIT("\0\12\300\020"));
	packet_record(&p, 6, LIT("\3a\tb\0"), 16, 0x80000000u, LIT("\4a\t\"\n\2xy"));
	packet_record(&p, 6, LIT(SELF), 65280, 2, LIT("\1\2"));
	packet_record(&p, 6, LIT(SELF), 48, 3, LIT("\1\1\3\5key"));
	packet_record(&p, 8, LIT(SELF), 6, 300, LIT(SOA_DATA));
	assert_int_equal(dns_show(p.b, p.n, show, &s), 0);
	assert_int_equal(s.n, 5);
	assert_string_equal(s.text, "www.example.com|300|A|10.0.0.1\n"
				    ".|1|MX|10 example.com.\n"
				    "a\\009b|0|TXT|\"a\t\\\"\\010\" \"xy\"\n"
				    "www.example.com|2|TYPE65280|\\# 2 0102\n"
				    "www.example.com|3|DNSKEY|257 3 5 a2V5\n");
	for (size_t n = 0; n < p.n; n++) {
		uint8_t *copy = packet_exact(p.b, n);

		/* The authority section is not looked at, but where it begins. */
		if (n < p.n - 30)
			assert_int_equal(dns_show(copy, n, show, &(struct shown){ 0 }), -EBADMSG);
		free(copy);
	}
}

static void no_answer_shows_nothing(void **state)
{
	struct shown s = { 0 };
	struct packet p;

	(void)state;
	reply(&p, DNS_NXDOMAIN, 1);
	assert_int_equal(dns_show(p.b, p.n, show, &s), 0);
	packet_record(&p, 8, LIT(SELF), 6, 300, LIT(SOA_DATA));
	assert_int_equal(dns_show(p.b, p.n, show, &s), 0);
	assert_int_equal(s.n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_answer_is_taken_and_kept),
		cmocka_unit_test(another_answer_is_not_taken),
		cmocka_unit_test(only_errors_may_leave_the_question_out),
		cmocka_unit_test(errors_are_not_kept),
		cmocka_unit_test(nothing_is_kept_with_an_soa_only),
		cmocka_unit_test(a_ttl_above_31_bits_is_none),
		cmocka_unit_test(what_is_broken_is_not_kept),
		cmocka_unit_test(records_lead_nowhere_but_back),
		cmocka_unit_test(chains_of_pointers_are_cut_short),
		cmocka_unit_test(a_reply_takes_the_askers_id_case_and_flags),
		cmocka_unit_test(who_does_not_speak_edns_gets_none),
		cmocka_unit_test(what_does_not_fit_is_cut),
		cmocka_unit_test(a_kept_reply_ages),
		cmocka_unit_test(what_is_not_there_ages_from_the_soas_minimum),
		cmocka_unit_test(long_replies_pass_but_are_not_kept),
		cmocka_unit_test(answers_are_shown_as_texts),
		cmocka_unit_test(no_answer_shows_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
