/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/dns/resolv_conf.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/mem.h"

static void read_text(const char *text, struct resolv_conf *c)
{
	resolv_conf_read(text, strlen(text), c);
}

static void assert_server(const struct resolv_conf *c, size_t i, const char *ip)
{
	char text[IP_TEXT_MAX];

	assert_true(i < c->servers.n);
	assert_string_equal(ip_format(c->servers.v[i].ip, text), ip);
	assert_int_equal(c->servers.v[i].port, 53);
}

static void assert_words(const struct strv *s, const char *joined)
{
	char text[1024] = "";

	for (size_t i = 0; i < s->n; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s", i ? " " : "",
			 s->v[i]);
	assert_string_equal(text, joined);
}

static void a_usual_file(void **state)
{
	struct resolv_conf c;

	(void)state;
	read_text("# written by somebody\n; and another\n"
		  "nameserver 10.0.0.1\nnameserver\tfd00::53 # second\n"
		  "search example.com  lab.example.com.\noptions ndots:2 timeout:1\noptions rotate",
		  &c);
	assert_int_equal(c.servers.n, 2);
	assert_server(&c, 0, "10.0.0.1");
	assert_server(&c, 1, "fd00::53");
	assert_words(&c.search, "example.com lab.example.com.");
	assert_words(&c.options, "ndots:2 timeout:1 rotate");
	resolv_conf_done(&c);
	assert_int_equal(c.servers.n + c.search.n + c.options.n, 0);
}

static void servers_that_count(void **state)
{
	struct resolv_conf c;

	(void)state;
	read_text("nameserver 127.0.0.53\r\nnameserver fe80::1%eth0\nnameserver nonsense\n"
		  "nameserver\nnameserver 10.0.0.1:53\nnameservers 10.0.0.9\nnameserver10.0.0.9\n"
		  "nameserver 224.0.0.251\n nameserver 10.0.0.2;x\nnameserver 0.0.0.0\n"
		  "nameserver 10.0.0.4\n",
		  &c);
	assert_int_equal(c.servers.n, DNS_SERVERS_MAX);
	assert_server(&c, 0, "127.0.0.53");
	assert_server(&c, 1, "10.0.0.2");
	assert_server(&c, 2, "127.0.0.1");
	resolv_conf_done(&c);
}

static void the_last_of_search_and_domain_counts(void **state)
{
	struct resolv_conf c;

	(void)state;
	read_text("search a b\ndomain c d\n", &c);
	assert_words(&c.search, "c");
	resolv_conf_done(&c);
	read_text("domain c\nsearch a b\n", &c);
	assert_words(&c.search, "a b");
	resolv_conf_done(&c);
	read_text("search a\nsearch\n", &c);
	assert_words(&c.search, "");
	resolv_conf_done(&c);
	read_text("search .\n", &c);
	assert_words(&c.search, ".");
	resolv_conf_done(&c);
}

static void zero_bytes_long_lines_and_nothing(void **state)
{
	static const char zeros[] = "nameserver 10.0.0.1\0 x\n\0nameserver 10.0.0.2\n"
				    "nameserver 10.0.0.3";
	size_t size = RESOLV_CONF_MAX + 100;
	_cleanup_free_ char *large = mem_alloc(size + 1);
	struct resolv_conf c;

	(void)state;
	resolv_conf_read(zeros, sizeof(zeros) - 1, &c);
	assert_int_equal(c.servers.n, 2);
	assert_server(&c, 0, "10.0.0.1");
	assert_server(&c, 1, "10.0.0.3");
	resolv_conf_done(&c);

	resolv_conf_read(NULL, 0, &c);
	assert_int_equal(c.servers.n, 0);
	resolv_conf_done(&c);

	/* One line, longer than everything that is read; then one that is cut by the bound. */
	memset(large, 'x', size);
	memcpy(large, "nameserver 10.0.0.1 ", 20);
	resolv_conf_read(large, size, &c);
	assert_int_equal(c.servers.n, 0);
	resolv_conf_done(&c);
	large[RESOLV_CONF_MAX / 2] = '\n';
	memcpy(large + RESOLV_CONF_MAX - 20, "\nnameserver 10.0.0.250", 21);
	resolv_conf_read(large, size, &c);
	assert_int_equal(c.servers.n, 1);
	assert_server(&c, 0, "10.0.0.1");
	resolv_conf_done(&c);
}

