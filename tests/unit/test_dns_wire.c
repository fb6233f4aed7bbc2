/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/dns/dns_wire.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include "tests/unit/dns_packet.h"

/* dig +noedns +noadflag www.Example.com A, as it is on the wire */
#define PLAIN                                                   \
	"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\3www" \
	"\7Example\3com\0\x00\x01\x00\x01"

static int parse(const void *bytes, size_t n, struct dns_query *q, enum dns_rcode *rcode)
{
	uint8_t *copy = packet_exact(bytes, n);
	int rc = dns_query_parse(copy, n, q, rcode);

	free(copy);
	return rc;
}

static void good(const struct packet *p, struct dns_query *q)
{
	enum dns_rcode rcode = DNS_SERVFAIL;

	assert_int_equal(parse(p->b, p->n, q, &rcode), 0);
	assert_int_equal(rcode, DNS_NOERROR);
}

static void bad(const struct packet *p, enum dns_rcode expected, struct dns_query *q)
{
	enum dns_rcode rcode = DNS_SERVFAIL;

	assert_int_equal(parse(p->b, p->n, q, &rcode), -EINVAL);
	assert_int_equal(rcode, expected);
	assert_int_equal(q->id, 0x1234);
}

static void ask(struct packet *p, const char *name, unsigned type)
{
	packet_begin(p, 0x1234, PACKET_RD);
	packet_question(p, name, type, 1);
}

static void a_question_is_read_and_its_case_kept(void **state)
{
	enum dns_rcode rcode;
	struct dns_query q;

	(void)state;
	assert_int_equal(parse(LIT(PLAIN), &q, &rcode), 0);
	assert_int_equal(q.id, 0x1234);
	assert_int_equal(q.opcode, 0);
	assert_true(q.rd);
	assert_false(q.cd);
	assert_string_equal(q.name, "www.example.com");
	assert_false(q.odd_name);
	assert_int_equal(q.type, 1);
	assert_int_equal(q.class, 1);
	assert_int_equal(q.question_len, 21);
	assert_memory_equal(q.question, "\3www\7Example\3com\0\0\1\0\1", 21);
	assert_false(q.edns);
	assert_int_equal(q.udp_size, DNS_UDP_MIN);
}

static void flags_are_read(void **state)
{
	struct packet p;
	struct dns_query q;

	(void)state;
	ask(&p, "\1a", 1);
	p.b[2] = 0;
	p.b[3] = 0x30; /* CD, AD: a client may say that it understands AD (RFC 6840 §5.7) */
	good(&p, &q);
	assert_false(q.rd);
	assert_true(q.cd);
}

static void the_root_is_a_name(void **state)
{
	struct packet p;
	struct dns_query q;

	(void)state;
	ask(&p, "", 2);
	good(&p, &q);
	assert_string_equal(q.name, "");
	assert_false(q.odd_name);
	assert_int_equal(q.question_len, 5);
}

static void names_of_255_bytes_are_the_longest(void **state)
{
	char name[300] = "";
	struct packet p;
	struct dns_query q;

	(void)state;
	for (int i = 0; i < 127; i++)
		memcpy(name + 2 * (size_t)i, "\1x", 3);
	ask(&p, name, 1);
	good(&p, &q);
	assert_int_equal(strlen(q.name), ZONE_NAME_MAX);
	assert_int_equal(q.question_len, DNS_QUESTION_MAX);
	name[0] = 2;
	memmove(name + 2, name + 1, sizeof(name) - 2);
	ask(&p, name, 1);
	bad(&p, DNS_FORMERR, &q);
	assert_int_equal(q.question_len, 0);
	assert_string_equal(q.name, "");
}

static void labels_of_63_bytes_are_the_longest(void **state)
{
	char name[80];
	struct packet p;
	struct dns_query q;

	(void)state;
	memset(name, 'l', sizeof(name));
	name[0] = 63;
	name[64] = '\0';
	ask(&p, name, 1);
	good(&p, &q);
	assert_int_equal(strlen(q.name), 63);
	for (int type = 64; type < 256; type++) { /* 64: EDNS's old label types, 192: pointers */
		name[0] = (char)type;
		name[65] = '\0';
		ask(&p, name, 1);
		bad(&p, DNS_FORMERR, &q);
	}
}

