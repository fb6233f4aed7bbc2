/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "overlay/coexist_priv.h"
#include <stdio.h>
#include <string.h>
#include "base/buf.h"
#include "base/mem.h"
#include "overlay/knl_iptables.h"

#define NAMED_MAX 8 /* interfaces named in one finding */
#define TEXT_MAX 8192

void coexist_findings_clear(struct coexist *c)
{
	for (size_t i = 0; i < c->n_findings; i++) {
		free(c->findings[i].what);
		free(c->findings[i].cure);
	}
	c->n_findings = 0;
}

void coexist_add(struct coexist *c, enum coexist_level level, char *what, char *cure)
{
	if (c->n_findings == COEXIST_FINDINGS_MAX) {
		free(what);
		free(cure);
		return;
	}
	c->findings[c->n_findings++] = (struct coexist_finding){ level, what, cure };
}

/* "ovl-gw, ovl0 and 3 more"; @with: whether to name the i-th, NULL: all. */
static char *names(const struct coexist_ifaces *ifs, const bool *with)
{
	_cleanup_buf_ struct buf b;
	size_t named = 0, more = 0;

	buf_init(&b, TEXT_MAX);
	for (size_t i = 0; i < ifs->n; i++) {
		if (with && !with[i])
			continue;
		if (named < NAMED_MAX)
			buf_printf(&b, "%s%.*s", named ? ", " : "", IFNAMSIZ, ifs->v[i]);
		else
			more++;
		named++;
	}
	if (more)
		buf_printf(&b, " and %zu more", more);
	return buf_take(&b);
}

/* A line of @fmt for each name pattern that takes in all of ours: "ovl" and the wildcard for our own names, the others as they are. */
static char *lines(const struct coexist_ifaces *ifs, const bool *with, char wildcard,
		   const char *const *fmts, size_t n_fmts)
{
	_cleanup_buf_ struct buf b;
	bool usual = false;

	buf_init(&b, TEXT_MAX);
	for (size_t i = 0; i < ifs->n; i++) {
		char pattern[IFNAMSIZ + 1];

		if (with && !with[i])
			continue;
		if (strncmp(ifs->v[i], "ovl", 3) == 0) {
			if (usual)
				continue;
			usual = true;
			snprintf(pattern, sizeof(pattern), "ovl%c", wildcard);
		} else {
			snprintf(pattern, sizeof(pattern), "%.*s", IFNAMSIZ, ifs->v[i]);
		}
		for (size_t j = 0; j < n_fmts; j++) {
			if (b.len)
				buf_puts(&b, "; ");
			for (const char *p = fmts[j]; *p; p++) {
				if (*p == '@')
					buf_puts(&b, pattern);
				else
					buf_append(&b, p, 1);
			}
		}
	}
	return buf_take(&b);
}

/* "iptables", "ip6tables -t mangle"; heap. */
static char *command(const struct nft_foreign_chain *c)
{
	bool filter = strcmp(c->table, "filter") == 0;

	return mem_printf("%s%s%s", c->family == NFT_FOREIGN_IP6 ? "ip6tables" : "iptables",
			  filter ? "" : " -t ", filter ? "" : c->table);
}

/* "inet filter forward", as nft(8) has it; heap. */
static char *nft_name(const struct nft_foreign_chain *c)
{
	return mem_printf("%s %s %s",
			  c->family == NFT_FOREIGN_INET ? "inet" :
			  c->family == NFT_FOREIGN_IP6	? "ip6" :
							  "ip",
			  c->table, c->name);
}

/* Made by iptables-nft: its chains are in capitals, its tables have fixed names. */
static bool by_iptables(const struct nft_foreign_chain *c)
{
	static const char *const tables[] = { "filter", "mangle", "security" };

	if (c->family == NFT_FOREIGN_INET ||
	    strcmp(c->name, c->hook == NFT_FOREIGN_INPUT ? "INPUT" : "FORWARD") != 0)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
		if (strcmp(c->table, tables[i]) == 0)
			return true;
	}
	return false;
}

static bool by_firewalld(const struct nft_foreign_chain *c)
{
	return strcmp(c->table, "firewalld") == 0;
}

static bool by_ufw(const struct nft_foreign *f, const struct nft_foreign_chain *c)
{
	return by_iptables(c) && nft_foreign_find(f, c->family, c->table,
						  c->family == NFT_FOREIGN_IP6 ? "ufw6-user-input" :
										 "ufw-user-input");
}

/* "iptables: FORWARD", "nft: inet filter forward" */
static char *title(const struct nft_foreign *f, const struct nft_foreign_chain *c)
{
	_cleanup_free_ char *cmd = command(c);
	_cleanup_free_ char *nft = nft_name(c);

	if (by_firewalld(c))
		return mem_printf("firewalld: %s", c->name);
	if (by_iptables(c))
		return mem_printf("%s%s: %s", by_ufw(f, c) ? "ufw, " : "", cmd, c->name);
	return mem_printf("nft: %s", nft);
}

