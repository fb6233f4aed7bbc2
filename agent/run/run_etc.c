/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/run/run_etc.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/mem.h"

#define ETC "/etc"
#define TRIES 20 /* a file that is just being replaced cannot be mounted over for a moment */
#define TRY_MS 50

static const char *const targets[RUN_ETC_FILES] = { ETC "/resolv.conf", ETC "/hosts" };

void run_etc_init(struct run_etc *etc)
{
	*etc = (struct run_etc){ .root = -1, .source = { -1, -1 }, .mounts = -1, .changes = -1 };
}

/* Symbolic links are followed from the root that this namespace began with. Return: a descriptor, -errno. */
static int open_target(const struct run_etc *etc, const char *path)
{
	const struct open_how how = { .flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT };
	long fd = syscall(SYS_openat2, etc->root, path, &how, sizeof(how));

	return fd < 0 ? -errno : (int)fd;
}

static bool is_mount(int fd)
{
	struct statx st;

	return statx(fd, "", AT_EMPTY_PATH, 0, &st) == 0 &&
	       (st.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

/* By descriptors: /proc need not be where it was. Return: 0, -errno. */
static int mount_over(int source, int target)
{
	_cleanup_close_ int tree =
		open_tree(source, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);

	if (tree < 0 ||
	    move_mount(tree, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return -errno;
	return 0;
}

/* @anyhow: also over a mount that is there. Return: 0, -errno. */
static int put(const struct run_etc *etc, size_t i, bool anyhow)
{
	_cleanup_close_ int target = open_target(etc, targets[i]);

	if (target < 0)
		return target;
	return anyhow || !is_mount(target) ? mount_over(etc->source[i], target) : 0;
}

static void say(struct run_log *log, size_t i, int r)
{
	_cleanup_free_ char *line =
		r == -ENOENT ?
			mem_printf("ovl-run: the host has no %s: the container has none either\n",
				   targets[i]) :
			mem_printf("ovl-run: %s stays the host's: %s\n", targets[i], strerror(-r));

	run_log_write(log, line, strlen(line));
}

/* Without either of them the mounts hold as long as the host leaves its files alone. */
static void watch(struct run_etc *etc)
{
	etc->mounts = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	etc->changes = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (etc->changes >= 0)
		inotify_add_watch(etc->changes, ETC, IN_CREATE | IN_MOVED_TO | IN_ONLYDIR);
}

void run_etc_start(struct run_etc *etc, const char *resolv_conf, const char *hosts,
		   struct run_log *log)
{
	const char *const sources[RUN_ETC_FILES] = { resolv_conf, hosts };
	bool any = false;

	etc->root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	for (size_t i = 0; i < RUN_ETC_FILES; i++) {
		if (sources[i])
			etc->source[i] = open(sources[i], O_PATH | O_NOFOLLOW | O_CLOEXEC);
		any = any || etc->source[i] >= 0;
	}
	if (!any || etc->root < 0)
		return;
	/* First: what changes while it is mounted is seen. */
	watch(etc);
	for (size_t i = 0; i < RUN_ETC_FILES; i++) {
		int r = etc->source[i] < 0 ? 0 : put(etc, i, true);

		if (r < 0)
			say(log, i, r);
	}
}

size_t run_etc_poll(const struct run_etc *etc, struct pollfd ret[RUN_ETC_FDS])
{
	size_t n = 0;

	/* proc(5): a change of the mounts is POLLERR and POLLPRI. */
	if (etc->mounts >= 0)
		ret[n++] = (struct pollfd){ .fd = etc->mounts, .events = POLLPRI };
	if (etc->changes >= 0)
		ret[n++] = (struct pollfd){ .fd = etc->changes, .events = POLLIN };
	return n;
}

int run_etc_timeout(const struct run_etc *etc)
{
	return etc->tries > 0 ? TRY_MS : -1;
}

void run_etc_look(struct run_etc *etc, bool asked)
{
	char events[4096];
	bool all = true;

	while (etc->changes >= 0 && read(etc->changes, events, sizeof(events)) > 0)
		;
	for (size_t i = 0; i < RUN_ETC_FILES; i++) {
		if (etc->source[i] >= 0 && put(etc, i, false) < 0)
			all = false;
	}
	if (asked)
		etc->tries = TRIES;
	if (all)
		etc->tries = 0;
	else if (etc->tries > 0)
		etc->tries--;
}

void run_etc_done(struct run_etc *etc)
{
	mem_closep(&etc->root);
	for (size_t i = 0; i < RUN_ETC_FILES; i++)
		mem_closep(&etc->source[i]);
	mem_closep(&etc->mounts);
	mem_closep(&etc->changes);
	run_etc_init(etc);
}
