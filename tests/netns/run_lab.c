/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/netns/run_lab.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"

#define TEXT_MAX ((size_t)4 * 1024 * 1024)

void run_lab_up(struct run_lab *l)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };

	memset(l, 0, sizeof(*l));
	snprintf(l->dir, sizeof(l->dir), "/tmp/ovl-test-run-XXXXXX");
	assert_non_null(mkdtemp(l->dir));
	snprintf(l->socket, sizeof(l->socket), "%s/s", l->dir);
	snprintf(l->log, sizeof(l->log), "%s/c1.log", l->dir);
	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", l->socket);
	l->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(l->listener, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(listen(l->listener, 8), 0);
	l->fd = l->out = l->err = l->report = l->tty = -1;
	l->request.socket = mem_strdup(l->socket);
	l->request.name = mem_strdup("c1");
	/* A detached supervisor comes back to us when the process between has gone. */
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
}

static void close_one(int *fd)
{
	mem_closep(fd);
	*fd = -1;
}

void run_lab_down(struct run_lab *l)
{
	_cleanup_free_ char *older = mem_printf("%s.1", l->log);

	if (l->supervisor)
		kill(l->supervisor, SIGKILL);
	if (l->pid)
		kill(l->pid, SIGKILL);
	while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
		;
	close_one(&l->listener);
	close_one(&l->out);
	close_one(&l->err);
	close_one(&l->report);
	close_one(&l->tty);
	close_one(&l->fd);
	cJSON_Delete(l->body);
	run_request_done(&l->request);
	unlink(l->socket);
	unlink(l->log);
	unlink(older);
	assert_int_equal(rmdir(l->dir), 0);
}

static void __attribute__((noreturn))
become(char *const *argv, bool terminal, int request, int in, int out, int err, int report)
{
	const char *bin = getenv("OVL_BIN");
	_cleanup_free_ char *path = mem_printf("%s/ovl-run", bin ? bin : "");

	if (terminal) {
		setsid();
		ioctl(in, TIOCSCTTY, 0);
	}
	/* Above the numbers they go to, so that none overwrites another. */
	request = fcntl(request, F_DUPFD, 10);
	report = fcntl(report, F_DUPFD, 10);
	dup2(in, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	dup2(err, STDERR_FILENO);
	dup2(request, RUN_REQUEST_FD);
	dup2(report, RUN_REPORT_FD);
	execv(path, argv);
	dprintf(STDERR_FILENO, "cannot run %s: %m\n", path);
	_exit(99);
}

void run_lab_start_argv(struct run_lab *l, char *const *argv)
{
	_cleanup_free_ char *text = NULL;
	int request = memfd_create("request", MFD_CLOEXEC), out[2], err[2], report[2];
	int in = open("/dev/null", O_RDONLY | O_CLOEXEC);

	if (l->request.mode == RUN_OWN && l->request.n_networks == 0)
		l->request.mode = RUN_NONE;
	text = run_request_encode(&l->request);
	assert_int_equal(write(request, text, strlen(text)), strlen(text));
	lseek(request, 0, SEEK_SET);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	assert_int_equal(pipe2(err, O_CLOEXEC), 0);
	assert_int_equal(pipe2(report, O_CLOEXEC), 0);
	if (l->terminal) {
		close(in);
		assert_int_equal(openpty(&l->tty, &in, NULL, NULL, NULL), 0);
		fcntl(l->tty, F_SETFD, FD_CLOEXEC);
		fcntl(in, F_SETFD, FD_CLOEXEC);
	}
	l->pid = fork();
	assert_true(l->pid >= 0);
	if (l->pid == 0)
		become(argv, l->terminal, request, in, l->terminal ? in : out[1],
		       l->terminal ? in : err[1], report[1]);
	close(request);
	close(in);
	close(out[1]);
	close(err[1]);
	close(report[1]);
	l->out = out[0];
	l->err = err[0];
	l->report = report[0];
}

void run_lab_start(struct run_lab *l, const char *script)
{
	char *argv[] = { "ovl-run", "--", "sh", "-c", (char *)script, NULL };

	run_lab_start_argv(l, argv);
}

void run_lab_forget(struct run_lab *l)
{
	close_one(&l->out);
	close_one(&l->err);
	close_one(&l->report);
}

void run_lab_again(struct run_lab *l, const char *script)
{
	run_lab_forget(l);
	run_lab_start(l, script);
}

void run_lab_network(struct run_lab *l, const char *text)
{
	struct run_request *q = &l->request;
	struct err e = { 0 };

	q->networks = mem_grow(q->networks, q->n_networks + 1, sizeof(*q->networks));
	memset(&q->networks[q->n_networks], 0, sizeof(*q->networks));
	if (run_network_parse(text, &q->networks[q->n_networks++], &e) < 0)
		fail_msg("%s", e.text);
}

static void wait_readable(int fd, const char *what)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	if (poll(&p, 1, LAB_DEADLINE_MS) != 1)
		fail_msg("nothing came: %s", what);
}

