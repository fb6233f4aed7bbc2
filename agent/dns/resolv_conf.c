/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/dns/resolv_conf.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"

#define BLANK " \t\r\v\f"
#define LABEL_MAX 63 /* RFC 1035 §2.3.4 */
#define OPTION_LEN_MAX 64
#define TEXT_MAX (512 * 1024) /* of a file that is written: all there may be of the above fits */
#define HOST_GATEWAY "host-gateway"

/* ---- what may stand in such files ---- */

static bool is_letter_or_digit(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* Labels as they are in use: letters, digits, '-' and '_', one dot at the end allowed. */
static bool is_domain(const char *text, size_t len)
{
	size_t label = 0;

	if (len > 0 && text[len - 1] == '.')
		len--;
	if (len == 0 || len > ZONE_NAME_MAX)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (text[i] == '.') {
			if (label == 0)
				return false;
			label = 0;
		} else if (!is_letter_or_digit(text[i]) && text[i] != '-' && text[i] != '_') {
			return false;
		} else if (++label > LABEL_MAX) {
			return false;
		}
	}
	return label > 0;
}

int resolv_search_check(const char *text, struct err *e)
{
	if (strcmp(text, ".") == 0 || is_domain(text, strlen(text)))
		return 0;
	return err_set(e, -EINVAL, "\"%.300s\" is no search domain", text);
}

int resolv_option_check(const char *text, struct err *e)
{
	size_t len = strlen(text), i = 0;

	while (i < len && (is_letter_or_digit(text[i]) || strchr("-_:.", text[i])))
		i++;
	if (len > 0 && len <= OPTION_LEN_MAX && i == len)
		return 0;
	return err_set(e, -EINVAL, "\"%.100s\" is no option of resolv.conf", text);
}

static int parse_port(const char *text, uint16_t *ret)
{
	size_t digits = strspn(text, "0123456789");
	unsigned long v;

	if (digits == 0 || digits > 5 || text[digits])
		return -EINVAL;
	v = strtoul(text, NULL, 10);
	if (v < 1 || v > UINT16_MAX)
		return -EINVAL;
	*ret = (uint16_t)v;
	return 0;
}

/* The address part of "10.0.0.1", "10.0.0.1:53", "fd00::1", "[fd00::1]", "[fd00::1]:53", copied; *ret_port: what follows its colon, or NULL. */
static char *split_port(const char *text, const char **ret_port)
{
	const char *colon = strchr(text, ':');
	const char *end;

	*ret_port = NULL;
	if (text[0] == '[') {
		end = strchr(text, ']');
		if (!end || (end[1] && end[1] != ':'))
			return NULL;
		if (end[1])
			*ret_port = end + 2;
		return mem_strndup(text + 1, (size_t)(end - text - 1));
	}
	if (!colon || strchr(colon + 1, ':'))
		return mem_strdup(text);
	*ret_port = colon + 1;
	return mem_strndup(text, (size_t)(colon - text));
}

int resolv_server_parse(const char *text, struct dns_server_addr *ret, struct err *e)
{
	struct dns_server_addr a = { .port = DNS_PORT };
	const char *port;
	_cleanup_free_ char *ip = split_port(text, &port);

	if (!ip || ip_parse(ip, &a.ip, NULL) < 0 || (text[0] == '[' && a.ip.family != AF_INET6))
		return err_set(
			e, -EINVAL,
			"\"%.100s\" is no address of a name server (ADDRESS or ADDRESS:PORT)",
			text);
	if (port && parse_port(port, &a.port) < 0)
		return err_set(e, -EINVAL, "\"%.100s\": \"%.20s\" is no port", text, port);
	if (ip_is_unspecified(a.ip) || ip_is_multicast(a.ip))
		return err_set(e, -EINVAL, "\"%.100s\" is not the address of one server", text);
	*ret = a;
	return 0;
}

int resolv_host_parse(const char *text, char **ret_name, struct ip *ret_ip, struct err *e)
{
	const char *colon = strchr(text, ':'), *address;
	_cleanup_free_ char *bare = NULL;
	struct ip ip = { 0 };
	size_t len;

	if (!colon)
		return err_set(e, -EINVAL, "\"%.300s\": not NAME:ADDRESS", text);
	if (!is_domain(text, (size_t)(colon - text)))
		return err_set(e, -EINVAL, "\"%.300s\": \"%.*s\" is no host name", text,
			       colon - text > ZONE_NAME_MAX ? ZONE_NAME_MAX : (int)(colon - text),
			       text);
	address = colon + 1;
	len = strlen(address);
	if (len >= 2 && address[0] == '[' && address[len - 1] == ']')
		bare = mem_strndup(address + 1, len - 2);
	if (strcmp(address, HOST_GATEWAY) != 0 &&
	    (ip_parse(bare ? bare : address, &ip, NULL) < 0 || (bare && ip.family != AF_INET6)))
		return err_set(e, -EINVAL, "\"%.300s\": \"%.100s\" is no address", text, address);
	*ret_name = mem_strndup(text, (size_t)(colon - text));
	*ret_ip = ip;
	return 0;
}

/* ---- reading ---- */

/* The next word of @line: its length, *line behind it; 0: no more. */
static size_t next_word(const char **line, const char **ret)
{
	size_t len;

	*line += strspn(*line, BLANK);
	len = strcspn(*line, BLANK);
	*ret = *line;
	*line += len;
	return len;
}

