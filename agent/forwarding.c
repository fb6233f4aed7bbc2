/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/forwarding.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/strv.h"

#define CONF6 "/proc/sys/net/ipv6/conf"
#define ACCEPT_RA_KEY \
	"sysctl:net.ipv6.conf.accept_ra" /* names of interfaces that had 1, with a blank between */
#define PATH_LEN_MAX 128
#define INTERFACES_MAX 4096 /* remembered */

static const struct {
	int family;
	const char *name; /* as sysctl(8) says it */
	const char *key, *path;
} switches[] = {
	{ AF_INET, "net.ipv4.ip_forward", "sysctl:net.ipv4.ip_forward",
	  "/proc/sys/net/ipv4/ip_forward" },
	{ AF_INET6, "net.ipv6.conf.all.forwarding", "sysctl:net.ipv6.conf.all.forwarding",
	  "/proc/sys/net/ipv6/conf/all/forwarding" },
};

/* A sysctl of one character. */
static char read_switch(const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	char c = '\0';

	return fd >= 0 && read(fd, &c, 1) == 1 ? c : '\0';
}

static int write_switch(const char *path, char value)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd < 0 || write(fd, &value, 1) != 1 ? -errno : 0;
}

static void accept_ra_path(const char *ifname, char ret[PATH_LEN_MAX])
{
	snprintf(ret, PATH_LEN_MAX, CONF6 "/%.63s/accept_ra", ifname);
}

static bool is_interface(const char *name)
{
	return name[0] != '.' && strcmp(name, "all") != 0 && strcmp(name, "default") != 0;
}

/* To forward, the kernel's verb changes accept_ra of interfaces where it is 1: what they are is remembered first, beside those of earlier times. */
static void remember_accept_ra(struct local *l)
{
	_cleanup_strv_ struct strv names = { 0 };
	_cleanup_free_ char *before = NULL;
	_cleanup_buf_ struct buf now;
	struct err e = { 0 };
	struct dirent *d;
	DIR *folder;

	buf_init(&now, (size_t)INTERFACES_MAX * IFNAMSIZ);
	if (local_get(l, ACCEPT_RA_KEY, &before) == 0)
		strv_split(&names, before, ' ');
	folder = opendir(CONF6);
	while (folder && names.n < INTERFACES_MAX && (d = readdir(folder))) {
		char path[PATH_LEN_MAX];

		accept_ra_path(d->d_name, path);
		if (is_interface(d->d_name) && read_switch(path) == '1' &&
		    !strv_has(&names, d->d_name))
			strv_add(&names, d->d_name);
	}
	if (folder)
		closedir(folder);
	for (size_t i = 0; i < names.n; i++)
		buf_printf(&now, "%s%s", i ? " " : "", names.v[i]);
	if (names.n > 0 && local_set(l, ACCEPT_RA_KEY, now.data, &e) < 0)
		log_error("cannot remember how router advertisements were taken", "err=%s",
			  LOG_Q(err_text(&e)));
}

static void undo_accept_ra(struct local *l)
{
	_cleanup_strv_ struct strv names = { 0 };
	_cleanup_free_ char *text = NULL;

	if (local_get(l, ACCEPT_RA_KEY, &text) < 0)
		return;
	strv_split(&names, text, ' ');
	for (size_t i = 0; i < names.n; i++) {
		char path[PATH_LEN_MAX];

		accept_ra_path(names.v[i], path);
		/* Otherwise it is another's by now; an interface may have gone. */
		if (read_switch(path) == '2')
			(void)write_switch(path, '1');
	}
}

int forwarding_need(struct kernel *k, struct local *l, int family, struct err *e)
{
	size_t i = family == AF_INET ? 0 : 1;
	struct err le = { 0 };
	bool changed = false;
	int r;

	if (family == AF_INET6 && read_switch(switches[i].path) == '0')
		remember_accept_ra(l);
	r = k->ops->forwarding(k, family, &changed, e);
	if (r < 0) {
		err_prefix(e, "%s cannot be switched on", switches[i].name);
		return r;
	}
	if (!changed)
		return 0;
	log_info("switched on, for containers to reach the outside", "sysctl=%s", switches[i].name);
	if (local_set(l, switches[i].key, "0", &le) < 0)
		log_error("cannot remember that a sysctl was off", "sysctl=%s err=%s",
			  switches[i].name, LOG_Q(err_text(&le)));
	return 1;
}

int forwarding_undo(struct local *l, struct err *e)
{
	int status = 0;

	for (size_t i = 0; i < ARRAY_SIZE(switches); i++) {
		_cleanup_free_ char *was = NULL;
		int r;

		if (local_get(l, switches[i].key, &was) < 0 || strcmp(was, "0") != 0)
			continue;
		r = write_switch(switches[i].path, '0');
		if (r == 0)
			log_info("switched off again", "sysctl=%s", switches[i].name);
		else if (status == 0)
			status = err_set(e, r, "%s cannot be switched off: %s", switches[i].name,
					 strerror(-r));
	}
	undo_accept_ra(l);
	return status;
}

bool forwarding_is_off(int family)
{
	for (size_t i = 0; i < ARRAY_SIZE(switches); i++) {
		if (switches[i].family == family)
			return read_switch(switches[i].path) == '0';
	}
	return false;
}

const char *forwarding_name(int family)
{
	for (size_t i = 0; i < ARRAY_SIZE(switches); i++) {
		if (switches[i].family == family)
			return switches[i].name;
	}
	return "";
}
