/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "overlay/coexist.h"
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include "base/mem.h"
#include "overlay/coexist_priv.h"
#include "overlay/nft_event.h"

/* Somebody writes while we read: another look. Each takes a millisecond, a dockerd's start some hundred transactions. */
#define TRIES 50
#define DOCKER_BRIDGES_MAX 256

int coexist_new(uint16_t vxlan_port, struct coexist **ret, struct err *e)
{
	struct coexist *c = mem_alloc(sizeof(*c));
	int r;

	c->vxlan_port = vxlan_port;
	c->event_fd = nft_event_open(-1, e);
	r = c->event_fd < 0 ? c->event_fd : nft_sock_open(-1, &c->sock, e);
	if (r < 0) {
		coexist_free(c);
		return r;
	}
	*ret = c;
	return 0;
}

void coexist_free(struct coexist *c)
{
	if (!c)
		return;
	coexist_findings_clear(c);
	free(c->dns_also);
	nft_sock_close(c->sock);
	if (c->event_fd >= 0)
		close(c->event_fd);
	free(c);
}

void coexist_dns(struct coexist *c, bool served)
{
	c->no_dns = !served;
}

void coexist_dns_also(struct coexist *c, const char (*ifaces)[IFNAMSIZ], size_t n)
{
	free(c->dns_also);
	c->n_dns_also = n < COEXIST_DNS_ALSO_MAX ? n : COEXIST_DNS_ALSO_MAX;
	c->dns_also = mem_alloc_array(c->n_dns_also + 1, IFNAMSIZ);
	for (size_t i = 0; i < c->n_dns_also; i++)
		memcpy(c->dns_also[i], ifaces[i], strnlen(ifaces[i], IFNAMSIZ - 1));
}

bool coexist_drops(const struct nft_foreign_chain *c)
{
	for (size_t i = 0; i < c->n_rules; i++) {
		if (!c->rules[i].plain)
			continue;
		if (c->rules[i].verdict == NFT_FOREIGN_DROP)
			return true;
		if (c->rules[i].verdict == NFT_FOREIGN_ACCEPT)
			return false;
	}
	return c->drops;
}

struct nft_foreign_chain *coexist_place(const struct nft_foreign *f, uint8_t family)
{
	struct nft_foreign_chain *fwd = nft_foreign_find(f, family, "filter", "FORWARD");

	if (!fwd || fwd->hook != NFT_FOREIGN_FORWARD || !coexist_drops(fwd))
		return NULL;
	for (size_t i = 0; i < fwd->n_rules; i++) {
		const char *to = fwd->rules[i].target;

		/* A chain that dockerd left behind is led to no more. */
		if (to && strcmp(to, "DOCKER-USER") == 0)
			return nft_foreign_find(f, family, "filter", to);
	}
	return fwd;
}

struct nft_foreign_chain *coexist_input(const struct nft_foreign *f, uint8_t family)
{
	struct nft_foreign_chain *in = nft_foreign_find(f, family, "filter", "INPUT");

	return in && in->hook == NFT_FOREIGN_INPUT && coexist_drops(in) ? in : NULL;
}

static size_t index_of(const struct coexist_ifaces *ifs, const char *name)
{
	size_t i = 0;

	while (i < ifs->n_dns && strncmp(ifs->v[i], name, IFNAMSIZ) != 0)
		i++;
	return i;
}

enum { HAVE_IN = 1, HAVE_OUT = 2, HAVE_UDP = 4, HAVE_TCP = 8 };
/* One family's rules of ours: those that shall be, and which of them are. */
struct fitting {
	const struct coexist_ifaces *ifs;
	char (*docker)[IFNAMSIZ]; /* bridges of Docker's */
	size_t n_docker;
	uint8_t *have; /* of each of ours: HAVE_* */
	bool *left; /* of each of ours and each of Docker's: from the one to the other Docker's rules decide */
};

static size_t docker_index(const struct fitting *f, const char *name)
{
	size_t i = 0;

	while (i < f->n_docker && strncmp(f->docker[i], name, IFNAMSIZ) != 0)
		i++;
	return i;
}

/* Where dockerd has a rule "-o X -j DOCKER", X is a bridge of its own, and what reaches its containers is for that chain to say. */
static void find_docker(const struct nft_foreign *all, uint8_t family, struct fitting *f)
{
	for (size_t i = 0; i < all->n; i++) {
		const struct nft_foreign_chain *c = &all->chains[i];

		for (size_t k = 0; c->family == family && k < c->n_rules; k++) {
			const struct nft_foreign_rule *r = &c->rules[k];
			const struct nft_foreign_mention *m = r->mentions;

			if (!r->target || strcmp(r->target, "DOCKER") != 0 || r->n_mentions != 1 ||
			    m->what != NFT_FOREIGN_OUT || m->len < IFNAMSIZ ||
			    f->n_docker >= DOCKER_BRIDGES_MAX ||
			    docker_index(f, m->name) < f->n_docker)
				continue;
			f->docker = mem_grow(f->docker, f->n_docker + 1, sizeof(*f->docker));
			memcpy(f->docker[f->n_docker++], m->name, IFNAMSIZ);
		}
	}
}

