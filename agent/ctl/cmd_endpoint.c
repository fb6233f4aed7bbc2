/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>

#include "agent/ctl/cmd.h"
#include "agent/ctl/table.h"
#include "base/mem.h"

static void print_list(const cJSON *list, bool full)
{
	static const char *const headings[] = { "ENDPOINT ID", "NAME", "NETWORK", "NODE", "IPV4",
						"IPV6",	       "MAC",  "STATE",	  NULL };
	struct table *t = table_new(headings);
	const cJSON *ep;
	char id[16];

	cJSON_ArrayForEach(ep, list) {
		const char *const cells[] = {
			ctl_id(ep, "Id", full, id),  ctl_text(ep, "Name"),
			ctl_text(ep, "Network"),     ctl_text(ep, "Node"),
			ctl_text(ep, "IPv4Address"), ctl_text(ep, "IPv6Address"),
			ctl_text(ep, "MacAddress"),  ctl_text(ep, "State"),
		};

		table_row(t, cells);
	}
	table_print(t);
	table_free(t);
}

static int run_ls(struct ctl *ctl, const struct ctl_command *cmd, int argc, char **argv)
{
	_cleanup_free_ char *format = NULL, *query = NULL, *path = NULL;
	_cleanup_argv_ char **filters = NULL;
	_cleanup_json_ cJSON *list = NULL;
	int quiet = 0, full = 0, status;
	const struct poptOption opts[] = {
		{ "quiet", 'q', POPT_ARG_NONE, &quiet, 0, "Ids only", NULL },
		{ "no-trunc", 0, POPT_ARG_NONE, &full, 0, "Ids in full", NULL },
		{ "filter", 'f', POPT_ARG_ARGV, &filters, 0, "id, name, network, node (repeatable)",
		  "K=V" },
		{ "format", 0, POPT_ARG_STRING, &format, 0, "table or json", "FORMAT" },
		POPT_TABLEEND,
	};
	_cleanup_strv_ struct strv args = { 0 };
	struct err e = { 0 };
	const cJSON *ep;
	bool json;
	char id[16];

	if (!ctl_parse(cmd, argc, argv, opts, 0, 0, &args, &status) ||
	    !ctl_format(cmd, format, &json, &status) ||
	    !ctl_argv_filters(cmd, filters, &query, &status))
		return status;
	path = mem_printf("/endpoints?%s", query);
	if (client_call(ctl->client, "GET", path, NULL, &list, &e) < 0)
		return ctl_fail(&e);
	if (json) {
		ctl_print_json(list);
	} else if (quiet) {
		cJSON_ArrayForEach(ep, list) {
			printf("%s\n", ctl_id(ep, "Id", full, id));
		}
	} else {
		print_list(list, full);
	}
	return 0;
}

static int run_inspect(struct ctl *ctl, const struct ctl_command *cmd, int argc, char **argv)
{
	_cleanup_strv_ struct strv args = { 0 };
	int status;

	if (!ctl_parse(cmd, argc, argv, NULL, 1, -1, &args, &status))
		return status;
	return ctl_inspect_each(ctl, "/endpoints/", &args);
}

const struct ctl_command cmd_endpoint[] = {
	{ "endpoint ls", "", "List the endpoints of all networks.", run_ls },
	{ "endpoint inspect", "ENDPOINT...", "Show endpoints in full, as JSON.", run_inspect },
	{ 0 },
};
