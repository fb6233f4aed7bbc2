/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A mount namespace whose mounts are private keeps what the host unmounts: a network namespace at /run/netns/NAME would live on in it.
 * With slave mounts it follows, and what is mounted inside still stays inside (agent/run/run_ns.c).
 */
#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[] = "/tmp/ovl-fact-mounts-XXXXXX";
static char file[64], inside[64];

static void fact(bool holds, const char *what)
{
	printf("%s: %s\n", holds ? "holds" : "DOES NOT HOLD", what);
	if (!holds)
		exit(1);
}

static bool is_namespace(void)
{
	struct statfs fs;

	return statfs(file, &fs) == 0 && fs.f_type == NSFS_MAGIC;
}

/* A process in a mount namespace of its own, with @propagation, tells by its exit status whether the namespace is still mounted there. */
static bool survives(unsigned long propagation)
{
	int ready[2], go[2], status;
	char c = 0;
	pid_t pid;

	if (mount("/proc/self/ns/net", file, NULL, MS_BIND, NULL) < 0 || pipe(ready) < 0 ||
	    pipe(go) < 0)
		exit(2);
	pid = fork();
	if (pid == 0) {
		close(go[1]);
		if (unshare(CLONE_NEWNS) < 0 ||
		    mount(NULL, "/", NULL, MS_REC | propagation, NULL) < 0 ||
		    mount("none", inside, "tmpfs", 0, NULL) < 0 || write(ready[1], "x", 1) != 1 ||
		    read(go[0], &c, 1) < 0)
			_exit(2);
		_exit(is_namespace() ? 1 : 0);
	}
	close(ready[1]);
	close(go[0]);
	if (read(ready[0], &c, 1) != 1)
		exit(2);
	fact(access("/proc/self", F_OK) == 0 && umount2(inside, UMOUNT_NOFOLLOW) < 0,
	     "a mount made inside is not seen outside");
	umount2(file, MNT_DETACH);
	close(go[1]);
	close(ready[0]);
	waitpid(pid, &status, 0);
	if (!WIFEXITED(status) || WEXITSTATUS(status) > 1)
		exit(2);
	return WEXITSTATUS(status) == 1;
}

int main(void)
{
	bool kept, followed;

	/* As systemd and ip-netns(8) have it: shared mounts, in a namespace of this test's own. */
	if (!mkdtemp(dir) || unshare(CLONE_NEWNS) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("none", dir, "tmpfs", 0, NULL) < 0 ||
	    mount(NULL, dir, NULL, MS_REC | MS_SHARED, NULL) < 0)
		return 2;
	snprintf(file, sizeof(file), "%s/ns", dir);
	snprintf(inside, sizeof(inside), "%s/inside", dir);
	close(open(file, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	if (access(file, F_OK) < 0 || mkdir(inside, 0700) < 0)
		return 2;
	kept = survives(MS_PRIVATE);
	followed = !survives(MS_SLAVE);
	umount2(dir, MNT_DETACH);
	rmdir(dir);
	fact(kept, "private: the host's unmount does not reach it, the namespace lives on");
	fact(followed, "slave: the host's unmount reaches it");
	return 0;
}
