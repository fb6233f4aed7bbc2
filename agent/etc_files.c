/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/etc_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uthash.h>

#include "agent/dns/resolv_conf.h"
#include "agent/etc_file.h"
#include "base/log.h"
#include "base/mem.h"

#define HOST_GATEWAY ":host-gateway"

/* Where a container's files are. */
enum spot { SPOT_RUN, SPOT_NETNS, SPOTS };
static const char *const suffixes[SPOTS] = { ".etc", "" };
enum { FILE_RESOLV, FILE_HOSTS, FILES };
static const char *const file_names[FILES] = { "resolv.conf", "hosts" };

struct kept {
	struct dns_place place;
	char *names[SPOTS]; /* NULL: none there */
	bool warned[SPOTS][FILES]; /* that it is somebody else's */
	UT_hash_handle hh;
};
struct etc_files {
	char *parents[SPOTS]; /* directories in which each container has one */
	struct kept *kept;
};

char *etc_files_dir(const char *state_dir, const char *run_name)
{
	return mem_printf("%s/run/%s%s", state_dir, run_name, suffixes[SPOT_RUN]);
}

struct etc_files *etc_files_new(const char *state_dir, const char *netns_dir)
{
	struct etc_files *f = mem_alloc(sizeof(*f));

	f->parents[SPOT_RUN] = mem_printf("%s/run", state_dir);
	f->parents[SPOT_NETNS] = mem_strdup(netns_dir);
	return f;
}

static void kept_free(struct kept *k)
{
	for (unsigned i = 0; i < SPOTS; i++)
		free(k->names[i]);
	free(k);
}

/* The table first: clang-tidy takes uthash's delete-while-iterating for a use after free. */
static void forget_all(struct etc_files *f)
{
	struct kept *k = f->kept, *next;

	HASH_CLEAR(hh, f->kept);
	for (; k; k = next) {
		next = k->hh.next;
		kept_free(k);
	}
}

void etc_files_free(struct etc_files *f)
{
	if (!f)
		return;
	forget_all(f);
	for (unsigned i = 0; i < SPOTS; i++)
		free(f->parents[i]);
	free(f);
}

/* ---- directories ---- */

/* The directory of @name in @spot, as it is called there; NULL: that is no name of one. */
static char *dir_name(enum spot spot, const char *name)
{
	if (!*name || strchr(name, '/') || strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
	    strlen(name) + strlen(suffixes[spot]) > NAME_MAX)
		return NULL;
	return mem_printf("%s%s", name, suffixes[spot]);
}