static void names_that_no_container_has_are_odd(void **state)
{
	static const char *const names[] = { "\3a.b",  "\1*",  "\2\1\1",     "\1a\3b c",
					     "\1a\1@", "\1\\", "\3\303\244x" };
	struct packet p;
	struct dns_query q;

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		ask(&p, names[i], 1);
		good(&p, &q);
		assert_true(q.odd_name);
		assert_string_equal(q.name, "");
		assert_int_equal(q.question_len, strlen(names[i]) + 5);
	}
	packet_begin(&p, 1, 0); /* a NUL within a label */
	packet_count(&p, 4);
	packet_raw(&p, LIT("\2a\0\0\0\1\0\1"));
	good(&p, &q);
	assert_true(q.odd_name);
	ask(&p, "\5_5000\4_TCP\5A-b_9", 33);
	good(&p, &q);
	assert_false(q.odd_name);
	assert_string_equal(q.name, "_5000._tcp.a-b_9");
}

static void a_packet_cut_anywhere_is_no_question(void **state)
{
	enum dns_rcode rcode;
	struct packet p;
	struct dns_query q;
	size_t question;

	(void)state;
	ask(&p, "\3www\7example", 1);
	question = p.n;
	packet_opt(&p, 4096, 0x8000, LIT("\0\12\0\10cookies!"));
	for (size_t n = 0; n < p.n; n++) {
		assert_int_equal(parse(p.b, n, &q, &rcode), n < DNS_HEADER ? -EBADMSG : -EINVAL);
		if (n >= DNS_HEADER)
			assert_int_equal(rcode, DNS_FORMERR);
		assert_int_equal(q.question_len, n < question ? 0 : question - DNS_HEADER);
	}
	good(&p, &q);
}

static void answers_are_not_answered(void **state)
{
	enum dns_rcode rcode;
	struct packet p;
	struct dns_query q;

	(void)state;
	ask(&p, "\1a", 1);
	p.b[2] |= 0x80;
	assert_int_equal(parse(p.b, p.n, &q, &rcode), -EBADMSG);
}

static void other_opcodes_are_not_implemented(void **state)
{
	struct packet p;
	struct dns_query q;
	uint8_t buf[512];

	(void)state;
	for (unsigned opcode = 1; opcode < 16; opcode++) {
		ask(&p, "\1a", 6);
		p.b[2] = (uint8_t)(opcode << 3 | 1);
		bad(&p, DNS_NOTIMP, &q);
		assert_int_equal(q.opcode, opcode);
		assert_int_equal(dns_error_write(&q, DNS_NOTIMP, buf), DNS_HEADER);
		assert_int_equal(buf[2], 0x80 | opcode << 3 | 1);
		assert_int_equal(buf[3], 0x84);
	}
}

static void one_question_it_must_be(void **state)
{
	struct packet p;
	struct dns_query q;

	(void)state;
	packet_begin(&p, 0x1234, PACKET_RD);
	bad(&p, DNS_FORMERR, &q);
	ask(&p, "\1a", 1);
	packet_question(&p, "\1b", 1, 1);
	bad(&p, DNS_FORMERR, &q);
	ask(&p, "\1a", 1);
	p.b[4] = p.b[5] = 0xff;
	bad(&p, DNS_FORMERR, &q);
}

static void nothing_may_trail(void **state)
{
	struct packet p;
	struct dns_query q;

	(void)state;
	ask(&p, "\1a", 1);
	packet_raw(&p, "", 1);
	bad(&p, DNS_FORMERR, &q);
	assert_string_equal(q.name, "a"); /* what could be read */
	ask(&p, "\1a", 1);
	packet_opt(&p, 1232, 0, LIT(""));
	packet_raw(&p, "x", 1);
	bad(&p, DNS_FORMERR, &q);
}

static void a_question_has_no_pointers(void **state)
{
	/* to itself, to what follows, into the header, behind the end */
	static const char *const names[] = { "\300\014", "\300\016", "\300\001", "\377\377",
					     "\1a\300\014" };
	struct packet p;
	struct dns_query q;

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		packet_begin(&p, 0x1234, 0);
		packet_count(&p, 4);
		packet_raw(&p, names[i], strlen(names[i]));
		packet_raw(&p, LIT("\0\1\0\1\0\0\1\0\1"));
		bad(&p, DNS_FORMERR, &q);
		assert_int_equal(q.question_len, 0);
	}
}

