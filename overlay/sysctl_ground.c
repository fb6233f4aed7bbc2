/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "overlay/sysctl_ground.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include "base/mem.h"
#include "overlay/netns.h"

#define SYSCTL_ROOT "/proc/sys/net/"
#define SYSCTL_PATH_MAX 128
#define SYSCTL_VALUE_MAX 64

/* Below /proc/sys/net, which shows the namespace of the thread that opens (fact_nft_sysctl.c). */
struct setting {
	const char *path;
	const char *value;
	bool unless_host; /* left alone where the host's namespace has another value in `all` and `default` */
};
static const struct setting settings[] = {
	/* Before any rule: with 1, a forward chain that drops kills bridged frames. */
	{ "bridge/bridge-nf-call-iptables", "0" },
	{ "bridge/bridge-nf-call-ip6tables", "0" },
	{ "bridge/bridge-nf-call-arptables", "0" },
	/* First of its family: it sets accept_redirects of `all` to its opposite (inet_forward_change()). */
	{ "ipv4/ip_forward", "0" },
	{ "ipv4/conf/all/accept_redirects", "0" },
	{ "ipv4/conf/default/accept_redirects", "0" },
	/* No network answers ARP for another's gateway. */
	{ "ipv4/conf/all/arp_ignore", "1" },
	{ "ipv4/conf/default/arp_ignore", "1" },
	/* Neighbour entries outlive the bridge's carrier, which goes with its last port. */
	{ "ipv4/conf/all/arp_evict_nocarrier", "0" },
	{ "ipv4/conf/default/arp_evict_nocarrier", "0" },
	{ "ipv6/conf/all/ndisc_evict_nocarrier", "0" },
	{ "ipv6/conf/default/ndisc_evict_nocarrier", "0" },
	{ "ipv6/conf/all/forwarding", "0" },
	{ "ipv6/conf/default/forwarding", "0" },
	{ "ipv6/conf/all/accept_ra", "0" },
	{ "ipv6/conf/default/accept_ra", "0" },
	{ "ipv6/conf/all/autoconf", "0" },
	{ "ipv6/conf/default/autoconf", "0" },
	{ "ipv6/conf/all/accept_redirects", "0" },
	{ "ipv6/conf/default/accept_redirects", "0" },
	{ "ipv6/conf/all/disable_ipv6", "0", .unless_host = true },
	{ "ipv6/conf/default/disable_ipv6", "0", .unless_host = true },
};

static int read_value(const char *path, char ret[SYSCTL_VALUE_MAX])
{
	char full[SYSCTL_PATH_MAX];

	snprintf(full, sizeof(full), SYSCTL_ROOT "%s", path);
	_cleanup_close_ int fd = open(full, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ssize_t n = read(fd, ret, SYSCTL_VALUE_MAX - 1);
	if (n < 0)
		return -errno;
	while (n > 0 && (ret[n - 1] == '\n' || ret[n - 1] == ' '))
		n--;
	ret[n] = '\0';
	return 0;
}

static int write_value(const char *path, const char *value)
{
	char full[SYSCTL_PATH_MAX];

	snprintf(full, sizeof(full), SYSCTL_ROOT "%s", path);
	_cleanup_close_ int fd = open(full, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	return write(fd, value, strlen(value)) < 0 ? -errno : 0;
}

static bool is_on(const char *path)
{
	char value[SYSCTL_VALUE_MAX];

	return read_value(path, value) == 0 && strcmp(value, "0") != 0;
}

static bool ipv6_disabled(void)
{
	return is_on("ipv6/conf/all/disable_ipv6") && is_on("ipv6/conf/default/disable_ipv6");
}

struct work {
	bool host_without_ipv6;
	bool make;
	unsigned writes;
	struct err *e;
};

/* One setting. Return: 0, -ESTALE when it differs and is not to be made, or an error. */
static int settle(const struct setting *s, struct work *w)
{
	char value[SYSCTL_VALUE_MAX];

	if (s->unless_host && w->host_without_ipv6)
		return 0;
	int r = read_value(s->path, value);
	if (r == -ENOENT)
		return 0;
	if (r)
		return err_set(w->e, r, SYSCTL_ROOT "%s: %s", s->path, strerror(-r));
	if (strcmp(value, s->value) == 0)
		return 0;
	if (!w->make) {
		err_add(w->e, -ESTALE, SYSCTL_ROOT "%s of the overlay namespace is %s, not %s",
			s->path, value, s->value);
		return -ESTALE;
	}
	r = write_value(s->path, s->value);
	if (r)
		err_add(w->e, r, SYSCTL_ROOT "%s of the overlay namespace: write %s: %s", s->path,
			s->value, strerror(-r));
	else
		w->writes++;
	return r;
}

static int settle_all(void *arg)
{
	struct work *w = arg;
	int first = 0;

	for (size_t i = 0; i < ARRAY_SIZE(settings); i++) {
		int r = settle(&settings[i], w);
		if (r && !first)
			first = r;
	}
	return first;
}

int sysctl_ground_check(int overlay_nsfd, struct err *e)
{
	struct work w = { .host_without_ipv6 = ipv6_disabled(), .e = e };

	return netns_call(overlay_nsfd, settle_all, &w);
}

int sysctl_ground_make(int overlay_nsfd, unsigned *ret_writes, struct err *e)
{
	struct work w = { .host_without_ipv6 = ipv6_disabled(), .make = true, .e = e };
	int r = netns_call(overlay_nsfd, settle_all, &w);

	*ret_writes = w.writes;
	return r;
}

static int ipv6_usable(void *arg)
{
	(void)arg;
	return access(SYSCTL_ROOT "ipv6/conf/all/disable_ipv6", F_OK) == 0 &&
	       !is_on("ipv6/conf/all/disable_ipv6") && !is_on("ipv6/conf/default/disable_ipv6");
}

bool sysctl_ground_ipv6(int overlay_nsfd)
{
	return netns_call(overlay_nsfd, ipv6_usable, NULL) == 1;
}
