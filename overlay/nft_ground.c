/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "overlay/nft_ground.h"
#include <errno.h>
#include <string.h>
#include "base/mem.h"
#include "overlay/nft_elem.h"
#include "overlay/nft_event.h"
#include "overlay/nft_known.h"
#include "overlay/nft_skel.h"

struct nft_ground {
	char table[NFT_GROUND_TABLE_MAX];
	struct nft_params params;
	struct nft_sock *overlay, *host;
	int overlay_events, host_events;
	struct nft_known *known;
	bool known_valid; /* @known agrees with the kernel's sets, as far as we have written them */
	uint64_t writes;
};

int nft_ground_new(int overlay_nsfd, const char *table, uint16_t vxlan_port,
		   struct nft_ground **ret, struct err *e)
{
	if (!*table || strlen(table) >= NFT_GROUND_TABLE_MAX)
		return err_set(e, -EINVAL, "nf_tables: a table's name has 1 to %d characters",
			       NFT_GROUND_TABLE_MAX - 1);
	struct nft_ground *g = mem_alloc(sizeof(*g));
	snprintf(g->table, sizeof(g->table), "%s", table);
	g->params = (struct nft_params){ .table = g->table, .vxlan_port = vxlan_port };
	g->overlay_events = g->host_events = -1;
	g->known = nft_known_new();

	/* Subscribed before anybody looks: no change falls between a check and the first event. */
	int r = nft_sock_open(overlay_nsfd, &g->overlay, e);
	if (!r)
		r = nft_sock_open(-1, &g->host, e);
	if (!r) {
		g->overlay_events = nft_event_open(overlay_nsfd, e);
		r = g->overlay_events < 0 ? g->overlay_events : 0;
	}
	if (!r) {
		g->host_events = nft_event_open(-1, e);
		r = g->host_events < 0 ? g->host_events : 0;
	}
	if (r) {
		nft_ground_free(g);
		return r;
	}
	*ret = g;
	return 0;
}

void nft_ground_free(struct nft_ground *g)
{
	if (!g)
		return;
	nft_sock_close(g->overlay);
	nft_sock_close(g->host);
	mem_closep(&g->overlay_events);
	mem_closep(&g->host_events);
	nft_known_free(g->known);
	free(g);
}

uint64_t nft_ground_writes(const struct nft_ground *g)
{
	return g->writes;
}

int nft_ground_check(struct nft_ground *g, struct err *e)
{
	int r = nft_table_check(g->overlay, &nft_skel_overlay, &g->params, e);

	if (!r)
		r = nft_table_check(g->overlay, &nft_skel_bridge, &g->params, e);
	if (!r)
		r = nft_table_check(g->host, &nft_skel_host, &g->params, e);
	return r;
}

/* The elements that belong into a table made anew. */
static void put_guards(struct nft_batch *b, const struct nft_ground *g,
		       const struct kernel_elements *el)
{
	for (size_t i = 0; i < el->n_guards; i++) {
		struct state_guard mac = el->guards[i];
		struct nft_elem_op op = { 0 };

		if (!ip_is_set(mac.ip))
			continue;
		op.key = nft_elem_guard(&mac, &op.set);
		nft_elem_put(b, NFPROTO_BRIDGE, g->table, &op);
		mac.ip = (struct ip){ 0 };
		op.key = nft_elem_guard(&mac, &op.set);
		nft_elem_put(b, NFPROTO_BRIDGE, g->table, &op);
	}
}

static void put_vteps(struct nft_batch *b, const struct nft_ground *g,
		      const struct kernel_elements *el)
{
	for (size_t i = 0; i < el->n_vteps; i++) {
		struct nft_elem_op op = { 0 };

		if (!ip_is_set(el->vteps[i]))
			continue;
		op.key = nft_elem_vtep(el->vteps[i], &op.set);
		nft_elem_put(b, NFPROTO_INET, g->table, &op);
	}
}

static void remember(struct nft_ground *g, const struct state_guard *guards, size_t n)
{
	nft_known_clear(g->known);
	for (size_t i = 0; i < n; i++) {
		if (ip_is_set(guards[i].ip))
			nft_known_add(g->known, &guards[i]);
	}
	g->known_valid = true;
}

/* One table: nothing when it stands, else made anew in one transaction. Return: 1 when made, 0, or an error. */
static int make_table(struct nft_ground *g, struct nft_sock *s, const struct nft_table_def *t,
		      const struct kernel_elements *el, struct err *e)
{
	struct err amiss = { 0 };
	uint64_t count = 0;
	struct nft_batch b;

	int r = nft_table_check(s, t, &g->params, &amiss);
	if (r != -ESTALE)
		return r ? err_set(e, r, "%s", err_text(&amiss)) : 0;
	if (t->counter)
		nft_table_count(s, t, &g->params, &count);
	nft_batch_init(&b, s);
	nft_table_put(&b, t, &g->params, count);
	if (t == &nft_skel_bridge)
		put_guards(&b, g, el);
	if (t == &nft_skel_host)
		put_vteps(&b, g, el);
	r = nft_batch_commit(&b, e);
	if (!r)
		g->writes += b.n;
	nft_batch_done(&b);
	if (!r)
		return 1;
	err_prefix(e, "make the table of the %s anew (%s)", t->where, err_text(&amiss));
	return r;
}

