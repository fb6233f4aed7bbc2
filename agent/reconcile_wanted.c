/* SPDX-License-Identifier: GPL-2.0-or-later */
/* All that is desired, at one time: for what is no single network's. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/reconcile_priv.h"
#include "base/mem.h"

void reconcile_wanted_done(struct wanted *w)
{
	for (size_t i = 0; i < w->n; i++)
		state_net_free(w->v[i]);
	free(w->v);
	free(w->ports);
}
static int cmp_place(const void *a, const void *b)
{
	const struct wanted_place *x = a, *y = b;

	return strcmp(x->port->name, y->port->name);
}

struct wanted reconcile_wanted(struct reconcile *r)
{
	_cleanup_free_ uint32_t *vnis = NULL;
	struct wanted w = { 0 };
	size_t n, ports = 0;

	n = r->h.vnis(r->user, &vnis);
	w.v = mem_alloc_array(n + 1, sizeof(struct state_net *));
	for (size_t i = 0; i < n; i++) {
		if (r->h.source(r->user, vnis[i]) == RECONCILE_NONE)
			continue;
		w.v[w.n] = r->h.desired(r->user, vnis[i]);
		if (w.v[w.n])
			ports += w.v[w.n++]->n_ports;
	}
	w.ports = mem_alloc_array(ports + 1, sizeof(*w.ports));
	for (size_t i = 0; i < w.n; i++) {
		for (size_t k = 0; k < w.v[i]->n_ports; k++)
			w.ports[w.n_ports++] =
				(struct wanted_place){ &w.v[i]->ports[k], w.v[i]->vni };
	}
	qsort(w.ports, w.n_ports, sizeof(*w.ports), cmp_place);
	return w;
}

const struct state_port *reconcile_wanted_port(const struct wanted *w, const char *name,
					       uint32_t *ret_vni)
{
	struct state_port named = { 0 };
	const struct wanted_place key = { .port = &named };
	const struct wanted_place *at;

	snprintf(named.name, sizeof(named.name), "%s", name);
	at = bsearch(&key, w->ports, w->n_ports, sizeof(*w->ports), cmp_place);
	if (!at)
		return NULL;
	*ret_vni = at->vni;
	return at->port;
}
