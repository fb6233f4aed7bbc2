/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "agent/ctl/cmd.h"
#include "base/buf.h"
#include "base/mem.h"

#define EVENT_LINE_MAX (1024 * 1024)

struct printer {
	struct buf line;
	bool json;
};

/* "2026-11-21T09:30:00.123+01:00": local time, as docker events. */
static void print_time(const cJSON *j)
{
	const cJSON *nano = json_get(j, "timeNano");
	double ns = cJSON_IsNumber(nano) ? nano->valuedouble : 0;
	time_t s = (time_t)(ns / 1e9);
	char date[32], zone[8];
	struct tm tm;

	localtime_r(&s, &tm);
	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
	strftime(zone, sizeof(zone), "%z", &tm);
	printf("%s.%03d%.3s:%s", date, (int)((ns - (double)s * 1e9) / 1e6), zone,
	       strlen(zone) > 3 ? zone + 3 : "00");
}

static void print_event(const cJSON *j)
{
	const cJSON *actor = json_get(j, "Actor");
	const cJSON *attrs = actor ? json_get(actor, "Attributes") : NULL, *a;
	const char *gap = " (";

	print_time(j);
	printf(" %s %s %s", ctl_text(j, "Type"), ctl_text(j, "Action"), ctl_text(actor, "ID"));
	cJSON_ArrayForEach(a, attrs) {
		printf("%s%s=%s", gap, a->string, cJSON_IsString(a) ? a->valuestring : "");
		gap = ", ";
	}
	printf("%s\n", attrs && attrs->child ? ")" : "");
}

static void print_line(const struct printer *p, const char *line, size_t len)
{
	_cleanup_json_ cJSON *j = NULL;

	if (len == 0)
		return;
	if (p->json || json_parse_object(line, len, EVENT_LINE_MAX, &j, NULL) < 0)
		printf("%.*s\n", (int)len, line);
	else
		print_event(j);
}

static int on_data(void *user, const char *data, size_t len)
{
	struct printer *p = user;
	char *end;

	if (buf_append(&p->line, data, len) < 0)
		return -EMSGSIZE;
	while ((end = memchr(p->line.data, '\n', p->line.len))) {
		size_t n = (size_t)(end - p->line.data);

		print_line(p, p->line.data, n);
		buf_drop(&p->line, n + 1);
	}
	/* A reader that has gone is noticed here: curl would wait for the next event. */
	return fflush(stdout) == 0 ? 0 : -EPIPE;
}

static int run_events(struct ctl *ctl, const struct ctl_command *cmd, int argc, char **argv)
{
	_cleanup_free_ char *format = NULL, *query = NULL, *path = NULL;
	_cleanup_argv_ char **filters = NULL;
	const struct poptOption opts[] = {
		{ "filter", 'f', POPT_ARG_ARGV, &filters, 0,
		  "type, event, network, endpoint, node, container (repeatable)", "K=V" },
		{ "format", 0, POPT_ARG_STRING, &format, 0, "json: one object a line", "FORMAT" },
		POPT_TABLEEND,
	};
	_cleanup_strv_ struct strv args = { 0 };
	struct printer p = { 0 };
	struct err e = { 0 };
	int status, r;

	if (!ctl_parse(cmd, argc, argv, opts, 0, 0, &args, &status) ||
	    !ctl_format(cmd, format, &p.json, &status) ||
	    !ctl_argv_filters(cmd, filters, &query, &status))
		return status;
	path = mem_printf("/events?%s", query);
	buf_init(&p.line, EVENT_LINE_MAX);
	r = client_stream(ctl->client, path, on_data, &p, &e);
	buf_done(&p.line);
	if (r == 0)
		err_set(&e, -ENOTCONN, "ovld at %s has ended the events: it is stopping",
			client_socket(ctl->client));
	return ctl_fail(&e);
}

const struct ctl_command cmd_events[] = {
	{ "events", "", "Show what happens, as it happens, until ^C.", run_events },
	{ 0 },
};