/* Are there rules that pass packets of @ifname (@what) on? Which conditions they have beside is not known. */
static bool let_in(const struct nft_foreign *f, enum nft_foreign_what what, const char *ifname,
		   uint16_t port)
{
	for (size_t i = 0; i < f->n; i++) {
		const struct nft_foreign_chain *c = &f->chains[i];

		for (size_t j = 0; c->reached && j < c->n_rules; j++) {
			const struct nft_foreign_rule *r = &c->rules[j];

			if (r->verdict == NFT_FOREIGN_DROP || r->verdict == NFT_FOREIGN_RETURN)
				continue;
			for (size_t k = 0; k < r->n_mentions; k++) {
				const struct nft_foreign_mention *m = &r->mentions[k];

				if (m->what != what)
					continue;
				if (what == NFT_FOREIGN_DPORT ?
					    m->from <= port && port <= m->to :
					    m->len && strncmp(m->name, ifname, m->len) == 0)
					return true;
			}
		}
	}
	return false;
}

static char *forward_cure(const struct nft_foreign_chain *c, const struct coexist_ifaces *ifs,
			  const bool *missing)
{
	bool iptables = by_iptables(c);
	_cleanup_free_ char *who = iptables ? command(c) : nft_name(c);
	_cleanup_free_ char *in = NULL;
	_cleanup_free_ char *out = NULL;

	if (by_firewalld(c))
		return lines(
			ifs, missing, '+',
			(const char *const[]){ "firewall-cmd --zone=trusted --add-interface=@" },
			1);
	in = mem_printf(iptables ? "%s -I FORWARD -i @ -j ACCEPT" :
				   "nft 'insert rule %s iifname \"@\" accept'",
			who);
	out = mem_printf(iptables ? "%s -I FORWARD -o @ -j ACCEPT" :
				    "nft 'insert rule %s oifname \"@\" accept'",
			 who);
	return lines(ifs, missing, iptables ? '+' : '*', (const char *const[]){ in, out }, 2);
}

/* A chain that is not for us to write into. */
static void find_forward(struct coexist *c, struct nft_foreign *f,
			 const struct nft_foreign_chain *base, const struct coexist_ifaces *ifs)
{
	_cleanup_free_ bool *missing = mem_alloc(ifs->n + 1);
	_cleanup_free_ char *who = title(f, base);
	_cleanup_free_ char *list = NULL;
	bool any = false;

	nft_foreign_reach(f, base);
	for (size_t i = 0; i < ifs->n; i++) {
		missing[i] = !let_in(f, NFT_FOREIGN_IN, ifs->v[i], 0) ||
			     !let_in(f, NFT_FOREIGN_OUT, ifs->v[i], 0);
		any |= missing[i];
	}
	list = names(ifs, any ? missing : NULL);
	if (!any)
		coexist_add(c, COEXIST_NOTE,
			    mem_printf("%s drops, but has rules for %s", who, list), NULL);
	else
		coexist_add(c, COEXIST_PROBLEM, mem_printf("%s drops what %s forwards", who, list),
			    forward_cure(base, ifs, missing));
}

/* Does a rule in front of ours, or of the way to them, drop everything? */
static bool blocked(const struct nft_foreign_chain *chain, const char *to)
{
	for (size_t i = 0; i < chain->n_rules; i++) {
		const struct nft_foreign_rule *r = &chain->rules[i];

		if (to ? r->target && strcmp(r->target, to) == 0 : r->ours)
			return false;
		if (r->plain && r->verdict == NFT_FOREIGN_DROP)
			return true;
	}
	return false;
}

/* iptables-nft's FORWARD, where rules of ours stand. */
static void find_place(struct coexist *c, const struct nft_foreign *f,
		       const struct nft_foreign_chain *fwd, const struct nft_foreign_chain *place,
		       const struct coexist_ifaces *ifs)
{
	_cleanup_free_ char *who = title(f, fwd);
	_cleanup_free_ char *list = names(ifs, NULL);
	_cleanup_free_ char *cmd = command(fwd);
	const struct nft_foreign_chain *at = place == fwd ? fwd : place;

	if ((place != fwd && blocked(fwd, place->name)) || blocked(at, NULL))
		coexist_add(c, COEXIST_PROBLEM,
			    mem_printf("%s: a rule in front of ours drops everything", who),
			    mem_printf("%s -S %s", cmd, fwd->name));
	else
		coexist_add(c, COEXIST_NOTE,
			    mem_printf("%s drops; accept rules for %s in %s", who, list,
				       place->name),
			    NULL);
}