/* Where a chain of others stands in this. */
enum place { NO_PLACE, PLACE_FORWARD, PLACE_INPUT };

static uint8_t have_bit(const struct nft_foreign_rule *r)
{
	if (r->proto)
		return r->proto == IPPROTO_TCP ? HAVE_TCP : HAVE_UDP;
	return r->mentions[0].what == NFT_FOREIGN_OUT ? HAVE_OUT : HAVE_IN;
}

/* Is rule @r of ours, found in its place, wanted? Then it is noted. */
static bool is_wanted(struct fitting *f, const struct nft_foreign_rule *r, enum place place)
{
	size_t at = index_of(f->ifs, r->mentions[0].name), to;
	uint8_t bit = have_bit(r);

	if (at >= (r->proto ? f->ifs->n_dns : f->ifs->n) ||
	    place != (r->proto ? PLACE_INPUT : PLACE_FORWARD))
		return false;
	if (r->n_mentions == 1 || r->proto) {
		if (f->have[at] & bit)
			return false;
		f->have[at] |= bit;
		return true;
	}
	to = docker_index(f, r->mentions[1].name);
	/* Behind the one that accepts all it is never reached. */
	if (to >= f->n_docker || (f->have[at] & HAVE_IN) || f->left[at * f->n_docker + to])
		return false;
	f->left[at * f->n_docker + to] = true;
	return true;
}

/* Append deletions of our rules that are wrong in @c; note the others. */
static void sort_out(struct nft_batch *b, const struct nft_foreign_chain *c, enum place place,
		     struct fitting *f)
{
	bool over = false; /* what follows is never reached */

	for (size_t i = 0; i < c->n_rules; i++) {
		const struct nft_foreign_rule *r = &c->rules[i];

		/*
		 * Only RETURN makes ours move: DOCKER-USER's own last rule. One that drops everything in front of ours is somebody's
		 * will and is reported.
		 */
		over |= r->plain && r->verdict == NFT_FOREIGN_RETURN;
		if (!r->ours)
			continue;
		if (place == NO_PLACE || over || !is_wanted(f, r, place))
			nft_foreign_del(b, c, r->handle);
	}
}

/* Each goes in front of the one before: so from the last. */
static void put_missing(struct nft_batch *b, const struct nft_foreign_chain *place,
			const struct fitting *f)
{
	for (size_t i = f->ifs->n; i-- > 0;) {
		if (!(f->have[i] & HAVE_OUT))
			nft_foreign_put(b, place, NULL, f->ifs->v[i]);
		if (!(f->have[i] & HAVE_IN))
			nft_foreign_put(b, place, f->ifs->v[i], NULL);
		for (size_t k = f->n_docker; k-- > 0;) {
			if (!f->left[i * f->n_docker + k])
				nft_foreign_put(b, place, f->ifs->v[i], f->docker[k]);
		}
	}
}

static void put_missing_dns(struct nft_batch *b, const struct nft_foreign_chain *input,
			    const struct fitting *f)
{
	for (size_t i = f->ifs->n_dns; i-- > 0;) {
		if (!(f->have[i] & HAVE_TCP))
			nft_foreign_put_dns(b, input, f->ifs->v[i], IPPROTO_TCP);
		if (!(f->have[i] & HAVE_UDP))
			nft_foreign_put_dns(b, input, f->ifs->v[i], IPPROTO_UDP);
	}
}

/* One family's rules, in one transaction. */
static int fit_family(struct coexist *c, const struct nft_foreign *f, uint8_t family, uint32_t gen,
		      const struct coexist_ifaces *ifs, unsigned *ret_writes, struct err *e)
{
	const struct nft_foreign_chain *place = ifs->n ? coexist_place(f, family) : NULL;
	const struct nft_foreign_chain *input =
		ifs->n_dns && !c->no_dns ? coexist_input(f, family) : NULL;
	struct fitting fit = { .ifs = ifs, .have = mem_alloc(ifs->n_dns + 1) };
	struct nft_batch b;
	int r;

	find_docker(f, family, &fit);
	fit.left = mem_alloc_array(ifs->n * fit.n_docker + 1, sizeof(*fit.left));

	nft_batch_init(&b, c->sock);
	nft_foreign_expect(&b, gen);
	for (size_t i = 0; i < f->n; i++) {
		const struct nft_foreign_chain *at = &f->chains[i];

		if (at->family == family && strcmp(at->table, "filter") == 0)
			sort_out(&b, at,
				 at == place ? PLACE_FORWARD :
				 at == input ? PLACE_INPUT :
					       NO_PLACE,
				 &fit);
	}
	if (place)
		put_missing(&b, place, &fit);
	if (input)
		put_missing_dns(&b, input, &fit);
	*ret_writes = (unsigned)b.n;
	r = nft_batch_commit(&b, e);
	nft_batch_done(&b);
	free(fit.docker);
	free(fit.have);
	free(fit.left);
	return r;
}

