/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/proc.h"
#include "tests/netns/run_lab.h"

static int up(void **state)
{
	struct run_lab *l = mem_alloc(sizeof(*l));

	run_lab_up(l);
	*state = l;
	return 0;
}

static int down(void **state)
{
	run_lab_down(*state);
	free(*state);
	return 0;
}

static void ask_supervisor(const struct run_lab *l, int signo)
{
	assert_int_equal(sigqueue(l->supervisor, RUN_SIGNAL_FORWARD,
				  (union sigval){ .sival_int = signo }),
			 0);
}

static void name_in_use(void **state)
{
	struct run_lab *l = *state;
	_cleanup_free_ char *text = NULL;

	run_lab_start(l, "true");
	run_lab_expect(l, "POST", "/containers/create");
	run_lab_answer(l, "409 Conflict", "{\"message\":\"the container name c1 is in use\"}");
	assert_int_equal(run_lab_exit(l), 1);
	text = run_lab_read(l->err);
	assert_string_equal(text, "ovlctl: the container name c1 is in use\n");
	run_lab_nothing_more(l);
}

static void failed_connect_leaves_nothing(void **state)
{
	struct run_lab *l = *state;
	_cleanup_free_ char *mark = mem_printf("%s/mark", l->dir), *text = NULL;
	_cleanup_free_ char *script = mem_printf("touch %s", mark);

	run_lab_network(l, "demo");
	run_lab_network(l, "a/b");
	run_lab_start(l, script);
	run_lab_create(l);
	run_lab_expect(l, "POST", "/networks/demo/connect");
	run_lab_answer(l, "200 OK", "{}");
	run_lab_expect(l, "POST", "/networks/a%2Fb/connect");
	run_lab_answer(l, "404 Not Found", "{\"message\":\"network a/b not found\"}");
	run_lab_expect(l, "DELETE", "/containers/c1");
	run_lab_answer(l, "204 No Content", NULL);
	assert_int_equal(run_lab_exit(l), 1);
	text = run_lab_read(l->err);
	assert_string_equal(text, "ovlctl: network a/b not found\n");
	assert_int_equal(access(mark, F_OK), -1);
	run_lab_nothing_more(l);
}

static void output_and_status(void **state)
{
	struct run_lab *l = *state;
	_cleanup_free_ char *out = NULL, *err = NULL, *kept = NULL;
	struct body_connect b = { 0 };
	struct err e = { 0 };

	run_lab_network(l, "name=demo,ip=10.0.0.9");
	run_lab_start(l, "echo out; echo err >&2; exit 7");
	run_lab_create(l);
	run_lab_expect(l, "POST", "/networks/demo/connect");
	assert_int_equal(body_connect_decode(l->body, &b, &e), 0);
	assert_string_equal(b.target, "run:c1");
	assert_true(ip_eq(b.ip4, l->request.networks[0].ip4));
	body_connect_done(&b);
	run_lab_answer(l, "200 OK", "{}");
	run_lab_expect(l, "POST", "/containers/c1/started");
	assert_non_null(json_get(l->body, "CommandPid"));
	run_lab_answer(l, "204 No Content", NULL);
	run_lab_expect(l, "DELETE", "/containers/c1?exit=7&signal=0");
	run_lab_answer(l, "204 No Content", NULL);
	assert_int_equal(run_lab_exit(l), 7);
	out = run_lab_read(l->out);
	err = run_lab_read(l->err);
	kept = run_lab_file(l->log, "out\n");
	assert_string_equal(out, "out\n");
	assert_string_equal(err, "err\n");
	assert_non_null(strstr(kept, "err\n"));
}

/* More than a pipe holds, from a command that ends while it is still on its way. */
static void much_output_is_complete(void **state)
{
	struct run_lab *l = *state;
	char chunk[4096];
	ssize_t n = 1;
	size_t got = 0;

	run_lab_start(l, "head -c 1000000 /dev/zero | tr '\\0' x");
	run_lab_running(l);
	for (; got < 1000000 && n > 0; got += (size_t)n)
		n = read(l->out, chunk, sizeof(chunk));
	assert_int_equal(got, 1000000);
	run_lab_expect(l, "DELETE", "/containers/c1?exit=0&signal=0");
	run_lab_answer(l, "204 No Content", NULL);
	assert_int_equal(run_lab_exit(l), 0);
}

