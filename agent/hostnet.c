/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/hostnet.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/strv.h"
#include "overlay/kernel_linux.h"

static void add(struct hostnet_taken *t, struct prefix p, char *who)
{
	t->v = mem_grow(t->v, t->n + 1, sizeof(*t->v));
	t->v[t->n++] = (struct hostnet_entry){ .prefix = p, .who = who };
}

void hostnet_nameservers(const char *text, struct hostnet_taken *ret)
{
	_cleanup_strv_ struct strv lines = { 0 };
	struct ip ip;

	strv_split(&lines, text, '\n');
	for (size_t i = 0; i < lines.n; i++) {
		char *line = lines.v[i] + strspn(lines.v[i], " \t");

		if (strncmp(line, "nameserver", 10) != 0 || strspn(line + 10, " \t") == 0)
			continue;
		line += 10 + strspn(line + 10, " \t");
		line[strcspn(line, " \t\r#;%")] = '\0';
		if (ip_parse(line, &ip, NULL) < 0 || ip_is_loopback(ip))
			continue;
		add(ret, prefix_mask(ip, ip_bits(ip)), mem_printf("nameserver %s", line));
	}
}

void hostnet_read(struct kernel *k, struct hostnet_taken *ret, struct err *e)
{
	struct kernel_linux_taken *t = NULL;
	_cleanup_close_ int fd = -1;
	struct err one = { 0 };
	size_t n = 0;

	if (kernel_linux_taken(k, &t, &n, &one) < 0)
		err_add(e, one.code, "cannot read the host's routes: %s", err_text(&one));
	for (size_t i = 0; i < n; i++)
		add(ret, t[i].prefix, mem_strdup(t[i].who));
	kernel_linux_taken_free(t, n);

	fd = open("/etc/resolv.conf", O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		_cleanup_free_ char *text = mem_alloc(HOSTNET_RESOLV_MAX + 1);
		ssize_t len = read(fd, text, HOSTNET_RESOLV_MAX);

		if (len > 0)
			hostnet_nameservers(text, ret);
	}
}

size_t hostnet_as_taken(const struct hostnet_taken *t, struct subnet_taken **ret)
{
	struct subnet_taken *v = mem_alloc_array(t->n + 1, sizeof(*v));

	for (size_t i = 0; i < t->n; i++)
		v[i] = (struct subnet_taken){ .prefix = t->v[i].prefix, .who = t->v[i].who };
	*ret = v;
	return t->n;
}

void hostnet_done(struct hostnet_taken *t)
{
	for (size_t i = 0; i < t->n; i++)
		free(t->v[i].who);
	free(t->v);
	memset(t, 0, sizeof(*t));
}