static int open_parent(const struct etc_files *f, enum spot spot)
{
	int fd = open(f->parents[spot], O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* Return: a descriptor; -ENOTDIR: something of somebody's has that name; other -errno with the reason. */
static int make_dir(const struct etc_files *f, enum spot spot, const char *dir, bool *ret_made,
		    struct err *e)
{
	_cleanup_close_ int parent = -1;
	int fd = -1;

	if (mkdir(f->parents[spot], 0755) < 0 && errno != EEXIST)
		return err_set(e, -errno, "%s: %s", f->parents[spot], strerror(errno));
	parent = open_parent(f, spot);
	if (parent < 0)
		return err_set(e, parent == -ENOTDIR ? -EEXIST : parent, "%s: %s", f->parents[spot],
			       strerror(-parent));
	*ret_made = mkdirat(parent, dir, 0755) == 0;
	if (*ret_made || errno == EEXIST)
		fd = openat(parent, dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_set(e, errno == ELOOP ? -ENOTDIR : -errno, "%s/%s: %s", f->parents[spot],
			       dir, strerror(errno));
	if (*ret_made)
		(void)fchmod(fd, 0755); /* whatever the umask */
	return fd;
}

/* Was the directory made by us? One of ours in it tells. */
static bool is_dir_ours(int dir)
{
	bool ours = false;

	for (unsigned i = 0; i < FILES && !ours; i++)
		etc_file_owner(dir, file_names[i], &ours);
	return ours;
}

/* Ours of one container; below the state directory everything is, even what was changed. */
static int remove_in(const struct etc_files *f, enum spot spot, int parent, const char *dir,
		     struct err *e)
{
	_cleanup_close_ int fd =
		openat(parent, dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	bool force = spot == SPOT_RUN, with_dir;
	int first = 0;

	if (fd < 0)
		return 0; /* none, or a symlink: nothing of ours */
	with_dir = force || is_dir_ours(fd);
	for (unsigned i = 0; i < FILES; i++) {
		int r = etc_file_remove(fd, file_names[i], force);

		if (r < 0) {
			first = first ? first : r;
			err_add(e, r, "cannot remove %s/%s/%s: %s", f->parents[spot], dir,
				file_names[i], strerror(-r));
		}
	}
	if (with_dir && unlinkat(parent, dir, AT_REMOVEDIR) < 0 && errno != ENOTEMPTY &&
	    errno != EEXIST && errno != ENOENT) {
		first = first ? first : -errno;
		err_add(e, -errno, "cannot remove %s/%s: %s", f->parents[spot], dir,
			strerror(errno));
	}
	/* Empty, it says nothing to anybody; ip-netns(8) does not need it. */
	if (with_dir && spot == SPOT_NETNS)
		rmdir(f->parents[spot]);
	return first;
}

/* Does somebody but @except have that directory? A namespace may have been made again under the same name. */
static bool is_kept(const struct etc_files *f, enum spot spot, const char *dir,
		    const struct kept *except)
{
	struct kept *k, *next;

	HASH_ITER(hh, f->kept, k, next) {
		const char *name = k->names[spot];
		size_t len = name ? strlen(name) : 0;

		if (name && k != except && strncmp(dir, name, len) == 0 &&
		    strcmp(dir + len, suffixes[spot]) == 0)
			return true;
	}
	return false;
}

static int remove_of(const struct etc_files *f, enum spot spot, const struct kept *k, struct err *e)
{
	_cleanup_free_ char *dir = k->names[spot] ? dir_name(spot, k->names[spot]) : NULL;
	_cleanup_close_ int parent = open_parent(f, spot);

	return dir && parent >= 0 && !is_kept(f, spot, dir, k) ?
		       remove_in(f, spot, parent, dir, e) :
		       0;
}

/* ---- one container ---- */

static void warn_theirs(const struct etc_files *f, struct kept *k, enum spot spot, unsigned file)
{
	if (!k->warned[spot][file])
		log_warn("a file of a container is somebody else's: it is left alone",
			 "file=%s/%s%s/%s", f->parents[spot], LOG_Q(k->names[spot]), suffixes[spot],
			 file_names[file]);
	k->warned[spot][file] = true;
}

/* What is to stand in the file; NULL: no such file. */
static char *text_of(const struct etc_files_want *w, unsigned file)
{
	_cleanup_strv_ struct strv extra = { 0 };
	char ip[IP_TEXT_MAX];

	if (file == FILE_RESOLV)
		return ip_is_set(w->server) ?
			       resolv_conf_write(w->server, &w->search, &w->options) :
			       NULL;
	for (size_t i = 0; i < w->extra_hosts.n; i++) {
		const char *host = w->extra_hosts.v[i];
		const char *at = strstr(host, HOST_GATEWAY);
		_cleanup_free_ char *known = NULL;

		/* The server's address is one of this host's, on a network of the container. */
		if (at && strcmp(at, HOST_GATEWAY) == 0 && ip_is_set(w->server))
			known = mem_printf("%.*s:%s", (int)(at - host), host,
					   ip_format(w->server, ip));
		strv_add(&extra, known ? known : host);
	}
	return resolv_hosts_write(&extra, w->addresses, w->n_addresses, &w->names);
}

static int put_file(struct etc_files *f, struct kept *k, enum spot spot, int dir, unsigned file,
		    const char *text, bool with_dir, struct err *e)
{
	_cleanup_free_ char *sealed = NULL;
	struct err one = { 0 };
	bool theirs = false;
	int r;

	/* A mount goes on showing a file that was removed: of a running container it stays, and says nothing. */
	if (!text && spot == SPOT_RUN &&
	    etc_file_owner(dir, file_names[file], NULL) == ETC_FILE_OURS)
		text = RESOLV_MARK "\n";
	if (!text) {
		r = etc_file_remove(dir, file_names[file], false);
		if (r < 0)
			err_set(&one, r, "%s", strerror(-r));
	} else {
		sealed = etc_file_seal(text, with_dir);
		r = etc_file_write(dir, file_names[file], sealed, &theirs, &one);
	}
	if (theirs)
		warn_theirs(f, k, spot, file);
	else
		k->warned[spot][file] = false;
	if (r < 0)
		err_add(e, r, "%s/%s%s/%s: %s", f->parents[spot], k->names[spot], suffixes[spot],
			file_names[file], one.text);
	return r;
}

static int put_spot(struct etc_files *f, struct kept *k, enum spot spot, char *const texts[FILES],
		    struct err *e)
{
	_cleanup_free_ char *dir = dir_name(spot, k->names[spot]);
	_cleanup_close_ int fd = -1;
	struct err one = { 0 };
	bool made = false;
	int first = 0;

	if (!dir) {
		err_add(e, -EINVAL, "\"%.300s\" cannot be the name of a directory in %s",
			k->names[spot], f->parents[spot]);
		return -EINVAL;
	}
	fd = make_dir(f, spot, dir, &made, &one);
	if (fd == -ENOTDIR) {
		warn_theirs(f, k, spot, FILE_RESOLV);
		return 0;
	}
	if (fd < 0) {
		err_add(e, fd, "%s", one.text);
		return fd;
	}
	made = made || is_dir_ours(fd);
	for (unsigned i = 0; i < FILES; i++) {
		int r = put_file(f, k, spot, fd, i, texts[i], made, e);

		if (r < 0 && first == 0)
			first = r;
	}
	return first;
}

static struct kept *find(struct etc_files *f, struct dns_place place)
{
	struct kept *k = NULL;

	HASH_FIND(hh, f->kept, &place, sizeof(place), k);
	return k;
}

static bool is_same(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

int etc_files_put(struct etc_files *f, const struct etc_files_want *w, struct err *e)
{
	const char *names[SPOTS] = { [SPOT_RUN] = w->run_name, [SPOT_NETNS] = w->netns_name };
	char *texts[FILES];
	struct kept *k = find(f, w->place);
	int first = 0;

	if (!k) {
		k = mem_alloc(sizeof(*k));
		k->place = w->place;
		HASH_ADD(hh, f->kept, place, sizeof(k->place), k);
	}
	for (unsigned i = 0; i < FILES; i++)
		texts[i] = text_of(w, i);
	for (enum spot s = 0; s < SPOTS; s++) {
		int r = 0;

		if (!is_same(k->names[s], names[s])) {
			r = remove_of(f, s, k, e);
			free(k->names[s]);
			k->names[s] = mem_strdup(names[s]);
			memset(k->warned[s], 0, sizeof(k->warned[s]));
		}
		first = first ? first : r;
		r = names[s] ? put_spot(f, k, s, texts, e) : 0;
		first = first ? first : r;
	}
	for (unsigned i = 0; i < FILES; i++)
		free(texts[i]);
	return first;
}

void etc_files_del(struct etc_files *f, struct dns_place place)
{
	struct kept *k = find(f, place);
	struct err e = { 0 };

	if (!k)
		return;
	for (enum spot s = 0; s < SPOTS; s++)
		remove_of(f, s, k, &e);
	if (e.code < 0)
		log_warn("files of a container stay behind", "err=%s", LOG_Q(e.text));
	HASH_DEL(f->kept, k);
	kept_free(k);
}

/* ---- all of them ---- */

static bool is_candidate(enum spot spot, const char *dir)
{
	size_t len = strlen(dir), suffix = strlen(suffixes[spot]);

	if (strcmp(dir, ".") == 0 || strcmp(dir, "..") == 0)
		return false;
	return len > suffix && strcmp(dir + len - suffix, suffixes[spot]) == 0;
}

/* Of a namespace that is there: of another agent on this machine (each host of a lab is one), or nobody asks for it yet. */
static bool is_alive(enum spot spot, const char *dir)
{
	_cleanup_free_ char *path = mem_printf("%s/%s", ETC_FILES_NETNS_RUN, dir);

	return spot == SPOT_NETNS && access(path, F_OK) == 0;
}

static int sweep_spot(struct etc_files *f, enum spot spot, struct err *e)
{
	_cleanup_strv_ struct strv found = { 0 };
	DIR *folder = opendir(f->parents[spot]);
	struct dirent *d;
	int first = 0;

	if (!folder) {
		first = errno == ENOENT ? 0 : -errno;
		if (first < 0)
			err_add(e, first, "%s: %s", f->parents[spot], strerror(-first));
		return first;
	}
	while ((d = readdir(folder))) {
		if (is_candidate(spot, d->d_name) && !is_kept(f, spot, d->d_name, NULL) &&
		    !is_alive(spot, d->d_name))
			strv_add(&found, d->d_name);
	}
	for (size_t i = 0; i < found.n; i++) {
		int r = remove_in(f, spot, dirfd(folder), found.v[i], e);

		first = first ? first : r;
	}
	closedir(folder);
	return first;
}

void etc_files_sweep(struct etc_files *f)
{
	struct err e = { 0 };

	for (enum spot s = 0; s < SPOTS; s++)
		sweep_spot(f, s, &e);
	if (e.code < 0)
		log_warn("files of containers that are gone stay behind", "err=%s", LOG_Q(e.text));
}

int etc_files_remove_all(struct etc_files *f, struct err *e)
{
	int first = 0;

	for (struct kept *k = f->kept; k; k = k->hh.next) {
		for (enum spot s = 0; s < SPOTS; s++)
			remove_of(f, s, k, e);
	}
	forget_all(f);
	first = e ? e->code : 0;
	for (enum spot s = 0; s < SPOTS; s++) {
		int r = sweep_spot(f, s, e);

		first = first ? first : r;
	}
	return first;
}
