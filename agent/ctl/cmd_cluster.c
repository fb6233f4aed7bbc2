/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>

#include "agent/ctl/cmd.h"
#include "base/mem.h"

static int run_adopt(struct ctl *ctl, const struct ctl_command *cmd, int argc, char **argv)
{
	_cleanup_strv_ struct strv args = { 0 };
	_cleanup_json_ cJSON *reply = NULL;
	struct err e = { 0 };
	uint64_t n = 0;
	int status;

	if (!ctl_parse(cmd, argc, argv, NULL, 0, 0, &args, &status))
		return status;
	client_set_waiting(ctl->client, "the cluster's networks to be put back into etcd");
	if (client_call(ctl->client, "POST", "/cluster/adopt", NULL, &reply, &e) < 0)
		return ctl_fail(&e);
	json_get_u64(reply, "NetworksRestored", 0, UINT64_MAX, &n, NULL);
	printf("Adopted; networks restored: %llu\n", (unsigned long long)n);
	return 0;
}

static int run_reset(struct ctl *ctl, const struct ctl_command *cmd, int argc, char **argv)
{
	int force = 0, status;
	const struct poptOption opts[] = {
		{ "force", 'f', POPT_ARG_NONE, &force, 0, "Do not ask", NULL },
		POPT_TABLEEND,
	};
	_cleanup_strv_ struct strv args = { 0 };
	struct err e = { 0 };

	if (!ctl_parse(cmd, argc, argv, opts, 0, 0, &args, &status))
		return status;
	if (!ctl_confirm(
		    "This takes every container of this node off its networks, removes all kernel objects "
		    "and all state of ovl here, and stops ovld.",
		    force))
		return CTL_FAILED;
	client_set_waiting(ctl->client, "this node to be reset");
	if (client_call(ctl->client, "POST", "/reset", NULL, NULL, &e) < 0)
		return ctl_fail(&e);
	return 0;
}

const struct ctl_command cmd_cluster[] = {
	{ "cluster adopt", "",
	  "Take etcd as the cluster again after it was wiped or restored.\nThe networks it lacks are put back; deletions count again.",
	  run_adopt },
	{ "reset", "", "Remove every kernel object and all state of this node.", run_reset },
	{ 0 },
};
