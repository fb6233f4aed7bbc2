/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "base/mem.h"

static struct ip ip(const char *s)
{
	struct ip a;

	assert_int_equal(ip_parse(s, &a, NULL), 0);
	return a;
}

static struct prefix pfx(const char *s)
{
	struct prefix p;

	assert_int_equal(prefix_parse(s, &p, NULL), 0);
	return p;
}

static void assert_ip(struct ip a, const char *text)
{
	char buf[IP_TEXT_MAX];

	assert_string_equal(ip_format(a, buf), text);
}

static void ip_texts(void **state)
{
	static const char *const good[] = { "0.0.0.0", "10.0.0.1",    "255.255.255.255", "::",
					    "::1",     "fd00:1:2::3", "2001:db8::1" };
	static const char *const bad[] = { "",		 "10",	      "10.0.0",
					   "10.0.0.256", "10.0.0.01", "1.2.3.4.5",
					   " 1.2.3.4",	 "1.2.3.4 ",  "fe80::1%eth0",
					   ":::",	 "g::",	      "10.0.0.1/24",
					   "0x0a.0.0.1" };
	struct ip keep = ip_v4(7), a;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		assert_ip(ip(good[i]), good[i]);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct err e = { 0 };

		a = keep;
		assert_int_equal(ip_parse(bad[i], &a, &e), -EINVAL);
		assert_non_null(strstr(e.text, bad[i]));
		assert_memory_equal(&a, &keep, sizeof(a));
	}
	assert_ip((struct ip){ 0 }, "");
	assert_ip(ip("2001:DB8:0:0::1"), "2001:db8::1");
	assert_ip(ip("::ffff:10.0.0.1"), "::ffff:10.0.0.1");
}

static void values_compare_with_memcmp(void **state)
{
	struct ip a = ip("10.0.0.1"), b = ip_v4(0x0a000001);

	(void)state;
	assert_memory_equal(&a, &b, sizeof(a));
	assert_true(ip_eq(a, b));
	assert_false(ip_eq(a, ip("10.0.0.2")));
	assert_int_equal(ip_bits(a), 32);
	assert_int_equal(ip_bits(ip("::")), 128);
	assert_int_equal(ip_bits((struct ip){ 0 }), 0);
}

static void ip_order(void **state)
{
	(void)state;
	assert_true(ip_cmp(ip("10.0.0.9"), ip("10.0.0.10")) < 0);
	assert_true(ip_cmp(ip("255.255.255.255"), ip("::")) < 0);
	assert_true(ip_cmp(ip("fd00::2"), ip("fd00::1")) > 0);
}

static void sums_wrap_within_the_family(void **state)
{
	(void)state;
	assert_ip(ip_add(ip("10.0.0.255"), 1), "10.0.1.0");
	assert_ip(ip_add(ip("10.0.1.0"), -1), "10.0.0.255");
	assert_ip(ip_add(ip("255.255.255.255"), 1), "0.0.0.0");
	assert_ip(ip_add(ip("0.0.0.0"), -1), "255.255.255.255");
	assert_ip(ip_add(ip("::"), -1), "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
	assert_ip(ip_add(ip("fd00::ffff:ffff:ffff:ffff"), 1), "fd00:0:0:1::");
	assert_ip(ip_add(ip("::"), INT64_MIN), "ffff:ffff:ffff:ffff:8000::");
	assert_false(ip_is_set(ip_add((struct ip){ 0 }, 5)));
}

static void differences_saturate(void **state)
{
	(void)state;
	assert_int_equal(ip_diff(ip("10.0.1.0"), ip("10.0.0.255")), 1);
	assert_int_equal(ip_diff(ip("10.0.0.0"), ip("10.0.0.255")), -255);
	assert_int_equal(ip_diff(ip("255.255.255.255"), ip("0.0.0.0")), UINT32_MAX);
	assert_true(ip_diff(ip("ff::"), ip("::")) == INT64_MAX);
	assert_true(ip_diff(ip("::"), ip("ff::")) == INT64_MIN);
	assert_true(ip_diff(ip("::"), ip("::8000:0:0:0")) == INT64_MIN);
}

static void kinds(void **state)
{
	(void)state;
	assert_true(ip_is_loopback(ip("127.9.9.9")));
	assert_true(ip_is_loopback(ip("::1")));
	assert_false(ip_is_loopback(ip("::2")));
	assert_true(ip_is_multicast(ip("224.0.0.1")));
	assert_true(ip_is_multicast(ip("239.255.255.255")));
	assert_false(ip_is_multicast(ip("240.0.0.1")));
	assert_true(ip_is_multicast(ip("ff02::1")));
	assert_true(ip_is_link_local(ip("169.254.1.1")));
	assert_true(ip_is_link_local(ip("febf::1")));
	assert_false(ip_is_link_local(ip("fec0::1")));
	assert_true(ip_is_unspecified(ip("0.0.0.0")));
	assert_true(ip_is_unspecified(ip("::")));
	assert_false(ip_is_unspecified((struct ip){ 0 }));
	assert_false(ip_is_loopback((struct ip){ 0 }));
}

static void sockaddrs(void **state)
{
	static const char *const texts[] = { "10.1.2.3", "fd00::7" };
	struct sockaddr_storage ss;
	struct sockaddr_un_like {
		sa_family_t family;
	} other = { AF_UNIX };
	struct ip a = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		assert_true(ip_to_sockaddr(ip(texts[i]), 4789, &ss) > 0);
		assert_int_equal(((struct sockaddr_in *)&ss)->sin_port, htons(4789));
		assert_int_equal(ip_from_sockaddr((struct sockaddr *)&ss, &a), 0);
		assert_ip(a, texts[i]);
	}
	ip_to_sockaddr(ip("::ffff:192.0.2.1"), 1, &ss);
	assert_int_equal(ip_from_sockaddr((struct sockaddr *)&ss, &a), 0);
	assert_ip(a, "192.0.2.1");
	assert_int_equal(ip_to_sockaddr((struct ip){ 0 }, 1, &ss), 0);
	assert_int_equal(ip_from_sockaddr((struct sockaddr *)&other, &a), -EAFNOSUPPORT);
}

