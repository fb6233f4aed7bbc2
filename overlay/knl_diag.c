/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "overlay/knl_diag.h"

#include <endian.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/tcp.h>
#include <string.h>
#include "overlay/knl_sock.h"

#define ALL_STATES (~0u & ~(1u << TCP_TIME_WAIT))

struct search {
	struct ip ip;
	bool found, listening;
	uint32_t inode;
};

static bool takes_both(const struct nlmsghdr *h)
{
	const struct nlattr *a;

	mnl_attr_for_each(a, h, sizeof(struct inet_diag_msg)) {
		if (mnl_attr_get_type(a) == INET_DIAG_SKV6ONLY)
			return knl_get_u8(a) == 0;
	}
	return true;
}

/* Would the kernel refuse @want beside a socket bound to @have? (inet_rcv_saddr_equal()) */
static bool collides(struct ip want, struct ip have, const struct nlmsghdr *h)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (have.family == AF_INET6 && memcmp(have.b, mapped, sizeof(mapped)) == 0) {
		struct ip v4 = { .family = AF_INET };

		memcpy(v4.b, have.b + sizeof(mapped), 4);
		have = v4;
	}
	if (want.family != have.family)
		return want.family == AF_INET && ip_is_unspecified(have) && takes_both(h);
	return ip_is_unspecified(want) || ip_is_unspecified(have) || ip_eq(want, have);
}

static void on_socket(void *user, const struct nlmsghdr *h)
{
	struct search *s = user;
	const struct inet_diag_msg *m;
	struct ip have = { 0 };

	if (!h) {
		s->found = s->listening = false;
		return;
	}
	m = mnl_nlmsg_get_payload(h);
	if (mnl_nlmsg_get_payload_len(h) < sizeof(*m))
		return;
	have.family = m->idiag_family;
	memcpy(have.b, m->id.idiag_src, ip_bytes(have));
	if (!collides(s->ip, have, h) || (s->found && s->inode != 0 && s->listening))
		return;
	if (s->found && s->inode != 0 && m->idiag_state != TCP_LISTEN)
		return;
	s->found = true;
	s->listening = m->idiag_state == TCP_LISTEN;
	s->inode = m->idiag_inode;
}

int knl_diag_holder(uint8_t proto, struct ip ip, uint16_t port, uint32_t *ret_inode)
{
	static const uint8_t families[] = { AF_INET, AF_INET6 };
	struct search s = { .ip = ip };
	_cleanup_knl_ struct knl_sock *sock = NULL;

	if (knl_open_protocol(-1, NETLINK_SOCK_DIAG, &sock, NULL) < 0)
		return -ENOENT;
	for (size_t i = 0; i < ARRAY_SIZE(families) && !s.found; i++) {
		struct inet_diag_req_v2 req = { .sdiag_family = families[i],
						.sdiag_protocol = proto,
						.idiag_states = ALL_STATES,
						.id.idiag_sport = htobe16(port) };

		knl_begin(sock, SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, &req, sizeof(req));
		if (knl_dump(sock, on_socket, &s, NULL) < 0)
			s.found = false;
	}
	if (!s.found)
		return -ENOENT;
	*ret_inode = s.inode;
	return 0;
}
