/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/api/body_run.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define SIGNAL_LAST 31 /* the classic ones: real-time signals have no names to ask for */

static void put_strv_opt(cJSON *j, const char *key, const struct strv *s)
{
	if (s->n)
		json_put_strv(j, key, s);
}

static char *printed(cJSON *j)
{
	char *text = json_print(j);

	cJSON_Delete(j);
	return text;
}

char *run_request_encode(const struct run_request *r)
{
	cJSON *j = cJSON_CreateObject();

	json_put_str_opt(j, "Name", r->name);
	json_put_str(j, "Socket", r->socket);
	json_put_bool(j, "Detach", r->detach);
	put_strv_opt(j, "Networks", &r->networks);
	json_put_ip_opt(j, "IPv4Address", r->ip4);
	json_put_ip_opt(j, "IPv6Address", r->ip6);
	if (!mac_is_zero(r->mac))
		json_put_mac(j, "MacAddress", r->mac);
	put_strv_opt(j, "Aliases", &r->aliases);
	put_strv_opt(j, "Interfaces", &r->ifnames);
	return printed(j);
}

void run_request_done(struct run_request *r)
{
	free(r->name);
	free(r->socket);
	strv_done(&r->networks);
	strv_done(&r->aliases);
	strv_done(&r->ifnames);
	memset(r, 0, sizeof(*r));
}

static int get_text(const cJSON *j, const char *key, bool required, char **ret, struct err *e)
{
	const char *s = NULL;
	int r = required ? json_get_str_req(j, key, RUN_TEXT_MAX, &s, e) :
			   json_get_str(j, key, RUN_TEXT_MAX, &s, e);

	if (r == 0)
		*ret = mem_strdup(s);
	return r;
}

static int get_family(const cJSON *j, const char *key, int family, struct ip *ret, struct err *e)
{
	int r = json_get_ip(j, key, ret, e);

	if (r == 0 && ip_is_set(*ret) && ret->family != family)
		return err_set(e, -EINVAL, "%s: not an IPv%d address", key,
			       family == AF_INET ? 4 : 6);
	return r;
}

static int request_fields(const cJSON *j, struct run_request *q, struct err *e)
{
	int r = get_text(j, "Name", false, &q->name, e);

	if (r == 0)
		r = get_text(j, "Socket", true, &q->socket, e);
	if (r == 0)
		r = json_get_bool(j, "Detach", &q->detach, e);
	if (r == 0)
		r = json_get_strv(j, "Networks", RUN_NETWORKS_MAX, RUN_TEXT_MAX, &q->networks, e);
	if (r == 0)
		r = get_family(j, "IPv4Address", AF_INET, &q->ip4, e);
	if (r == 0)
		r = get_family(j, "IPv6Address", AF_INET6, &q->ip6, e);
	if (r == 0)
		r = json_get_mac(j, "MacAddress", &q->mac, e);
	if (r == 0)
		r = json_get_strv(j, "Aliases", RUN_NETWORKS_MAX, RUN_TEXT_MAX, &q->aliases, e);
	if (r == 0)
		r = json_get_strv(j, "Interfaces", RUN_NETWORKS_MAX, RUN_TEXT_MAX, &q->ifnames, e);
	return r;
}

int run_request_decode(const char *text, size_t len, struct run_request *ret, struct err *e)
{
	_cleanup_json_ cJSON *j = NULL;
	struct run_request q = { 0 };
	int r = json_parse_object(text, len, RUN_REQUEST_MAX, &j, e);

	if (r == 0)
		r = request_fields(j, &q, e);
	if (r < 0) {
		run_request_done(&q);
		return r;
	}
	*ret = q;
	return 0;
}

cJSON *run_request_connect(const struct run_request *r, size_t index, const char *target)
{
	/* All borrowed: encoded at once. */
	struct body_connect b = { .target = (char *)target, .aliases = r->aliases };

	if (index == 0) {
		b.ip4 = r->ip4;
		b.ip6 = r->ip6;
		b.mac = r->mac;
	}
	if (index < r->ifnames.n)
		b.ifname = r->ifnames.v[index];
	return body_connect_encode(&b);
}

char *run_report_encode(const struct run_report *r)
{
	cJSON *j = cJSON_CreateObject();

	json_put_str_opt(j, "Name", r->name);
	json_put_str_opt(j, "Error", r->error);
	json_put_u64(j, "Status", (uint64_t)r->status);
	return printed(j);
}

