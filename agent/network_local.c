/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Networks of this node only: in memory, by name. */
#include <string.h>

#include "agent/network_priv.h"

struct model_network *network_local_get(struct networks *n, struct id id)
{
	for (size_t i = 0; i < n->n_locals; i++) {
		if (id_eq(n->locals[i]->id, id))
			return n->locals[i];
	}
	return NULL;
}

struct model_network *network_local_by_name(struct networks *n, const char *name)
{
	for (size_t i = 0; i < n->n_locals; i++) {
		if (strcmp(n->locals[i]->name, name) == 0)
			return n->locals[i];
	}
	return NULL;
}
