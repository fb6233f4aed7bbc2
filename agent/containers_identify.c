/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/containers_identify.h"

#include <errno.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/target.h"
#include "base/mem.h"

/* The namespace of the process @pid, whichever it is. Not target_resolve(): that refuses the host's. */
static int namespace_of(int64_t pid, struct local_target *ret, struct err *e)
{
	_cleanup_free_ char *path = mem_printf("/proc/%lld/ns/net", (long long)pid);
	struct local_target t = { .pid = pid };
	struct stat st;

	if (stat(path, &st) < 0 || target_pid_start(pid, &t.pid_start) < 0)
		return err_set(e, -EINVAL, "Pid: no process has the id %lld", (long long)pid);
	t.netns_dev = st.st_dev;
	t.netns_ino = st.st_ino;
	t.path = TAKE_PTR(path);
	*ret = t;
	return 0;
}

/* Is the process where its mode says? */
static int check_mode(const struct containers *cs, const char *mode, const struct local_target *t,
		      struct err *e)
{
	const struct container *peer;
	const char *container = NULL;
	struct stat host;
	bool in_host;

	if (stat("/proc/self/ns/net", &host) < 0)
		return err_set(e, -errno, "/proc/self/ns/net: %m");
	in_host = host.st_dev == t->netns_dev && host.st_ino == t->netns_ino;
	switch (run_mode_of(mode, &container)) {
	case RUN_HOST:
		return in_host ?
			       0 :
			       err_set(e, -EINVAL,
				       "NetworkMode: host, but process %lld is in another network namespace",
				       (long long)t->pid);
	case RUN_OWN:
	case RUN_NONE:
		return in_host ? err_set(e, -EINVAL,
					 "Pid: process %lld is in the host's own network namespace",
					 (long long)t->pid) :
				 0;
	case RUN_SHARED:
		break;
	}
	peer = containers_get(cs, container);
	if (!peer || peer->state == CONTAINER_ENDING)
		return err_set(e, -ENOENT, "container %s, whose network is to be shared, %s",
			       container, peer ? "is ending" : "not found");
	if (!target_match(&peer->target, t))
		return err_set(
			e, -EINVAL,
			"NetworkMode: process %lld is not in the network namespace of container %s",
			(long long)t->pid, container);
	return 0;
}

int containers_identify(const struct containers *cs, const struct run_create *req,
			struct local_target *ret, struct err *e)
{
	_cleanup_close_ int pidfd = pidfd_open((pid_t)req->pid, 0);
	struct local_target t = { 0 };
	int r;

	if (pidfd < 0)
		return err_set(e, -EINVAL, "Pid: no process has the id %lld", (long long)req->pid);
	r = namespace_of(req->pid, &t, e);
	if (r == 0 && t.pid_start != req->pid_start)
		r = err_set(e, -EINVAL, "PidStart: process %lld started at another time",
			    (long long)req->pid);
	if (r == 0)
		r = check_mode(cs, req->mode, &t, e);
	if (r < 0) {
		target_done(&t);
		return r;
	}
	*ret = t;
	return TAKE_FD(pidfd);
}