int nft_ground_make(struct nft_ground *g, const struct kernel_elements *el, struct err *e)
{
	static const struct kernel_elements none;

	if (!el)
		el = &none;
	int r = make_table(g, g->overlay, &nft_skel_overlay, el, e);
	if (r >= 0)
		r = make_table(g, g->overlay, &nft_skel_bridge, el, e);
	if (r == 1)
		remember(g, el->guards, el->n_guards);
	if (r >= 0)
		r = make_table(g, g->host, &nft_skel_host, el, e);
	return r < 0 ? r : 0;
}

static int cmp_guards(const void *a, const void *b)
{
	const struct state_guard *x = a, *y = b;
	int c = strcmp(x->port, y->port);

	if (!c)
		c = mac_cmp(x->mac, y->mac);
	return c ? c : ip_cmp(x->ip, y->ip);
}

static int cmp_ips(const void *a, const void *b)
{
	return ip_cmp(*(const struct ip *)a, *(const struct ip *)b);
}

/* One set's elements, appended to *@list as guards. */
static int dump_guards(struct nft_ground *g, const char *set, struct state_guard **list, size_t *n)
{
	_cleanup_free_ struct nft_key *keys = NULL;
	size_t n_keys = 0;

	int r = nft_elem_dump(g->overlay, NFPROTO_BRIDGE, g->table, set, &keys, &n_keys);
	if (r)
		return r;
	*list = mem_grow(*list, *n + n_keys + 1, sizeof(**list));
	for (size_t i = 0; i < n_keys; i++) {
		if (nft_elem_to_guard(&keys[i], &(*list)[*n]) == 0)
			(*n)++;
	}
	return 0;
}

static int dump_vteps(struct nft_ground *g, const char *set, struct ip **list, size_t *n)
{
	_cleanup_free_ struct nft_key *keys = NULL;
	size_t n_keys = 0;

	int r = nft_elem_dump(g->host, NFPROTO_INET, g->table, set, &keys, &n_keys);
	if (r)
		return r;
	*list = mem_grow(*list, *n + n_keys + 1, sizeof(**list));
	for (size_t i = 0; i < n_keys; i++) {
		if (nft_elem_to_vtep(&keys[i], &(*list)[*n]) == 0)
			(*n)++;
	}
	return 0;
}

/*
 * Both must stand for a guard: the address's element and the MAC's. Of one without its MAC nothing is told, so that it is added again; a
 * MAC without addresses is told as a guard without one.
 */
static size_t match_macs(struct nft_ground *g, struct state_guard *guards, size_t n,
			 struct state_guard *macs, size_t n_macs)
{
	size_t kept = 0;

	qsort(macs, n_macs, sizeof(*macs), cmp_guards);
	for (size_t i = 0; i < n; i++) {
		struct state_guard mac = guards[i];

		mac.ip = (struct ip){ 0 };
		if (bsearch(&mac, macs, n_macs, sizeof(*macs), cmp_guards))
			guards[kept++] = guards[i];
	}
	for (size_t i = 0; i < n_macs; i++) {
		if (!nft_known_has(g->known, &macs[i]))
			guards[kept++] = macs[i];
	}
	qsort(guards, kept, sizeof(*guards), cmp_guards);
	return kept;
}

int nft_ground_dump(struct nft_ground *g, struct state_guard **ret_guards, size_t *ret_n_guards,
		    struct ip **ret_vteps, size_t *ret_n_vteps, struct err *e)
{
	_cleanup_free_ struct state_guard *guards = NULL, *macs = NULL;
	_cleanup_free_ struct ip *vteps = NULL;
	size_t n_guards = 0, n_macs = 0, n_vteps = 0;

	int r = dump_guards(g, NFT_SET_GUARD4, &guards, &n_guards);
	if (!r)
		r = dump_guards(g, NFT_SET_GUARD6, &guards, &n_guards);
	if (!r)
		r = dump_guards(g, NFT_SET_MACS, &macs, &n_macs);
	if (!r)
		r = dump_vteps(g, NFT_SET_VTEPS4, &vteps, &n_vteps);
	if (!r)
		r = dump_vteps(g, NFT_SET_VTEPS6, &vteps, &n_vteps);
	if (r)
		return err_set(e, r, "nf_tables: dump of the sets: %s", strerror(-r));

