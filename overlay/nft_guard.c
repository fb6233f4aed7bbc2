/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "overlay/nft_guard.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "overlay/nft_elem.h"
#include "overlay/nft_known.h"
#include "overlay/nft_skel.h"

struct nft_guard {
	struct nft_sock *sock;
	const char *table;
	bool host;
	struct nft_known *known;
	bool known_valid; /* @known agrees with the kernel's sets, as far as we have written them */
};

struct nft_guard *nft_guard_new(struct nft_sock *s, const char *table, bool host)
{
	struct nft_guard *k = mem_alloc(sizeof(*k));

	*k = (struct nft_guard){ s, table, host, nft_known_new(), false };
	return k;
}

void nft_guard_free(struct nft_guard *k)
{
	if (!k)
		return;
	nft_known_free(k->known);
	free(k);
}

void nft_guard_forget(struct nft_guard *k)
{
	k->known_valid = false;
}

static bool belongs(const struct nft_guard *k, const struct state_guard *g)
{
	return state_port_in_host(g->port) == k->host;
}

/* An address guard; what has no address is the element (port, MAC) alone, or of another kind. */
static bool has_address(const struct state_guard *g)
{
	return g->security == STATE_SECURE_MAC_IP && ip_is_set(g->ip);
}

static struct nft_elem_op op_of(const struct state_guard *g, bool del)
{
	struct nft_elem_op op = { .del = del, .family = NFPROTO_BRIDGE };

	op.key = nft_elem_guard(g, &op.set);
	return op;
}

static struct nft_elem_op mac_op(const struct state_guard *g, bool del)
{
	struct state_guard mac = *g;

	mac.ip = (struct ip){ 0 };
	return op_of(&mac, del);
}

void nft_guard_put(const struct nft_guard *k, struct nft_batch *b, const struct state_guard *guards,
		   size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct state_guard *g = &guards[i];
		struct nft_elem_op op = op_of(g, false);

		if (!belongs(k, g) || (g->security == STATE_SECURE_MAC_IP && !ip_is_set(g->ip)))
			continue;
		nft_elem_put(b, k->table, &op);
		op = mac_op(g, false);
		if (has_address(g))
			nft_elem_put(b, k->table, &op);
	}
}

void nft_guard_made(struct nft_guard *k, const struct state_guard *guards, size_t n)
{
	nft_known_clear(k->known);
	for (size_t i = 0; i < n; i++) {
		if (belongs(k, &guards[i]) && has_address(&guards[i]))
			nft_known_add(k->known, &guards[i]);
	}
	k->known_valid = true;
}

static int check_add(const struct state_guard *g, struct err *e)
{
	if (g->security == STATE_SECURE_MAC_IP && !ip_is_set(g->ip))
		return err_set(e, -EINVAL, "port security of %s: no address given", g->port);
	if (g->security != STATE_SECURE_OFF && mac_is_zero(g->mac))
		return err_set(e, -EINVAL, "port security of %s: no MAC given", g->port);
	return 0;
}

static size_t ops_of(struct nft_guard *k, const struct kernel_guard_op *op,
		     struct nft_elem_op ops[2])
{
	const struct state_guard *g = &op->guard;
	bool with_mac = true;
	size_t n = 0;

	if (g->security != STATE_SECURE_MAC_IP) {
		ops[0] = op_of(g, op->del);
		return 1;
	}
	if (ip_is_set(g->ip))
		ops[n++] = op_of(g, op->del);
	if (!op->del)
		nft_known_add(k->known, g);
	else if (ip_is_set(g->ip))
		with_mac = nft_known_del(k->known, g);
	else
		with_mac = !nft_known_has(k->known, g);
	if (with_mac)
		ops[n++] = mac_op(g, op->del);
	return n;
}

/* After a failure, or before the first dump: what stands there is not known. */
static int ensure_known(struct nft_guard *k, struct err *e)
{
	_cleanup_free_ struct state_guard *guards = NULL;
	size_t n = 0;

	int r = k->known_valid ? 0 : nft_guard_dump(k, &guards, &n);
	return r ? err_set(e, r, "nf_tables: dump of the port security: %s", strerror(-r)) : 0;
}

