/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/state_lab.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/backoff.h"
#include "base/mem.h"

#define UNIVERSE 24 /* endpoints that a random network may have */
#define ROUNDS 5

struct ip state_lab_vtep(unsigned node)
{
	return ip_v4(0xc0a8cd0a + node);
}

static struct ip vtep6(unsigned node)
{
	struct ip ip = { .family = AF_INET6, .b = { 0xfd } };

	ip.b[15] = (uint8_t)(1 + node);
	return ip;
}

struct id state_lab_id(uint32_t vni, unsigned n)
{
	struct id id = { .b = { (uint8_t)(0xe0 | vni >> 24), (uint8_t)(vni >> 8), (uint8_t)vni,
				(uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n } };

	return id;
}

static struct ip ip4_of(uint32_t vni, unsigned n)
{
	return ip_v4(0x0a000000 + ((vni & 0x3f) << 18) + 2 + n);
}

static struct ip ip6_of(uint32_t vni, unsigned n)
{
	struct ip ip = { .family = AF_INET6, .b = { 0xfd, 0, (uint8_t)vni } };

	ip.b[13] = (uint8_t)(n >> 16);
	ip.b[14] = (uint8_t)(n >> 8);
	ip.b[15] = (uint8_t)n;
	return ip;
}

struct state_port state_lab_port(uint32_t vni, unsigned n)
{
	struct state_port p = { .mtu = STATE_LAB_MTU,
				.up = true,
				.enslaved = true,
				.flags_ok = true,
				.guard4 = true,
				.guard6 = true,
				.endpoint = state_lab_id(vni, n),
				.mac = mac_from_ip(ip4_of(vni, n)),
				.ip4 = ip4_of(vni, n),
				.ip6 = ip6_of(vni, n),
				.len4 = 14,
				.len6 = 64,
				.ifname = "eth0",
				.container_mtu = 1450 };

	state_port_name(p.endpoint, p.name);
	snprintf(p.target.path, sizeof(p.target.path), "/run/netns/c%u-%u", vni, n);
	return p;
}

static void add_entries(struct state_net *n, unsigned k, const char *port)
{
	struct state_fdb f = { .where = STATE_FDB_MASTER, .mac = mac_from_ip(ip4_of(n->vni, k)) };

	snprintf(f.port, sizeof(f.port), "%s", port);
	state_net_add_fdb(n, &f);
	state_net_add_neigh(n, &(struct state_neigh){ ip4_of(n->vni, k), f.mac });
	state_net_add_neigh(n, &(struct state_neigh){ ip6_of(n->vni, k), f.mac });
}

void state_lab_add_local(struct state_net *n, unsigned k)
{
	struct state_port p = state_lab_port(n->vni, k);

	p.mtu = n->bridge_mtu;
	state_net_add_port(n, &p);
	add_entries(n, k, p.name);
}

void state_lab_add_remote(struct state_net *n, unsigned k, struct ip vtep)
{
	struct state_fdb f = { .where = STATE_FDB_SELF, .vtep = vtep };
	char vx[IFNAMSIZ];

	state_net_add_fdb(n, &f);
	f.mac = mac_from_ip(ip4_of(n->vni, k));
	state_net_add_fdb(n, &f);
	state_vxlan_name(n->vni, vx);
	add_entries(n, k, vx);
}

static struct state_net *devices(uint32_t vni, uint32_t mtu, struct ip vtep, uint16_t port)
{
	struct state_net *n = state_net_new(vni);

	n->complete = n->bridge_exists = n->bridge_up = true;
	n->bridge_mac = state_bridge_mac(vni);
	n->bridge_mtu = n->vxlan_mtu = mtu;
	n->vxlan_exists = n->vxlan_up = n->vxlan_enslaved = n->vxlan_flags_ok = true;
	n->vtep = vtep;
	n->port = port;
	n->gateways[n->n_gateways++] =
		(struct prefix){ .ip = ip_add(ip4_of(vni, 0), -1), .len = 14 };
	n->gateways[n->n_gateways++] = (struct prefix){ .ip = ip6_of(vni, 0xffffff), .len = 64 };
	return n;
}

struct state_net *state_lab_make(uint32_t vni, unsigned n_locals, unsigned n_remotes)
{
	struct state_net *n = devices(vni, STATE_LAB_MTU, state_lab_vtep(0), 4789);

	for (unsigned k = 0; k < n_locals; k++)
		state_lab_add_local(n, k);
	for (unsigned k = 0; k < n_remotes; k++)
		state_lab_add_remote(n, n_locals + k, state_lab_vtep(1 + k % 3));
	state_net_sort(n);
	return n;
}

static void shut(struct state_net *n, unsigned k)
{
	struct state_port p = state_lab_port(n->vni, k);

	p.mtu = n->bridge_mtu;
	p.up = p.guard4 = p.guard6 = false;
	state_net_add_port(n, &p);
}

struct state_net *state_lab_random(uint32_t vni, uint64_t *seed)
{
	bool six = backoff_rand(seed) % 5 == 0;
	struct ip own = six ? vtep6((unsigned)(backoff_rand(seed) % 2) * 9) :
			      ip_v4(0xc0a8cd0a + (uint32_t)(backoff_rand(seed) % 2) * 90);
	struct state_net *n = devices(vni, backoff_rand(seed) % 3 ? 1500 : 9000, own,
				      backoff_rand(seed) % 4 ? 4789 : 8472);

