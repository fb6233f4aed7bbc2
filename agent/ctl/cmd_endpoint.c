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
	return ctl_list(ctl, cmd, argc, argv, "/endpoints", "id, name, network, node (repeatable)",
			print_list);
}

static int run_inspect(struct ctl *ctl, const struct ctl_command *cmd, int argc, char **argv)
{
	_cleanup_strv_ struct strv args = { 0 };
	int status;

	if (!ctl_parse(cmd, argc, argv, NULL, 1, -1, &args, &status))
		return status;
	return ctl_inspect_each(ctl, "/endpoints/", "", &args);
}

const struct ctl_command cmd_endpoint[] = {
	{ "endpoint ls", "", "List the endpoints of all networks.", run_ls },
	{ "endpoint inspect", "ENDPOINT...", "Show endpoints in full, as JSON.", run_inspect },
	{ 0 },
};
