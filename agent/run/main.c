/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ovl-run - the supervisor of one container of `ovlctl run` (README.md).
 *
 * Nothing of what was made is left when it fails before the command runs: ovld is told, and the namespaces go with this process.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "agent/run/run_agent.h"
#include "agent/run/run_child.h"
#include "agent/run/run_etc.h"
#include "agent/run/run_log.h"
#include "agent/run/run_loop.h"
#include "agent/run/run_ns.h"
#include "base/buf.h"

#define STATUS_FAILED 1
#define STATUS_USAGE 2

struct run {
	struct run_request request;
	struct run_agent agent;
	struct run_child_spec spec;
	struct run_child child;
	struct run_log log;
	struct run_etc etc;
	int report; /* -1: foreground */
	int signal_fd;
	int host_root; /* "/" in the caller's mount namespace */
};

static int read_request(struct run_request *ret, struct err *e)
{
	_cleanup_buf_ struct buf in = { 0 };
	char chunk[4096];
	ssize_t n;

	buf_init(&in, RUN_REQUEST_MAX);
	for (;;) {
		n = read(RUN_REQUEST_FD, chunk, sizeof(chunk));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_set(e, -errno, "no request at descriptor %d: %m",
				       RUN_REQUEST_FD);
		if (n == 0)
			break;
		if (buf_append(&in, chunk, (size_t)n) < 0)
			return err_set(e, -EMSGSIZE, "request longer than %d bytes",
				       RUN_REQUEST_MAX);
	}
	close(RUN_REQUEST_FD);
	return run_request_decode(in.data ? in.data : "", in.len, ret, e);
}

/* Tell ovlctl, or in the foreground the user. */
static void report(struct run *r, int status, const struct err *e)
{
	struct run_report rep = { .name = r->agent.name, .status = status };
	_cleanup_free_ char *text = NULL;

	if (r->report < 0) {
		if (e)
			dprintf(STDERR_FILENO, "ovlctl: %s\n", err_text(e));
		return;
	}
	if (e) {
		rep.name = NULL;
		rep.error = (char *)err_text(e);
	}
	text = run_report_encode(&rep);
	/* Shorter than a pipe: it cannot block. Without a reader it was nobody's wish any more. */
	if (write(r->report, text, strlen(text)) < 0)
		return;
	close(TAKE_FD(r->report));
}

/* Away from the terminal's session: ovlctl's child returns, this process goes on. */
static int detach(struct err *e)
{
	pid_t pid = fork();

	if (pid < 0)
		return err_set(e, -errno, "cannot fork: %m");
	if (pid > 0)
		_exit(0);
	setsid();
	return 0;
}

/* Block what the loop reads later; until the command runs, what would end it ends the waiting instead. */
static int take_signals(struct run *r, struct err *e)
{
	static const int ending[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM };
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	sigset_t all, some;

	run_loop_signals(&all);
	sigemptyset(&some);
	for (size_t i = 0; i < ARRAY_SIZE(ending); i++)
		sigaddset(&some, ending[i]);
	sigaddset(&some, RUN_SIGNAL_FORWARD);
	sigaction(SIGPIPE, &ignore, &r->spec.sigpipe);
	sigprocmask(SIG_BLOCK, &all, &r->spec.mask);
	r->signal_fd = signalfd(-1, &some, SFD_CLOEXEC | SFD_NONBLOCK);
	if (r->signal_fd < 0)
		return err_set(e, -errno, "signalfd: %m");
	r->agent.http.cancel[r->agent.http.n_cancel++] = r->signal_fd;
	return 0;
}

/* A descriptor that the caller forgot must not keep its pipes and locks alive for as long as this container. */
static void close_others(struct run *r)
{
	if (r->request.detach) {
		r->report = RUN_REPORT_FD;
		fcntl(r->report, F_SETFD, FD_CLOEXEC);
		r->agent.http.cancel[r->agent.http.n_cancel++] = r->report;
	}
	close_range(r->request.detach ? RUN_REPORT_FD + 1 : RUN_REQUEST_FD, ~0U, 0);
}

/* As in Docker: what is asked for, else the host's name in its network, the peer's where that is shared. */
static int set_hostname(struct run *r, struct err *e)
{
	const struct run_request *q = &r->request;

	if (q->names.hostname)
		return run_ns_hostname(q->names.hostname, e);
	if (q->mode == RUN_HOST)
		return 0;
	return run_ns_hostname(q->mode == RUN_SHARED ? q->container : r->agent.name, e);
}