	if (backoff_rand(seed) % 3 == 0)
		n->n_gateways = 1;
	for (unsigned k = 0; k < UNIVERSE; k++) {
		unsigned node = 1 + (unsigned)(backoff_rand(seed) % 3);

		switch (backoff_rand(seed) % 8) {
		case 0:
		case 1:
			state_lab_add_local(n, k);
			break;
		case 2:
			shut(n, k);
			break;
		case 3:
		case 4:
		case 5:
			state_lab_add_remote(n, k, six ? vtep6(node) : state_lab_vtep(node));
			break;
		}
	}
	state_net_sort(n);
	return n;
}

/* ---- local networks ---- */

static void add_local_port(struct state_net *n, unsigned k, bool shut)
{
	struct state_port p = state_lab_port(n->vni, k);
	bool direct = n->kind == STATE_DIRECT;

	state_net_port_name(n, p.endpoint, p.name);
	p.mtu = p.container_mtu = direct ? STATE_LAB_MTU : n->bridge_mtu;
	p.security = (uint8_t)(n->kind == STATE_BRIDGE ? n->vni % 3 : STATE_SECURE_MAC_IP);
	p.open = p.security == STATE_SECURE_OFF;
	p.up = !shut;
	p.enslaved = p.flags_ok = !direct;
	p.guard4 = !shut && !direct;
	p.guard6 = p.guard4 && p.security == STATE_SECURE_MAC_IP;
	state_net_add_port(n, &p);
	if (!shut && !direct && !p.open) {
		struct state_fdb f = { .where = STATE_FDB_MASTER, .mac = p.mac };

		memcpy(f.port, p.name, sizeof(f.port));
		state_net_add_fdb(n, &f);
	}
	if (!shut && !direct) {
		const char *ifname = n->kind == STATE_EGRESS ? STATE_EGRESS_HOST : n->bridge;
		uint16_t port = (uint16_t)(10000 + (n->vni & 0xff) * 100 + k);
		struct state_elem member = state_elem_member(p.ip4, ifname);
		struct state_elem to = state_elem_publish(6, (struct ip){ 0 }, port, p.ip4, 80);

		state_net_add_elem(n, &member);
		state_net_add_elem(n, &to);
	}
}

static struct state_net *local_devices(enum state_kind kind, uint32_t key, uint32_t mtu)
{
	struct state_net *n = state_net_new(key);
	struct state_elem el;

	n->kind = kind;
	n->complete = true;
	if (kind == STATE_DIRECT) {
		snprintf(n->parent, sizeof(n->parent), "eth0");
		snprintf(n->driver, sizeof(n->driver), "macvlan");
		snprintf(n->mode, sizeof(n->mode), "bridge");
		return n;
	}
	n->bridge_exists = n->bridge_up = n->localnet_ok = true;
	n->bridge_mac = state_bridge_mac(key);
	n->bridge_mtu = mtu;
	n->gateways[n->n_gateways++] =
		(struct prefix){ .ip = ip_add(ip4_of(key, 0), -1), .len = 14 };
	n->gateways[n->n_gateways++] = (struct prefix){ .ip = ip6_of(key, 0xffffff), .len = 64 };
	if (kind == STATE_EGRESS) {
		n->uplink_exists = n->uplink_up = n->uplink_enslaved = true;
		n->uplink_mtu = mtu;
	} else {
		snprintf(n->bridge, sizeof(n->bridge), "ovl-%u", key & 0xff);
	}
	el = state_elem_ifname(STATE_SET_BRIDGES,
			       kind == STATE_EGRESS ? STATE_EGRESS_HOST : n->bridge);
	state_net_add_elem(n, &el);
	return n;
}

struct state_net *state_lab_local(enum state_kind kind, uint32_t key, unsigned n_locals)
{
	struct state_net *n = local_devices(kind, key, STATE_LAB_MTU);

	for (unsigned k = 0; k < n_locals; k++)
		add_local_port(n, k, false);
	state_net_sort(n);
	return n;
}

struct state_net *state_lab_random_local(enum state_kind kind, uint32_t key, uint64_t *seed)
{
	struct state_net *n = local_devices(kind, key, backoff_rand(seed) % 3 ? 1500 : 9000);

	if (backoff_rand(seed) % 3 == 0)
		n->n_gateways = 1;
	for (unsigned k = 0; k < UNIVERSE; k++) {
		unsigned what = (unsigned)(backoff_rand(seed) % 6);

		if (what < 2 || (what == 2 && kind != STATE_DIRECT))
			add_local_port(n, k, what == 2);
	}
	state_net_sort(n);
	return n;
}

static void *dup_array(const void *p, size_t n, size_t size)
{
	return n ? mem_dup(p, n * size) : NULL;
}

struct state_net *state_lab_dup(const struct state_net *n)
{
	struct state_net *d = mem_dup(n, sizeof(*n));

	d->ports = dup_array(n->ports, n->n_ports, sizeof(*n->ports));
	d->fdb = dup_array(n->fdb, n->n_fdb, sizeof(*n->fdb));
	d->neigh = dup_array(n->neigh, n->n_neigh, sizeof(*n->neigh));
	d->elems = dup_array(n->elems, n->n_elems, sizeof(*n->elems));
	return d;
}

int state_lab_converge(struct fake_kernel *f, uint32_t vni, const struct state_net *want,
		       bool may_delete)
{
	struct kernel *k = fake_kernel_seam(f);
	int status = -ELOOP;

	for (int round = 0; round < ROUNDS; round++) {
		_cleanup_state_net_ struct state_net *have = NULL;
		struct diff d;
		size_t n;

		if (k->ops->dump_net(k, vni, &have, NULL) < 0)
			continue;
		if (want)
			apply_know_ports(want, have);
		diff_net(want, have, may_delete, &d);
		n = d.n;
		status = apply_diff(k, want, have, &d, NULL, NULL, NULL);
		diff_done(&d);
		fake_kernel_turn(f);
		if (n == 0)
			return 0;
		if (status == 0)
			status = -ELOOP;
	}
	return status;
}
