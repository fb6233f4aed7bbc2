/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "overlay/kernel_linux_priv.h"

#include <errno.h>
#include <linux/if_link.h>
#include "overlay/knl_direct.h"
#include "overlay/knl_link.h"
#include "overlay/knl_route.h"
#include "overlay/netns.h"

#define RESET_MARK 0x6f77 /* IFLA_GROUP of links about to go */

int kernel_linux_taken(struct kernel *k, struct kernel_linux_taken **ret, size_t *ret_n,
		       struct err *e)
{
	return knl_route_taken(kernel_linux_of(k)->host, ret, ret_n, e);
}

void kernel_linux_taken_free(struct kernel_linux_taken *t, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(t[i].who);
	free(t);
}

int kernel_linux_device(struct kernel *k, const char *ifname, bool *ret_own, struct err *e)
{
	return knl_route_device(kernel_linux_of(k)->host, ifname, ret_own, e);
}

int kernel_linux_parent(struct kernel *k, const char *ifname, struct err *e)
{
	return knl_direct_parent(kernel_linux_of(k)->host, ifname, e);
}

int kernel_linux_ifaddr(struct kernel *k, const char *ifname, struct ip *ret, struct err *e)
{
	return knl_route_ifaddr(kernel_linux_of(k)->host, ifname, ret, e);
}

int kernel_linux_source(struct kernel *k, struct ip dst, struct ip *ret, struct err *e)
{
	return knl_route_source(kernel_linux_of(k)->host, dst, ret, e);
}

int kernel_linux_dropped(struct kernel *kernel, uint64_t *ret_packets)
{
	struct kernel_linux *k = kernel_linux_of(kernel);
	int r = kernel_linux_need(k, NULL);

	return r < 0 ? r : nft_ground_dropped(k->nft, ret_packets);
}

struct doomed {
	enum knl_where where;
	int *ifindex;
	size_t n;
};

static void take_ours(void *user, const struct nlmsghdr *h)
{
	struct doomed *d = user;
	struct knl_link l;

	if (!h)
		d->n = 0;
	if (!h || h->nlmsg_type != RTM_NEWLINK || !knl_link_parse(h, d->where, &l) ||
	    l.kind == KNL_OTHER)
		return;
	d->ifindex = mem_grow(d->ifindex, d->n + 1, sizeof(*d->ifindex));
	d->ifindex[d->n++] = l.ifindex;
}

static int delete_group(struct knl_sock *s, const int *ifindex, size_t n, struct err *e)
{
	struct ifinfomsg i = { .ifi_family = AF_UNSPEC };
	int r;

	knl_drop(s);
	for (size_t k = 0; k < n; k++) {
		struct ifinfomsg one = { .ifi_family = AF_UNSPEC, .ifi_index = ifindex[k] };

		mnl_attr_put_u32(knl_begin(s, RTM_NEWLINK, 0, &one, sizeof(one)), IFLA_GROUP,
				 RESET_MARK);
		knl_allow(s, -ENODEV);
	}
	mnl_attr_put_u32(knl_begin(s, RTM_DELLINK, 0, &i, sizeof(i)), IFLA_GROUP, RESET_MARK);
	knl_allow(s, -ENODEV);
	r = knl_send(s, NULL, NULL);
	return r < 0 ? knl_fail(s, e, r, "cannot delete the links of the networks") : 0;
}

static int delete_links(struct knl_sock *s, enum knl_where where, struct err *e)
{
	struct ifinfomsg i = { .ifi_family = AF_UNSPEC };
	struct doomed d = { .where = where };
	int r;

	knl_drop(s);
	mnl_attr_put_u32(knl_begin(s, RTM_GETLINK, NLM_F_DUMP, &i, sizeof(i)), IFLA_EXT_MASK,
			 RTEXT_FILTER_SKIP_STATS);
	r = knl_dump(s, take_ours, &d, e);
	for (size_t at = 0; r == 0 && at < d.n; at += KNL_DELETE_GROUP)
		r = delete_group(s, d.ifindex + at,
				 d.n - at < KNL_DELETE_GROUP ? d.n - at : KNL_DELETE_GROUP, e);
	free(d.ifindex);
	return r;
}

int kernel_linux_reset(struct kernel *kernel, struct err *e)
{
	struct kernel_linux *k = kernel_linux_of(kernel);
	int r = 0;

	/* The namespace lives on while anybody has it open, so its links go first. */
	if (k->nsfd >= 0)
		r = delete_links(k->ovl, KNL_IN_OVERLAY, e);
	if (r == 0)
		r = delete_links(k->host, KNL_IN_HOST, e);
	if (r == 0 && k->nsfd >= 0)
		r = nft_ground_remove(k->nft, e);
	return r < 0 ? r : netns_remove(k->netns_path, e);
}
