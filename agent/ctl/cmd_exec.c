/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <limits.h>
#include <linux/close_range.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "agent/ctl/cmd.h"
#include "base/mem.h"
#include "base/proc.h"

#define STATUS_NOT_FOUND 127 /* POSIX shell, 2.8.2 */
#define STATUS_NOT_EXECUTABLE 126

/* Into the namespaces of the supervisor @pid, if it is still the one that started at @start. */
static int enter(int64_t pid, uint64_t start, struct err *e)
{
	_cleanup_close_ int fd = pidfd_open((pid_t)pid, 0);
	_cleanup_free_ char *cwd = getcwd(NULL, 0);
	uint64_t now;

	/* Opened first: if the start time is right then, the descriptor is of that process for ever. */
	if (fd < 0 || proc_start(pid, &now) < 0 || now != start)
		return err_set(e, -ESRCH, "it has just ended");
	if (setns(fd, CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWUTS) < 0) {
		int r = -errno;

		return err_set(e, r, "cannot enter: %s",
			       r == -EPERM ? "only root may" : strerror(-r));
	}
	/* The new mount namespace begins at its root. */
	if ((!cwd || chdir(cwd) < 0) && chdir("/") < 0)
		return err_set(e, -errno, "cannot enter /: %m");
	return 0;
}

static int enter_container(struct ctl *ctl, const char *name, struct err *e)
{
	_cleanup_free_ char *escaped = client_escape(name);
	_cleanup_free_ char *path = mem_printf("/containers/%s/json", escaped);
	_cleanup_json_ cJSON *j = NULL;
	uint64_t pid = 0, start = 0;
	int r = client_call(ctl->client, "GET", path, NULL, &j, e);

	if (r == 0)
		r = json_get_u64(j, "SupervisorPid", 1, INT_MAX, &pid, e);
	if (r == 0)
		r = json_get_u64(j, "SupervisorStart", 0, UINT64_MAX, &start, e);
	if (r < 0)
		return r;
	r = enter((int64_t)pid, start, e);
	err_prefix(r < 0 ? e : NULL, "container %s", name);
	return r;
}

static int run_exec(struct ctl *ctl, const struct ctl_command *cmd, int argc, char **argv)
{
	_cleanup_strv_ struct strv args = { 0 };
	_cleanup_free_ char **command = NULL;
	struct err e = { 0 };
	size_t first = 1;
	int status, code;

	if (!ctl_parse(cmd, argc, argv, NULL, 2, -1, &args, &status))
		return status;
	if (strcmp(args.v[first], "--") == 0)
		first++;
	if (first == args.n)
		return ctl_usage(cmd, "no command");
	if (enter_container(ctl, args.v[0], &e) < 0)
		return ctl_fail(&e);
	command = mem_alloc_array(args.n - first + 1, sizeof(*command));
	memcpy(command, args.v + first, (args.n - first) * sizeof(*command));
	close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
	/* In place of this process: terminal, signals and exit status are the command's own. */
	execvp(command[0], command);
	code = errno;
	fprintf(stderr, "ovlctl: cannot run %s: %s\n", command[0], strerror(code));
	return code == ENOENT || code == ENOTDIR ? STATUS_NOT_FOUND : STATUS_NOT_EXECUTABLE;
}

const struct ctl_command cmd_exec[] = {
	{ "exec", "NAME [--] COMMAND [ARGUMENT]...",
	  "Run a command in the namespaces of a container.\n"
	  "Exit status: the command's; 127: not found, 126: not executable.",
	  run_exec, .posix = true },
	{ 0 },
};
