/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/target.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/proc.h"
#include "overlay/netns.h"

int target_pid_start(int64_t pid, uint64_t *ret)
{
	return proc_start(pid, ret);
}

void target_done(struct local_target *t)
{
	free(t->path);
	memset(t, 0, sizeof(*t));
}

static bool all_digits(const char *s)
{
	if (!*s)
		return false;
	for (; *s; s++) {
		if (!isdigit((unsigned char)*s))
			return false;
	}
	return true;
}

static int parse_pid(const char *s, int64_t *ret, struct err *e)
{
	char *end;
	long long v;

	errno = 0;
	v = strtoll(s, &end, 10);
	if (errno || *end || !all_digits(s) || v <= 0 || v > INT_MAX)
		return err_set(e, -EINVAL, "target: \"%s\" is not a process id", s);
	*ret = v;
	return 0;
}

/* Fill dev, inode, start time; refuse what cannot be a container. */
static int identify(struct local_target *t, struct err *e)
{
	_cleanup_close_ int fd = -1;
	struct stat self;
	int r;

	if (t->pid) {
		r = target_pid_start(t->pid, &t->pid_start);
		if (r < 0)
			return err_set(e, -ENOENT, "target: no process has the id %lld",
				       (long long)t->pid);
	}
	fd = netns_open(t->path, e);
	if (fd < 0) {
		err_prefix(e, "target");
		return fd == -ENOENT ? -ENOENT : fd == -ENODEV ? -ENOENT : fd;
	}
	r = netns_identify(fd, &t->netns_dev, &t->netns_ino);
	if (r < 0)
		return err_set(e, r, "target: cannot identify %s", t->path);
	if (stat("/proc/self/ns/net", &self) == 0 && self.st_ino == t->netns_ino &&
	    self.st_dev == t->netns_dev)
		return err_set(e, -EINVAL, "target: %s is the host's own network namespace",
			       t->path);
	return 0;
}

static int by_pid(int64_t pid, struct local_target *t, struct err *e)
{
	t->pid = pid;
	t->path = mem_printf("/proc/%lld/ns/net", (long long)pid);
	return identify(t, e);
}

static int by_netns_name(const char *name, struct local_target *t, struct err *e)
{
	if (!*name || strchr(name, '/') || name[0] == '.' || strlen(name) > NAME_MAX)
		return err_set(e, -EINVAL, "target: \"%s\" is not a network namespace name", name);
	t->path = mem_printf("/run/netns/%s", name);
	return identify(t, e);
}

static int by_run_name(const char *name, int64_t pid, struct local_target *t, char **ret_run_name,
		       struct err *e)
{
	int r = by_pid(pid, t, e);

	if (r == 0)
		*ret_run_name = mem_strdup(name);
	return r;
}

static int resolve(const char *text, target_run_fn run, void *user, struct local_target *t,
		   char **ret_run_name, struct err *e)
{
	int64_t pid = 0;
	int r;

	if (!text || !*text)
		return err_set(e, -EINVAL, "target: empty");
	if (strlen(text) >= STATE_TARGET_PATH_MAX)
		return err_set(e, -EINVAL, "target: longer than %d bytes",
			       STATE_TARGET_PATH_MAX - 1);
	if (text[0] == '/') {
		t->path = mem_strdup(text);
		return identify(t, e);
	}
	if (strncmp(text, "pid:", 4) == 0 || all_digits(text)) {
		r = parse_pid(text[0] == 'p' ? text + 4 : text, &pid, e);
		return r < 0 ? r : by_pid(pid, t, e);
	}
	if (strncmp(text, "netns:", 6) == 0)
		return by_netns_name(text + 6, t, e);
	if (strncmp(text, "run:", 4) == 0) {
		pid = run ? run(user, text + 4) : 0;
		if (!pid)
			return err_set(e, -ENOENT, "target: no running container is named \"%s\"",
				       text + 4);
		return by_run_name(text + 4, pid, t, ret_run_name, e);
	}
	pid = run ? run(user, text) : 0;
	if (pid)
		return by_run_name(text, pid, t, ret_run_name, e);
	r = by_netns_name(text, t, e);
	if (r == -ENOENT)
		return err_set(
			e, -ENOENT,
			"target: neither a container of `ovlctl run` nor a network namespace is named \"%s\"",
			text);
	return r;
}

int target_resolve(const char *text, target_run_fn run, void *user, struct local_target *ret,
		   char **ret_run_name, struct err *e)
{
	_cleanup_free_ char *run_name = NULL;
	struct local_target t = { 0 };
	int r = resolve(text, run, user, &t, &run_name, e);

	if (r < 0) {
		target_done(&t);
		return r;
	}
	*ret = t;
	*ret_run_name = TAKE_PTR(run_name);
	return 0;
}

bool target_match(const struct local_target *t, const struct local_target *other)
{
	return t->netns_ino == other->netns_ino && t->netns_dev == other->netns_dev;
}

bool target_alive(const struct local_target *t)
{
	struct state_target st = { .dev = t->netns_dev, .ino = t->netns_ino };
	_cleanup_close_ int fd = -1;
	uint64_t start;

	if (t->pid && (target_pid_start(t->pid, &start) < 0 || start != t->pid_start))
		return false;
	if (!t->path || strlen(t->path) >= sizeof(st.path))
		return false;
	snprintf(st.path, sizeof(st.path), "%s", t->path);
	fd = netns_open_target(&st, NULL);
	return fd >= 0;
}

struct name_query {
	const char *name;
	int found;
};

static int query_name(void *arg)
{
	struct name_query *q = arg;

	q->found = if_nametoindex(q->name) != 0;
	return 0;
}

int target_ifname_exists(const struct state_target *t, const char *ifname)
{
	struct name_query q = { .name = ifname };
	_cleanup_close_ int fd = netns_open_target(t, NULL);

	if (fd < 0 || netns_call(fd, query_name, &q) < 0)
		return -ENOENT;
	return q.found;
}
