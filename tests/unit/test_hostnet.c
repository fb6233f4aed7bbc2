/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/hostnet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"

static void assert_entry(const struct hostnet_entry *e, const char *prefix, const char *who)
{
	char text[PREFIX_TEXT_MAX];

	assert_string_equal(prefix_format(e->prefix, text), prefix);
	assert_string_equal(e->who, who);
}

static void nameservers_of_resolv_conf(void **state)
{
	struct hostnet_taken t = { 0 };

	(void)state;
	hostnet_nameservers("# written by hand\n"
			    "search example.net\n"
			    "nameserver 127.0.0.53\n"
			    "nameserver fe80::1%eth0\n"
			    "  nameserver\t2001:db8::53  \n"
			    "options edns0\n"
			    "nameserver 192.168.1.1 # the router\r\n"
			    "nameserver 9.9.9.9\n",
			    &t);
	assert_int_equal(t.n, 2); /* of the three that are asked (resolv.conf(5)) */
	assert_entry(&t.v[0], "2001:db8::53/128", "nameserver 2001:db8::53");
	assert_entry(&t.v[1], "192.168.1.1/32", "nameserver 192.168.1.1");
	hostnet_done(&t);
	assert_int_equal(t.n, 0);
}

static void what_is_no_nameserver_is_left_out(void **state)
{
	struct hostnet_taken t = { 0 };

	(void)state;
	hostnet_nameservers("", &t);
	hostnet_nameservers("\n\n\n", &t);
	hostnet_nameservers("nameserver", &t);
	hostnet_nameservers("nameserver \n", &t);
	hostnet_nameservers("nameserver 127.0.0.53\nnameserver ::1\nnameserver 127.1.2.3\n", &t);
	hostnet_nameservers(
		"nameserver dns.example.net\nnameserver 10.0.0\nnameserver 10.0.0.256\n", &t);
	hostnet_nameservers("nameservers 10.0.0.1\n#nameserver 10.0.0.1\n; nameserver 10.0.0.1\n",
			    &t);
	hostnet_nameservers("nameserver10.0.0.1\n", &t);
	assert_int_equal(t.n, 0);
	hostnet_done(&t);
}

static void as_the_overlap_check_wants_them(void **state)
{
	struct hostnet_taken t = { 0 };
	struct subnet_taken *v = NULL;

	(void)state;
	assert_int_equal(hostnet_as_taken(&t, NULL, &v), 0);
	free(v);
	hostnet_nameservers("nameserver 10.0.0.53\nnameserver 10.0.0.54\n", &t);
	assert_int_equal(hostnet_as_taken(&t, NULL, &v), 2);
	assert_true(prefix_eq(v[1].prefix, t.v[1].prefix));
	assert_string_equal(v[1].who, "nameserver 10.0.0.54");
	free(v);
	/* Our own bridges do not count; for a network on eth0's segment, nor does what is there. */
	hostnet_add(&t, (struct prefix){ ip_v4(0x0a000000), 24 }, "address", "eth0", false);
	hostnet_add(&t, (struct prefix){ ip_v4(0x0a010000), 24 }, "route", "ovl0", true);
	hostnet_add(&t, (struct prefix){ ip_v4(0x0a020000), 24 }, "route", "eth1", false);
	assert_int_equal(hostnet_as_taken(&t, NULL, &v), 4);
	free(v);
	assert_int_equal(hostnet_as_taken(&t, "eth0", &v), 1);
	assert_string_equal(v[0].who, "route");
	free(v);
	hostnet_done(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nameservers_of_resolv_conf),
		cmocka_unit_test(what_is_no_nameserver_is_left_out),
		cmocka_unit_test(as_the_overlap_check_wants_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
