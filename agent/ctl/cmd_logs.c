/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <limits.h>
#include <stdio.h>
#include <sys/pidfd.h>

#include "agent/ctl/cmd.h"
#include "agent/ctl/follow.h"
#include "base/mem.h"
#include "base/proc.h"

/* The process that writes the log; -1 when it has ended. */
static int open_writer(const cJSON *j)
{
	uint64_t pid = 0, start = 0, now;
	_cleanup_close_ int fd = -1;

	if (json_get_u64(j, "SupervisorPid", 1, INT_MAX, &pid, NULL) < 0 || !pid ||
	    json_get_u64(j, "SupervisorStart", 0, UINT64_MAX, &start, NULL) < 0)
		return -1;
	fd = pidfd_open((pid_t)pid, 0);
	if (fd < 0 || proc_start((int64_t)pid, &now) < 0 || now != start)
		return -1;
	return TAKE_FD(fd);
}

static int run_logs(struct ctl *ctl, const struct ctl_command *cmd, int argc, char **argv)
{
	int follow = 0, status;
	const struct poptOption opts[] = {
		{ "follow", 'f', POPT_ARG_NONE, &follow, 0, "Go on until the container ends",
		  NULL },
		POPT_TABLEEND,
	};
	_cleanup_free_ char *name = NULL, *path = NULL;
	_cleanup_strv_ struct strv args = { 0 };
	_cleanup_json_ cJSON *j = NULL;
	_cleanup_close_ int writer = -1;
	struct err e = { 0 };

	if (!ctl_parse(cmd, argc, argv, opts, 1, 1, &args, &status))
		return status;
	name = client_escape(args.v[0]);
	path = mem_printf("/containers/%s/log", name);
	if (client_call(ctl->client, "GET", path, NULL, &j, &e) < 0)
		return ctl_fail(&e);
	if (follow)
		writer = open_writer(j);
	return follow_print(ctl_text(j, "LogPath"), writer, &e) < 0 ? ctl_fail(&e) : 0;
}

const struct ctl_command cmd_logs[] = {
	{ "logs", "NAME",
	  "Print the output of a container.\nAlso of those that ended last, while their names are free.",
	  run_logs },
	{ 0 },
};
