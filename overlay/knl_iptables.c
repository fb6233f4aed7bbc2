/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "overlay/knl_iptables.h"
#include <errno.h>
#include <netinet/in.h> /* before those of linux, or both define struct in_addr */
#include <linux/netfilter/xt_tcpudp.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv6/ip6_tables.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include "base/mem.h"

#define TRIES 5
#define DNS_PORT 53

static bool listed(bool v6)
{
	/* The thread's own: /proc/net is the process's first thread's. */
	FILE *f = fopen(v6 ? "/proc/thread-self/net/ip6_tables_names" :
			     "/proc/thread-self/net/ip_tables_names",
			"re");
	char line[XT_TABLE_MAXNAMELEN + 2];
	bool found = false;

	while (f && !found && fgets(line, sizeof(line), f))
		found = strcmp(line, "filter\n") == 0;
	if (f)
		fclose(f);
	return found;
}

/* What differs between the families is where things stand in an entry. */
struct entry {
	const char *in, *out;
	const uint8_t *in_mask, *out_mask; /* IFNAMSIZ bytes each */
	size_t target, next;
};

static struct entry entry_at(bool v6, const char *p)
{
	struct entry e;

	if (v6) {
		const struct ip6t_entry *x = (const struct ip6t_entry *)p;
		e = (struct entry){ x->ipv6.iniface,	   x->ipv6.outiface, x->ipv6.iniface_mask,
				    x->ipv6.outiface_mask, x->target_offset, x->next_offset };
	} else {
		const struct ipt_entry *x = (const struct ipt_entry *)p;
		e = (struct entry){ x->ip.iniface,	 x->ip.outiface,   x->ip.iniface_mask,
				    x->ip.outiface_mask, x->target_offset, x->next_offset };
	}
	return e;
}

/* Return: the standard target's verdict, or 0: another target. */
static int verdict(const char *table, size_t size, size_t at, const struct entry *e)
{
	const struct xt_standard_target *t =
		(const struct xt_standard_target *)(table + at + e->target);

	if (at + e->target + sizeof(*t) > size || t->target.u.user.name[0])
		return 0;
	return t->verdict;
}

/* "ovl+" has three bytes in the mask, "ovl0" five; a rule without an interface none. */
static bool names(const char *name, const uint8_t *mask, const char *ifname)
{
	for (unsigned i = 0; i < IFNAMSIZ; i++) {
		if ((name[i] ^ ifname[i]) & mask[i])
			return false;
	}
	return mask[0] != 0;
}

/* The ports of UDP that a rule is about; 0: those it says are not the one of DNS, or not to be known. */
enum ports { PORTS_OTHER, PORTS_ANY, PORTS_DNS };

static enum ports ports_of(const char *table, size_t at, size_t least, const struct entry *e)
{
	enum ports found = PORTS_ANY;

	for (size_t m = least; m + sizeof(struct xt_entry_match) <= e->target;) {
		const struct xt_entry_match *x = (const struct xt_entry_match *)(table + at + m);
		size_t size = x->u.match_size;
		const struct xt_udp *u = (const struct xt_udp *)x->data;

		if (size < sizeof(*x) || m + size > e->target)
			return PORTS_OTHER;
		if (strcmp(x->u.user.name, "udp") == 0 && size >= sizeof(*x) + sizeof(*u))
			found = !(u->invflags & XT_UDP_INV_DSTPT) && u->dpts[0] <= DNS_PORT &&
						DNS_PORT <= u->dpts[1] ?
					PORTS_DNS :
					PORTS_OTHER;
		else if (strcmp(x->u.user.name, "comment") != 0)
			return PORTS_OTHER;
		m += size;
	}
	return found;
}

static void look(bool v6, const char *table, const struct ipt_getinfo *info,
		 const char (*ifaces)[IFNAMSIZ], size_t n, struct knl_iptables *ret)
{
	const size_t least = v6 ? sizeof(struct ip6t_entry) : sizeof(struct ipt_entry);
	const size_t size = info->size, policy = info->underflow[NF_INET_FORWARD];
	_cleanup_free_ uint8_t *seen = mem_alloc(n + 1);

	for (size_t at = 0; at + least <= size;) {
		struct entry e = entry_at(v6, table + at);

		if (e.target < least || e.next < e.target || at + e.next > size)
			return;
		int v = verdict(table, size, at, &e);
		if (at == policy)
			ret->drops = v == -NF_DROP - 1;
		if (at == info->underflow[NF_INET_LOCAL_IN])
			ret->input_drops = v == -NF_DROP - 1;
		/* Chains of users may be led to from INPUT: only FORWARD's own rules are surely not. */
		enum ports ports =
			v != -NF_ACCEPT - 1 ||
					(at >= info->hook_entry[NF_INET_FORWARD] && at <= policy) ?
				PORTS_OTHER :
				ports_of(table, at, least, &e);
		/* -i and -o may stand in one rule of its own each, and do in ours. */
		for (size_t i = 0; v == -NF_ACCEPT - 1 && i < n; i++) {
			bool in = names(e.in, e.in_mask, ifaces[i]);

			seen[i] |= (in ? 1 : 0) | (names(e.out, e.out_mask, ifaces[i]) ? 2 : 0);
			if ((in && ports != PORTS_OTHER) || (!e.in_mask[0] && ports == PORTS_DNS))
				seen[i] |= 4;
		}
		at += e.next;
	}
	for (size_t i = 0; i < n; i++) {
		ret->n_missing += (seen[i] & 3) != 3;
		ret->n_dns_missing += !(seen[i] & 4);
	}
}

/* -EAGAIN: the size is no longer what it was. */
static int read_once(int fd, bool v6, const char (*ifaces)[IFNAMSIZ], size_t n,
		     struct knl_iptables *ret)
{
	/* struct ip6t_getinfo and ip6t_get_entries are the same (static asserts below). */
	struct ipt_getinfo info = { .name = "filter" };
	socklen_t len = sizeof(info);
	const int level = v6 ? SOL_IPV6 : SOL_IP;

	_Static_assert(sizeof(struct ip6t_getinfo) == sizeof(struct ipt_getinfo), "same shape");
	_Static_assert(sizeof(struct ip6t_get_entries) == sizeof(struct ipt_get_entries),
		       "same shape");
	if (getsockopt(fd, level, v6 ? IP6T_SO_GET_INFO : IPT_SO_GET_INFO, &info, &len) < 0)
		return -errno;
	if (info.size > KNL_IPTABLES_BYTES_MAX)
		return -E2BIG;
	len = (socklen_t)(sizeof(struct ipt_get_entries) + info.size);
	_cleanup_free_ struct ipt_get_entries *all = mem_alloc(len);
	snprintf(all->name, sizeof(all->name), "filter");
	all->size = info.size;
	if (getsockopt(fd, level, v6 ? IP6T_SO_GET_ENTRIES : IPT_SO_GET_ENTRIES, all, &len) < 0)
		return -errno;
	*ret = (struct knl_iptables){ .used = true };
	look(v6, (const char *)all->entrytable, &info, ifaces, n, ret);
	return 0;
}

int knl_iptables_read(bool v6, const char (*ifaces)[IFNAMSIZ], size_t n, struct knl_iptables *ret)
{
	_cleanup_close_ int fd = -1;
	int r = -EAGAIN;

	*ret = (struct knl_iptables){ 0 };
	if (!listed(v6))
		return 0;
	fd = socket(v6 ? AF_INET6 : AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	if (fd < 0)
		return -errno;
	for (unsigned i = 0; r == -EAGAIN && i < TRIES; i++)
		r = read_once(fd, v6, ifaces, n, ret);
	return r;
}