static void no_more_words_than_the_bounds(void **state)
{
	char text[4096] = "search";
	struct resolv_conf c;

	(void)state;
	for (unsigned i = 0; i < 2 * RESOLV_SEARCH_MAX; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), " d%u", i);
	strncat(text, "\noptions", 10);
	for (unsigned i = 0; i < 2 * RESOLV_OPTIONS_MAX; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), " o:%u", i);
	read_text(text, &c);
	assert_int_equal(c.search.n, RESOLV_SEARCH_MAX);
	assert_int_equal(c.options.n, RESOLV_OPTIONS_MAX);
	resolv_conf_done(&c);
}

static void what_is_written_reads_the_same(void **state)
{
	struct strv search = { 0 }, options = { 0 };
	struct resolv_conf c;
	char *text;

	(void)state;
	text = resolv_conf_write(ip_v4(0x0a000001), &search, &options);
	assert_string_equal(text, RESOLV_MARK "\nnameserver 10.0.0.1\noptions ndots:0\n");
	free(text);
	strv_add(&search, "example.com");
	strv_add(&search, ".");
	strv_add(&search, "b");
	strv_add(&options, "timeout:1");
	strv_add(&options, "ndots:3");
	text = resolv_conf_write(ip_v4(0x0a000001), &search, &options);
	assert_string_equal(text, RESOLV_MARK "\nnameserver 10.0.0.1\nsearch example.com b\n"
					      "options timeout:1 ndots:3\n");
	read_text(text, &c);
	assert_int_equal(c.servers.n, 1);
	assert_words(&c.search, "example.com b");
	assert_words(&c.options, "timeout:1 ndots:3");
	resolv_conf_done(&c);
	free(text);
	strv_done(&search);
	strv_done(&options);
}

static void hosts_of_a_container(void **state)
{
	struct ip own[3] = { ip_v4(0x0a000002), { 0 }, { 0 } };
	struct strv extra = { 0 }, names = { 0 };
	char *text, *tail;

	(void)state;
	assert_int_equal(ip_parse("fd00::2", &own[2], NULL), 0);
	strv_add(&extra, "db:10.1.1.1");
	strv_add(&extra, "gw:host-gateway"); /* nobody has said where */
	strv_add(&extra, "six:[fd00::9]");
	strv_add(&extra, "six6:fd00::a");
	strv_add(&extra, "broken");
	strv_add(&names, "web.example.com");
	strv_add(&names, "web");
	text = resolv_hosts_write(&extra, own, 3, &names);
	assert_ptr_equal(strstr(text, RESOLV_MARK "\n127.0.0.1\tlocalhost\n::1\tlocalhost "), text);
	tail = strstr(text, "10.1.1.1");
	assert_non_null(tail);
	assert_string_equal(tail, "10.1.1.1\tdb\nfd00::9\tsix\nfd00::a\tsix6\n"
				  "10.0.0.2\tweb.example.com web\nfd00::2\tweb.example.com web\n");
	free(text);
	strv_done(&names);
	text = resolv_hosts_write(&extra, own, 3, &names); /* no name, no line */
	assert_null(strstr(text, "10.0.0.2"));
	free(text);
	strv_done(&extra);
}

static void extra_hosts(void **state)
{
	static const char *const bad[] = { "",	     "name",	 ":10.0.0.1",	 "a b:10.0.0.1",
					   "a:",     "a:b",	 "a:10.0.0.1 ",	 "a:[10.0.0.1]",
					   "a:[::1", "a..b:::1", "a\n:10.0.0.1", "a:10.0.0.1\n" };
	char *name = NULL, text[IP_TEXT_MAX];
	struct err e = { 0 };
	struct ip ip;

	(void)state;
	assert_int_equal(resolv_host_parse("db.lan:10.0.0.1", &name, &ip, &e), 0);
	assert_string_equal(name, "db.lan");
	assert_string_equal(ip_format(ip, text), "10.0.0.1");
	free(name);
	assert_int_equal(resolv_host_parse("db:::1", &name, &ip, &e), 0);
	assert_string_equal(ip_format(ip, text), "::1");
	free(name);
	assert_int_equal(resolv_host_parse("host:host-gateway", &name, &ip, &e), 0);
	assert_string_equal(name, "host");
	assert_false(ip_is_set(ip));
	free(name);
	name = NULL;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		e = (struct err){ 0 };
		if (resolv_host_parse(bad[i], &name, &ip, &e) != -EINVAL)
			fail_msg("taken: %s", bad[i]);
		assert_null(name);
		assert_true(e.text[0]);
	}
	resolv_host_parse("a b:10.0.0.1", &name, &ip, &e);
	assert_non_null(strstr(e.text, "\"a b\""));
}