/* One whole request: its head, then as many bytes as the head says. */
static char *read_request(int fd, size_t *ret_body)
{
	struct buf in;
	char chunk[4096], *end = NULL;
	size_t want = SIZE_MAX;

	buf_init(&in, TEXT_MAX);
	while (in.len < want) {
		ssize_t n;

		wait_readable(fd, "the rest of a request");
		n = recv(fd, chunk, sizeof(chunk), 0);
		assert_true(n > 0);
		assert_int_equal(buf_append(&in, chunk, (size_t)n), 0);
		end = strstr(in.data, "\r\n\r\n");
		if (end) {
			const char *len = strstr(in.data, "Content-Length: ");

			assert_non_null(len);
			want = (size_t)(end - in.data) + 4 +
			       strtoul(len + strlen("Content-Length: "), NULL, 10);
			*ret_body = (size_t)(end - in.data) + 4;
		}
	}
	return buf_take(&in);
}

void run_lab_expect(struct run_lab *l, const char *method, const char *target)
{
	_cleanup_free_ char *text = NULL;
	char got[16] = "";
	struct err e = { 0 };
	size_t body = 0;

	wait_readable(l->listener, target);
	close_one(&l->fd);
	l->fd = accept4(l->listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(l->fd >= 0);
	text = read_request(l->fd, &body);
	assert_int_equal(sscanf(text, "%15s %255s HTTP/1.0", got, l->target), 2);
	assert_string_equal(got, method);
	assert_string_equal(l->target, target);
	cJSON_Delete(l->body);
	l->body = NULL;
	if (text[body] &&
	    json_parse_object(text + body, strlen(text + body), TEXT_MAX, &l->body, &e) < 0)
		fail_msg("%s: %s", target, e.text);
}

void run_lab_answer(struct run_lab *l, const char *status, const char *json)
{
	_cleanup_free_ char *text = mem_printf("HTTP/1.1 %s\r\nContent-Length: %zu\r\n\r\n%s",
					       status, json ? strlen(json) : 0, json ? json : "");

	assert_int_equal(send(l->fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
	close_one(&l->fd);
}

void run_lab_create(struct run_lab *l)
{
	_cleanup_json_ cJSON *answer = cJSON_CreateObject();
	_cleanup_free_ char *json = NULL;
	struct run_create c = { 0 };
	struct err e = { 0 };

	json_put_str(answer, "Name", "c1");
	json_put_str(answer, "LogPath", l->log);
	json_put_str_opt(answer, "ResolvConfPath", l->resolv_conf);
	json_put_str_opt(answer, "HostsPath", l->hosts);
	json = json_print(answer);

	run_lab_expect(l, "POST", "/containers/create");
	assert_int_equal(run_create_decode(l->body, &c, &e), 0);
	l->supervisor = (pid_t)c.pid;
	snprintf(l->mode, sizeof(l->mode), "%s", c.mode ? c.mode : "");
	run_create_done(&c);
	run_lab_answer(l, "201 Created", json);
}

void run_lab_running(struct run_lab *l)
{
	run_lab_create(l);
	run_lab_expect(l, "POST", "/containers/c1/started");
	run_lab_answer(l, "204 No Content", NULL);
}

void run_lab_nothing_more(struct run_lab *l)
{
	assert_int_equal(accept4(l->listener, NULL, NULL, SOCK_CLOEXEC), -1);
	assert_int_equal(errno, EAGAIN);
}

void run_lab_gone(pid_t pid)
{
	int fd = pidfd_open(pid, 0);

	if (fd < 0)
		return;
	wait_readable(fd, "the end of a process");
	close(fd);
}

int run_lab_exit(struct run_lab *l)
{
	int status;

	run_lab_gone(l->pid);
	assert_int_equal(waitpid(l->pid, &status, 0), l->pid);
	if (l->supervisor == l->pid)
		l->supervisor = 0;
	l->pid = 0;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

char *run_lab_read(int fd)
{
	struct buf in;
	char chunk[4096];

	buf_init(&in, TEXT_MAX);
	for (;;) {
		ssize_t n;

		wait_readable(fd, "the end of an output");
		n = read(fd, chunk, sizeof(chunk));
		assert_true(n >= 0);
		if (n == 0)
			return buf_take(&in);
		assert_int_equal(buf_append(&in, chunk, (size_t)n), 0);
	}
}

char *run_lab_file(const char *path, const char *want)
{
	uint64_t until = clock_boot_ms() + LAB_DEADLINE_MS;

	for (;;) {
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		char *text = fd < 0 ? NULL : run_lab_read(fd);

		mem_closep(&fd);
		if (text && strstr(text, want))
			return text;
		if (clock_boot_ms() > until)
			fail_msg("%s never held \"%s\": %s", path, want, text ? text : "(absent)");
		free(text);
		poll(NULL, 0, 5);
	}
}