static void other_classes_are_refused(void **state)
{
	static const unsigned classes[] = { 0, 3, 4, 254, 255, 65535 };
	struct packet p;
	struct dns_query q;

	(void)state;
	for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++) {
		packet_begin(&p, 0x1234, 0);
		packet_question(&p, "\7version\4bind", 16, classes[i]);
		bad(&p, DNS_REFUSED, &q);
		assert_int_equal(q.class, classes[i]);
		assert_string_equal(q.name, "version.bind");
	}
}

static void what_servers_ask_each_other_is_refused(void **state)
{
	static const unsigned refused[] = { 0, 41, 128, 249, 250, 251, 252, 253, 254 };
	static const unsigned taken[] = { 1, 2, 6, 12, 28, 33, 43, 48, 64, 65, 255, 256, 65280 };
	struct packet p;
	struct dns_query q;

	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		ask(&p, "\3ovl", refused[i]);
		bad(&p, DNS_REFUSED, &q);
	}
	for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
		ask(&p, "\3ovl", taken[i]);
		good(&p, &q);
		assert_int_equal(q.type, taken[i]);
	}
	ask(&p, "\3ovl", 251); /* IXFR tells the serial it has: RFC 1995 §3 */
	packet_record(&p, 8, LIT("\300\014"), 6, 0,
		      LIT("\0\0\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\1"));
	bad(&p, DNS_REFUSED, &q);
}

static void edns_is_read_within_bounds(void **state)
{
	static const struct {
		unsigned says, means;
	} sizes[] = { { 0, 512 },     { 511, 512 },   { 512, 512 },   { 1231, 1231 },
		      { 1232, 1232 }, { 1233, 1232 }, { 65535, 1232 } };
	struct packet p;
	struct dns_query q;

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		ask(&p, "\1a", 1);
		packet_opt(&p, sizes[i].says, i % 2 ? 0x8000 : 0, LIT(""));
		good(&p, &q);
		assert_true(q.edns);
		assert_int_equal(q.udp_size, sizes[i].means);
		assert_int_equal(q.dnssec_ok, i % 2);
	}
	ask(&p, "\1a", 1); /* unknown options and flags are passed over (RFC 6891 §6.1.2, 6.1.4) */
	packet_opt(&p, 1232, 0x7fff, LIT("\0\3\0\0\xff\xfe\0\2ab"));
	good(&p, &q);
	assert_false(q.dnssec_ok);
}

static void later_edns_is_answered_with_ours(void **state)
{
	struct packet p;
	struct dns_query q;
	uint8_t buf[512];

	(void)state;
	for (uint32_t version = 1; version < 256; version++) {
		ask(&p, "\1a", 1);
		packet_opt(&p, 1232, version << 16, LIT(""));
		bad(&p, DNS_BADVERS, &q);
		assert_int_equal(q.edns_version, version);
	}
	assert_int_equal(dns_error_write(&q, DNS_BADVERS, buf), 12 + 7 + 11);
	assert_memory_equal(buf,
			    "\x12\x34\x81\x80\0\1\0\0\0\0\0\1\1a\0\0\1\0\1"
			    "\0\0\51\x04\xd0\1\0\0\0\0",
			    30);
	assert_int_equal(buf[29], 0);
}

static void broken_edns_is_an_error(void **state)
{
	static const struct {
		const char *data;
		size_t len;
	} options[] = {
		{ LIT("\0") }, { LIT("\0\12\0") }, { LIT("\0\12\0\1") }, { LIT("\0\12\0\1ab") }
	};
	struct packet p;
	struct dns_query q;

	(void)state;
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		ask(&p, "\1a", 1);
		packet_opt(&p, 1232, 0, options[i].data, options[i].len);
		bad(&p, DNS_FORMERR, &q);
	}
	ask(&p, "\1a", 1); /* twice */
	packet_opt(&p, 1232, 0, LIT(""));
	packet_opt(&p, 1232, 0, LIT(""));
	bad(&p, DNS_FORMERR, &q);
	ask(&p, "\1a", 1); /* not of the root */
	packet_record(&p, 10, LIT("\300\014"), 41, 0, LIT(""));
	bad(&p, DNS_FORMERR, &q);
	ask(&p, "\1a", 1); /* in another section */
	packet_record(&p, 6, LIT("\0"), 41, 0, LIT(""));
	bad(&p, DNS_FORMERR, &q);
}