	remember(g, guards, n_guards);
	guards = mem_grow(guards, n_guards + n_macs + 1, sizeof(*guards));
	*ret_n_guards = match_macs(g, guards, n_guards, macs, n_macs);
	*ret_guards = TAKE_PTR(guards);
	qsort(vteps, n_vteps, sizeof(*vteps), cmp_ips);
	*ret_n_vteps = n_vteps;
	*ret_vteps = TAKE_PTR(vteps);
	return 0;
}

/* After a failure, or before the first dump: what stands there is not known. */
static int ensure_known(struct nft_ground *g, struct err *e)
{
	struct state_guard *guards;
	struct ip *vteps;
	size_t n, n_vteps;

	if (g->known_valid)
		return 0;
	int r = nft_ground_dump(g, &guards, &n, &vteps, &n_vteps, e);
	if (r)
		return r;
	free(guards);
	free(vteps);
	return 0;
}

static size_t guard_ops(struct nft_ground *g, const struct kernel_guard_op *op,
			struct nft_elem_op ops[2])
{
	struct state_guard mac = op->guard;
	size_t n = 0;

	mac.ip = (struct ip){ 0 };
	if (ip_is_set(op->guard.ip)) {
		ops[n] = (struct nft_elem_op){ .del = op->del };
		ops[n].key = nft_elem_guard(&op->guard, &ops[n].set);
		n++;
	}
	bool with_mac = true;
	if (!op->del)
		nft_known_add(g->known, &op->guard);
	else if (ip_is_set(op->guard.ip))
		with_mac = nft_known_del(g->known, &op->guard);
	else
		with_mac = !nft_known_has(g->known, &mac);
	if (with_mac) {
		ops[n] = (struct nft_elem_op){ .del = op->del };
		ops[n].key = nft_elem_guard(&mac, &ops[n].set);
		n++;
	}
	return n;
}

int nft_ground_guard(struct nft_ground *g, const struct kernel_guard_op *ops, size_t n,
		     struct err *e)
{
	_cleanup_free_ struct nft_elem_op *elems = mem_alloc_array(2 * n + 1, sizeof(*elems));
	size_t n_elems = 0, written = 0;

	for (size_t i = 0; i < n; i++) {
		const struct state_guard *s = &ops[i].guard;
		if (!ops[i].del && (!ip_is_set(s->ip) || mac_is_zero(s->mac)))
			return err_set(e, -EINVAL, "port security of %s: no %s given", s->port,
				       ip_is_set(s->ip) ? "MAC" : "address");
	}
	int r = ensure_known(g, e);
	if (r)
		return r;
	for (size_t i = 0; i < n; i++)
		n_elems += guard_ops(g, &ops[i], elems + n_elems);
	r = nft_elem_apply(g->overlay, NFPROTO_BRIDGE, g->table, elems, n_elems, &written, e);
	if (r) {
		g->known_valid = false;
		err_prefix(e, "port security");
		return r;
	}
	g->writes += written;
	return 0;
}

int nft_ground_vteps(struct nft_ground *g, const struct ip *add, size_t n_add, const struct ip *del,
		     size_t n_del, struct err *e)
{
	_cleanup_free_ struct nft_elem_op *elems =
		mem_alloc_array(n_add + n_del + 1, sizeof(*elems));
	size_t n = 0, written = 0;

	for (size_t i = 0; i < n_del + n_add; i++) {
		struct ip a = i < n_del ? del[i] : add[i - n_del];
		if (!ip_is_set(a))
			continue;
		elems[n].del = i < n_del;
		elems[n].key = nft_elem_vtep(a, &elems[n].set);
		n++;
	}
	int r = nft_elem_apply(g->host, NFPROTO_INET, g->table, elems, n, &written, e);
	if (r) {
		err_prefix(e, "set of VTEPs");
		return r;
	}
	g->writes += written;
	return 0;
}

int nft_ground_dropped(struct nft_ground *g, uint64_t *ret_packets)
{
	return nft_table_count(g->host, &nft_skel_host, &g->params, ret_packets);
}

int nft_ground_remove(struct nft_ground *g, struct err *e)
{
	int r = nft_table_delete(g->overlay, &nft_skel_bridge, &g->params, e);

	if (!r)
		r = nft_table_delete(g->overlay, &nft_skel_overlay, &g->params, e);
	if (!r)
		r = nft_table_delete(g->host, &nft_skel_host, &g->params, e);
	g->known_valid = false;
	return r;
}

void nft_ground_event_fds(const struct nft_ground *g, int *ret_overlay_fd, int *ret_host_fd)
{
	*ret_overlay_fd = g->overlay_events;
	*ret_host_fd = g->host_events;
}

bool nft_ground_event_read(struct nft_ground *g, int fd)
{
	const struct nft_sock *own = fd == g->overlay_events ? g->overlay : g->host;

	return nft_event_read(fd, g->table, nft_sock_portid(own));
}
