/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/run/run_child.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"

#define STATUS_NOT_FOUND 127 /* POSIX shell, 2.8.2 */
#define STATUS_NOT_EXECUTABLE 126

struct pipes {
	int in, out[2], err[2], report[2];
};

static void pipes_close(struct pipes *p)
{
	mem_closep(&p->in);
	for (int i = 0; i < 2; i++) {
		mem_closep(&p->out[i]);
		mem_closep(&p->err[i]);
		mem_closep(&p->report[i]);
	}
}

static int pipes_open(struct pipes *p, bool detach, struct err *e)
{
	*p = (struct pipes){ -1, { -1, -1 }, { -1, -1 }, { -1, -1 } };
	if (pipe2(p->out, O_CLOEXEC) < 0 || pipe2(p->err, O_CLOEXEC) < 0 ||
	    pipe2(p->report, O_CLOEXEC) < 0)
		return err_set(e, -errno, "cannot make a pipe: %m");
	if (detach) {
		p->in = open("/dev/null", O_RDONLY | O_CLOEXEC);
		if (p->in < 0)
			return err_set(e, -errno, "cannot open /dev/null: %m");
	}
	return 0;
}

/* The child until it is another program; what fails goes to the parent as an errno. */
static void __attribute__((noreturn))
become(const struct run_child_spec *s, const struct pipes *p, pid_t parent)
{
	int code;

	if (s->detach)
		setsid();
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		goto fail;
	if (getppid() != parent) /* it died before the line above */
		_exit(STATUS_NOT_EXECUTABLE);
	if ((p->in >= 0 && dup2(p->in, STDIN_FILENO) < 0) || dup2(p->out[1], STDOUT_FILENO) < 0 ||
	    dup2(p->err[1], STDERR_FILENO) < 0)
		goto fail;
	if (sigaction(SIGPIPE, &s->sigpipe, NULL) < 0 ||
	    sigprocmask(SIG_SETMASK, &s->mask, NULL) < 0)
		goto fail;
	execvp(s->argv[0], s->argv);
fail:
	code = errno;
	if (write(p->report[1], &code, sizeof(code)) < 0)
		_exit(STATUS_NOT_FOUND);
	_exit(STATUS_NOT_EXECUTABLE);
}

/* Waits until the program runs (the pipe closes on exec) or has told why not. Return: its errno, 0. */
static int exec_result(int fd)
{
	int code = 0;
	ssize_t n;

	do
		n = read(fd, &code, sizeof(code));
	while (n < 0 && errno == EINTR);
	return n == sizeof(code) ? code : 0;
}

int run_child_start(const struct run_child_spec *s, struct run_child *ret, int *ret_status,
		    struct err *e)
{
	struct pipes p;
	pid_t parent = getpid(), pid;
	int r = pipes_open(&p, s->detach, e), code;

	*ret_status = STATUS_NOT_EXECUTABLE;
	if (r < 0)
		goto out;
	pid = fork();
	if (pid == 0)
		become(s, &p, parent);
	if (pid < 0) {
		r = err_set(e, -errno, "cannot fork: %m");
		goto out;
	}
	close(TAKE_FD(p.report[1]));
	code = exec_result(p.report[0]);
	if (code) {
		waitpid(pid, NULL, 0);
		if (code == ENOENT || code == ENOTDIR)
			*ret_status = STATUS_NOT_FOUND;
		r = err_set(e, -code, "cannot run %.512s: %s", s->argv[0], strerror(code));
		goto out;
	}
	fcntl(p.out[0], F_SETFL, O_NONBLOCK);
	fcntl(p.err[0], F_SETFL, O_NONBLOCK);
	*ret = (struct run_child){ .pid = pid, .group = s->detach };
	ret->out = TAKE_FD(p.out[0]);
	ret->err = TAKE_FD(p.err[0]);
out:
	pipes_close(&p);
	return r;
}

int run_child_reap(struct run_child *c, int *ret_code, int *ret_signal)
{
	siginfo_t si = { 0 };

	if (waitid(P_PID, (id_t)c->pid, &si, WEXITED | WNOHANG | WNOWAIT) < 0 || si.si_pid == 0)
		return -EAGAIN;
	/* Before it is reaped: until then no other group can have its number (tests/kernel_facts/fact_run_process). */
	if (c->group)
		kill(-c->pid, SIGKILL);
	waitid(P_PID, (id_t)c->pid, &si, WEXITED);
	*ret_code = si.si_code == CLD_EXITED ? si.si_status : 0;
	*ret_signal = si.si_code == CLD_EXITED ? 0 : si.si_status;
	c->pid = 0;
	return 0;
}

void run_child_done(struct run_child *c)
{
	mem_closep(&c->out);
	mem_closep(&c->err);
	c->out = c->err = -1;
}
