/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * containers - what `ovlctl run` started on this node: names, supervisors (agent/run), and what becomes of them.
 *
 * A container is its supervisor: a process with namespaces of its own, known by pid and start time, watched through a pidfd.
 *   CREATED (registered, networks being joined) --started--> RUNNING --told by the supervisor, or it died--> ENDING --endpoints gone--> free
 * Its network namespace is its own, or the host's, or one shared with another container (->mode): endpoints are withdrawn with the container whose
 * namespace it is, not with those that share it, and theirs is then a namespace without a network until they end too.
 * Rows in SQLite let a restarted agent find them again; containers_load() drops those that ended meanwhile.
 * Events: "container" "start", "container" "die" (attributes name, exitCode, signal).
 */
#pragma once
#include <uv.h>
#include "agent/api/body_run.h"
#include "agent/events.h"
#include "store/local.h"

#define CONTAINERS_MAX 4096
#define CONTAINERS_OLD_LOGS_MAX 64 /* log files of ended containers that are kept */
#define CONTAINERS_STOP_MS 10000 /* from TERM to KILL unless told otherwise, as docker stop */

enum container_state { CONTAINER_CREATED, CONTAINER_RUNNING, CONTAINER_ENDING };
struct container {
	char *name;
	enum container_state state;
	struct local_target
		target; /* the supervisor's namespace: path /proc/PID/ns/net, pid, pid_start, netns dev and inode */
	int64_t command_pid; /* 0: not started */
	struct strv command;
	char *mode; /* Docker's NetworkMode: "host", "none", "container:NAME", or a network; run_mode_of(); NULL: of an older ovld, its own */
	char *log_path;
	char *created; /* RFC 3339 */
};

typedef void (*containers_dropped_fn)(void *user);
struct containers_deps {
	uv_loop_t *loop;
	struct local *local;
	struct events *events;
	const char *state_dir; /* logs: <state_dir>/run/NAME.log */
	/* Withdraw all endpoints of @t; @done exactly once, also from inside. containers_drop_endpoints() does it; NULL: none. */
	void (*drop)(void *user, const struct local_target *t, containers_dropped_fn done,
		     void *done_user);
	void *user;
};
struct containers;
/** containers_new() - @d is copied, what it points to is borrowed. */
struct containers *containers_new(const struct containers_deps *d);
/** containers_load() - rows of SQLite. The ones gone are removed (endpoints_load() withdraws their endpoints). */
int containers_load(struct containers *cs, struct err *e);
/** containers_close() - watches end, containers run on; waiters are told -ECANCELED. Memory goes when the loop has run. */
void containers_close(struct containers *cs);

/** containers_pid() - the supervisor of a container by name, 0: none. A target_run_fn with the containers as user. */
int64_t containers_pid(void *containers, const char *name);
/** containers_get() - NULL: none. Borrowed until control returns to the loop. */
const struct container *containers_get(const struct containers *cs, const char *name);
/** containers_each() - in the order they were made; @fn must not change them. */
void containers_each(const struct containers *cs, void (*fn)(void *user, const struct container *c),
		     void *user);
/** containers_log_path() - where the log of @name is or was; heap. */
char *containers_log_path(const struct containers *cs, const char *name);
/**
 * containers_etc_dir() - where resolv.conf and hosts of @c are kept (agent/etc_files.h): its own, or those of the container whose namespace it shares;
 * heap, NULL: it has the host's
 */
char *containers_etc_dir(const struct containers *cs, const struct container *c);

/**
 * container_create() - register a supervisor
 * @req: name NULL: "c-" and 12 hex digits
 * Return: 0; -EEXIST: the name is in use (by which pid), -EINVAL: bad name, or no such process, or its network namespace is not of the mode told:
 * the host's, or another container's; -ENOENT: that container is not there (any more); -ENOSPC above CONTAINERS_MAX; SQLite's.
 */
int container_create(struct containers *cs, const struct run_create *req,
		     const struct container **ret, struct err *e);
/** container_started() - its command runs. -ENOENT. */
int container_started(struct containers *cs, const char *name, int64_t command_pid, struct err *e);

/*
 * The container is gone: endpoints withdrawn, name free. @status -ECANCELED: containers_close(). @signal 0 unless it was killed; a
 * supervisor that died without a word takes its command along: SIGKILL.
 */
typedef void (*container_gone_fn)(void *user, int status, int code, int signal);
/** container_ended() - its supervisor says so; then as container_wait(). */
int container_ended(struct containers *cs, const char *name, int code, int signal,
		    container_gone_fn fn, void *user, struct err *e);
/** container_wait() - @fn once, when it is gone, never from inside. -ENOENT. */
int container_wait(struct containers *cs, const char *name, container_gone_fn fn, void *user,
		   struct err *e);
/** container_kill() - ask the supervisor to send @signo to the command. -ENOENT. */
int container_kill(struct containers *cs, const char *name, int signo, struct err *e);
/**
 * container_stop() - TERM, after @timeout_ms KILL, later still the supervisor itself; then as container_wait()
 */
int container_stop(struct containers *cs, const char *name, uint64_t timeout_ms,
		   container_gone_fn fn, void *user, struct err *e);

struct endpoints;
/** containers_drop_endpoints() - deps.drop with a struct endpoints * as user: disconnect each endpoint of the namespace, wait for all. */
void containers_drop_endpoints(void *endpoints, const struct local_target *t,
			       containers_dropped_fn done, void *done_user);
