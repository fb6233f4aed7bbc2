/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent/api/body_run.h"
#include "agent/ctl/cmd.h"
#include "agent/ctl/table.h"
#include "base/buf.h"
#include "base/mem.h"

#define COMMAND_SHOWN 30 /* characters, unless --no-trunc */
#define ADDRESSES_MAX 65536
#define PORTS_MAX (1024 * 1024)
#define AGE_MAX 48

/* "demo=10.0.0.2,fd00::2 other=10.0.1.2", or "host", "none", "container:c1" */
static char *addresses(const cJSON *container)
{
	const char *mode = ctl_text(container, "NetworkMode");
	const cJSON *settings = json_get(container, "NetworkSettings");
	const cJSON *nets = settings ? json_get(settings, "Networks") : NULL, *net;
	bool shared = run_mode_of(mode, NULL) == RUN_SHARED;
	struct buf text;

	/* Joined by hand later on, a container of mode none has addresses too. */
	if (run_mode_of(mode, NULL) != RUN_OWN && (shared || !nets || !nets->child))
		return mem_strdup(mode);

	buf_init(&text, ADDRESSES_MAX);
	cJSON_ArrayForEach(net, nets) {
		const char *ip6 = ctl_text(net, "GlobalIPv6Address");

		if (buf_printf(&text, "%s%s=%s%s%s", text.len ? " " : "", net->string,
			       ctl_text(net, "IPAddress"), *ip6 ? "," : "", ip6) < 0)
			break;
	}
	return buf_take(&text);
}

/* "0.0.0.0:8080->80/tcp, [::]:8080->80/tcp" */
static char *ports(const cJSON *container)
{
	const cJSON *settings = json_get(container, "NetworkSettings");
	const cJSON *all = settings ? json_get(settings, "Ports") : NULL, *port, *at;
	bool full = false;
	struct buf text;

	buf_init(&text, PORTS_MAX);
	if (run_mode_of(ctl_text(container, "NetworkMode"), NULL) == RUN_SHARED)
		all = NULL; /* shown with the one whose they are */
	cJSON_ArrayForEach(port, all) {
		cJSON_ArrayForEach(at, port) {
			const char *ip = ctl_text(at, "HostIp");

			full = full ||
			       buf_printf(&text, strchr(ip, ':') ? "%s[%s]:%s->%s" : "%s%s:%s->%s",
					  text.len ? ", " : "", ip, ctl_text(at, "HostPort"),
					  port->string) < 0;
		}
	}
	return buf_take(&text);
}

static const char *age(const char *created, char buf[AGE_MAX])
{
	static const struct {
		long seconds;
		const char *unit;
	} units[] = { { 86400, "day" }, { 3600, "hour" }, { 60, "minute" }, { 1, "second" } };
	struct tm tm = { 0 };
	long gone;

	if (!strptime(created, "%Y-%m-%dT%H:%M:%S", &tm))
		return created;
	gone = (long)(time(NULL) - timegm(&tm));
	snprintf(buf, AGE_MAX, "just now");
	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		long n = gone / units[i].seconds;

		if (n > 0) {
			snprintf(buf, AGE_MAX, "%ld %s%s ago", n, units[i].unit, n > 1 ? "s" : "");
			break;
		}
	}
	return buf;
}

static char *shown_command(const char *line, bool full)
{
	size_t n = strlen(line);

	if (full || n <= COMMAND_SHOWN)
		return mem_printf("\"%s\"", line);
	/* Not within a character of several bytes. */
	n = COMMAND_SHOWN - 1;
	while (n > 0 && ((unsigned char)line[n] & 0xc0) == 0x80)
		n--;
	return mem_printf("\"%.*s%s\"", (int)n, line, MB_CUR_MAX > 1 ? "…" : "...");
}

static void print_table(const cJSON *list, bool full)
{
	static const char *const headings[] = { "NAME",	   "PID",     "NETWORKS", "PORTS",
						"CREATED", "COMMAND", NULL };
	struct table *t = table_new(headings);
	const cJSON *c;

	cJSON_ArrayForEach(c, list) {
		_cleanup_free_ char *nets = addresses(c), *published = ports(c);
		_cleanup_free_ char *command = shown_command(ctl_text(c, "Command"), full);
		char pid[24] = "", when[AGE_MAX];
		uint64_t n = 0;

		if (json_get_u64(c, "Pid", 1, UINT32_MAX, &n, NULL) == 0)
			snprintf(pid, sizeof(pid), "%llu", (unsigned long long)n);
		table_row(t, (const char *[]){ ctl_text(c, "Name"), pid, nets, published,
					       age(ctl_text(c, "Created"), when), command });
	}
	table_print(t);
	table_free(t);
}

static int run_ps(struct ctl *ctl, const struct ctl_command *cmd, int argc, char **argv)
{
	_cleanup_free_ char *format = NULL;
	int quiet = 0, full = 0, status;
	const struct poptOption opts[] = {
		{ "quiet", 'q', POPT_ARG_NONE, &quiet, 0, "Only names", NULL },
		{ "no-trunc", 0, POPT_ARG_NONE, &full, 0, "Commands in full", NULL },
		{ "format", 0, POPT_ARG_STRING, &format, 0, "table (default) or json", "FORMAT" },
		POPT_TABLEEND,
	};
	_cleanup_strv_ struct strv args = { 0 };
	_cleanup_json_ cJSON *list = NULL;
	struct err e = { 0 };
	bool json = false;
	const cJSON *c;

	if (!ctl_parse(cmd, argc, argv, opts, 0, 0, &args, &status) ||
	    !ctl_format(cmd, format, &json, &status))
		return status;
	if (client_call(ctl->client, "GET", "/containers/json", NULL, &list, &e) < 0)
		return ctl_fail(&e);
	if (json) {
		ctl_print_json(list);
		return 0;
	}
	if (!quiet) {
		print_table(list, full);
		return 0;
	}
	cJSON_ArrayForEach(c, list)
		printf("%s\n", ctl_text(c, "Name"));
	return 0;
}

static int run_inspect(struct ctl *ctl, const struct ctl_command *cmd, int argc, char **argv)
{
	_cleanup_strv_ struct strv args = { 0 };
	int status;

	if (!ctl_parse(cmd, argc, argv, NULL, 1, -1, &args, &status))
		return status;
	return ctl_inspect_each(ctl, "/containers/", "/json", &args);
}

const struct ctl_command cmd_ps[] = {
	{ "ps", "", "List what `ovlctl run` started on this node.", run_ps },
	{ "inspect", "NAME...", "Show containers of `ovlctl run` in full, as JSON.", run_inspect },
	{ 0 },
};
