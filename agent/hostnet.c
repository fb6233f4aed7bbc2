/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/hostnet.h"

#include <stdio.h>
#include <string.h>

#include "agent/dns/resolv_conf.h"
#include "base/mem.h"

void hostnet_add(struct hostnet_taken *t, struct prefix p, const char *who, const char *dev,
		 bool own)
{
	struct hostnet_entry x = { .prefix = p, .who = mem_strdup(who), .own = own };

	snprintf(x.dev, sizeof(x.dev), "%s", dev);
	t->v = mem_grow(t->v, t->n + 1, sizeof(*t->v));
	t->v[t->n++] = x;
}

void hostnet_nameservers(const char *text, struct hostnet_taken *ret)
{
	struct resolv_conf c;
	char ip[IP_TEXT_MAX];

	resolv_conf_read(text, strlen(text), &c);
	for (size_t i = 0; i < c.servers.n; i++) {
		struct ip at = c.servers.v[i].ip;
		_cleanup_free_ char *who = mem_printf("nameserver %s", ip_format(at, ip));

		if (!ip_is_loopback(at))
			hostnet_add(ret, prefix_mask(at, ip_bits(at)), who, "", false);
	}
	resolv_conf_done(&c);
}

size_t hostnet_as_taken(const struct hostnet_taken *t, const char *parent,
			struct subnet_taken **ret)
{
	struct subnet_taken *v = mem_alloc_array(t->n + 1, sizeof(*v));
	size_t n = 0;

	for (size_t i = 0; i < t->n; i++) {
		const struct hostnet_entry *x = &t->v[i];

		if (x->own || (parent && (x->dev[0] == '\0' || strcmp(x->dev, parent) == 0)))
			continue;
		v[n++] = (struct subnet_taken){ .prefix = x->prefix, .who = x->who };
	}
	*ret = v;
	return n;
}

void hostnet_done(struct hostnet_taken *t)
{
	for (size_t i = 0; i < t->n; i++)
		free(t->v[i].who);
	free(t->v);
	memset(t, 0, sizeof(*t));
}
