/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "overlay/nft_ground.h"
#include <errno.h>
#include <string.h>
#include "base/mem.h"
#include "overlay/nft_elem.h"
#include "overlay/nft_event.h"
#include "overlay/nft_guard.h"
#include "overlay/nft_host.h"
#include "overlay/nft_skel.h"

struct nft_ground {
	char table[NFT_GROUND_TABLE_MAX];
	struct nft_params params;
	struct nft_sock *overlay, *host;
	int overlay_events, host_events;
	struct nft_guard *overlay_guards, *host_guards;
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
	g->overlay_guards = nft_guard_new(g->overlay, g->table, false);
	g->host_guards = nft_guard_new(g->host, g->table, true);
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
	nft_guard_free(g->overlay_guards);
	nft_guard_free(g->host_guards);
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
	if (!r)
		r = nft_table_check(g->host, &nft_skel_host_bridge, &g->params, e);
	return r;
}

/* The elements that belong into a table made anew. */
static void put_vteps(struct nft_batch *b, const struct nft_ground *g,
		      const struct kernel_elements *el)
{
	for (size_t i = 0; i < el->n_vteps; i++) {
		struct nft_elem_op op = { .family = NFPROTO_INET };

		if (!ip_is_set(el->vteps[i]))
			continue;
		op.key = nft_elem_vtep(el->vteps[i], &op.set);
		nft_elem_put(b, g->table, &op);
	}
}

static void put_elements(struct nft_batch *b, const struct nft_ground *g,
			 const struct nft_table_def *t, const struct kernel_elements *el)
{
	if (t == &nft_skel_bridge)
		nft_guard_put(g->overlay_guards, b, el->guards, el->n_guards);
	if (t == &nft_skel_host_bridge)
		nft_guard_put(g->host_guards, b, el->guards, el->n_guards);
	if (t == &nft_skel_host)
		put_vteps(b, g, el);
	if (t == &nft_skel_host || t == &nft_skel_host_bridge)
		nft_host_put(b, g->table, t->family, el->elems, el->n_elems);
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
	put_elements(&b, g, t, el);
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
		nft_guard_made(g->overlay_guards, el->guards, el->n_guards);
	if (r >= 0)
		r = make_table(g, g->host, &nft_skel_host, el, e);
	if (r >= 0)
		r = make_table(g, g->host, &nft_skel_host_bridge, el, e);
	if (r == 1)
		nft_guard_made(g->host_guards, el->guards, el->n_guards);
	return r < 0 ? r : 0;
}

static int cmp_ips(const void *a, const void *b)
{
	return ip_cmp(*(const struct ip *)a, *(const struct ip *)b);
}

static int dump_vteps(struct nft_ground *g, const char *set, struct ip **list, size_t *n)
{
	_cleanup_free_ struct nft_elem *elems = NULL;
	size_t n_elems = 0;

	int r = nft_elem_dump(g->host, NFPROTO_INET, g->table, set, &elems, &n_elems);
	if (r)
		return r;
	*list = mem_grow(*list, *n + n_elems + 1, sizeof(**list));
	for (size_t i = 0; i < n_elems; i++) {
		if (nft_elem_to_vtep(&elems[i].key, &(*list)[*n]) == 0)
			(*n)++;
	}
	return 0;
}

int nft_ground_dump(struct nft_ground *g, struct state_guard **ret_guards, size_t *ret_n_guards,
		    struct ip **ret_vteps, size_t *ret_n_vteps, struct err *e)
{
	_cleanup_free_ struct state_guard *guards = NULL;
	_cleanup_free_ struct ip *vteps = NULL;
	size_t n_guards = 0, n_vteps = 0;

	int r = nft_guard_dump(g->overlay_guards, &guards, &n_guards);
	if (!r)
		r = nft_guard_dump(g->host_guards, &guards, &n_guards);
	if (!r)
		r = dump_vteps(g, NFT_SET_VTEPS4, &vteps, &n_vteps);
	if (!r)
		r = dump_vteps(g, NFT_SET_VTEPS6, &vteps, &n_vteps);
	if (r)
		return err_set(e, r, "nf_tables: dump of the sets: %s", strerror(-r));

	qsort(guards, n_guards, sizeof(*guards), nft_guard_cmp);
	*ret_n_guards = n_guards;
	*ret_guards = TAKE_PTR(guards);
	qsort(vteps, n_vteps, sizeof(*vteps), cmp_ips);
	*ret_n_vteps = n_vteps;
	*ret_vteps = TAKE_PTR(vteps);
	return 0;
}

int nft_ground_dump_elems(struct nft_ground *g, struct state_elem **ret, size_t *ret_n,
			  struct err *e)
{
	int r = nft_host_dump(g->host, g->table, ret, ret_n);

	return r ? err_set(e, r, "nf_tables: dump of the host's sets: %s", strerror(-r)) : 0;
}

int nft_ground_guard(struct nft_ground *g, const struct kernel_guard_op *ops, size_t n,
		     struct err *e)
{
	int r = nft_guard_apply(g->overlay_guards, ops, n, &g->writes, e);

	return r ? r : nft_guard_apply(g->host_guards, ops, n, &g->writes, e);
}

int nft_ground_elems(struct nft_ground *g, const struct kernel_elem_op *ops, size_t n,
		     struct err *e)
{
	_cleanup_free_ struct nft_elem_op *elems = mem_alloc_array(n + 1, sizeof(*elems));
	size_t written = 0;
	int r = 0;

	for (size_t i = 0; i < n && !r; i++)
		r = nft_host_op(&ops[i], &elems[i], e);
	if (!r)
		r = nft_elem_apply(g->host, g->table, elems, n, &written, e);
	g->writes += written;
	return r;
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
		elems[n].family = NFPROTO_INET;
		elems[n].key = nft_elem_vtep(a, &elems[n].set);
		n++;
	}
	int r = nft_elem_apply(g->host, g->table, elems, n, &written, e);
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
	if (!r)
		r = nft_table_delete(g->host, &nft_skel_host_bridge, &g->params, e);
	nft_guard_forget(g->overlay_guards);
	nft_guard_forget(g->host_guards);
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