static void other_records_have_to_be_sound(void **state)
{
	struct packet p;
	struct dns_query q;

	(void)state;
	ask(&p, "\1a", 1);
	packet_record(&p, 10, LIT("\300\014"), 1, 5, LIT("\12\0\0\1"));
	packet_opt(&p, 1232, 0, LIT(""));
	good(&p, &q);
	assert_true(q.edns);
	ask(&p, "\1a", 1); /* an A record of 3 bytes, of 5 */
	packet_record(&p, 10, LIT("\300\014"), 1, 5, LIT("\12\0\0"));
	bad(&p, DNS_FORMERR, &q);
	ask(&p, "\1a", 1);
	packet_record(&p, 10, LIT("\300\014"), 1, 5, LIT("\12\0\0\0\1"));
	bad(&p, DNS_FORMERR, &q);
	ask(&p, "\1a", 1); /* a name that leads to itself */
	packet_record(&p, 10, LIT("\300\023"), 1, 5, LIT("\12\0\0\1"));
	bad(&p, DNS_FORMERR, &q);
	ask(&p, "\1a", 1); /* one promised, none there */
	packet_count(&p, 10);
	bad(&p, DNS_FORMERR, &q);
}

static void a_question_of_our_own_is_one(void **state)
{
	uint8_t buf[512], exact[12 + 21];
	struct dns_query q;
	enum dns_rcode rcode;
	size_t n;

	(void)state;
	assert_int_equal(dns_query_make(0x1234, "www.Example.com", 1, buf, sizeof(buf)), 33);
	assert_memory_equal(buf, PLAIN, 33);
	assert_int_equal(dns_query_make(1, "www.Example.com.", 1, exact, sizeof(exact)), 33);
	assert_int_equal(dns_query_make(1, "www.Example.com", 1, exact, sizeof(exact) - 1), 0);
	n = dns_query_make(1, "", 2, buf, sizeof(buf));
	assert_int_equal(n, 17);
	assert_int_equal(parse(buf, n, &q, &rcode), 0);
	assert_string_equal(q.name, "");
	assert_int_equal(dns_query_make(1, ".", 2, buf, sizeof(buf)), 17);
	n = dns_query_make(1, "a\\.b.c", 1, buf, sizeof(buf)); /* a dot within a label */
	assert_int_equal(parse(buf, n, &q, &rcode), 0);
	assert_true(q.odd_name);
}

static void texts_that_are_no_names_make_no_question(void **state)
{
	static const char *const names[] = { "a..b", ".a", "..", "a.." };
	char text[6000];
	uint8_t buf[512];

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		assert_int_equal(dns_query_make(1, names[i], 1, buf, sizeof(buf)), 0);
	for (size_t n = 64; n < sizeof(text); n += 37) {
		memset(text, 'x', n);
		text[n] = '\0';
		assert_int_equal(dns_query_make(1, text, 1, buf, sizeof(buf)), 0);
		for (size_t i = 1; i < n; i += 2)
			text[i] = '.';
		assert_int_equal(dns_query_make(1, text, 1, buf, sizeof(buf)) != 0, n <= 254);
	}
}

static void errors_repeat_the_question(void **state)
{
	struct packet p;
	struct dns_query q;
	uint8_t buf[512];

	(void)state;
	ask(&p, "\2Ab", 1);
	p.b[3] = 0x10;
	good(&p, &q);
	assert_int_equal(dns_error_write(&q, DNS_SERVFAIL, buf), 20);
	assert_memory_equal(buf, "\x12\x34\x81\x92\0\1\0\0\0\0\0\0\2Ab\0\0\1\0\1", 20);
	packet_opt(&p, 512, 0x8000, LIT(""));
	good(&p, &q);
	assert_int_equal(dns_error_write(&q, DNS_REFUSED, buf), 31);
	assert_memory_equal(buf, "\x12\x34\x81\x95\0\1\0\0\0\0\0\1\2Ab\0\0\1\0\1", 20);
	assert_memory_equal(buf + 20, "\0\0\51\x04\xd0\0\0\x80\0\0\0", 11);
}