static void read_server(const char *line, struct resolv_conf *c)
{
	struct dns_server_addr a = { .port = DNS_PORT };
	const char *word;
	size_t len = next_word(&line, &word);
	_cleanup_free_ char *text = mem_strndup(word, len);

	/* One with a zone (fe80::1%eth0) is no address here; where it is cannot be told to anybody else either. */
	if (c->servers.n == DNS_SERVERS_MAX || ip_parse(text, &a.ip, NULL) < 0 ||
	    ip_is_multicast(a.ip))
		return;
	if (ip_is_unspecified(a.ip)) /* INADDR_ANY: this host (resolv.conf(5), res_init.c) */
		ip_parse(a.ip.family == AF_INET ? "127.0.0.1" : "::1", &a.ip, NULL);
	c->servers.v[c->servers.n++] = a;
}

static void read_words(const char *line, struct strv *ret, size_t max,
		       int (*check)(const char *text, struct err *e))
{
	const char *word;
	size_t len;

	while (ret->n < max && (len = next_word(&line, &word)) > 0) {
		_cleanup_free_ char *text = mem_strndup(word, len);

		if (check(text, NULL) == 0)
			strv_add(ret, text);
	}
}

static bool is_word(const char *word, size_t len, const char *what)
{
	return len == strlen(what) && memcmp(word, what, len) == 0;
}

static void read_line(const char *line, struct resolv_conf *c)
{
	const char *word;
	size_t len = next_word(&line, &word);
	bool domain = is_word(word, len, "domain");

	if (is_word(word, len, "nameserver")) {
		read_server(line, c);
	} else if (domain || is_word(word, len, "search")) {
		strv_done(&c->search);
		read_words(line, &c->search, domain ? 1 : RESOLV_SEARCH_MAX, resolv_search_check);
	} else if (is_word(word, len, "options")) {
		read_words(line, &c->options, RESOLV_OPTIONS_MAX, resolv_option_check);
	}
}

void resolv_conf_read(const char *text, size_t len, struct resolv_conf *ret)
{
	const char *end;

	*ret = (struct resolv_conf){ 0 };
	if (len == 0) /* @text may be NULL then */
		return;
	end = text + (len > RESOLV_CONF_MAX ? RESOLV_CONF_MAX : len);
	while (text < end) {
		const char *stop = memchr(text, '\n', (size_t)(end - text));
		_cleanup_free_ char *line = NULL;

		if (!stop && len > RESOLV_CONF_MAX)
			return; /* half a line could say something else */
		if (!stop)
			stop = end;
		line = mem_strndup(text, (size_t)(stop - text)); /* a NUL ends it, as for glibc */
		line[strcspn(line, "#;")] = '\0';
		read_line(line, ret);
		text = stop + 1;
	}
}

void resolv_conf_done(struct resolv_conf *c)
{
	strv_done(&c->search);
	strv_done(&c->options);
	c->servers = (struct dns_servers){ 0 };
}

/* ---- writing ---- */

static bool says_ndots(const struct strv *options)
{
	for (size_t i = 0; i < options->n; i++) {
		if (strncmp(options->v[i], "ndots:", 6) == 0)
			return true;
	}
	return false;
}

char *resolv_conf_write(struct ip server, const struct strv *search, const struct strv *options)
{
	_cleanup_buf_ struct buf b;
	char ip[IP_TEXT_MAX];
	bool any = false;

	buf_init(&b, TEXT_MAX);
	buf_printf(&b, RESOLV_MARK "\nnameserver %s\n", ip_format(server, ip));
	for (size_t i = 0; i < search->n && i < RESOLV_SEARCH_MAX; i++) {
		if (strcmp(search->v[i], ".") == 0)
			continue; /* "no search domain" */
		buf_printf(&b, "%s%s", any ? " " : "search ", search->v[i]);
		any = true;
	}
	buf_printf(&b, "%soptions", any ? "\n" : "");
	for (size_t i = 0; i < options->n && i < RESOLV_OPTIONS_MAX; i++)
		buf_printf(&b, " %s", options->v[i]);
	buf_printf(&b, "%s\n", says_ndots(options) ? "" : " ndots:0");
	return buf_take(&b);
}

char *resolv_hosts_write(const struct strv *extra, const struct ip *addresses, size_t n_addresses,
			 const struct strv *names)
{
	_cleanup_buf_ struct buf b;
	char text[IP_TEXT_MAX];

	buf_init(&b, TEXT_MAX);
	buf_puts(&b, RESOLV_MARK "\n127.0.0.1\tlocalhost\n"
				 "::1\tlocalhost ip6-localhost ip6-loopback\n"
				 "fe00::\tip6-localnet\nff00::\tip6-mcastprefix\n"
				 "ff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n");
	for (size_t i = 0; i < extra->n && i < RESOLV_HOSTS_MAX; i++) {
		_cleanup_free_ char *name = NULL;
		struct ip ip;

		if (resolv_host_parse(extra->v[i], &name, &ip, NULL) == 0 && ip_is_set(ip))
			buf_printf(&b, "%s\t%s\n", ip_format(ip, text), name);
	}
	for (size_t i = 0; i < n_addresses && names->n > 0; i++) {
		if (!ip_is_set(addresses[i]))
			continue;
		buf_printf(&b, "%s\t", ip_format(addresses[i], text));
		for (size_t k = 0; k < names->n; k++)
			buf_printf(&b, "%s%s", k ? " " : "", names->v[k]);
		buf_puts(&b, "\n");
	}
	return buf_take(&b);
}
