/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/hostnet.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/strv.h"

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
	_cleanup_strv_ struct strv lines = { 0 };
	struct ip ip;

	strv_split(&lines, text, '\n');
	for (size_t i = 0; i < lines.n; i++) {
		_cleanup_free_ char *who = NULL;
		char *line = lines.v[i] + strspn(lines.v[i], " \t");

		if (strncmp(line, "nameserver", 10) != 0 || strspn(line + 10, " \t") == 0)
			continue;
		line += 10 + strspn(line + 10, " \t");
		line[strcspn(line, " \t\r#;%")] = '\0';
		if (ip_parse(line, &ip, NULL) < 0 || ip_is_loopback(ip))
			continue;
		who = mem_printf("nameserver %s", line);
		hostnet_add(ret, prefix_mask(ip, ip_bits(ip)), who, "", false);
	}
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
