/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/containers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/containers_log.h"
#include "agent/target.h"
#include "base/buf.h"

#define DEADLINE_MS 20000

struct lab {
	char dir[64];
	uv_loop_t loop;
	struct local *local;
	struct events *events;
	struct events_sub *sub;
	struct containers *cs;
	struct strv seen; /* events: "action name exitCode" */
	bool hold_drops;
	unsigned drops;
	containers_dropped_fn dropped; /* of the drop held back */
	void *dropped_user;
	int gone; /* how many gone callbacks */
	int status, code, signal; /* of the last */
	bool name_was_free;
};

/* ---- supervisors ---- */

/* What it is asked for: TERM it survives, KILL ends it. @share: whose network namespace it is in; 0: one of its own, -1: the host's. */
static void __attribute__((noreturn)) pretend(int ready, pid_t share)
{
	int fd = share > 0 ? pidfd_open(share, 0) : -1;
	siginfo_t si;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, RUN_SIGNAL_FORWARD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	if ((share == 0 && unshare(CLONE_NEWNET) < 0) || (share > 0 && setns(fd, CLONE_NEWNET) < 0))
		_exit(1);
	if (write(ready, "x", 1) != 1)
		_exit(1);
	for (;;) {
		if (sigwaitinfo(&set, &si) == RUN_SIGNAL_FORWARD &&
		    si.si_value.sival_int == SIGKILL)
			_exit(0);
	}
}

static pid_t supervisor_in(pid_t share)
{
	int ready[2];
	char c;
	pid_t pid;

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		pretend(ready[1], share);
	close(ready[1]);
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	return pid;
}

static pid_t supervisor(void)
{
	return supervisor_in(0);
}

