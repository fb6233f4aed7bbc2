/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/run/run_ns.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/proc.h"

static int lo_up(struct err *e)
{
	_cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq req = { .ifr_name = "lo" };

	if (fd < 0 || ioctl(fd, SIOCGIFFLAGS, &req) < 0)
		return err_set(e, -errno, "cannot read the state of lo: %m");
	req.ifr_flags |= IFF_UP;
	if (ioctl(fd, SIOCSIFFLAGS, &req) < 0)
		return err_set(e, -errno, "cannot set lo up: %m");
	return 0;
}

/*
 * A sysfs shows the network namespace of who mounted it: /sys/class/net needs a mount of its own, over which the host's control
 * groups are put back. A host that forbids it only lacks that view.
 */
static void mount_sysfs(void)
{
	_cleanup_close_ int cgroup = open("/sys/fs/cgroup", O_PATH | O_DIRECTORY | O_CLOEXEC);
	char from[64];

	if (mount("sysfs", "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
		return;
	if (cgroup < 0)
		return;
	snprintf(from, sizeof(from), "/proc/self/fd/%d", cgroup);
	mount(from, "/sys/fs/cgroup", NULL, MS_BIND | MS_REC, NULL);
}

/* Into the network namespace of a supervisor, if it is still the one that was told of. */
static int join(const struct run_ns_peer *peer, struct err *e)
{
	_cleanup_close_ int fd = pidfd_open((pid_t)peer->pid, 0);
	uint64_t start;

	/* Opened first: if the start time is right then, the descriptor is of that process for ever. */
	if (fd < 0 || proc_start(peer->pid, &start) < 0 || start != peer->pid_start)
		return err_set(e, -ESRCH, "container %s has just ended", peer->name);
	if (setns(fd, CLONE_NEWNET) < 0) {
		int r = -errno;

		return err_set(e, r, "cannot join the network of container %s: %s", peer->name,
			       r == -ESRCH ? "it has just ended" : strerror(-r));
	}
	return 0;
}

static bool is_new(enum run_mode mode)
{
	return mode == RUN_OWN || mode == RUN_NONE;
}

int run_ns_enter(enum run_mode mode, const struct run_ns_peer *peer, struct err *e)
{
	int flags = CLONE_NEWNS | CLONE_NEWUTS | (is_new(mode) ? CLONE_NEWNET : 0);
	int r = mode == RUN_SHARED ? join(peer, e) : 0;

	if (r < 0)
		return r;
	if (unshare(flags) < 0) {
		r = -errno;
		if (r == -EPERM)
			return err_set(e, r, "cannot make namespaces: only root may");
		return err_set(e, r, "cannot make namespaces: %s", strerror(-r));
	}
	if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
		return err_set(e, -errno, "cannot separate the mounts: %m");
	if (mode != RUN_HOST)
		mount_sysfs();
	return is_new(mode) ? lo_up(e) : 0;
}

int run_ns_hostname(const char *name, struct err *e)
{
	if (sethostname(name, strnlen(name, HOST_NAME_MAX)) < 0)
		return err_set(e, -errno, "cannot set the host name: %m");
	return 0;
}