/* -EINTR, -ERESTART: overtaken by somebody's change. */
static int update_once(struct coexist *c, const struct coexist_ifaces *ifs, struct nft_foreign *f,
		       unsigned *writes, struct err *e)
{
	static const uint8_t families[] = { NFT_FOREIGN_IP, NFT_FOREIGN_IP6 };
	int r = nft_foreign_read(c->sock, COEXIST_TABLE, f, e), first = 0;
	uint32_t gen = f->gen;

	if (r < 0) { /* half of it is no ground to write on */
		nft_foreign_done(f);
		return r;
	}
	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		struct err other = { 0 };
		unsigned n = 0;
		r = fit_family(c, f, families[i], gen, ifs, &n, &other);
		if (r == -ERESTART || r == -EINTR)
			return r;
		if (r == 0 && n > 0) {
			*writes += n;
			gen++; /* by our own */
		}
		if (r < 0 && first == 0) {
			err_set(e, r, "accept rules in %s: %s",
				families[i] == NFT_FOREIGN_IP ? "iptables" : "ip6tables",
				err_text(&other));
			first = r;
		}
	}
	return first;
}

static int update(struct coexist *c, const struct coexist_ifaces *ifs, unsigned *ret_writes,
		  struct err *e)
{
	struct nft_foreign f = { 0 };
	struct err other = { 0 };
	unsigned writes = 0, wrote = 0;
	int r = -EINTR;

	coexist_findings_clear(c);
	/* Until a pass finds nothing to write: the findings are about what it saw. */
	for (unsigned i = 0; i < TRIES && (r == -EINTR || r == -ERESTART || wrote); i++) {
		nft_foreign_done(&f);
		wrote = 0;
		r = update_once(c, ifs, &f, &wrote, &other);
		writes += wrote;
	}
	if (r == -EINTR || r == -ERESTART)
		r = err_set(&other, -EAGAIN, "nf_tables change all the time");
	if (r < 0) {
		coexist_add(c, COEXIST_PROBLEM, mem_strdup(err_text(&other)), NULL);
		if (e)
			*e = other;
	}
	coexist_find(c, &f, ifs);
	nft_foreign_done(&f);
	other = (struct err){ 0 };
	int legacy = coexist_find_legacy(c, ifs, &other);
	if (r == 0 && legacy < 0 && e)
		*e = other;
	if (ret_writes)
		*ret_writes = writes;
	return r < 0 ? r : legacy;
}

int coexist_update(struct coexist *c, const char (*ifaces)[IFNAMSIZ], size_t n,
		   unsigned *ret_writes, struct err *e)
{
	_cleanup_free_ char(*all)[IFNAMSIZ] = NULL;
	struct coexist_ifaces ifs = { .n = n, .n_dns = n };

	if (n > COEXIST_IFACES_MAX)
		return err_set(e, -E2BIG, "more than %d interfaces", COEXIST_IFACES_MAX);
	all = mem_alloc_array(n + c->n_dns_also + 1, IFNAMSIZ);
	if (n > 0)
		memcpy(all, ifaces, n * IFNAMSIZ);
	for (size_t i = 0; i < c->n_dns_also; i++)
		memcpy(all[ifs.n_dns++], c->dns_also[i], IFNAMSIZ);
	ifs.v = (const char(*)[IFNAMSIZ])all;
	return update(c, &ifs, ret_writes, e);
}

int coexist_remove(struct coexist *c, struct err *e)
{
	coexist_dns_also(c, NULL, 0);
	return coexist_update(c, NULL, 0, NULL, e);
}

size_t coexist_findings(const struct coexist *c, const struct coexist_finding **ret)
{
	*ret = c->findings;
	return c->n_findings;
}

int coexist_event_fd(const struct coexist *c)
{
	return c->event_fd;
}

bool coexist_event_read(struct coexist *c)
{
	return nft_event_read_others(c->event_fd, COEXIST_TABLE, nft_sock_portid(c->sock));
}
