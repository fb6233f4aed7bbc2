/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A resolv.conf of any bytes: what is read of it is within its bounds, would be taken from a user as well, and is written and read again unchanged.
 * Its lines also stand for what --dns, --dns-search, --dns-option and --add-host are given: what one of them takes cannot break a line.
 */
#include "agent/dns/resolv_conf.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define INPUT_MAX ((size_t)1 << 18)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static bool breaks_a_line(const char *text)
{
	return text[strcspn(text, "\n\r\t #;")] != '\0';
}

static void check_words(const struct strv *words, size_t max,
			int (*check)(const char *text, struct err *e))
{
	must(words->n <= max);
	for (size_t i = 0; i < words->n; i++)
		must(check(words->v[i], NULL) == 0 && !breaks_a_line(words->v[i]));
}

static bool is_no_search(const struct strv *search)
{
	for (size_t i = 0; i < search->n; i++) {
		if (strcmp(search->v[i], ".") == 0)
			return true; /* is not written */
	}
	return false;
}

static void write_again(const struct resolv_conf *c)
{
	struct resolv_conf again;
	_cleanup_free_ char *text = resolv_conf_write(c->servers.v[0].ip, &c->search, &c->options);

	must(strncmp(text, RESOLV_MARK, strlen(RESOLV_MARK)) == 0);
	resolv_conf_read(text, strlen(text), &again);
	must(again.servers.n == 1 && ip_eq(again.servers.v[0].ip, c->servers.v[0].ip));
	must(is_no_search(&c->search) || strv_eq(&again.search, &c->search));
	for (size_t i = 0; i < c->options.n; i++)
		must(strcmp(again.options.v[i], c->options.v[i]) == 0);
	resolv_conf_done(&again);
}

static void check_host(const char *line)
{
	_cleanup_strv_ struct strv extra = { 0 };
	_cleanup_free_ char *name = NULL;
	_cleanup_free_ char *text = NULL;
	struct strv none = { 0 };
	struct err e = { 0 };
	struct ip ip;

	if (resolv_host_parse(line, &name, &ip, &e) < 0) {
		must(e.code < 0 && e.text[0] && !name);
		return;
	}
	must(!breaks_a_line(name));
	strv_add(&extra, line);
	text = resolv_hosts_write(&extra, NULL, 0, &none);
	must(!ip_is_set(ip) || strstr(text, name));
}

static void check_line(const char *line)
{
	struct dns_server_addr a;
	struct err e = { 0 };

	if (resolv_server_parse(line, &a, &e) < 0)
		must(e.code < 0 && e.text[0]);
	else
		must(ip_is_set(a.ip) && a.port > 0);
	if (resolv_search_check(line, NULL) == 0 || resolv_option_check(line, NULL) == 0)
		must(!breaks_a_line(line));
	check_host(line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_strv_ struct strv lines = { 0 };
	_cleanup_free_ char *exact = NULL; /* so that a byte too many is seen */
	_cleanup_free_ char *text = NULL;
	struct resolv_conf c;

	if (size > INPUT_MAX)
		return 0;
	exact = size ? mem_dup(data, size) : NULL;
	resolv_conf_read(exact, size, &c);
	must(c.servers.n <= DNS_SERVERS_MAX);
	check_words(&c.search, RESOLV_SEARCH_MAX, resolv_search_check);
	check_words(&c.options, RESOLV_OPTIONS_MAX, resolv_option_check);
	if (c.servers.n > 0)
		write_again(&c);
	resolv_conf_done(&c);

	text = mem_alloc(size + 1);
	if (size)
		memcpy(text, data, size);
	strv_split(&lines, text, '\n');
	for (size_t i = 0; i < lines.n; i++)
		check_line(lines.v[i]);
	return 0;
}