static void prefix_texts(void **state)
{
	static const char *const good[] = { "0.0.0.0/0", "10.0.0.0/24", "10.0.0.1/32",
					    "::/0",	 "fd00::/64",	"fd00::1/128" };
	static const char *const bad[] = { "",
					   "10.0.0.0",
					   "10.0.0.0/",
					   "10.0.0.0/33",
					   "fd00::/129",
					   "10.0.0.0/ 24",
					   "10.0.0.0/-1",
					   "10.0.0.0/024",
					   "10.0.0.0/24/",
					   "/24",
					   "10.0.0/24",
					   "10.0.0.0/+8",
					   "10.0.0.0/00",
					   "10.0.0.0/4294967320",
					   "0000:0000:0000:0000:0000:0000:0000:0000:0000:0000/64" };
	char buf[PREFIX_TEXT_MAX];
	struct prefix p;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		assert_string_equal(prefix_format(pfx(good[i]), buf), good[i]);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(prefix_parse(bad[i], &p, NULL), -EINVAL);
	assert_string_equal(prefix_format((struct prefix){ 0 }, buf), "");
}

static void host_bits_are_refused_with_the_right_prefix(void **state)
{
	struct err e = { 0 };
	struct prefix p;
	char buf[PREFIX_TEXT_MAX];

	(void)state;
	assert_int_equal(prefix_parse("10.0.0.5/24", &p, &e), -EINVAL);
	assert_non_null(strstr(e.text, "10.0.0.0/24"));
	assert_int_equal(prefix_parse_host("10.0.0.5/24", &p, NULL), 0);
	assert_string_equal(prefix_format(p, buf), "10.0.0.5/24");
	assert_int_equal(prefix_parse("fd00::1/64", &p, &e), -EINVAL);
	assert_non_null(strstr(e.text, "fd00::/64"));
}

