/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>

#include "agent/ctl/cmd.h"
#include "agent/ctl/table.h"
#include "base/mem.h"

static const char *number(const cJSON *j, const char *key, char *buf, size_t size)
{
	uint64_t v = 0;

	json_get_u64(j, key, 0, UINT64_MAX, &v, NULL);
	snprintf(buf, size, "%llu", (unsigned long long)v);
	return buf;
}

static void print_list(const cJSON *list, bool full)
{
	static const char *const headings[] = { "NODE ID",   "NAME",	"ADDRESS", "STATE",
						"ENDPOINTS", "VERSION", NULL };
	struct table *t = table_new(headings);
	const cJSON *node;
	char id[16], n[24];

	cJSON_ArrayForEach(node, list) {
		/* The node that answers has a star, as in `docker node ls`. */
		_cleanup_free_ char *marked =
			mem_printf("%s%s", ctl_id(node, "Id", full, id),
				   cJSON_IsTrue(json_get(node, "Self")) ? " *" : "");
		const char *const cells[] = { marked,
					      ctl_text(node, "Name"),
					      ctl_text(node, "Vtep"),
					      ctl_text(node, "State"),
					      number(node, "Endpoints", n, sizeof(n)),
					      ctl_text(node, "Version") };

		table_row(t, cells);
	}
	table_print(t);
	table_free(t);
}

static int run_ls(struct ctl *ctl, const struct ctl_command *cmd, int argc, char **argv)
{
	return ctl_list(ctl, cmd, argc, argv, "/nodes", NULL, print_list);
}

static int run_inspect(struct ctl *ctl, const struct ctl_command *cmd, int argc, char **argv)
{
	_cleanup_strv_ struct strv args = { 0 };
	int status;

	if (!ctl_parse(cmd, argc, argv, NULL, 1, -1, &args, &status))
		return status;
	return ctl_inspect_each(ctl, "/nodes/", "", &args);
}

static int run_rm(struct ctl *ctl, const struct ctl_command *cmd, int argc, char **argv)
{
	int force = 0, status;
	const struct poptOption opts[] = {
		{ "force", 'f', POPT_ARG_NONE, &force, 0, "One that does not exist is no error",
		  NULL },
		POPT_TABLEEND,
	};
	_cleanup_strv_ struct strv args = { 0 };

	if (!ctl_parse(cmd, argc, argv, opts, 1, -1, &args, &status))
		return status;
	return ctl_remove_each(ctl, "/nodes/", &args, force);
}

const struct ctl_command cmd_node[] = {
	{ "node ls", "", "List the nodes of the cluster.", run_ls },
	{ "node inspect", "NODE...", "Show nodes in full, as JSON.", run_inspect },
	{ "node rm", "NODE...",
	  "Remove nodes that are down for good.\nTheir endpoints and addresses become free at once.",
	  run_rm },
	{ 0 },
};
