/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/vtep.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"

static void the_address_in_an_endpoint(void **state)
{
	static const struct {
		const char *url, *host;
	} cases[] = {
		{ "http://10.0.0.1:2379", "10.0.0.1" },
		{ "https://10.0.0.1", "10.0.0.1" },
		{ "http://10.0.0.1/", "10.0.0.1" },
		{ "http://10.0.0.1:2379/path", "10.0.0.1" },
		{ "https://[2001:db8::1]:2379", "2001:db8::1" },
		{ "http://[::1]", "::1" },
		{ "http://[2001:db8::1]/", "2001:db8::1" },
	};
	char text[IP_TEXT_MAX];
	struct ip ip;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		if (vtep_endpoint_host(cases[i].url, &ip) < 0)
			fail_msg("%s", cases[i].url);
		assert_string_equal(ip_format(ip, text), cases[i].host);
	}
}

static void names_and_sockets_have_none(void **state)
{
	static const char *const cases[] = {
		"",
		"10.0.0.1:2379",
		"http://",
		"http://etcd1:2379",
		"http://etcd1.example.net",
		"http://:2379",
		"http://[]:2379",
		"http://[10.0.0.1",
		"http://[::1",
		"http://[fe80::1%eth0]:2379",
		"http://10.0.0.256:2379",
		"http://2001:db8::1:2379",
		"unix:///run/etcd.sock",
		"unixs://10.0.0.1:2379",
	};
	struct ip ip;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		if (vtep_endpoint_host(cases[i], &ip) != -EINVAL)
			fail_msg("taken: %s", cases[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_address_in_an_endpoint),
		cmocka_unit_test(names_and_sockets_have_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
