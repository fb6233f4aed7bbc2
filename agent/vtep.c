/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/vtep.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "overlay/kernel_linux.h"

/* TEST-NET-3 (RFC 5737) and its IPv6 like (RFC 3849): asked of the routing table only, nothing is sent there. */
#define VTEP_ANYWHERE_V4 "203.0.113.1"
#define VTEP_ANYWHERE_V6 "2001:db8::1"

int vtep_endpoint_host(const char *url, struct ip *ret)
{
	const char *p = strstr(url, "://");
	_cleanup_free_ char *host = NULL;
	size_t len;

	if (!p || strncmp(url, "unix", 4) == 0)
		return -EINVAL;
	p += 3;
	if (*p == '[') {
		p++;
		len = strcspn(p, "]");
		if (p[len] != ']')
			return -EINVAL;
	} else {
		len = strcspn(p, ":/");
	}
	host = mem_strndup(p, len);
	return ip_parse(host, ret, NULL);
}

static int usable(struct kernel *k, struct ip a, struct ip *ret_vtep, uint32_t *ret_mtu)
{
	char ifname[IFNAMSIZ];
	int r;

	if (ip_is_loopback(a) || ip_is_unspecified(a) || ip_is_link_local(a))
		return -EADDRNOTAVAIL;
	r = k->ops->underlay(k, a, ret_mtu, ifname, NULL);
	if (r < 0)
		return r;
	*ret_vtep = a;
	return 0;
}

static int by_advertise(struct kernel *k, const char *advertise, struct ip *ret_vtep,
			uint32_t *ret_mtu, struct err *e)
{
	struct ip a;
	int r;

	if (ip_parse(advertise, &a, NULL) < 0) {
		r = kernel_linux_ifaddr(k, advertise, &a, e);
		if (r < 0) {
			err_prefix(e, "advertise %s", advertise);
			return -EAGAIN;
		}
	}
	if (usable(k, a, ret_vtep, ret_mtu) < 0)
		return err_set(e, -EAGAIN,
			       "advertise %s: no interface of this host has that address",
			       advertise);
	return 0;
}

int vtep_choose(struct kernel *k, const struct config *c, struct ip *ret_vtep, uint32_t *ret_mtu,
		struct err *e)
{
	static const char *const anywhere[] = { VTEP_ANYWHERE_V4, VTEP_ANYWHERE_V6 };
	struct ip dst, src;

	if (c->advertise)
		return by_advertise(k, c->advertise, ret_vtep, ret_mtu, e);
	for (size_t i = 0; i < c->etcd.n; i++) {
		if (vtep_endpoint_host(c->etcd.v[i], &dst) == 0 &&
		    kernel_linux_source(k, dst, &src, NULL) == 0 &&
		    usable(k, src, ret_vtep, ret_mtu) == 0)
			return 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(anywhere); i++) {
		if (ip_parse(anywhere[i], &dst, NULL) == 0 &&
		    kernel_linux_source(k, dst, &src, NULL) == 0 &&
		    usable(k, src, ret_vtep, ret_mtu) == 0)
			return 0;
	}
	return err_set(
		e, -EAGAIN,
		"no address of this host leads to etcd or anywhere else; set --advertise, or wait for the network");
}
