/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bytes as a sequence of changes of a zone and questions to it, with any names: each record of an answer belongs to an endpoint that is there, on a network
 * of the asker's, and what is kept goes away again.
 *
 * A step is one byte: its low three bits say what, the next which network, the last which endpoint; names follow, each up to a zero byte.
 */
#include "agent/dns/zone.h"

#include <stdlib.h>
#include <string.h>
#include "base/mem.h"

#define NETS 4
#define EPS 8
#define NAMES 3

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	const uint8_t *p;
	size_t n;
};
struct world {
	struct zone *z;
	bool known[NETS], there[NETS][EPS], six[NETS][EPS];
	uint16_t port[NETS][EPS];
	struct strv links;
};

static void check(bool ok)
{
	if (!ok)
		abort();
}

static uint8_t take_byte(struct input *in)
{
	if (in->n == 0)
		return 0;
	in->n--;
	return *in->p++;
}

static char *take_text(struct input *in)
{
	size_t len = strnlen((const char *)in->p, in->n);
	char *s = mem_strndup((const char *)in->p, len);

	in->p += len < in->n ? len + 1 : len;
	in->n -= len < in->n ? len + 1 : len;
	return s;
}

static struct id id_of(unsigned n)
{
	return (struct id){ .b = { (uint8_t)(n + 1) } };
}

static struct ip ip_of(unsigned net, unsigned ep, bool six)
{
	struct ip ip = { .family = AF_INET6, .b = { 0xfd, (uint8_t)net } };

	if (!six)
		return ip_v4(0x0a000002u + (net << 8) + ep);
	ip.b[15] = (uint8_t)(ep + 2);
	return ip;
}

static void put_network(struct world *w, struct input *in, unsigned net, bool nameless)
{
	_cleanup_free_ char *name = take_text(in);
	struct prefix subnets[] = { { ip_v4(0x0a000000u + (net << 8)), 24 },
				    { { AF_INET6, { 0xfd, (uint8_t)net } }, 64 } };

	zone_network_put(w->z, id_of(net), name, nameless, subnets, ARRAY_SIZE(subnets));
	w->known[net] = true;
}

static void put_endpoint(struct world *w, struct input *in, unsigned net, unsigned ep)
{
	uint8_t how = take_byte(in);
	struct zone_port ports[] = { { IPPROTO_TCP, how }, { IPPROTO_UDP, 53 } };
	char *names[NAMES] = { NULL };
	size_t n = how % (NAMES + 1u);

	for (size_t i = 0; i < n; i++)
		names[i] = take_text(in);
	w->there[net][ep] = true;
	w->six[net][ep] = how & 4;
	w->port[net][ep] = how;
	zone_endpoint_put(w->z, &(struct zone_endpoint){
					.id = id_of(ep),
					.network = id_of(net),
					.names = (const char *const *)names,
					.n_names = n,
					.ip4 = ip_of(net, ep, false),
					.ip6 = how & 4 ? ip_of(net, ep, true) : (struct ip){ 0 },
					.ports = ports,
					.n_ports = how & 8 ? 2 : 0,
				});
	for (size_t i = 0; i < n; i++)
		free(names[i]);
}

static bool has_address(const struct world *w, unsigned nets, struct ip ip)
{
	for (unsigned net = 0; net < NETS; net++) {
		for (unsigned ep = 0; ep < EPS; ep++) {
			if ((nets & 1u << net) && w->known[net] && w->there[net][ep] &&
			    (ip_eq(ip, ip_of(net, ep, false)) ||
			     (w->six[net][ep] && ip_eq(ip, ip_of(net, ep, true)))))
				return true;
		}
	}
	return false;
}

static void check_records(const struct world *w, unsigned nets, const struct zone_record *v,
			  size_t n, uint16_t type)
{
	for (size_t i = 0; i < n; i++) {
		check(strnlen(v[i].target, sizeof(v[i].target)) < sizeof(v[i].target));
		if (v[i].type == ZONE_A || v[i].type == ZONE_AAAA) {
			check(v[i].ip.family == (v[i].type == ZONE_A ? AF_INET : AF_INET6));
			check(has_address(w, nets, v[i].ip));
		} else {
			check(v[i].type == ZONE_HINFO ? type == ZONE_ANY : v[i].target[0] != '\0');
		}
		check(v[i].type == type || v[i].type == ZONE_HINFO || type == 0);
	}
}

static bool is_ancestor(const char *owner, const char *name)
{
	size_t a = strlen(owner), b = strlen(name);

	return a <= b && strcmp(name + b - a, owner) == 0 && (a == b || name[b - a - 1] == '.');
}

static void ask(struct world *w, struct input *in, unsigned nets)
{
	static const uint16_t types[] = { ZONE_A, ZONE_AAAA, ZONE_PTR, ZONE_SRV, ZONE_ANY, 16 };
	uint8_t how = take_byte(in);
	uint16_t type = types[how % ARRAY_SIZE(types)];
	_cleanup_free_ char *name = take_text(in);
	struct id ids[NETS];
	struct zone_asker asker = { .networks = ids, .links = how & 128 ? &w->links : NULL };
	struct zone_answer a;

	for (unsigned net = 0; net < NETS; net++) {
		if (nets & 1u << net)
			ids[asker.n_networks++] = id_of(net);
	}
	for (char *c = name; *c; c++)
		*c = *c >= 'A' && *c <= 'Z' ? (char)(*c + 32) : *c;
	zone_lookup(w->z, &asker, name, type, how, &a);
	check((a.outcome == ZONE_FOUND) == (a.n > 0));
	check(a.n <= ZONE_RECORDS_MAX && a.n_extra <= 2 * (size_t)ZONE_RECORDS_MAX);
	check_records(w, nets, a.v, a.n, type);
	check_records(w, nets, a.extra, a.n_extra, 0);
	if (a.outcome == ZONE_NODATA || a.outcome == ZONE_NXDOMAIN)
		check(is_ancestor(a.owner, name));
	zone_answer_done(&a);
}

static void step(struct world *w, struct input *in)
{
	uint8_t op = take_byte(in);
	unsigned net = op >> 3 & 3, ep = op >> 5;
	_cleanup_free_ char *link = NULL;

	switch (op & 7) {
	case 0:
		put_network(w, in, net, ep == 7);
		break;
	case 1:
		zone_network_del(w->z, id_of(net));
		w->known[net] = false;
		memset(w->there[net], 0, sizeof(w->there[net]));
		break;
	case 2:
	case 3:
		put_endpoint(w, in, net, ep);
		break;
	case 4:
		zone_endpoint_del(w->z, id_of(net), id_of(ep));
		w->there[net][ep] = false;
		break;
	case 5:
		link = take_text(in);
		strv_add(&w->links, link);
		break;
	default:
		ask(w, in, op >> 3 & 15);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	struct world w = { .z = zone_new("ovl") };
	struct zone_stats before, after;

	zone_stats(w.z, &before);
	while (in.n > 0)
		step(&w, &in);
	for (unsigned net = 0; net < NETS; net++)
		zone_network_del(w.z, id_of(net));
	zone_stats(w.z, &after);
	check(memcmp(&before, &after, sizeof(before)) == 0);
	strv_done(&w.links);
	zone_free(w.z);
	return 0;
}