static char *vxlan_cure(const struct nft_foreign *f, const struct nft_foreign_chain *c,
			unsigned port)
{
	_cleanup_free_ char *who = by_iptables(c) ? command(c) : nft_name(c);

	if (by_firewalld(c))
		return mem_printf(
			"firewall-cmd --permanent --add-port=%u/udp && firewall-cmd --reload",
			port);
	if (by_ufw(f, c))
		return mem_printf("ufw allow %u/udp", port);
	if (by_iptables(c))
		return mem_printf("%s -I INPUT -p udp --dport %u -j ACCEPT", who, port);
	return mem_printf("nft 'insert rule %s udp dport %u accept'", who, port);
}

static char *dns_cure(const struct nft_foreign_chain *c, const struct coexist_ifaces *ifs,
		      const bool *missing)
{
	bool iptables = by_iptables(c);
	_cleanup_free_ char *who = iptables ? command(c) : nft_name(c);
	_cleanup_free_ char *udp = NULL;
	_cleanup_free_ char *tcp = NULL;

	if (by_firewalld(c))
		return forward_cure(c, ifs, missing);
	udp = mem_printf(iptables ? "%s -I INPUT -i @ -p udp --dport 53 -j ACCEPT" :
				    "nft 'insert rule %s iifname \"@\" udp dport 53 accept'",
			 who);
	tcp = mem_printf(iptables ? "%s -I INPUT -i @ -p tcp --dport 53 -j ACCEPT" :
				    "nft 'insert rule %s iifname \"@\" tcp dport 53 accept'",
			 who);
	return lines(ifs, missing, iptables ? '+' : '*', (const char *const[]){ udp, tcp }, 2);
}

/* Is there a rule that takes in everything from some addresses: the other nodes, perhaps? */
static bool trusts_some(const struct nft_foreign *f)
{
	for (size_t i = 0; i < f->n; i++) {
		const struct nft_foreign_chain *c = &f->chains[i];

		for (size_t j = 0; c->reached && j < c->n_rules; j++) {
			if (c->rules[j].by_source)
				return true;
		}
	}
	return false;
}

/*
 * Whether a rule lets the port in cannot be known from here (it may ask for sources or for a state: VXLAN goes untracked, so one for
 * established connections does not). No rule that names it is a hint.
 */
static void find_vxlan(struct coexist *c, const struct nft_foreign *f,
		       const struct nft_foreign_chain *base, const char *who)
{
	const char *unless = "";

	if (!c->vxlan_port || let_in(f, NFT_FOREIGN_DPORT, NULL, c->vxlan_port))
		return;
	/* Nodes that speak IPv4 lose nothing by ip6tables. */
	if (base->family == NFT_FOREIGN_IP6)
		unless = " (of nodes on IPv6)";
	else if (trusts_some(f))
		unless = " (unless it comes from an address that is let in)";
	coexist_add(c, *unless ? COEXIST_NOTE : COEXIST_PROBLEM,
		    mem_printf("%s may block VXLAN%s: it drops and has no rule for UDP port %u",
			       who, unless, c->vxlan_port),
		    vxlan_cure(f, base, c->vxlan_port));
}

/* A rule for the interface, for the port, or for both. */
static bool rule_lets_dns_in(const struct nft_foreign_rule *r, const char *ifname)
{
	bool in = false, is_in = false, port = false, is_port = false;

	if (r->verdict == NFT_FOREIGN_DROP || r->verdict == NFT_FOREIGN_RETURN)
		return false;
	for (size_t i = 0; i < r->n_mentions; i++) {
		const struct nft_foreign_mention *m = &r->mentions[i];

		if (m->what == NFT_FOREIGN_IN) {
			in = true;
			is_in |= m->len && strncmp(m->name, ifname, m->len) == 0;
		} else if (m->what == NFT_FOREIGN_DPORT) {
			port = true;
			is_port |= m->from <= NFT_FOREIGN_DNS_PORT && NFT_FOREIGN_DNS_PORT <= m->to;
		}
	}
	return (in || port) && in == is_in && port == is_port;
}

static bool lets_dns_in(const struct nft_foreign *f, const char *ifname)
{
	for (size_t i = 0; i < f->n; i++) {
		const struct nft_foreign_chain *c = &f->chains[i];

		for (size_t j = 0; c->reached && j < c->n_rules; j++) {
			if (rule_lets_dns_in(&c->rules[j], ifname))
				return true;
		}
	}
	return false;
}

