/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/containers.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>
#include <uthash.h>
#include <utlist.h>

#include "agent/containers_identify.h"
#include "agent/containers_log.h"
#include "agent/containers_row.h"
#include "agent/etc_files.h"
#include "agent/target.h"
#include "base/clock.h"
#include "base/id.h"
#include "base/log.h"
#include "store/model.h"

#define SHARED_DEPTH_MAX 16 /* containers that share with one that shares with one ... */
#define STOP_LAST_MS 3000 /* from KILL to killing the supervisor: it hangs or is stopped */

struct waiter {
	container_gone_fn fn;
	void *user;
	struct waiter *next;
};

/* What a pending drop holds of its container: both may go first. */
struct drop {
	struct entry *en; /* NULL: gone */
};

struct entry {
	struct container c;
	struct containers *cs;
	int pidfd; /* of the supervisor */
	uv_poll_t poll; /* readable: the supervisor has ended */
	uv_timer_t timer; /* of a stop; then, for the end */
	unsigned open_handles;
	bool killed; /* stop has come to KILL */
	bool told; /* ended as its supervisor said */
	int code, signal;
	struct waiter *waiters;
	struct drop *drop;
	UT_hash_handle hh; /* by c.name */
};

struct containers {
	struct containers_deps d;
	char *state_dir;
	struct entry *entries; /* uthash head */
	unsigned open; /* entries with handles, found by name or no more */
	bool closing;
};

struct containers *containers_new(const struct containers_deps *d)
{
	struct containers *cs = mem_alloc(sizeof(*cs));

	cs->d = *d;
	/* Paths of logs are told to programs with other working directories. */
	cs->state_dir = realpath(d->state_dir, NULL);
	if (!cs->state_dir)
		cs->state_dir = mem_strdup(d->state_dir);
	return cs;
}

static struct entry *find(const struct containers *cs, const char *name)
{
	struct entry *en = NULL;

	HASH_FIND_STR(cs->entries, name, en);
	return en;
}

static struct entry *find_or_say(const struct containers *cs, const char *name, struct err *e)
{
	struct entry *en = find(cs, name);

	if (!en)
		err_set(e, -ENOENT, "container %s not found", name);
	return en;
}

int64_t containers_pid(void *containers, const char *name)
{
	struct entry *en = find(containers, name);

	return en && en->c.state != CONTAINER_ENDING ? en->c.target.pid : 0;
}

const struct container *containers_get(const struct containers *cs, const char *name)
{
	struct entry *en = find(cs, name);

	return en ? &en->c : NULL;
}

void containers_each(const struct containers *cs, void (*fn)(void *user, const struct container *c),
		     void *user)
{
	struct entry *en, *tmp;

	HASH_ITER(hh, cs->entries, en, tmp)
		fn(user, &en->c);
}

char *containers_log_path(const struct containers *cs, const char *name)
{
	return mem_printf("%s/run/%s.log", cs->state_dir, name);
}

char *containers_etc_dir(const struct containers *cs, const struct container *c)
{
	const struct local_target *t = &c->target;

	for (int i = 0; c && i < SHARED_DEPTH_MAX; i++) {
		const char *peer = NULL;

		/* The name may be another's by now. */
		if (c->target.netns_ino != t->netns_ino || c->target.netns_dev != t->netns_dev)
			return NULL;
		switch (run_mode_of(c->mode, &peer)) {
		case RUN_OWN:
			return etc_files_dir(cs->state_dir, c->name);
		case RUN_NONE:
		case RUN_HOST:
			return NULL;
		case RUN_SHARED:
			c = containers_get(cs, peer);
			break;
		}
	}
	return NULL;
}

/* ---- life and end of an entry ---- */

static void free_containers(struct containers *cs)
{
	free(cs->state_dir);
	free(cs);
}

static void on_handle_closed(uv_handle_t *h)
{
	struct entry *en = h->data;
	struct containers *cs = en->cs;

	if (--en->open_handles > 0)
		return;
	close(en->pidfd);
	containers_row_done(&en->c);
	free(en);
	if (--cs->open == 0 && cs->closing)
		free_containers(cs);
}

