/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "overlay/sysctl_host.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include "base/mem.h"

#define ROOT "/proc/sys/net/"
#define CONF6 "ipv6/conf/"
#define ACCEPT_RA "/accept_ra"
#define PATH_LEN_MAX 128
#define VALUE_MAX 16
#define INTERFACES_MAX 65536 /* looked at */

static void full_path(const char *path, char ret[PATH_LEN_MAX])
{
	snprintf(ret, PATH_LEN_MAX, ROOT "%s", path);
}

static bool is_value(const char *path, const char *value)
{
	char full[PATH_LEN_MAX], have[VALUE_MAX];
	ssize_t n;

	full_path(path, full);
	_cleanup_close_ int fd = open(full, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, have, sizeof(have) - 1);
	if (n < 0)
		return false;
	while (n > 0 && (have[n - 1] == '\n' || have[n - 1] == ' '))
		n--;
	have[n] = '\0';
	return strcmp(have, value) == 0;
}

static int write_value(const char *path, const char *value)
{
	char full[PATH_LEN_MAX];

	full_path(path, full);
	_cleanup_close_ int fd = open(full, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	return write(fd, value, strlen(value)) < 0 ? -errno : 0;
}

static void accept_ra_path(const char *ifname, char ret[PATH_LEN_MAX])
{
	snprintf(ret, PATH_LEN_MAX, CONF6 "%.63s" ACCEPT_RA, ifname);
}

/* `all` means nothing to this setting, and `default` would let containers' advertisements in on bridges to come. */
static bool is_interface(const char *name)
{
	return name[0] != '.' && strcmp(name, "all") != 0 && strcmp(name, "default") != 0 &&
	       strcmp(name, "lo") != 0;
}

static int keep_routes(unsigned *writes, struct err *e)
{
	DIR *folder = opendir(ROOT CONF6);
	struct dirent *d;
	int r = 0;

	for (unsigned n = 0; folder && r == 0 && n < INTERFACES_MAX && (d = readdir(folder)); n++) {
		char path[PATH_LEN_MAX];

		accept_ra_path(d->d_name, path);
		if (!is_interface(d->d_name) || !is_value(path, "1"))
			continue;
		r = write_value(path, "2");
		if (r == -ENOENT)
			r = 0; /* the interface has gone */
		else if (r < 0)
			err_set(e, r, ROOT "%s: write 2: %s", path, strerror(-r));
		else
			(*writes)++;
	}
	if (folder)
		closedir(folder);
	return r;
}

int sysctl_host_forwarding(int family, bool *ret_changed, unsigned *ret_writes, struct err *e)
{
	const char *path = family == AF_INET6 ? CONF6 "all/forwarding" : "ipv4/ip_forward";
	unsigned writes = 0;
	int r = 0;

	*ret_writes = 0;
	if (is_value(path, "1")) {
		*ret_changed = false;
		return 0;
	}
	if (family == AF_INET6 && access(ROOT "ipv6", F_OK) < 0)
		return err_set(e, -EAFNOSUPPORT, "this kernel has no IPv6 to forward");
	if (family == AF_INET6)
		r = keep_routes(&writes, e);
	if (r == 0) {
		r = write_value(path, "1");
		if (r < 0)
			err_set(e, r, "cannot switch on forwarding: " ROOT "%s: write 1: %s", path,
				strerror(-r));
		else
			writes++;
	}
	*ret_writes = writes;
	if (r == 0)
		*ret_changed = true;
	return r;
}

unsigned sysctl_host_refuse_ra(const char *ifname)
{
	char path[PATH_LEN_MAX];

	accept_ra_path(ifname, path);
	return !is_value(path, "0") && write_value(path, "0") == 0;
}