static void servers_as_a_user_gives_them(void **state)
{
	static const struct {
		const char *text, *ip;
		uint16_t port;
	} good[] = {
		{ "10.0.0.1", "10.0.0.1", 53 },
		{ "10.0.0.1:5353", "10.0.0.1", 5353 },
		{ "fd00::1", "fd00::1", 53 },
		{ "[fd00::1]", "fd00::1", 53 },
		{ "[fd00::1]:65535", "fd00::1", 65535 },
		{ "127.0.0.1", "127.0.0.1", 53 },
	};
	static const char *const bad[] = {
		"",
		"dns.example.com",
		"10.0.0.1:",
		"10.0.0.1:0",
		"10.0.0.1:65536",
		"10.0.0.1:5x",
		"[10.0.0.1]",
		"[fd00::1",
		"[fd00::1]5",
		"[fd00::1]:",
		"0.0.0.0",
		"::",
		"224.0.0.251",
		"10.0.0.1 ",
		"fe80::1%eth0",
	};
	struct dns_server_addr a;
	char text[IP_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		assert_int_equal(resolv_server_parse(good[i].text, &a, NULL), 0);
		assert_string_equal(ip_format(a.ip, text), good[i].ip);
		assert_int_equal(a.port, good[i].port);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct err e = { 0 };

		if (resolv_server_parse(bad[i], &a, &e) != -EINVAL)
			fail_msg("taken: %s", bad[i]);
		assert_true(e.text[0]);
	}
}

static void search_domains_and_options(void **state)
{
	static const char *const bad_search[] = { "",	 "..",	 "a..b", ".a",
						  "a b", "a\nb", "a#b",	 "a/b" };
	static const char *const bad_option[] = { "", "a b", "a\nb", "#", "a;b", "a\tb" };
	char label[65], name[300] = "";
	struct err e = { 0 };

	(void)state;
	assert_int_equal(resolv_search_check("example.com", NULL), 0);
	assert_int_equal(resolv_search_check("_a-b.c.", NULL), 0);
	assert_int_equal(resolv_search_check(".", NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad_search); i++)
		assert_int_equal(resolv_search_check(bad_search[i], &e), -EINVAL);
	assert_non_null(strstr(e.text, "a/b"));
	memset(label, 'a', 64);
	label[64] = '\0';
	assert_int_equal(resolv_search_check(label, NULL), -EINVAL);
	assert_int_equal(resolv_search_check(label + 1, NULL), 0);
	for (int i = 0; i < 127; i++)
		strncat(name, "a.", 3);
	assert_int_equal(resolv_search_check(name, NULL), 0); /* 253 and the dot */
	strncat(name, "a", 2);
	assert_int_equal(resolv_search_check(name, NULL), -EINVAL);

	assert_int_equal(resolv_option_check("ndots:1", NULL), 0);
	assert_int_equal(resolv_option_check("single-request-reopen", NULL), 0);
	assert_int_equal(resolv_option_check(label, NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad_option); i++)
		assert_int_equal(resolv_option_check(bad_option[i], NULL), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_usual_file),
		cmocka_unit_test(servers_that_count),
		cmocka_unit_test(the_last_of_search_and_domain_counts),
		cmocka_unit_test(zero_bytes_long_lines_and_nothing),
		cmocka_unit_test(no_more_words_than_the_bounds),
		cmocka_unit_test(what_is_written_reads_the_same),
		cmocka_unit_test(hosts_of_a_container),
		cmocka_unit_test(extra_hosts),
		cmocka_unit_test(servers_as_a_user_gives_them),
		cmocka_unit_test(search_domains_and_options),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