/* Nobody finds it any more. What is borrowed of it stays valid until the loop has run. */
static void discard(struct entry *en)
{
	HASH_DEL(en->cs->entries, en);
	if (en->drop)
		en->drop->en = NULL;
	uv_close((uv_handle_t *)&en->poll, on_handle_closed);
	uv_close((uv_handle_t *)&en->timer, on_handle_closed);
}

static void tell_waiters(struct entry *en, int status)
{
	struct waiter *list = TAKE_PTR(en->waiters), *w;

	while ((w = list)) {
		list = w->next;
		w->fn(w->user, status, en->code, en->signal);
		free(w);
	}
}

static void add_waiter(struct entry *en, container_gone_fn fn, void *user)
{
	struct waiter *w = mem_alloc(sizeof(*w));

	w->fn = fn;
	w->user = user;
	LL_APPEND(en->waiters, w);
}

static void publish(struct entry *en, const char *action)
{
	_cleanup_kv_pairs_ struct kv_pairs attrs = { 0 };
	char number[16];

	kv_pairs_set(&attrs, "name", en->c.name);
	if (strcmp(action, "die") == 0) {
		snprintf(number, sizeof(number), "%d", run_exit_status(en->code, en->signal));
		kv_pairs_set(&attrs, "exitCode", number);
		if (en->signal) {
			snprintf(number, sizeof(number), "%d", en->signal);
			kv_pairs_set(&attrs, "signal", number);
		}
	}
	events_publish(en->cs->d.events, "container", action, en->c.name, &attrs);
}

static bool log_in_use(void *user, const char *name)
{
	return find(user, name) != NULL;
}

static void on_gone(uv_timer_t *t)
{
	struct entry *en = t->data;
	struct containers *cs = en->cs;
	struct err e = { 0 };

	if (local_run_del(cs->d.local, en->c.name, &e) < 0)
		log_warn("container row not removed", "name=%s error=%s", en->c.name,
			 LOG_Q(err_text(&e)));
	if (en->c.command_pid) {
		log_info("container ended", "name=%s exit=%d signal=%d%s", en->c.name, en->code,
			 en->signal, en->told ? "" : " supervisor=dead");
		publish(en, "die");
	}
	/* The name is free before anybody is told so. */
	discard(en);
	containers_log_prune(cs->state_dir, CONTAINERS_OLD_LOGS_MAX, log_in_use, cs);
	tell_waiters(en, 0);
}

static void on_dropped(void *user)
{
	struct drop *drop = user;

	if (drop->en) {
		drop->en->drop = NULL;
		/* From the loop: nobody is told from inside the call that ended it. */
		uv_timer_start(&drop->en->timer, on_gone, 0, 0);
	}
	free(drop);
}

static bool owns_netns(const struct container *c)
{
	enum run_mode mode = run_mode_of(c->mode, NULL);

	return mode == RUN_OWN || mode == RUN_NONE;
}

static void end(struct entry *en, bool told, int code, int signal)
{
	struct containers *cs = en->cs;

	if (en->c.state == CONTAINER_ENDING)
		return;
	en->c.state = CONTAINER_ENDING;
	en->told = told;
	en->code = code;
	en->signal = signal;
	uv_poll_stop(&en->poll);
	uv_timer_stop(&en->timer);
	en->drop = mem_alloc(sizeof(*en->drop));
	en->drop->en = en;
	/* Endpoints are the namespace's, and go with the container that made it. */
	if (cs->d.drop && owns_netns(&en->c))
		cs->d.drop(cs->d.user, &en->c.target, on_dropped, en->drop);
	else
		on_dropped(en->drop);
}

static void on_pidfd(uv_poll_t *p, int status, int events)
{
	struct entry *en = p->data;

	(void)status;
	(void)events;
	end(en, false, 0, SIGKILL);
}

