/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/forwarding.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"

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

int forwarding_need(struct kernel *k, struct local *l, int family, struct err *e)
{
	size_t i = family == AF_INET ? 0 : 1;
	struct err le = { 0 };
	bool changed = false;
	int r = k->ops->forwarding(k, family, &changed, e);

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

static int switch_off(const char *path)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd < 0 || write(fd, "0", 1) != 1 ? -errno : 0;
}

int forwarding_undo(struct local *l, struct err *e)
{
	int status = 0;

	for (size_t i = 0; i < ARRAY_SIZE(switches); i++) {
		_cleanup_free_ char *was = NULL;
		int r;

		if (local_get(l, switches[i].key, &was) < 0 || strcmp(was, "0") != 0)
			continue;
		r = switch_off(switches[i].path);
		if (r == 0)
			log_info("switched off again", "sysctl=%s", switches[i].name);
		else if (status == 0)
			status = err_set(e, r, "%s cannot be switched off: %s", switches[i].name,
					 strerror(-r));
	}
	return status;
}
