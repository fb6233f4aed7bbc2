/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>

#include "agent/api/body_run.h"
#include "agent/ctl/cmd.h"
#include "base/mem.h"

#define STOP_SECONDS 10
#define ANSWER_SECONDS 60 /* beyond the time given to the container */

static int run_stop(struct ctl *ctl, const struct ctl_command *cmd, int argc, char **argv)
{
	int seconds = STOP_SECONDS, status = 0;
	const struct poptOption opts[] = {
		{ "time", 't', POPT_ARG_INT, &seconds, 0,
		  "Seconds from SIGTERM to SIGKILL (default: 10)", "SEC" },
		POPT_TABLEEND,
	};
	_cleanup_strv_ struct strv args = { 0 };

	if (!ctl_parse(cmd, argc, argv, opts, 1, -1, &args, &status))
		return status;
	if (seconds < 0 || seconds > RUN_STOP_SECONDS_MAX)
		return ctl_usage(cmd, "--time: not within 0 and %d", RUN_STOP_SECONDS_MAX);
	client_set_timeout(ctl->client, seconds + ANSWER_SECONDS);
	for (size_t i = 0; i < args.n; i++) {
		_cleanup_free_ char *name = client_escape(args.v[i]);
		_cleanup_free_ char *path = mem_printf("/containers/%s/stop?t=%d", name, seconds);
		_cleanup_free_ char *what = mem_printf("%s to end", args.v[i]);
		struct err e = { 0 };
		int r;

		client_set_waiting(ctl->client, what);
		r = client_call(ctl->client, "POST", path, NULL, NULL, &e);
		if (r == 0)
			printf("%s\n", args.v[i]);
		else
			status = ctl_fail(&e);
		if (r == -ENOTCONN)
			break;
	}
	return status;
}

const struct ctl_command cmd_stop[] = {
	{ "stop", "NAME...", "Stop containers: SIGTERM, then SIGKILL; waits until they are gone.",
	  run_stop },
	{ 0 },
};
