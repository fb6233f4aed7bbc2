/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What only the kernel and /etc know; apart, so that a test can put its own in their place. */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "agent/dns/resolv_conf.h"
#include "agent/hostnet.h"
#include "base/mem.h"
#include "overlay/kernel_linux.h"

void hostnet_read(struct kernel *k, struct hostnet_taken *ret, struct err *e)
{
	struct kernel_linux_taken *t = NULL;
	_cleanup_close_ int fd = -1;
	struct err one = { 0 };
	size_t n = 0;

	if (kernel_linux_taken(k, &t, &n, &one) < 0)
		err_add(e, one.code, "cannot read the host's routes: %s", err_text(&one));
	for (size_t i = 0; i < n; i++)
		hostnet_add(ret, t[i].prefix, t[i].who, t[i].dev, t[i].own);
	kernel_linux_taken_free(t, n);

	fd = open("/etc/resolv.conf", O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		_cleanup_free_ char *text = mem_alloc(RESOLV_CONF_MAX + 1);
		ssize_t len = read(fd, text, RESOLV_CONF_MAX);

		if (len > 0)
			hostnet_nameservers(text, ret);
	}
}

int hostnet_device(struct kernel *k, const char *ifname, bool *ret_own, struct err *e)
{
	return kernel_linux_device(k, ifname, ret_own, e);
}

int hostnet_parent(struct kernel *k, const char *ifname, struct err *e)
{
	return kernel_linux_parent(k, ifname, e);
}
