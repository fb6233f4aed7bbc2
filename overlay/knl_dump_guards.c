/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which port-security elements fit which ports. */
#include <stdlib.h>
#include <string.h>
#include "overlay/knl_dump.h"

/* Where a port is. */
struct place {
	const char *name;
	struct state_net *net;
	struct state_port *port;
};

static int cmp_place(const void *a, const void *b)
{
	return strncmp(((const struct place *)a)->name, ((const struct place *)b)->name, IFNAMSIZ);
}

static bool mac_fits(const struct state_net *n, const struct state_guard *g)
{
	struct state_fdb key = { .where = STATE_FDB_MASTER, .mac = g->mac };
	const struct state_fdb *f;

	if (g->security == STATE_SECURE_OFF)
		return true;
	f = state_net_fdb(n, &key);
	if (f)
		return strncmp(f->port, g->port, IFNAMSIZ) == 0;
	for (size_t i = 0; i < n->n_fdb; i++)
		if (n->fdb[i].where == STATE_FDB_MASTER &&
		    strncmp(n->fdb[i].port, g->port, IFNAMSIZ) == 0)
			return false;
	return true;
}

static bool ip_fits(const struct state_net *n, const struct state_guard *g)
{
	const struct state_neigh *have = state_net_neigh(n, g->ip);

	if (!ip_is_set(g->ip))
		return true;
	if (have)
		return mac_eq(have->mac, g->mac);
	for (size_t i = 0; i < n->n_neigh; i++)
		if (n->neigh[i].ip.family == g->ip.family && mac_eq(n->neigh[i].mac, g->mac))
			return false;
	return true;
}

void knl_dump_guards(struct state_net *const *nets, size_t n_nets, const struct state_guard *guards,
		     size_t n_guards, struct state_guard **ret_strays, size_t *ret_n_strays)
{
	_cleanup_free_ struct place *places = NULL;
	struct state_guard *strays = NULL;
	size_t n = 0, n_strays = 0;

	for (size_t i = 0; i < n_nets; i++)
		n += nets[i]->n_ports;
	places = mem_alloc_array(n ? n : 1, sizeof(*places));
	n = 0;
	for (size_t i = 0; i < n_nets; i++)
		for (size_t k = 0; k < nets[i]->n_ports; k++)
			places[n++] = (struct place){ nets[i]->ports[k].name, nets[i],
						      &nets[i]->ports[k] };
	qsort(places, n, sizeof(*places), cmp_place);
	for (size_t i = 0; i < n_guards; i++) {
		const struct state_guard *g = &guards[i];
		struct place key = { .name = g->port };
		struct place *at = bsearch(&key, places, n, sizeof(*places), cmp_place);

		if (at && mac_fits(at->net, g) && ip_fits(at->net, g)) {
			/* A MAC left without its address (nft_ground.h) guards nothing, and goes with the port. */
			at->port->guard4 |= g->ip.family == AF_INET ||
					    g->security != STATE_SECURE_MAC_IP;
			at->port->guard6 |= g->ip.family == AF_INET6;
		} else if (ret_strays) {
			strays = mem_grow(strays, n_strays + 1, sizeof(*strays));
			strays[n_strays++] = *g;
		}
	}
	if (ret_strays) {
		*ret_strays = strays;
		*ret_n_strays = n_strays;
	}
}