static void add_entry(struct containers *cs, struct container *c, int pidfd)
{
	struct entry *en = mem_alloc(sizeof(*en));

	en->c = *c;
	memset(c, 0, sizeof(*c));
	en->cs = cs;
	en->pidfd = pidfd;
	uv_poll_init(cs->d.loop, &en->poll, pidfd);
	uv_timer_init(cs->d.loop, &en->timer);
	en->open_handles = 2;
	cs->open++;
	en->poll.data = en->timer.data = en;
	uv_poll_start(&en->poll, UV_READABLE, on_pidfd);
	HASH_ADD_KEYPTR(hh, cs->entries, en->c.name, strlen(en->c.name), en);
}

/* ---- load and close ---- */

struct rows {
	struct container *v;
	size_t n;
	struct strv bad; /* names of rows to remove */
};

static void take_row(void *user, const char *name, const char *json)
{
	struct rows *rows = user;
	struct container c = { 0 };
	struct err e = { 0 };

	if (containers_row_decode(name, json, &c, &e) < 0) {
		log_warn("container row dropped", "error=%s", LOG_Q(err_text(&e)));
		strv_add(&rows->bad, name);
		return;
	}
	rows->v = mem_grow(rows->v, rows->n + 1, sizeof(*rows->v));
	rows->v[rows->n++] = c;
}

int containers_load(struct containers *cs, struct err *e)
{
	struct rows rows = { 0 };
	int r = containers_log_mkdir(cs->state_dir, e);

	if (r == 0)
		r = local_run_each(cs->d.local, take_row, &rows, e);
	for (size_t i = 0; i < rows.n; i++) {
		struct container *c = &rows.v[i];
		/* Opened before the look at the start time, so that it is of the process looked at. */
		int pidfd = r == 0 ? pidfd_open((pid_t)c->target.pid, 0) : -1;

		if (pidfd >= 0 && target_alive(&c->target)) {
			add_entry(cs, c, pidfd);
			continue;
		}
		mem_closep(&pidfd);
		if (r == 0) {
			log_info("container ended while ovld was away", "name=%s", c->name);
			strv_add(&rows.bad, c->name);
		}
		containers_row_done(c);
	}
	for (size_t i = 0; r == 0 && i < rows.bad.n; i++)
		r = local_run_del(cs->d.local, rows.bad.v[i], e);
	free(rows.v);
	strv_done(&rows.bad);
	return r;
}

void containers_close(struct containers *cs)
{
	struct entry *en, *tmp;

	if (!cs)
		return;
	cs->closing = true;
	HASH_ITER(hh, cs->entries, en, tmp) {
		tell_waiters(en, -ECANCELED);
		discard(en);
	}
	if (cs->open == 0)
		free_containers(cs);
}

/* ---- what is asked ---- */

static char *choose_name(const struct containers *cs)
{
	for (;;) {
		char text[ID_SHORT_MAX];
		char *name = mem_printf("c-%s", id_short(id_random(), text));

		if (!find(cs, name))
			return name;
		free(name);
	}
}

static int check_name(const struct containers *cs, const char *name, struct err *e)
{
	const struct entry *en;
	int r = model_name_check("container name", name, e);

	if (r < 0)
		return r;
	en = find(cs, name);
	if (en)
		return err_set(
			e, -EEXIST,
			"the container name %s is in use by the container with pid %lld%s", name,
			(long long)(en->c.command_pid ? en->c.command_pid : en->c.target.pid),
			en->c.state == CONTAINER_ENDING ? ", which is ending" : "");
	return 0;
}

int container_create(struct containers *cs, const struct run_create *req,
		     const struct container **ret, struct err *e)
{
	_cleanup_free_ char *json = NULL;
	struct container c = { 0 };
	char now[CLOCK_TEXT_MAX];
	int pidfd, r;

	if (HASH_COUNT(cs->entries) >= CONTAINERS_MAX)
		return err_set(e, -ENOSPC, "more than %d containers on one node", CONTAINERS_MAX);
	r = req->name ? check_name(cs, req->name, e) : 0;
	if (r < 0)
		return r;
	pidfd = containers_identify(cs, req, &c.target, e);
	if (pidfd < 0)
		return pidfd;
	c.name = req->name ? mem_strdup(req->name) : choose_name(cs);
	strv_copy(&c.command, &req->command);
	c.mode = mem_strdup(req->mode);
	c.log_path = containers_log_path(cs, c.name);
	c.created = mem_strdup(clock_wall_text(now));
	json = containers_row_encode(&c);
	r = local_run_put(cs->d.local, c.name, json, e);
	if (r < 0) {
		close(pidfd);
		containers_row_done(&c);
		return r;
	}
	const char *name = c.name; /* handed over with the rest */

	add_entry(cs, &c, pidfd);
	*ret = containers_get(cs, name);
	return 0;
}