static void types_have_texts(void **state)
{
	static const struct {
		const char *text;
		uint16_t type;
	} types[] = { { "A", 1 },	   { "AAAA", 28 },  { "SRV", 33 },
		      { "PTR", 12 },	   { "ANY", 255 },  { "SOA", 6 },
		      { "TXT", 16 },	   { "HTTPS", 65 }, { "TYPE65280", 65280 },
		      { "TYPE1234", 1234 } };
	static const char *const none[] = {
		"",	"AA",	  "AAAAA",	     "A ",
		"TYPE", "TYPE-1", "TYPE65536",	     "TYPE1x",
		"*",	"SRVX",	  "TYPE99999999999", "ZZZZZZZZZZZZZZZZZZZZZZZZ"
	};
	char buf[DNS_TYPE_TEXT_MAX];
	struct err e = { 0 };
	uint16_t type;

	(void)state;
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		assert_string_equal(dns_type_text(types[i].type, buf), types[i].text);
		assert_int_equal(dns_type_parse(types[i].text, &type, &e), 0);
		assert_int_equal(type, types[i].type);
	}
	assert_int_equal(dns_type_parse("aaaa", &type, &e), 0);
	assert_int_equal(type, 28);
	assert_int_equal(dns_type_parse("type28", &type, &e), 0);
	assert_int_equal(type, 28);
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		assert_int_equal(dns_type_parse(none[i], &type, &e), -EINVAL);
		assert_int_equal(type, 28);
		assert_int_equal(dns_type_parse(none[i], &type, NULL), -EINVAL);
	}
}

static void every_type_has_a_text_that_reads_back(void **state)
{
	char buf[DNS_TYPE_TEXT_MAX];
	uint16_t back;

	(void)state;
	for (unsigned type = 0; type < 65536; type += type < 300 ? 1 : 97) {
		assert_int_equal(dns_type_parse(dns_type_text((uint16_t)type, buf), &back, NULL),
				 0);
		assert_int_equal(back, type);
	}
}

static void codes_have_texts(void **state)
{
	char buf[DNS_TYPE_TEXT_MAX];

	(void)state;
	assert_string_equal(dns_rcode_text(DNS_NOERROR, buf), "NOERROR");
	assert_string_equal(dns_rcode_text(DNS_NXDOMAIN, buf), "NXDOMAIN");
	assert_string_equal(dns_rcode_text(DNS_NOTIMP, buf), "NOTIMP");
	assert_string_equal(dns_rcode_text(DNS_BADVERS, buf), "BADVERS");
	assert_string_equal(dns_rcode_text(24, buf), "RCODE24");
	assert_string_equal(dns_rcode_text(4095, buf), "RCODE4095");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_question_is_read_and_its_case_kept),
		cmocka_unit_test(flags_are_read),
		cmocka_unit_test(the_root_is_a_name),
		cmocka_unit_test(names_of_255_bytes_are_the_longest),
		cmocka_unit_test(labels_of_63_bytes_are_the_longest),
		cmocka_unit_test(names_that_no_container_has_are_odd),
		cmocka_unit_test(a_packet_cut_anywhere_is_no_question),
		cmocka_unit_test(answers_are_not_answered),
		cmocka_unit_test(other_opcodes_are_not_implemented),
		cmocka_unit_test(one_question_it_must_be),
		cmocka_unit_test(nothing_may_trail),
		cmocka_unit_test(a_question_has_no_pointers),
		cmocka_unit_test(other_classes_are_refused),
		cmocka_unit_test(what_servers_ask_each_other_is_refused),
		cmocka_unit_test(edns_is_read_within_bounds),
		cmocka_unit_test(later_edns_is_answered_with_ours),
		cmocka_unit_test(broken_edns_is_an_error),
		cmocka_unit_test(other_records_have_to_be_sound),
		cmocka_unit_test(a_question_of_our_own_is_one),
		cmocka_unit_test(texts_that_are_no_names_make_no_question),
		cmocka_unit_test(errors_repeat_the_question),
		cmocka_unit_test(types_have_texts),
		cmocka_unit_test(every_type_has_a_text_that_reads_back),
		cmocka_unit_test(codes_have_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