/* As `ovlctl run ... | head`: the command learns from its next write that nobody reads. */
static void closed_output_ends_the_command(void **state)
{
	struct run_lab *l = *state;

	run_lab_start(l, "exec yes");
	run_lab_running(l);
	close(l->out);
	l->out = -1;
	run_lab_expect(l, "DELETE", "/containers/c1?exit=0&signal=13");
	run_lab_answer(l, "204 No Content", NULL);
	assert_int_equal(run_lab_exit(l), 128 + SIGPIPE);
}

static void command_not_found(void **state)
{
	struct run_lab *l = *state;
	char *missing[] = { "ovl-run", "--", "/no/such/command", NULL };
	char *folder[] = { "ovl-run", "--", "/tmp", NULL };
	_cleanup_free_ char *text = NULL;

	run_lab_start_argv(l, missing);
	run_lab_create(l);
	run_lab_expect(l, "DELETE", "/containers/c1");
	run_lab_answer(l, "204 No Content", NULL);
	assert_int_equal(run_lab_exit(l), 127);
	text = run_lab_read(l->err);
	assert_non_null(strstr(text, "/no/such/command: No such file"));
	run_lab_forget(l);
	run_lab_start_argv(l, folder);
	run_lab_create(l);
	run_lab_expect(l, "DELETE", "/containers/c1");
	run_lab_answer(l, "204 No Content", NULL);
	assert_int_equal(run_lab_exit(l), 126);
}

static void signals_are_passed(void **state)
{
	struct run_lab *l = *state;

	run_lab_start(l, "trap 'exit 9' TERM; trap 'echo usr1' USR1; echo ready;"
			 "while :; do sleep 0.05; done");
	run_lab_running(l);
	free(run_lab_file(l->log, "ready"));
	kill(l->supervisor, SIGUSR1);
	free(run_lab_file(l->log, "usr1"));
	ask_supervisor(l, SIGTERM);
	run_lab_expect(l, "DELETE", "/containers/c1?exit=9&signal=0");
	run_lab_answer(l, "204 No Content", NULL);
	assert_int_equal(run_lab_exit(l), 9);
}

static void kill_on_request(void **state)
{
	struct run_lab *l = *state;

	run_lab_start(l, "trap '' TERM; echo ready; while :; do sleep 0.05; done");
	run_lab_running(l);
	free(run_lab_file(l->log, "ready"));
	kill(l->supervisor, SIGTERM);
	ask_supervisor(l, 99); /* no signal: ignored */
	ask_supervisor(l, SIGKILL);
	run_lab_expect(l, "DELETE", "/containers/c1?exit=0&signal=9");
	run_lab_answer(l, "204 No Content", NULL);
	assert_int_equal(run_lab_exit(l), 137);
}

/* ^C goes to the whole foreground group: the command must not get it a second time from its supervisor. */
static void terminal(void **state)
{
	struct run_lab *l = *state;
	_cleanup_free_ char *kept = NULL;

	l->terminal = true;
	run_lab_start(l,
		      "trap 'n=$((n+1))' INT; trap 'echo n=$n; exit 9' USR1; read x; echo got $x;"
		      "while :; do sleep 0.05; done");
	run_lab_running(l);
	assert_int_equal(write(l->tty, "typed\n", 6), 6);
	free(run_lab_file(l->log, "got typed"));
	assert_int_equal(write(l->tty, "\x03", 1), 1);
	assert_int_equal(write(l->tty, "\x03", 1), 1);
	/* Answered after the two, when the sleep of the shell is over. */
	ask_supervisor(l, SIGUSR1);
	run_lab_expect(l, "DELETE", "/containers/c1?exit=9&signal=0");
	run_lab_answer(l, "204 No Content", NULL);
	assert_int_equal(run_lab_exit(l), 9);
	kept = run_lab_file(l->log, "n=");
	assert_non_null(strpbrk(strstr(kept, "n=") + 2, "12"));
}

