/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/mem.h"
#include "ipam/claim_op.h"

struct claim_naming {
	int status;
	char *what;
	struct claim_who *who;
	char **endpoint_names, **node_names; /* beside who; NULL while unknown */
	size_t n, total;
};

void claim_who_free(struct claim_naming *g)
{
	if (!g)
		return;
	for (size_t i = 0; i < g->n; i++) {
		free(g->endpoint_names[i]);
		free(g->node_names[i]);
	}
	free(g->endpoint_names);
	free(g->node_names);
	free(g->who);
	free(g->what);
	free(g);
}

/* "web (1f2e3d4c5b6a) on node node2, 0a1b2c3d4e5f on node node3, node node4 and 4 more" */
static void tell(struct claim_op *op)
{
	struct claim_naming *g = op->naming;
	_cleanup_buf_ struct buf b;

	buf_init(&b, ERR_TEXT_MAX);
	buf_puts(&b, g->what);
	for (size_t i = 0; i < g->n; i++) {
		char endpoint[ID_SHORT_MAX], node[ID_SHORT_MAX];

		id_short(g->who[i].endpoint, endpoint);
		buf_puts(&b, i ? ", " : " ");
		if (id_is_zero(g->who[i].endpoint)) {
			buf_printf(&b, "node %s",
				   g->node_names[i] ? g->node_names[i] :
						      id_short(g->who[i].node, node));
			continue;
		}
		if (g->endpoint_names[i])
			buf_printf(&b, "%s (%s)", g->endpoint_names[i], endpoint);
		else
			buf_puts(&b, endpoint);
		if (g->node_names[i])
			buf_printf(&b, " on node %s", g->node_names[i]);
		else if (!id_is_zero(g->who[i].node))
			buf_printf(&b, " on node %s", id_short(g->who[i].node, node));
	}
	if (g->total > g->n)
		buf_printf(&b, " and %zu more", g->total - g->n);
	claim_op_fail(op, g->status, "%s", b.data);
}

static void on_nodes(struct claim_op *op, int status, const struct kv_result *res)
{
	struct claim_naming *g = op->naming;

	for (size_t i = 0; status == 0 && i < g->n && i < res->n_ops; i++) {
		const struct kv_op_result *r = &res->ops[i];
		struct model_node *node;

		if (r->n_entries == 0 ||
		    model_node_decode(op->claim->prefix, r->entries[0].key, r->entries[0].value,
				      r->entries[0].value_len, &node, NULL) < 0)
			continue;
		g->node_names[i] = mem_strdup(node->name);
		model_node_free(node);
	}
	tell(op);
}

/* One GET for each; what cannot be read stays an id. */
static void read_all(struct claim_op *op, bool nodes, claim_answer_fn answer)
{
	struct claim_naming *g = op->naming;
	struct kv_op ops[CLAIM_NAMED_MAX] = { 0 };
	char *keys[CLAIM_NAMED_MAX] = { 0 };
	const char *prefix = op->claim->prefix;

	for (size_t i = 0; i < g->n; i++) {
		const struct claim_who *w = &g->who[i];

		keys[i] = nodes ? model_key_node(prefix, w->node) :
				  model_key_endpoint(prefix, w->network, w->endpoint);
		ops[i] = (struct kv_op){ .type = KV_OP_GET, .key = keys[i] };
	}
	claim_op_txn(op, &(struct kv_txn){ .then_ops = ops, .n_then = g->n }, answer);
	for (size_t i = 0; i < g->n; i++)
		free(keys[i]);
}

static void on_endpoints(struct claim_op *op, int status, const struct kv_result *res)
{
	struct claim_naming *g = op->naming;

	for (size_t i = 0; status == 0 && i < g->n && i < res->n_ops; i++) {
		const struct kv_op_result *r = &res->ops[i];
		struct model_endpoint *ep;

		if (r->n_entries == 0 ||
		    model_endpoint_decode(op->claim->prefix, r->entries[0].key, r->entries[0].value,
					  r->entries[0].value_len, &ep, NULL) < 0)
			continue;
		g->endpoint_names[i] = mem_strdup(ep->name);
		if (id_is_zero(g->who[i].node))
			g->who[i].node = ep->node;
		model_endpoint_free(ep);
	}
	if (status == 0)
		read_all(op, true, on_nodes);
	else
		tell(op);
}

void claim_who_end(struct claim_op *op, int status, char *what, struct claim_who *who, size_t n,
		   size_t total)
{
	struct claim_naming *g = mem_alloc(sizeof(*g));

	claim_op_settled(op);
	claim_who_free(op->naming);
	op->naming = g;
	g->status = status;
	g->what = what;
	g->who = who;
	g->n = n < CLAIM_NAMED_MAX ? n : CLAIM_NAMED_MAX;
	g->total = total;
	g->endpoint_names = mem_alloc_array(g->n + 1, sizeof(char *));
	g->node_names = mem_alloc_array(g->n + 1, sizeof(char *));
	if (g->n == 0)
		tell(op);
	else
		read_all(op, false, on_endpoints);
}