/* An input chain that is not for us to write into. */
static void find_dns(struct coexist *c, const struct nft_foreign *f,
		     const struct nft_foreign_chain *base, const struct coexist_ifaces *ifs,
		     const char *who)
{
	_cleanup_free_ bool *missing = mem_alloc(ifs->n + 1);
	_cleanup_free_ char *list = NULL;
	bool any = false;

	for (size_t i = 0; i < ifs->n; i++) {
		missing[i] = !lets_dns_in(f, ifs->v[i]);
		any |= missing[i];
	}
	if (!any)
		return;
	list = names(ifs, missing);
	coexist_add(c, COEXIST_PROBLEM,
		    mem_printf("%s may block DNS of containers: it drops and has no rule for %s",
			       who, list),
		    dns_cure(base, ifs, missing));
}

static void find_input(struct coexist *c, struct nft_foreign *f,
		       const struct nft_foreign_chain *base, const struct coexist_ifaces *ifs)
{
	_cleanup_free_ char *who = title(f, base);
	struct coexist_ifaces dns = coexist_dns_ifaces(ifs);
	_cleanup_free_ char *list = NULL;

	nft_foreign_reach(f, base);
	find_vxlan(c, f, base, who);
	if (!dns.n || c->no_dns)
		return;
	if (base->family == NFT_FOREIGN_INET || base != coexist_input(f, base->family)) {
		find_dns(c, f, base, &dns, who);
		return;
	}
	list = names(&dns, NULL);
	if (blocked(base, NULL)) {
		_cleanup_free_ char *cmd = command(base);

		coexist_add(c, COEXIST_PROBLEM,
			    mem_printf("%s: a rule in front of ours drops everything", who),
			    mem_printf("%s -S %s", cmd, base->name));
	} else {
		coexist_add(c, COEXIST_NOTE,
			    mem_printf("%s drops; accept rules for DNS from %s in %s", who, list,
				       base->name),
			    NULL);
	}
}

void coexist_find(struct coexist *c, struct nft_foreign *f, const struct coexist_ifaces *ifs)
{
	for (size_t i = 0; i < f->n; i++) {
		const struct nft_foreign_chain *base = &f->chains[i];
		const struct nft_foreign_chain *place;

		if (base->hook == NFT_FOREIGN_NO_HOOK || !coexist_drops(base))
			continue;
		if (base->hook == NFT_FOREIGN_INPUT) {
			find_input(c, f, base, ifs);
			continue;
		}
		if (!ifs->n)
			continue;
		place = by_iptables(base) && strcmp(base->table, "filter") == 0 ?
				coexist_place(f, base->family) :
				NULL;
		if (place)
			find_place(c, f, base, place, ifs);
		else
			find_forward(c, f, base, ifs);
	}
}

int coexist_find_legacy(struct coexist *c, const struct coexist_ifaces *ifs, struct err *e)
{
	struct coexist_ifaces dns = coexist_dns_ifaces(ifs);
	int first = 0;

	for (unsigned v6 = 0; v6 < 2; v6++) {
		const char *cmd = v6 ? "ip6tables-legacy" : "iptables-legacy";
		_cleanup_free_ char *in = mem_printf("%s -I FORWARD -i @ -j ACCEPT", cmd);
		_cleanup_free_ char *out = mem_printf("%s -I FORWARD -o @ -j ACCEPT", cmd);
		_cleanup_free_ char *udp =
			mem_printf("%s -I INPUT -i @ -p udp --dport 53 -j ACCEPT", cmd);
		_cleanup_free_ char *tcp =
			mem_printf("%s -I INPUT -i @ -p tcp --dport 53 -j ACCEPT", cmd);
		struct knl_iptables t = { 0 }, d = { 0 };
		int r = knl_iptables_read(v6, ifs->v, ifs->n, &t);

		if (r == 0)
			r = knl_iptables_read(v6, dns.v, dns.n, &d);

		if (r < 0) {
			coexist_add(c, COEXIST_PROBLEM,
				    mem_printf("%s is in use and cannot be read: %s", cmd,
					       strerror(-r)),
				    NULL);
			if (!first)
				first = err_set(e, r, "%s: %s", cmd, strerror(-r));
			continue;
		}
		if (d.used && d.input_drops && d.n_dns_missing && !c->no_dns)
			coexist_add(
				c, COEXIST_PROBLEM,
				mem_printf("%s: INPUT may block DNS of containers: it drops and has "
					   "no rule for %zu of our interfaces",
					   cmd, d.n_dns_missing),
				lines(&dns, NULL, '+', (const char *const[]){ udp, tcp }, 2));
		if (!t.used || !t.drops || !ifs->n)
			continue;
		if (!t.n_missing)
			coexist_add(c, COEXIST_NOTE,
				    mem_printf("%s: FORWARD drops, but has rules for ours", cmd),
				    NULL);
		else
			coexist_add(
				c, COEXIST_PROBLEM,
				mem_printf("%s: FORWARD drops what %zu of our interfaces forward",
					   cmd, t.n_missing),
				lines(ifs, NULL, '+', (const char *const[]){ in, out }, 2));
	}
	return first;
}
