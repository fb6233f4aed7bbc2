/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/api/body_run.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define SIGNAL_LAST 31 /* the classic ones: real-time signals have no names to ask for */

static char *printed(cJSON *j)
{
	char *text = json_print(j);

	cJSON_Delete(j);
	return text;
}

static const char *const mode_names[] = {
	[RUN_OWN] = "own",
	[RUN_NONE] = "none",
	[RUN_HOST] = "host",
	[RUN_SHARED] = "container",
};

#define CONTAINER_PREFIX "container:"

char *run_request_encode(const struct run_request *r)
{
	cJSON *j = cJSON_CreateObject(), *list;

	json_put_str_opt(j, "Name", r->name);
	json_put_str(j, "Socket", r->socket);
	json_put_bool(j, "Detach", r->detach);
	json_put_str(j, "Mode", mode_names[r->mode]);
	json_put_str_opt(j, "Container", r->container);
	list = cJSON_AddArrayToObject(j, "Networks");
	for (size_t i = 0; i < r->n_networks; i++)
		cJSON_AddItemToArray(list, run_network_json(&r->networks[i]));
	if (r->publish.n > 0)
		cJSON_AddItemToObject(j, "Publish", body_publishes_encode(&r->publish));
	body_names_put(j, &r->names);
	return printed(j);
}

void run_request_done(struct run_request *r)
{
	free(r->name);
	free(r->socket);
	free(r->container);
	for (size_t i = 0; i < r->n_networks; i++)
		run_network_done(&r->networks[i]);
	free(r->networks);
	body_publishes_done(&r->publish);
	body_names_done(&r->names);
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

static int get_mode(const cJSON *j, enum run_mode *ret, struct err *e)
{
	const char *text = NULL;
	int r = json_get_str(j, "Mode", RUN_TEXT_MAX, &text, e);

	for (size_t i = 0; r == 0 && text && i < ARRAY_SIZE(mode_names); i++) {
		if (strcmp(mode_names[i], text) == 0) {
			*ret = (enum run_mode)i;
			return 0;
		}
	}
	return r == 0 && text ? err_set(e, -EINVAL, "Mode: \"%.32s\" is none", text) : r;
}

static int get_networks(const cJSON *j, struct run_request *q, struct err *e)
{
	const cJSON *list = NULL, *item;
	int r = json_get_array(j, "Networks", RUN_NETWORKS_MAX, &list, e);

	if (r < 0 || !list)
		return r;
	q->networks = mem_alloc_array((size_t)cJSON_GetArraySize(list) + 1, sizeof(*q->networks));
	cJSON_ArrayForEach(item, list) {
		r = run_network_decode(item, &q->networks[q->n_networks], e);
		if (r < 0) {
			err_prefix(e, "Networks[%zu]", q->n_networks);
			return r;
		}
		q->n_networks++;
	}
	return 0;
}

/* Without a network of its own nobody would ask for them; a host name is the UTS namespace's, which only a shared network lacks. */
static int check_names(const struct run_request *q, struct err *e)
{
	const struct body_names *n = &q->names;
	const struct {
		const char *field;
		size_t n;
	} fields[] = {
		{ "ExposedPorts", n->n_expose },
		{ "Links", n->links.n },
		{ "Dns", n->dns.n },
		{ "DnsSearch", n->dns_search.n },
		{ "DnsOptions", n->dns_options.n },
		{ "ExtraHosts", n->extra_hosts.n },
		{ "Hostname", q->mode == RUN_SHARED && n->hostname },
	};

	if (n->hostname && strlen(n->hostname) > RUN_HOSTNAME_MAX)
		return err_set(e, -EINVAL, "Hostname: longer than %d bytes", RUN_HOSTNAME_MAX);
	for (size_t i = 0; i < ARRAY_SIZE(fields) && q->mode != RUN_OWN; i++) {
		if (fields[i].n > 0)
			return err_set(e, -EINVAL, "%s: not possible for Mode %s", fields[i].field,
				       mode_names[q->mode]);
	}
	return 0;
}

static int get_names(const cJSON *j, struct run_request *q, struct err *e)
{
	struct err all = { 0 };

	body_names_take(j, "", &q->names, &all);
	return all.code < 0 ? err_set(e, all.code, "%s", all.text) : 0;
}

/* What a mode needs and what it excludes: ovlctl has said it better before. */
static int check_mode(const struct run_request *q, struct err *e)
{
	if ((q->mode == RUN_OWN) != (q->n_networks > 0))
		return err_set(e, -EINVAL, "Networks: %s for Mode %s",
			       q->n_networks ? "not possible" : "missing", mode_names[q->mode]);
	if ((q->mode == RUN_SHARED) != (q->container != NULL))
		return err_set(e, -EINVAL, "Container: %s for Mode %s",
			       q->container ? "not possible" : "missing", mode_names[q->mode]);
	if (q->publish.n > 0 && q->mode != RUN_OWN)
		return err_set(e, -EINVAL, "Publish: not possible for Mode %s",
			       mode_names[q->mode]);
	return check_names(q, e);
}

static int request_fields(const cJSON *j, struct run_request *q, struct err *e)
{
	const cJSON *publish = json_get(j, "Publish");
	int r = get_text(j, "Name", false, &q->name, e);

	if (r == 0)
		r = get_text(j, "Socket", true, &q->socket, e);
	if (r == 0)
		r = json_get_bool(j, "Detach", &q->detach, e);
	if (r == 0)
		r = get_mode(j, &q->mode, e);
	if (r == 0)
		r = get_text(j, "Container", false, &q->container, e);
	if (r == 0)
		r = get_networks(j, q, e);
	if (r == 0 && publish)
		r = body_publishes_decode(publish, "Publish", &q->publish, e);
	if (r == 0)
		r = get_names(j, q, e);
	return r == 0 ? check_mode(q, e) : r;
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
	const struct run_network *n = &r->networks[index];
	/* All borrowed: encoded at once. */
	struct body_connect b = {
		.target = (char *)target,
		.aliases = n->aliases,
		.ip4 = n->ip4,
		.ip6 = n->ip6,
		.mac = n->mac,
		.ifname = n->ifname,
		.gw_priority = n->gw_priority,
		.names = r->names,
		.more = index + 1 < r->n_networks,
	};

	if (!b.more)
		b.publish = r->publish;
	return body_connect_encode(&b);
}

char *run_request_mode(const struct run_request *r)
{
	switch (r->mode) {
	case RUN_NONE:
	case RUN_HOST:
		return mem_strdup(mode_names[r->mode]);
	case RUN_SHARED:
		return mem_printf(CONTAINER_PREFIX "%s", r->container);
	case RUN_OWN:
		break;
	}
	return mem_strdup(r->n_networks > 0 ? r->networks[0].name : NULL);
}

enum run_mode run_mode_of(const char *text, const char **ret_container)
{
	if (text && strcmp(text, mode_names[RUN_NONE]) == 0)
		return RUN_NONE;
	if (text && strcmp(text, mode_names[RUN_HOST]) == 0)
		return RUN_HOST;
	if (!text || strncmp(text, CONTAINER_PREFIX, strlen(CONTAINER_PREFIX)) != 0)
		return RUN_OWN;
	if (ret_container)
		*ret_container = text + strlen(CONTAINER_PREFIX);
	return RUN_SHARED;
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
	json_put_str_opt(j, "NetworkMode", c->mode);
	return j;
}

void run_create_done(struct run_create *c)
{
	free(c->name);
	strv_done(&c->command);
	free(c->mode);
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
	if (r == 0)
		r = get_text(j, "NetworkMode", false, &c.mode, e);
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