static void end_supervisor(pid_t pid)
{
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* ---- the lab ---- */

static void on_event(void *user, const char *line, size_t len)
{
	struct lab *l = user;
	_cleanup_json_ cJSON *j = NULL;
	const cJSON *actor, *attrs;
	_cleanup_free_ char *text = NULL;
	const cJSON *code;

	assert_int_equal(json_parse_object(line, len, 65536, &j, NULL), 0);
	actor = json_get(j, "Actor");
	attrs = json_get(actor, "Attributes");
	code = json_get(attrs, "exitCode");
	text = mem_printf("%s %s %s", json_get(j, "Action")->valuestring,
			  json_get(attrs, "name")->valuestring, code ? code->valuestring : "-");
	strv_add(&l->seen, text);
}

static void drop(void *user, const struct local_target *t, containers_dropped_fn done,
		 void *done_user)
{
	struct lab *l = user;

	assert_true(t->netns_ino > 0);
	l->drops++;
	if (!l->hold_drops) {
		done(done_user);
		return;
	}
	l->dropped = done;
	l->dropped_user = done_user;
}

static void start(struct lab *l)
{
	struct containers_deps d = { .loop = &l->loop,
				     .local = l->local,
				     .events = l->events,
				     .state_dir = l->dir,
				     .drop = drop,
				     .user = l };
	struct err e = { 0 };

	l->cs = containers_new(&d);
	if (containers_load(l->cs, &e) < 0)
		fail_msg("%s", e.text);
}

static int up(void **state)
{
	struct lab *l = mem_alloc(sizeof(*l));
	struct err e = { 0 };

	snprintf(l->dir, sizeof(l->dir), "/tmp/ovl-test-containers-XXXXXX");
	assert_non_null(mkdtemp(l->dir));
	assert_int_equal(uv_loop_init(&l->loop), 0);
	assert_int_equal(local_open(l->dir, &l->local, &e), 0);
	l->events = events_new();
	l->sub = events_subscribe(l->events, on_event, l);
	start(l);
	*state = l;
	return 0;
}

static void stop(struct lab *l)
{
	containers_close(l->cs);
	l->cs = NULL;
	assert_int_equal(uv_run(&l->loop, UV_RUN_DEFAULT), 0);
}

static int down(void **state)
{
	struct lab *l = *state;
	char *argv[] = { "rm", "-rf", l->dir, NULL };
	pid_t pid;

	stop(l);
	assert_int_equal(uv_loop_close(&l->loop), 0);
	events_unsubscribe(l->events, l->sub);
	events_free(l->events);
	local_close(l->local);
	strv_done(&l->seen);
	pid = fork();
	if (pid == 0)
		execvp(argv[0], argv);
	waitpid(pid, NULL, 0);
	free(l);
	return 0;
}

static void on_deadline(uv_timer_t *t)
{
	*(bool *)t->data = true;
}

/* Turn the loop until @n containers have been told gone. */
static void until_gone(struct lab *l, int n)
{
	uv_timer_t t;
	bool late = false;

	uv_timer_init(&l->loop, &t);
	t.data = &late;
	uv_timer_start(&t, on_deadline, DEADLINE_MS, 0);
	while (l->gone < n && !late)
		uv_run(&l->loop, UV_RUN_ONCE);
	uv_close((uv_handle_t *)&t, NULL);
	uv_run(&l->loop, UV_RUN_NOWAIT);
	assert_false(late);
}

static void on_gone(void *user, int status, int code, int signal)
{
	struct lab *l = user;

	l->gone++;
	l->status = status;
	l->code = code;
	l->signal = signal;
	l->name_was_free = l->cs && containers_pid(l->cs, "c1") == 0 &&
			   !containers_get(l->cs, "c1");
}

static int create_mode(struct lab *l, const char *name, pid_t pid, const char *mode,
		       const struct container **ret, struct err *e)
{
	struct run_create req = { .name = (char *)name, .pid = pid, .mode = (char *)mode };
	int r;

	memset(e, 0, sizeof(*e));
	assert_int_equal(target_pid_start(pid, &req.pid_start), 0);
	strv_add(&req.command, "sleep");
	strv_add(&req.command, "60");
	r = container_create(l->cs, &req, ret, e);
	strv_done(&req.command);
	return r;
}

static int create(struct lab *l, const char *name, pid_t pid, const struct container **ret,
		  struct err *e)
{
	return create_mode(l, name, pid, NULL, ret, e);
}

static void must_create(struct lab *l, const char *name, pid_t pid)
{
	const struct container *c = NULL;
	struct err e;

	if (create(l, name, pid, &c, &e) < 0)
		fail_msg("%s", e.text);
	assert_string_equal(c->name, name);
}

/* ---- tests ---- */

static void names(void **state)
{
	struct lab *l = *state;
	const struct container *c = NULL;
	pid_t a = supervisor(), b = supervisor();
	struct err e;

	must_create(l, "c1", a);
	assert_int_equal(containers_pid(l->cs, "c1"), a);
	assert_int_equal(containers_pid(l->cs, "c2"), 0);
	assert_int_equal(create(l, "c1", b, &c, &e), -EEXIST);
	assert_non_null(strstr(e.text, "c1 is in use"));
	assert_int_equal(create(l, "-bad", b, &c, &e), -EINVAL);
	assert_int_equal(create(l, "a/b", b, &c, &e), -EINVAL);
	assert_int_equal(create(l, NULL, b, &c, &e), 0);
	assert_int_equal(strlen(c->name), strlen("c-") + ID_SHORT_LEN);
	assert_non_null(strstr(c->log_path, c->name));
	end_supervisor(a);
	end_supervisor(b);
}

static void processes(void **state)
{
	struct lab *l = *state;
	const struct container *c = NULL;
	struct run_create req = { .name = "c1" };
	struct err e;

	assert_int_equal(create(l, "c1", getpid(), &c, &e), -EINVAL);
	assert_non_null(strstr(e.text, "host's own"));
	req.pid = supervisor();
	assert_int_equal(container_create(l->cs, &req, &c, &e), -EINVAL);
	assert_non_null(strstr(e.text, "PidStart"));
	end_supervisor((pid_t)req.pid);
	assert_int_equal(container_create(l->cs, &req, &c, &e), -EINVAL);
	assert_non_null(strstr(e.text, "no process"));
}

/* A supervisor is where its mode says. */
static void modes_are_checked(void **state)
{
	struct lab *l = *state;
	const struct container *c = NULL;
	pid_t own = supervisor(), host = supervisor_in(-1), with = supervisor_in(own);
	pid_t other = supervisor();
	struct err e;

	assert_int_equal(create_mode(l, "h", own, "host", &c, &e), -EINVAL);
	assert_non_null(strstr(e.text, "NetworkMode: host, but"));
	assert_int_equal(create_mode(l, "h", host, "none", &c, &e), -EINVAL);
	assert_non_null(strstr(e.text, "host's own"));
	assert_int_equal(create_mode(l, "h", host, "host", &c, &e), 0);
	assert_string_equal(c->mode, "host");
	assert_int_equal(create_mode(l, "c2", with, "container:c1", &c, &e), -ENOENT);
	assert_non_null(strstr(e.text, "container c1, whose network is to be shared, not found"));
	must_create(l, "c1", own);
	assert_int_equal(create_mode(l, "c2", other, "container:c1", &c, &e), -EINVAL);
	assert_non_null(strstr(e.text, "is not in the network namespace of container c1"));
	assert_int_equal(create_mode(l, "c2", with, "container:c1", &c, &e), 0);
	assert_int_equal(create_mode(l, "c3", with, "container:c2", &c, &e), 0);
	end_supervisor(own);
	end_supervisor(host);
	end_supervisor(with);
	end_supervisor(other);
}

static void etc_is(struct lab *l, const char *name, const char *whose)
{
	_cleanup_free_ char *dir = containers_etc_dir(l->cs, containers_get(l->cs, name));
	_cleanup_free_ char *want = whose ? mem_printf("/run/%s.etc", whose) : NULL;

	if (!whose)
		assert_null(dir);
	else if (!dir || dir[0] != '/' || !strstr(dir, want))
		fail_msg("%s, not %s", dir ? dir : "none", want);
}

/* Files of names are of the container whose namespace it is. */
static void etc_of_modes(void **state)
{
	struct lab *l = *state;
	const struct container *c = NULL;
	pid_t own = supervisor(), host = supervisor_in(-1), with = supervisor_in(own);
	pid_t none = supervisor(), other = supervisor();
	struct err e;

	must_create(l, "c1", own);
	assert_int_equal(create_mode(l, "c2", with, "container:c1", &c, &e), 0);
	assert_int_equal(create_mode(l, "c3", with, "container:c2", &c, &e), 0);
	assert_int_equal(create_mode(l, "h", host, "host", &c, &e), 0);
	assert_int_equal(create_mode(l, "n", none, "none", &c, &e), 0);
	etc_is(l, "c1", "c1");
	etc_is(l, "c2", "c1");
	etc_is(l, "c3", "c1");
	etc_is(l, "h", NULL);
	etc_is(l, "n", NULL);
	/* The one that shared it is gone, and its name another's. */
	assert_int_equal(container_ended(l->cs, "c1", 0, 0, on_gone, l, &e), 0);
	until_gone(l, 1);
	etc_is(l, "c3", NULL);
	must_create(l, "c1", other);
	etc_is(l, "c1", "c1");
	etc_is(l, "c3", NULL);
	end_supervisor(own);
	end_supervisor(host);
	end_supervisor(with);
	end_supervisor(none);
	end_supervisor(other);
}

/* Endpoints go with the container whose namespace they are in, and not with those beside it. */
static void shared_namespace(void **state)
{
	struct lab *l = *state;
	const struct container *c = NULL;
	pid_t own = supervisor(), host = supervisor_in(-1), with = supervisor_in(own);
	pid_t late = supervisor_in(own);
	struct err e;

	must_create(l, "c1", own);
	assert_int_equal(create_mode(l, "c2", with, "container:c1", &c, &e), 0);
	assert_int_equal(create_mode(l, "h", host, "host", &c, &e), 0);
	stop(l);
	start(l);
	assert_string_equal(containers_get(l->cs, "c2")->mode, "container:c1");
	assert_int_equal(containers_get(l->cs, "h")->target.pid, host);
	assert_int_equal(container_ended(l->cs, "h", 0, 0, on_gone, l, &e), 0);
	assert_int_equal(container_ended(l->cs, "c2", 0, 0, on_gone, l, &e), 0);
	until_gone(l, 2);
	assert_int_equal(l->drops, 0);
	l->hold_drops = true;
	assert_int_equal(container_ended(l->cs, "c1", 0, 0, on_gone, l, &e), 0);
	assert_int_equal(l->drops, 1);
	assert_int_equal(create_mode(l, "c4", late, "container:c1", &c, &e), -ENOENT);
	assert_non_null(strstr(e.text, "is ending"));
	l->dropped(l->dropped_user);
	until_gone(l, 3);
	end_supervisor(own);
	end_supervisor(host);
	end_supervisor(with);
	end_supervisor(late);
}

static void life(void **state)
{
	struct lab *l = *state;
	pid_t a = supervisor();
	struct err e = { 0 };

	must_create(l, "c1", a);
	assert_int_equal(container_started(l->cs, "c1", 4711, &e), 0);
	assert_int_equal(container_started(l->cs, "none", 1, &e), -ENOENT);
	l->hold_drops = true;
	assert_int_equal(container_wait(l->cs, "c1", on_gone, l, &e), 0);
	assert_int_equal(container_ended(l->cs, "c1", 3, 0, on_gone, l, &e), 0);
	uv_run(&l->loop, UV_RUN_NOWAIT);
	assert_int_equal(l->gone, 0); /* its endpoints are still there */
	assert_non_null(containers_get(l->cs, "c1"));
	assert_int_equal(containers_pid(l->cs, "c1"), 0);
	l->dropped(l->dropped_user);
	until_gone(l, 2);
	assert_int_equal(l->drops, 1);
	assert_int_equal(l->code, 3);
	assert_true(l->name_was_free);
	assert_int_equal(l->seen.n, 2);
	assert_string_equal(l->seen.v[0], "start c1 -");
	assert_string_equal(l->seen.v[1], "die c1 3");
	assert_int_equal(container_wait(l->cs, "c1", on_gone, l, &e), -ENOENT);
	end_supervisor(a);
}

static void given_up_before_start(void **state)
{
	struct lab *l = *state;
	pid_t a = supervisor();
	struct err e = { 0 };

	must_create(l, "c1", a);
	assert_int_equal(container_ended(l->cs, "c1", 0, 0, on_gone, l, &e), 0);
	until_gone(l, 1);
	assert_int_equal(l->seen.n, 0);
	must_create(l, "c1", a);
	end_supervisor(a);
}

static void killed_supervisor_is_noticed(void **state)
{
	struct lab *l = *state;
	pid_t a = supervisor();
	struct err e = { 0 };

	must_create(l, "c1", a);
	assert_int_equal(container_started(l->cs, "c1", 4711, &e), 0);
	assert_int_equal(container_wait(l->cs, "c1", on_gone, l, &e), 0);
	end_supervisor(a);
	until_gone(l, 1);
	assert_int_equal(l->drops, 1);
	assert_int_equal(l->signal, SIGKILL);
	assert_string_equal(l->seen.v[1], "die c1 137");
}

static void count_row(void *user, const char *name, const char *json)
{
	(void)name;
	(void)json;
	++*(int *)user;
}

static void restart(void **state)
{
	struct lab *l = *state;
	pid_t a = supervisor(), b = supervisor();
	const struct container *c;
	struct err e = { 0 };
	int rows = 0;

	must_create(l, "c1", a);
	assert_int_equal(container_started(l->cs, "c1", 4711, &e), 0);
	must_create(l, "c2", b);
	assert_int_equal(local_run_put(l->local, "c3", "{\"pid\":", &e),
			 0); /* not ours to choke on */
	stop(l);
	end_supervisor(b);
	start(l);
	c = containers_get(l->cs, "c1");
	assert_non_null(c);
	assert_int_equal(c->state, CONTAINER_RUNNING);
	assert_int_equal(c->command_pid, 4711);
	assert_int_equal(c->command.n, 2);
	assert_null(containers_get(l->cs, "c2"));
	assert_int_equal(local_run_each(l->local, count_row, &rows, &e), 0);
	assert_int_equal(rows, 1);
	assert_int_equal(container_wait(l->cs, "c1", on_gone, l, &e), 0);
	end_supervisor(a);
	until_gone(l, 1);
	rows = 0;
	assert_int_equal(local_run_each(l->local, count_row, &rows, &e), 0);
	assert_int_equal(rows, 0);
}

static void stops(void **state)
{
	struct lab *l = *state;
	pid_t a = supervisor();
	struct err e = { 0 };

	must_create(l, "c1", a);
	assert_int_equal(container_started(l->cs, "c1", 4711, &e), 0);
	assert_int_equal(container_kill(l->cs, "c1", SIGUSR1, &e), 0);
	assert_int_equal(container_kill(l->cs, "c2", SIGUSR1, &e), -ENOENT);
	assert_int_equal(container_stop(l->cs, "c1", 60000, on_gone, l, &e), 0);
	assert_int_equal(container_stop(l->cs, "c1", 30, on_gone, l, &e), 0); /* shortens it */
	until_gone(l, 2);
	waitpid(a, NULL, 0);
}

static void stopped_supervisor_is_killed(void **state)
{
	struct lab *l = *state;
	pid_t a = supervisor();
	struct err e = { 0 };

	must_create(l, "c1", a);
	kill(a, SIGSTOP);
	assert_int_equal(container_stop(l->cs, "c1", 0, on_gone, l, &e), 0);
	until_gone(l, 1);
	assert_int_equal(l->signal, SIGKILL);
	waitpid(a, NULL, 0);
}

static void closing_amid_an_end(void **state)
{
	struct lab *l = *state;
	pid_t a = supervisor();
	struct err e = { 0 };

	must_create(l, "c1", a);
	l->hold_drops = true;
	assert_int_equal(container_ended(l->cs, "c1", 0, 0, on_gone, l, &e), 0);
	stop(l);
	assert_int_equal(l->gone, 1);
	assert_int_equal(l->status, -ECANCELED);
	l->dropped(l->dropped_user); /* later than everything */
	l->hold_drops = false;
	start(l);
	end_supervisor(a);
}

static bool is_x(void *user, const char *name)
{
	(void)user;
	return strcmp(name, "x") == 0;
}

static void old_logs(void **state)
{
	struct lab *l = *state;
	static const char *const files[] = {
		"x.log", "a.log", "a.log.1", "b.log", "c.log", "other"
	};
	const struct timespec old[] = { { 1, 0 }, { 2, 0 }, { 2, 0 }, { 3, 0 }, { 4, 0 }, { 1, 0 } };
	static const bool kept[] = { true, false, false, true, true, true };
	char path[128];

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		struct timespec times[2] = { old[i], old[i] };

		snprintf(path, sizeof(path), "%s/run/%s", l->dir, files[i]);
		close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
		assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
	}
	containers_log_prune(l->dir, 2, is_x, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		snprintf(path, sizeof(path), "%s/run/%s", l->dir, files[i]);
		assert_int_equal(access(path, F_OK) == 0, kept[i]);
	}
}

#define T(f) cmocka_unit_test_setup_teardown(f, up, down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(names),
		T(processes),
		T(modes_are_checked),
		T(shared_namespace),
		T(etc_of_modes),
		T(life),
		T(given_up_before_start),
		T(killed_supervisor_is_noticed),
		T(restart),
		T(stops),
		T(stopped_supervisor_is_killed),
		T(closing_amid_an_end),
		T(old_logs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
