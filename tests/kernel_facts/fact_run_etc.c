/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A file mounted over another: whoever renames a third one onto that place, in whatever mount namespace, takes the mount away everywhere
 * (detach_mounts() in the kernel's fs/namespace.c, since 3.18); /proc/self/mountinfo polls for it. Writing in place leaves it. That is why
 * agent/run/run_etc.c looks after its mounts.
 */
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEADLINE_MS 20000

static char dir[] = "/tmp/ovl-fact-etc-XXXXXX";
static char target[64], source[64], fresh[64];

static void fact(bool holds, const char *what)
{
	printf("%s: %s\n", holds ? "holds" : "DOES NOT HOLD", what);
	if (!holds)
		exit(1);
}

static void put(const char *path, const char *text)
{
	int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		exit(2);
	close(fd);
}

static char first_of(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char c = 0;

	if (fd < 0 || read(fd, &c, 1) < 0)
		exit(2);
	close(fd);
	return c;
}

static bool is_mount(const char *path)
{
	struct statx st;

	return statx(AT_FDCWD, path, 0, 0, &st) == 0 &&
	       (st.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

static void turn(int to, int from)
{
	char c = 0;

	if (write(to, "x", 1) != 1 || read(from, &c, 1) != 1)
		exit(2);
}

/* In a mount namespace of its own: the mount, and what becomes of it while the parent works in its. */
static void inside(int to, int from)
{
	struct pollfd p = { .events = POLLPRI };

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0 ||
	    mount(source, target, NULL, MS_BIND, NULL) < 0)
		exit(2);
	fact(first_of(target) == 's' && is_mount(target), "inside the mounted file is seen");
	p.fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	turn(to, from);
	fact(first_of(target) == 's' && is_mount(target),
	     "what is written into the file underneath leaves the mount");
	fact(poll(&p, 1, 0) == 0, "mountinfo is silent");
	turn(to, from);
	fact(poll(&p, 1, DEADLINE_MS) == 1, "mountinfo tells of the mount that went");
	fact(first_of(target) == 'f' && !is_mount(target),
	     "a file renamed onto the place outside: the mount inside is gone");
	exit(0);
}

int main(void)
{
	int up[2], down[2], status;
	char c;
	pid_t pid;

	if (!mkdtemp(dir) || unshare(CLONE_NEWNS) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("none", dir, "tmpfs", 0, NULL) < 0 ||
	    mount(NULL, dir, NULL, MS_REC | MS_SHARED, NULL) < 0 || pipe(up) < 0 || pipe(down) < 0)
		return 2;
	snprintf(target, sizeof(target), "%s/target", dir);
	snprintf(source, sizeof(source), "%s/source", dir);
	snprintf(fresh, sizeof(fresh), "%s/fresh", dir);
	put(target, "t");
	put(source, "s");
	put(fresh, "f");
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		close(up[0]);
		close(down[1]);
		inside(up[1], down[0]);
	}
	close(up[1]);
	close(down[0]);
	if (read(up[0], &c, 1) != 1)
		return 1;
	fact(first_of(target) == 't' && !is_mount(target), "outside nothing is seen of it");
	put(target, "u");
	if (write(down[1], "x", 1) != 1 || read(up[0], &c, 1) != 1)
		return 1;
	if (rename(fresh, target) < 0 || write(down[1], "x", 1) != 1)
		return 2;
	waitpid(pid, &status, 0);
	umount2(dir, MNT_DETACH);
	rmdir(dir);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
