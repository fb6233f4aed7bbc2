/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/containers_log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

#define SUFFIX ".log"

int containers_log_mkdir(const char *state_dir, struct err *e)
{
	_cleanup_free_ char *dir = mem_printf("%s/run", state_dir);

	if (mkdir(dir, 0700) < 0 && errno != EEXIST)
		return err_set(e, -errno, "cannot make %s: %m", dir);
	return 0;
}

struct old_log {
	char *name; /* of the container */
	struct timespec at;
};

static int newest_first(const void *a, const void *b)
{
	const struct old_log *x = a, *y = b;

	if (x->at.tv_sec != y->at.tv_sec)
		return x->at.tv_sec < y->at.tv_sec ? 1 : -1;
	if (x->at.tv_nsec != y->at.tv_nsec)
		return x->at.tv_nsec < y->at.tv_nsec ? 1 : -1;
	return strcmp(x->name, y->name);
}

static size_t list(DIR *dir, bool (*used)(void *user, const char *name), void *user,
		   struct old_log **ret)
{
	struct old_log *v = NULL;
	const struct dirent *d;
	size_t n = 0;

	while ((d = readdir(dir))) {
		size_t len = strlen(d->d_name);
		struct stat st;

		if (len <= strlen(SUFFIX) ||
		    strcmp(d->d_name + len - strlen(SUFFIX), SUFFIX) != 0 ||
		    fstatat(dirfd(dir), d->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;

		_cleanup_free_ char *name = mem_strndup(d->d_name, len - strlen(SUFFIX));

		if (used(user, name))
			continue;
		v = mem_grow(v, n + 1, sizeof(*v));
		v[n++] = (struct old_log){ TAKE_PTR(name), st.st_mtim };
	}
	*ret = v;
	return n;
}

void containers_log_prune(const char *state_dir, unsigned keep,
			  bool (*used)(void *user, const char *name), void *user)
{
	_cleanup_free_ char *path = mem_printf("%s/run", state_dir);
	_cleanup_free_ struct old_log *v = NULL;
	DIR *dir = opendir(path);
	size_t n;

	if (!dir)
		return;
	n = list(dir, used, user, &v);
	if (n > keep)
		qsort(v, n, sizeof(*v), newest_first);
	for (size_t i = 0; i < n; i++) {
		if (i >= keep) {
			_cleanup_free_ char *log = mem_printf("%s" SUFFIX, v[i].name);
			_cleanup_free_ char *older = mem_printf("%s" SUFFIX ".1", v[i].name);

			unlinkat(dirfd(dir), log, 0);
			unlinkat(dirfd(dir), older, 0);
		}
		free(v[i].name);
	}
	closedir(dir);
}