int container_started(struct containers *cs, const char *name, int64_t command_pid, struct err *e)
{
	struct entry *en = find_or_say(cs, name, e);
	_cleanup_free_ char *json = NULL;

	if (!en || en->c.state == CONTAINER_ENDING)
		return en ? err_set(e, -ENOENT, "container %s is ending", name) : -ENOENT;
	if (en->c.state == CONTAINER_RUNNING)
		return 0;
	en->c.command_pid = command_pid;
	en->c.state = CONTAINER_RUNNING;
	json = containers_row_encode(&en->c);
	log_info("container started", "name=%s pid=%lld", en->c.name, (long long)command_pid);
	publish(en, "start");
	return local_run_put(cs->d.local, name, json, e);
}

int container_ended(struct containers *cs, const char *name, int code, int signal,
		    container_gone_fn fn, void *user, struct err *e)
{
	struct entry *en = find_or_say(cs, name, e);

	if (!en)
		return -ENOENT;
	add_waiter(en, fn, user);
	end(en, true, code, signal);
	return 0;
}

int container_wait(struct containers *cs, const char *name, container_gone_fn fn, void *user,
		   struct err *e)
{
	struct entry *en = find_or_say(cs, name, e);

	if (!en)
		return -ENOENT;
	add_waiter(en, fn, user);
	return 0;
}

/* A wish for the supervisor: it sends @signo to its command, whose pid it alone knows to be right. */
static int ask(struct entry *en, int signo)
{
	siginfo_t si = { .si_signo = RUN_SIGNAL_FORWARD, .si_code = SI_QUEUE };

	si.si_pid = getpid();
	si.si_uid = getuid();
	si.si_value.sival_int = signo;
	return pidfd_send_signal(en->pidfd, RUN_SIGNAL_FORWARD, &si, 0) < 0 ? -errno : 0;
}

int container_kill(struct containers *cs, const char *name, int signo, struct err *e)
{
	struct entry *en = find_or_say(cs, name, e);
	int r;

	if (!en)
		return -ENOENT;
	r = ask(en, signo);
	if (r < 0 && r != -ESRCH)
		return err_set(e, r, "cannot signal container %s: %s", name, strerror(-r));
	return 0;
}

static void on_stop_timer(uv_timer_t *t)
{
	struct entry *en = t->data;

	if (en->killed) {
		log_warn("supervisor killed", "name=%s reason=\"does not answer\"", en->c.name);
		pidfd_send_signal(en->pidfd, SIGKILL, NULL, 0);
		return;
	}
	en->killed = true;
	ask(en, SIGKILL);
	uv_timer_start(&en->timer, on_stop_timer, STOP_LAST_MS, 0);
}

int container_stop(struct containers *cs, const char *name, uint64_t timeout_ms,
		   container_gone_fn fn, void *user, struct err *e)
{
	struct entry *en = find_or_say(cs, name, e);

	if (!en)
		return -ENOENT;
	add_waiter(en, fn, user);
	if (en->c.state == CONTAINER_ENDING || en->killed)
		return 0;
	ask(en, SIGTERM);
	/* A second stop may shorten the wait of the first, not lengthen it. */
	if (!uv_is_active((uv_handle_t *)&en->timer) ||
	    uv_timer_get_due_in(&en->timer) > timeout_ms)
		uv_timer_start(&en->timer, on_stop_timer, timeout_ms, 0);
	return 0;
}
