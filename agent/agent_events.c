/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What changed in the cluster, as events on this node, whoever did it. */
#include "agent/agent_priv.h"

static void tell(struct agent *a, const char *type, const char *action, struct id id,
		 const char *name, const char *extra_key, const char *extra)
{
	struct kv_pairs attrs = { 0 };
	char text[ID_TEXT_MAX];

	kv_pairs_set(&attrs, "name", name);
	if (extra_key)
		kv_pairs_set(&attrs, extra_key, extra);
	events_publish(a->events, type, action, id_format(id, text), &attrs);
	kv_pairs_done(&attrs);
}

static void tell_network(struct agent *a, const struct mirror_change *c)
{
	const struct model_network *before = c->before, *after = c->after;

	if (!before && after)
		tell(a, "network", "create", c->id, after->name, "type", after->driver);
	else if (before && !after)
		tell(a, "network", "destroy", c->id, before->name, "type", before->driver);
}

static void tell_node(struct agent *a, const struct mirror_change *c)
{
	const struct model_node *before = c->before, *after = c->after;
	char vtep[IP_TEXT_MAX];

	if (after && (!before || !ip_eq(before->vtep, after->vtep)))
		tell(a, "node", before ? "update" : "create", c->id, after->name, "vtep",
		     ip_format(after->vtep, vtep));
	else if (before && !after)
		tell(a, "node", "remove", c->id, before->name, "vtep",
		     ip_format(before->vtep, vtep));
}

static void tell_alive(struct agent *a, const struct mirror_change *c)
{
	struct mirror_node *node = mirror_node(a->mirror, c->id);

	tell(a, "node", c->deleted ? "down" : "up", c->id, node && node->rec ? node->rec->name : "",
	     NULL, NULL);
}

void agent_tell(struct agent *a, const struct mirror_change *c)
{
	if (!a->announced)
		return; /* the first list tells what is, not what happens */
	if (c->kind == MODEL_NETWORK)
		tell_network(a, c);
	else if (c->kind == MODEL_NODE)
		tell_node(a, c);
	else if (c->kind == MODEL_ALIVE)
		tell_alive(a, c);
}