/* Everything that the caller may have blocked or ignored for us is not what the command starts with. */
static void signals_are_as_usual_inside(void **state)
{
	struct run_lab *l = *state;
	_cleanup_free_ char *out = NULL;

	run_lab_start(l, "grep -E 'Sig(Blk|Ign)' /proc/self/status");
	run_lab_running(l);
	run_lab_expect(l, "DELETE", "/containers/c1?exit=0&signal=0");
	run_lab_answer(l, "204 No Content", NULL);
	out = run_lab_read(l->out);
	assert_string_equal(out, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
}

static void detached(void **state)
{
	struct run_lab *l = *state;
	_cleanup_free_ char *text = NULL, *kept = NULL, *out = NULL;
	struct run_report rep = { 0 };
	struct err e = { 0 };

	l->request.detach = true;
	run_lab_start(l, "echo hello; wc -c; sleep 60 & echo left $!; exec sleep 61");
	run_lab_running(l);
	text = run_lab_read(l->report);
	assert_int_equal(run_report_decode(text, strlen(text), &rep, &e), 0);
	assert_string_equal(rep.name, "c1");
	assert_null(rep.error);
	run_report_done(&rep);
	assert_int_equal(run_lab_exit(l), 0);
	assert_int_not_equal(getsid(l->supervisor), getsid(0));
	/* Nothing of the caller is held: its pipes end. */
	out = run_lab_read(l->out);
	assert_string_equal(out, "");
	kept = run_lab_file(l->log, "left ");
	assert_non_null(strstr(kept, "hello\n0\n"));
	ask_supervisor(l, SIGTERM);
	run_lab_expect(l, "DELETE", "/containers/c1?exit=0&signal=15");
	run_lab_answer(l, "204 No Content", NULL);
	run_lab_gone(l->supervisor);
	run_lab_gone((pid_t)strtol(strstr(kept, "left ") + 5, NULL, 10));
}

static void detached_failure_is_reported(void **state)
{
	struct run_lab *l = *state;
	_cleanup_free_ char *text = NULL;
	struct run_report rep = { 0 };
	struct err e = { 0 };

	l->request.detach = true;
	run_lab_network(l, "demo");
	run_lab_start(l, "true");
	run_lab_create(l);
	run_lab_expect(l, "POST", "/networks/demo/connect");
	run_lab_answer(l, "503 Service Unavailable", "{\"message\":\"etcd is away\"}");
	run_lab_expect(l, "DELETE", "/containers/c1");
	run_lab_answer(l, "204 No Content", NULL);
	text = run_lab_read(l->report);
	assert_int_equal(run_report_decode(text, strlen(text), &rep, &e), 0);
	assert_string_equal(rep.error, "etcd is away");
	assert_int_equal(rep.status, 1);
	run_report_done(&rep);
}

static void impatience_while_connecting(void **state)
{
	struct run_lab *l = *state;

	run_lab_network(l, "demo");
	run_lab_start(l, "true");
	run_lab_create(l);
	run_lab_expect(l, "POST", "/networks/demo/connect");
	kill(l->supervisor, SIGINT);
	run_lab_expect(l, "DELETE", "/containers/c1");
	run_lab_answer(l, "204 No Content", NULL);
	assert_int_equal(run_lab_exit(l), 1);
}

/* ovlctl interrupted during `run -d`: nobody would know of the container. */
static void nobody_waits_any_more(void **state)
{
	struct run_lab *l = *state;

	l->request.detach = true;
	run_lab_network(l, "demo");
	run_lab_start(l, "true");
	run_lab_create(l);
	run_lab_expect(l, "POST", "/networks/demo/connect");
	close(l->report);
	l->report = -1;
	run_lab_expect(l, "DELETE", "/containers/c1");
	run_lab_answer(l, "204 No Content", NULL);
	run_lab_gone(l->supervisor);
}

static void killed_supervisor_takes_the_command_along(void **state)
{
	struct run_lab *l = *state;
	_cleanup_free_ char *kept = NULL;

	run_lab_start(l, "echo pid $$; exec sleep 60");
	run_lab_running(l);
	kept = run_lab_file(l->log, "pid ");
	kill(l->supervisor, SIGKILL);
	assert_int_equal(run_lab_exit(l), 137);
	run_lab_gone((pid_t)strtol(kept + 4, NULL, 10));
	run_lab_nothing_more(l);
}

static char *own_ns(const char *kind)
{
	char path[64], text[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/self/ns/%s", kind);
	n = readlink(path, text, sizeof(text) - 1);
	assert_true(n > 0);
	text[n] = '\0';
	return mem_printf("%s\n", text);
}

static void namespaces(void **state)
{
	struct run_lab *l = *state;
	_cleanup_free_ char *out = NULL, *file = mem_printf("%s/inside", l->dir);
	_cleanup_free_ char *script =
		mem_printf("for n in net mnt uts pid; do readlink /proc/self/ns/$n; done;"
			   "hostname; cat /sys/class/net/lo/flags; ls -x /sys/class/net;"
			   "mount -t tmpfs none %s && : > %s; ls /sys/fs/cgroup | wc -l",
			   l->dir, file);
	_cleanup_free_ char *net = own_ns("net"), *mnt = own_ns("mnt"), *uts = own_ns("uts");
	_cleanup_free_ char *pid = own_ns("pid");

	run_lab_start(l, script);
	run_lab_running(l);
	run_lab_expect(l, "DELETE", "/containers/c1?exit=0&signal=0");
	run_lab_answer(l, "204 No Content", NULL);
	assert_int_equal(run_lab_exit(l), 0);
	out = run_lab_read(l->out);
	assert_null(strstr(out, net));
	assert_null(strstr(out, mnt));
	assert_null(strstr(out, uts));
	assert_non_null(strstr(out, pid));
	assert_non_null(strstr(out, "\nc1\n0x9\nlo\n"));
	assert_null(strstr(out, "\nlo\n0\n"));
	/* The mount stayed inside, and did not hide from the supervisor where ovld answers. */
	assert_int_equal(access(file, F_OK), -1);
}

/* The host's network, its name and its /sys; mounts of its own all the same. */
static void host_network(void **state)
{
	struct run_lab *l = *state;
	_cleanup_free_ char *out = NULL, *net = own_ns("net"), *mnt = own_ns("mnt");
	_cleanup_free_ char *want = NULL;
	char name[HOST_NAME_MAX + 1] = "";

	assert_int_equal(gethostname(name, sizeof(name)), 0);
	l->request.mode = RUN_HOST;
	run_lab_start(l, "readlink /proc/self/ns/net; hostname; readlink /proc/self/ns/mnt");
	run_lab_running(l);
	assert_string_equal(l->mode, "host");
	run_lab_expect(l, "DELETE", "/containers/c1?exit=0&signal=0");
	run_lab_answer(l, "204 No Content", NULL);
	assert_int_equal(run_lab_exit(l), 0);
	out = run_lab_read(l->out);
	want = mem_printf("%s%s\n", net, name);
	assert_memory_equal(out, want, strlen(want));
	assert_null(strstr(out, mnt));
}

static pid_t in_new_netns(void)
{
	int ready[2];
	char c;
	pid_t pid;

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		if (unshare(CLONE_NEWNET) == 0 && write(ready[1], "x", 1) == 1)
			pause();
		_exit(1);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	return pid;
}

static void answer_peer(struct run_lab *l, pid_t pid, uint64_t start, const char *state)
{
	_cleanup_free_ char *json =
		mem_printf("{\"State\":\"%s\",\"SupervisorPid\":%d,\"SupervisorStart\":%llu}",
			   state, (int)pid, (unsigned long long)start);

	run_lab_expect(l, "GET", "/containers/p1/json");
	run_lab_answer(l, "200 OK", json);
}

static void shared_network(void **state)
{
	struct run_lab *l = *state;
	_cleanup_free_ char *out = NULL, *path = NULL;
	pid_t peer = in_new_netns();
	char text[64] = "";
	uint64_t start = 0;

	assert_int_equal(proc_start(peer, &start), 0);
	path = mem_printf("/proc/%d/ns/net", (int)peer);
	assert_true(readlink(path, text, sizeof(text) - 1) > 0);
	l->request.mode = RUN_SHARED;
	l->request.container = mem_strdup("p1");
	run_lab_start(l, "readlink /proc/self/ns/net; hostname; ls -x /sys/class/net");
	answer_peer(l, peer, start, "running");
	run_lab_running(l);
	assert_string_equal(l->mode, "container:p1");
	kill(peer, SIGKILL);
	waitpid(peer, NULL, 0);
	run_lab_expect(l, "DELETE", "/containers/c1?exit=0&signal=0");
	run_lab_answer(l, "204 No Content", NULL);
	assert_int_equal(run_lab_exit(l), 0);
	out = run_lab_read(l->out);
	path = (free(path), mem_printf("%s\np1\nlo\n", text));
	assert_string_equal(out, path);
}

/* Nothing is registered yet: nothing is owed. */
static void peer_is_gone(void **state)
{
	struct run_lab *l = *state;
	_cleanup_free_ char *none = NULL, *ending = NULL, *other = NULL;
	uint64_t start = 0;

	assert_int_equal(proc_start(getpid(), &start), 0);
	l->request.mode = RUN_SHARED;
	l->request.container = mem_strdup("p1");
	run_lab_start(l, "true");
	run_lab_expect(l, "GET", "/containers/p1/json");
	run_lab_answer(l, "404 Not Found", "{\"message\":\"container p1 not found\"}");
	assert_int_equal(run_lab_exit(l), 1);
	none = run_lab_read(l->err);
	assert_string_equal(none, "ovlctl: container p1 not found\n");
	run_lab_again(l, "true");
	answer_peer(l, getpid(), start, "removing");
	assert_int_equal(run_lab_exit(l), 1);
	ending = run_lab_read(l->err);
	assert_string_equal(ending, "ovlctl: container p1 is ending\n");
	run_lab_again(l, "true");
	answer_peer(l, getpid(), start + 1, "running");
	assert_int_equal(run_lab_exit(l), 1);
	other = run_lab_read(l->err);
	assert_string_equal(other, "ovlctl: container p1 has just ended\n");
	run_lab_nothing_more(l);
}

static void no_ovld(void **state)
{
	struct run_lab *l = *state;
	_cleanup_free_ char *text = NULL;

	close(l->listener);
	l->listener = -1;
	run_lab_start(l, "true");
	assert_int_equal(run_lab_exit(l), 1);
	text = run_lab_read(l->err);
	assert_non_null(strstr(text, "ovlctl: cannot reach ovld at "));
}

/* The restarted ovld finds out by itself. */
static void ovld_away_at_the_end(void **state)
{
	struct run_lab *l = *state;

	run_lab_start(l, "trap 'exit 5' TERM; echo ready; while :; do sleep 0.05; done");
	run_lab_running(l);
	close(l->listener);
	l->listener = -1;
	free(run_lab_file(l->log, "ready"));
	kill(l->supervisor, SIGTERM);
	assert_int_equal(run_lab_exit(l), 5);
}

static void ovld_forgot_it(void **state)
{
	struct run_lab *l = *state;

	run_lab_start(l, "exec sleep 60");
	run_lab_create(l);
	run_lab_expect(l, "POST", "/containers/c1/started");
	run_lab_answer(l, "404 Not Found", "{\"message\":\"container c1 not found\"}");
	run_lab_expect(l, "DELETE", "/containers/c1?exit=0&signal=9");
	run_lab_answer(l, "404 Not Found", "{\"message\":\"container c1 not found\"}");
	assert_int_equal(run_lab_exit(l), 137);
}

#define T(f) cmocka_unit_test_setup_teardown(f, up, down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(name_in_use),
		T(failed_connect_leaves_nothing),
		T(output_and_status),
		T(much_output_is_complete),
		T(closed_output_ends_the_command),
		T(command_not_found),
		T(signals_are_passed),
		T(kill_on_request),
		T(terminal),
		T(signals_are_as_usual_inside),
		T(detached),
		T(detached_failure_is_reported),
		T(impatience_while_connecting),
		T(nobody_waits_any_more),
		T(killed_supervisor_takes_the_command_along),
		T(namespaces),
		T(host_network),
		T(shared_network),
		T(peer_is_gone),
		T(no_ovld),
		T(ovld_away_at_the_end),
		T(ovld_forgot_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