int run_report_decode(const char *text, size_t len, struct run_report *ret, struct err *e)
{
	_cleanup_json_ cJSON *j = NULL;
	const char *name = NULL, *error = NULL;
	uint64_t status = 0;
	int r = json_parse_object(text, len, RUN_REPORT_MAX, &j, e);

	if (r == 0)
		r = json_get_str(j, "Name", RUN_TEXT_MAX, &name, e);
	if (r == 0)
		r = json_get_str(j, "Error", RUN_REPORT_MAX, &error, e);
	if (r == 0)
		r = json_get_u64(j, "Status", 0, 255, &status, e);
	if (r == 0 && !name && !error)
		r = err_set(e, -EINVAL, "neither Name nor Error");
	if (r < 0)
		return r;
	ret->name = mem_strdup(name);
	ret->error = mem_strdup(error);
	ret->status = (int)status;
	return 0;
}

void run_report_done(struct run_report *r)
{
	free(r->name);
	free(r->error);
	memset(r, 0, sizeof(*r));
}

/* Bytes of the UTF-8 sequence at @p, 0 if it is none or a control character (RFC 3629 §4, overlong forms left to the eye). */
static size_t sequence(const unsigned char *p)
{
	size_t n = p[0] < 0x80				       ? 1 :
		   p[0] >= 0xc2 && p[0] < 0xe0		       ? 2 :
		   p[0] >= 0xe1 && p[0] < 0xf0 && p[0] != 0xed ? 3 :
		   p[0] >= 0xf1 && p[0] < 0xf4		       ? 4 :
								 0;

	if (n == 1)
		return p[0] >= 0x20 && p[0] != 0x7f ? 1 : 0;
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	}
	return n;
}

static void make_printable(char *s)
{
	while (*s) {
		size_t n = sequence((const unsigned char *)s);

		if (n == 0)
			*s = '?';
		s += n ? n : 1;
	}
}

void run_command_shown(char *const *argv, struct strv *ret)
{
	size_t left = RUN_COMMAND_SHOWN_MAX;

	for (size_t i = 0; argv[i]; i++) {
		size_t len = strlen(argv[i]) + 1;
		bool cut = len > left || i + 1 == RUN_COMMAND_MAX;
		_cleanup_free_ char *arg = cut ? mem_printf("%.*s...", (int)left, argv[i]) :
						 mem_strdup(argv[i]);

		make_printable(arg);
		strv_add(ret, arg);
		if (cut)
			return;
		left -= len;
	}
}

cJSON *run_create_json(const struct run_create *c)
{
	cJSON *j = cJSON_CreateObject();

	json_put_str_opt(j, "Name", c->name);
	json_put_u64(j, "Pid", (uint64_t)c->pid);
	json_put_u64(j, "PidStart", c->pid_start);
	json_put_strv(j, "Command", &c->command);
	return j;
}

void run_create_done(struct run_create *c)
{
	free(c->name);
	strv_done(&c->command);
	memset(c, 0, sizeof(*c));
}

int run_create_decode(const cJSON *j, struct run_create *ret, struct err *e)
{
	struct run_create c = { 0 };
	uint64_t pid = 0;
	int r = get_text(j, "Name", false, &c.name, e);

	if (r == 0)
		r = json_get_u64(j, "Pid", 1, INT32_MAX, &pid, e);
	if (r == 0)
		r = json_get_u64(j, "PidStart", 0, UINT64_MAX, &c.pid_start, e);
	if (r == 0)
		r = json_get_strv(j, "Command", RUN_COMMAND_MAX, RUN_COMMAND_SHOWN_MAX + 4,
				  &c.command, e);
	if (r == 0 && !pid)
		r = err_set(e, -EINVAL, "Pid: missing");
	if (r < 0) {
		run_create_done(&c);
		return r;
	}
	c.pid = (int64_t)pid;
	*ret = c;
	return 0;
}

static int signal_number(const char *text)
{
	int n = 0;

	for (const char *p = text; *p; p++) {
		if (!isdigit((unsigned char)*p) || n > SIGNAL_LAST)
			return 0;
		n = n * 10 + (*p - '0');
	}
	return n;
}

int run_signal_parse(const char *text, int *ret, struct err *e)
{
	const char *name = strncasecmp(text, "SIG", 3) == 0 ? text + 3 : text;
	int n = signal_number(text);

	for (int s = 1; n == 0 && s <= SIGNAL_LAST; s++) {
		const char *abbrev = sigabbrev_np(s);

		if (abbrev && strcasecmp(abbrev, name) == 0)
			n = s;
	}
	if (n < 1 || n > SIGNAL_LAST)
		return err_set(e, -EINVAL, "signal: \"%.32s\" is none", text);
	*ret = n;
	return 0;
}

int run_exit_status(int code, int signal)
{
	return signal ? 128 + signal : code;
}

char *run_url_escape(const char *s)
{
	char *out = mem_alloc_array(strlen(s) * 3 + 1, 1), *p = out;

	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (isalnum(c) || strchr("-._~", c)) {
			*p++ = (char)c;
		} else {
			snprintf(p, 4, "%%%02X", c);
			p += 3;
		}
	}
	return out;
}
