/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/ctl/names.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"

void names_options_done(struct names_options *o)
{
	free(o->hostname);
	ctl_argv_free(&o->links);
	ctl_argv_free(&o->expose);
	ctl_argv_free(&o->dns);
	ctl_argv_free(&o->dns_search);
	ctl_argv_free(&o->dns_options);
	ctl_argv_free(&o->extra_hosts);
}

static int take_hostname(const char *text, struct body_names *ret, struct err *e)
{
	int r = text ? body_hostname_check(text, e) : 0;

	err_prefix(r < 0 ? e : NULL, "--hostname");
	ret->hostname = mem_strdup(text);
	return r;
}

static int take_links(char *const *v, struct body_names *ret, struct err *e)
{
	int r = 0;

	for (; r == 0 && v && *v; v++)
		r = body_link_parse(*v, &ret->links, e);
	err_prefix(r < 0 ? e : NULL, "--link");
	return r;
}

static int take_expose(char *const *v, struct body_names *ret, struct err *e)
{
	int r = 0;

	for (; r == 0 && v && *v; v++)
		r = body_expose_parse(*v, ret, e);
	err_prefix(r < 0 ? e : NULL, "--expose");
	return r;
}

/* What they say is looked at by ovld. */
static int take_texts(const struct names_options *o, struct body_names *ret, struct err *e)
{
	const struct {
		const char *option;
		char *const *v;
		struct strv *to;
		size_t max;
	} lists[] = {
		{ "--dns", o->dns, &ret->dns, BODY_DNS_MAX },
		{ "--dns-search", o->dns_search, &ret->dns_search, BODY_DNS_SEARCH_MAX },
		{ "--dns-option", o->dns_options, &ret->dns_options, BODY_DNS_OPTIONS_MAX },
		{ "--add-host", o->extra_hosts, &ret->extra_hosts, BODY_HOSTS_MAX },
	};

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		ctl_argv_strv(lists[i].v, lists[i].to);
		if (lists[i].to->n > lists[i].max)
			return err_set(e, -EINVAL, "%s: more than %zu", lists[i].option,
				       lists[i].max);
		for (size_t k = 0; k < lists[i].to->n; k++) {
			if (!*lists[i].to->v[k] || strlen(lists[i].to->v[k]) > BODY_TEXT_MAX)
				return err_set(e, -EINVAL, "%s: empty, or longer than %d bytes",
					       lists[i].option, BODY_TEXT_MAX);
		}
	}
	return 0;
}

int names_take(const struct names_options *o, struct body_names *ret, struct err *e)
{
	int r = take_hostname(o->hostname, ret, e);

	if (r == 0)
		r = take_links(o->links, ret, e);
	if (r == 0)
		r = take_expose(o->expose, ret, e);
	return r == 0 ? take_texts(o, ret, e) : r;
}
