/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/ctl/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"

/* Descriptors are made above those that they go to. */
#define FD_FIRST (RUN_REPORT_FD + 1)

static char *program(void)
{
	_cleanup_free_ char *beside = NULL,
			    *libexec = mem_printf("%s/%s", RUN_LIBEXEC_DIR, RUN_PROGRAM);
	char self[PATH_MAX], *slash;
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n > 0) {
		self[n] = '\0';
		slash = strrchr(self, '/');
		if (slash)
			beside = mem_printf("%.*s/%s", (int)(slash - self), self, RUN_PROGRAM);
	}
	if (beside && access(beside, X_OK) == 0)
		return TAKE_PTR(beside);
	if (access(libexec, X_OK) == 0)
		return TAKE_PTR(libexec);
	return mem_strdup(RUN_PROGRAM);
}

/* "ovl-run", "--", the command; the strings are borrowed. */
static char **arguments(char *const *command)
{
	size_t n = 0;
	char **argv;

	while (command[n])
		n++;
	argv = mem_alloc_array(n + 3, sizeof(*argv));
	argv[0] = (char *)RUN_PROGRAM;
	argv[1] = (char *)"--";
	memcpy(argv + 2, command, n * sizeof(*argv));
	return argv;
}

/* The request as a file in memory: unlike a pipe it takes any size without a reader. */
static int request_fd(const struct run_request *q, struct err *e)
{
	_cleanup_free_ char *text = run_request_encode(q);
	_cleanup_close_ int fd = memfd_create("ovl-run request", MFD_CLOEXEC);
	size_t len = strlen(text);
	int high;

	if (fd < 0 || write(fd, text, len) != (ssize_t)len || lseek(fd, 0, SEEK_SET) < 0)
		return err_set(e, -errno, "cannot pass on the request: %m");
	high = fcntl(fd, F_DUPFD_CLOEXEC, FD_FIRST);
	return high < 0 ? err_set(e, -errno, "cannot pass on the request: %m") : high;
}

int spawn_foreground(const struct run_request *q, char *const *command, struct err *e)
{
	_cleanup_close_ int request = request_fd(q, e);
	_cleanup_free_ char *path = program();
	_cleanup_free_ char **argv = arguments(command);

	if (request < 0)
		return request;
	if (dup2(request, RUN_REQUEST_FD) >= 0)
		execvp(path, argv);
	return err_set(e, -errno, "cannot run %s: %m", path);
}

static int read_report(int fd, struct run_report *ret, struct err *e)
{
	_cleanup_buf_ struct buf in = { 0 };
	char chunk[4096];
	ssize_t n;
	int r;

	buf_init(&in, RUN_REPORT_MAX);
	while ((n = read(fd, chunk, sizeof(chunk))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 || buf_append(&in, chunk, (size_t)n) < 0)
			break;
	}
	if (in.len == 0)
		return err_set(e, -EPIPE, "%s ended without a word", RUN_PROGRAM);
	r = run_report_decode(in.data, in.len, ret, e);
	err_prefix(r < 0 ? e : NULL, "report of %s", RUN_PROGRAM);
	return r;
}

int spawn_detached(const struct run_request *q, char *const *command, struct run_report *ret,
		   struct err *e)
{
	_cleanup_close_ int request = request_fd(q, e);
	_cleanup_free_ char *path = program();
	_cleanup_free_ char **argv = arguments(command);
	int report[2], r;
	pid_t pid;

	if (request < 0)
		return request;
	if (pipe2(report, O_CLOEXEC) < 0)
		return err_set(e, -errno, "cannot make a pipe: %m");
	pid = fork();
	if (pid == 0) {
		int high = fcntl(report[1], F_DUPFD_CLOEXEC, FD_FIRST);

		if (high >= 0 && dup2(request, RUN_REQUEST_FD) >= 0 &&
		    dup2(high, RUN_REPORT_FD) >= 0)
			execvp(path, argv);
		dprintf(STDERR_FILENO, "ovlctl: cannot run %s: %m\n", path);
		_exit(127);
	}
	close(report[1]);
	r = pid < 0 ? err_set(e, -errno, "cannot fork: %m") : read_report(report[0], ret, e);
	close(report[0]);
	if (pid > 0)
		waitpid(pid, NULL, 0);
	return r;
}