/* Up to the running command. @ret_status: for the exit. */
static int start(struct run *r, int *ret_status, struct err *e)
{
	struct run_ns_peer peer = { 0 };
	int ret = 0;

	*ret_status = STATUS_FAILED;
	r->host_root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (r->host_root < 0)
		return err_set(e, -errno, "cannot open /: %m");
	if (r->request.mode == RUN_SHARED)
		ret = run_agent_peer(&r->agent, &peer, e);
	if (ret == 0)
		ret = run_ns_enter(r->request.mode, &peer, e);
	if (ret == 0)
		ret = run_agent_register(&r->agent, r->spec.argv, e);
	if (ret == 0)
		ret = set_hostname(r, e);
	if (ret == 0)
		ret = run_log_open(&r->log, r->agent.log_path, e);
	if (ret == 0)
		ret = run_agent_connect(&r->agent, e);
	/* ovld has written them when it answered. */
	if (ret == 0)
		run_etc_start(&r->etc, r->agent.resolv_conf, r->agent.hosts, &r->log);
	if (ret == 0)
		ret = run_child_start(&r->spec, &r->child, ret_status, e);
	return ret;
}

/* The caller's terminal is not held by what runs on without it. */
static void leave_terminal(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int fd = 0; null >= 0 && fd <= STDERR_FILENO; fd++)
		dup2(null, fd);
	if (null > STDERR_FILENO)
		close(null);
}

static void make_relative(char *path)
{
	if (path)
		memmove(path, path + strspn(path, "/"), strlen(path + strspn(path, "/")) + 1);
}

/* The command may mount over ovld's socket and over the log: they are found from the host's root now, which is not its own. */
static void leave_mounts(struct run *r)
{
	if (fchdir(r->host_root) < 0)
		return;
	make_relative(r->request.socket);
	make_relative(r->log.path);
}

static int live(struct run *r)
{
	struct run_loop loop = { .child = &r->child,
				 .log = &r->log,
				 .signal_fd = r->signal_fd,
				 .etc = &r->etc,
				 .tee = !r->request.detach };
	sigset_t all;
	struct err e = { 0 };
	int code, signal;

	r->agent.http.n_cancel = 0;
	/* ovld restarting at this moment loses only the number of the command; one that has dropped the container means it. */
	if (run_agent_started(&r->agent, r->child.pid, &e) == -ENOENT)
		kill(r->child.pid, SIGKILL);
	report(r, 0, NULL);
	leave_mounts(r);
	if (r->request.detach)
		leave_terminal();
	run_loop_signals(&all);
	signalfd(r->signal_fd, &all, 0);
	run_loop_run(&loop, &code, &signal);
	run_agent_ended(&r->agent, code, signal);
	return run_exit_status(code, signal);
}

static int run(struct run *r, struct err *e)
{
	int status = STATUS_FAILED, ret = read_request(&r->request, e);

	if (ret == 0) {
		r->agent.request = &r->request;
		r->agent.http.socket = r->request.socket;
		r->spec.detach = r->request.detach;
		close_others(r);
		ret = r->request.detach ? detach(e) : 0;
	}
	if (ret == 0)
		ret = take_signals(r, e);
	if (ret == 0)
		ret = start(r, &status, e);
	if (ret == 0)
		return live(r);
	run_agent_ended(&r->agent, -1, 0);
	report(r, status, e);
	return status;
}

int main(int argc, char **argv)
{
	struct run r = { .report = -1, .signal_fd = -1, .host_root = -1, .log.fd = -1 };
	struct err e = { 0 };
	int status;

	if (argc < 3 || strcmp(argv[1], "--") != 0) {
		dprintf(STDERR_FILENO,
			"ovl-run is started by `ovlctl run`: ovl-run -- CMD..., the request at descriptor %d\n",
			RUN_REQUEST_FD);
		return STATUS_USAGE;
	}
	run_etc_init(&r.etc);
	r.spec.argv = argv + 2;
	r.child.out = r.child.err = -1;
	status = run(&r, &e);
	run_child_done(&r.child);
	run_log_close(&r.log);
	run_etc_done(&r.etc);
	run_agent_done(&r.agent);
	run_request_done(&r.request);
	mem_closep(&r.signal_fd);
	mem_closep(&r.host_root);
	return status;
}