int nft_guard_apply(struct nft_guard *k, const struct kernel_guard_op *ops, size_t n,
		    uint64_t *writes, struct err *e)
{
	_cleanup_free_ struct nft_elem_op *elems = mem_alloc_array(2 * n + 1, sizeof(*elems));
	size_t n_elems = 0, written = 0, n_here = 0;
	int r = 0;

	for (size_t i = 0; i < n && !r; i++) {
		n_here += belongs(k, &ops[i].guard);
		if (!ops[i].del)
			r = check_add(&ops[i].guard, e);
	}
	if (r || !n_here)
		return r;
	r = ensure_known(k, e);
	if (r)
		return r;
	for (size_t i = 0; i < n; i++) {
		if (belongs(k, &ops[i].guard))
			n_elems += ops_of(k, &ops[i], elems + n_elems);
	}
	r = nft_elem_apply(k->sock, k->table, elems, n_elems, &written, e);
	if (r) {
		k->known_valid = false;
		err_prefix(e, "port security");
		return r;
	}
	*writes += written;
	return 0;
}

int nft_guard_cmp(const void *a, const void *b)
{
	const struct state_guard *x = a, *y = b;
	int c = strcmp(x->port, y->port);

	if (!c)
		c = mac_cmp(x->mac, y->mac);
	if (!c)
		c = ip_cmp(x->ip, y->ip);
	return c ? c : (int)x->security - (int)y->security;
}

/* One set's elements, appended to *@list as guards. */
static int dump_set(struct nft_guard *k, const char *set, enum state_security security,
		    struct state_guard **list, size_t *n)
{
	_cleanup_free_ struct nft_elem *elems = NULL;
	size_t n_elems = 0;

	int r = nft_elem_dump(k->sock, NFPROTO_BRIDGE, k->table, set, &elems, &n_elems);
	if (r)
		return r;
	*list = mem_grow(*list, *n + n_elems + 1, sizeof(**list));
	for (size_t i = 0; i < n_elems; i++) {
		struct state_guard *g = &(*list)[*n];

		if (nft_elem_to_guard(&elems[i].key, g) == 0) {
			g->security = (uint8_t)security;
			(*n)++;
		}
	}
	return 0;
}

/*
 * Both must stand for a guard: the address's element and the MAC's. Of one without its MAC nothing is told, so that it is added again; a
 * MAC without addresses is told as a guard without one. Return: how many of @guards are left, with room made for @macs behind them.
 */
static size_t match_macs(struct nft_guard *k, struct state_guard *guards, size_t n,
			 struct state_guard *macs, size_t n_macs)
{
	size_t kept = 0;

	qsort(macs, n_macs, sizeof(*macs), nft_guard_cmp);
	for (size_t i = 0; i < n; i++) {
		struct state_guard mac = guards[i];

		mac.ip = (struct ip){ 0 };
		if (bsearch(&mac, macs, n_macs, sizeof(*macs), nft_guard_cmp))
			guards[kept++] = guards[i];
	}
	for (size_t i = 0; i < n_macs; i++) {
		if (!nft_known_has(k->known, &macs[i]))
			guards[kept++] = macs[i];
	}
	return kept;
}

int nft_guard_dump(struct nft_guard *k, struct state_guard **list, size_t *n)
{
	_cleanup_free_ struct state_guard *guards = NULL, *macs = NULL;
	size_t n_guards = 0, n_macs = 0;

	int r = dump_set(k, NFT_SET_GUARD4, STATE_SECURE_MAC_IP, &guards, &n_guards);
	if (!r)
		r = dump_set(k, NFT_SET_GUARD6, STATE_SECURE_MAC_IP, &guards, &n_guards);
	if (!r)
		r = dump_set(k, NFT_SET_MACS, STATE_SECURE_MAC_IP, &macs, &n_macs);
	if (r)
		return r;
	nft_guard_made(k, guards, n_guards);
	guards = mem_grow(guards, n_guards + n_macs + 1, sizeof(*guards));
	n_guards = match_macs(k, guards, n_guards, macs, n_macs);
	r = dump_set(k, NFT_SET_LOOSE, STATE_SECURE_MAC, &guards, &n_guards);
	if (!r)
		r = dump_set(k, NFT_SET_FREE, STATE_SECURE_OFF, &guards, &n_guards);
	if (r)
		return r;
	*list = mem_grow(*list, *n + n_guards + 1, sizeof(**list));
	memcpy(*list + *n, guards, n_guards * sizeof(*guards));
	*n += n_guards;
	return 0;
}