static void masks_and_edges(void **state)
{
	char buf[PREFIX_TEXT_MAX];

	(void)state;
	assert_string_equal(prefix_format(prefix_mask(ip("10.1.2.3"), 20), buf), "10.1.0.0/20");
	assert_string_equal(prefix_format(prefix_mask(ip("10.1.2.3"), 0), buf), "0.0.0.0/0");
	assert_string_equal(prefix_format(prefix_mask(ip("10.1.2.3"), 99), buf), "10.1.2.3/32");
	assert_string_equal(prefix_format(prefix_mask(ip("fd00::1"), 0), buf), "::/0");
	assert_ip(prefix_first(pfx("10.0.0.0/24")), "10.0.0.0");
	assert_ip(prefix_last(pfx("10.0.0.0/24")), "10.0.0.255");
	assert_ip(prefix_last(pfx("10.0.0.7/32")), "10.0.0.7");
	assert_ip(prefix_last(pfx("0.0.0.0/0")), "255.255.255.255");
	assert_ip(prefix_last(pfx("::/0")), "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
	assert_ip(prefix_last(pfx("fd00::/64")), "fd00::ffff:ffff:ffff:ffff");
}

static void containment_and_overlap(void **state)
{
	(void)state;
	assert_true(prefix_contains(pfx("10.0.0.0/24"), ip("10.0.0.255")));
	assert_false(prefix_contains(pfx("10.0.0.0/24"), ip("10.0.1.0")));
	assert_true(prefix_contains(pfx("0.0.0.0/0"), ip("1.2.3.4")));
	assert_false(prefix_contains(pfx("0.0.0.0/0"), ip("::1")));
	assert_false(prefix_contains((struct prefix){ 0 }, ip("::1")));
	assert_false(prefix_contains((struct prefix){ 0 }, (struct ip){ 0 }));
	assert_true(prefix_covers(pfx("10.0.0.0/8"), pfx("10.9.0.0/16")));
	assert_true(prefix_covers(pfx("10.0.0.0/8"), pfx("10.0.0.0/8")));
	assert_false(prefix_covers(pfx("10.0.0.0/16"), pfx("10.0.0.0/8")));
	assert_true(prefix_overlaps(pfx("10.0.0.0/16"), pfx("10.0.0.0/8")));
	assert_false(prefix_overlaps(pfx("10.0.0.0/24"), pfx("10.0.1.0/24")));
	assert_true(prefix_eq(pfx("10.0.0.0/24"), pfx("10.0.0.0/24")));
	assert_false(prefix_eq(pfx("10.0.0.0/24"), pfx("10.0.0.0/25")));
	assert_true(prefix_cmp(pfx("10.0.0.0/24"), pfx("10.0.0.0/25")) < 0);
}

static void mac_texts(void **state)
{
	static const char *const bad[] = { "",
					   "02:42:0a:00:00",
					   "02:42:0a:00:00:02:03",
					   "02:42:0a:00:00:0g",
					   "02:42-0a:00:00:02",
					   "0242.0a00.0002  ",
					   "2:42:0a:00:00:02:",
					   "02 42 0a 00 00 02" };
	char buf[MAC_TEXT_MAX];
	struct mac m;

	(void)state;
	assert_int_equal(mac_parse("02:42:0A:00:00:fe", &m, NULL), 0);
	assert_string_equal(mac_format(m, buf), "02:42:0a:00:00:fe");
	assert_int_equal(mac_parse("02-42-0a-00-00-fe", &m, NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct err e = { 0 };

		assert_int_equal(mac_parse(bad[i], &m, &e), -EINVAL);
		assert_true(e.text[0] != '\0');
	}
	assert_string_equal(mac_format(m, buf), "02:42:0a:00:00:fe");
}

static void mac_kinds(void **state)
{
	char buf[MAC_TEXT_MAX];
	struct mac m;

	(void)state;
	assert_true(mac_is_zero((struct mac){ 0 }));
	assert_false(mac_is_usable((struct mac){ 0 }));
	assert_int_equal(mac_parse("01:00:5e:00:00:01", &m, NULL), 0);
	assert_false(mac_is_usable(m));
	assert_string_equal(mac_format(mac_from_ip(ip("10.0.0.2")), buf), "02:42:0a:00:00:02");
	m = mac_from_ip(ip("fd00::1"));
	assert_true(mac_is_usable(m));
	assert_memory_equal(m.b, "\x02\x42", 2);
	assert_false(mac_eq(m, mac_from_ip(ip("fd00::2"))));
	assert_true(mac_eq(m, mac_from_ip(ip("fd00::1"))));
	assert_true(mac_cmp(mac_from_ip(ip("10.0.0.2")), mac_from_ip(ip("10.0.0.3"))) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ip_texts),
		cmocka_unit_test(values_compare_with_memcmp),
		cmocka_unit_test(ip_order),
		cmocka_unit_test(sums_wrap_within_the_family),
		cmocka_unit_test(differences_saturate),
		cmocka_unit_test(kinds),
		cmocka_unit_test(sockaddrs),
		cmocka_unit_test(prefix_texts),
		cmocka_unit_test(host_bits_are_refused_with_the_right_prefix),
		cmocka_unit_test(masks_and_edges),
		cmocka_unit_test(containment_and_overlap),
		cmocka_unit_test(mac_texts),
		cmocka_unit_test(mac_kinds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
