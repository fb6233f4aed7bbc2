/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/dns/dns_client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "base/buf.h"

#define WORDS 8

static struct id id_of(unsigned n)
{
	return (struct id){ .b = { (uint8_t)n, (uint8_t)(n >> 8), 7 } };
}

static struct ip ip_of(const char *text)
{
	struct ip ip = { 0 };

	if (text[0])
		assert_int_equal(ip_parse(text, &ip, NULL), 0);
	return ip;
}

/* Endpoint @n on network @net, whose key is 100 + @net, in the namespace of inode @ino. */
struct put {
	unsigned n, net;
	uint64_t ino;
	const char *ifname, *ip4, *ip6, *links, *server;
	bool forward;
};

static void put(struct dns_clients *cs, const struct put *p)
{
	_cleanup_strv_ struct strv links = { 0 };
	struct dns_servers servers = { 0 };

	if (p->links)
		strv_split(&links, p->links, ' ');
	if (p->server)
		servers = (struct dns_servers){ { { ip_of(p->server), DNS_PORT } }, 1 };
	dns_clients_put(cs, &(struct dns_client_endpoint){
				    .id = id_of(p->n),
				    .network = id_of(1000 + p->net),
				    .place = { .dev = p->ino ? 4 : 0, .ino = p->ino },
				    .key = p->net ? 100 + p->net : 0,
				    .ifname = p->ifname,
				    .ip4 = ip_of(p->ip4 ? p->ip4 : ""),
				    .ip6 = ip_of(p->ip6 ? p->ip6 : ""),
				    .links = p->links ? &links : NULL,
				    .servers = p->server ? &servers : NULL,
				    .forward = p->forward,
			    });
}

static void wire(struct dns_clients *cs, unsigned net, bool forward, const char *subnets)
{
	_cleanup_strv_ struct strv words = { 0 };
	struct prefix v[WORDS];

	strv_split(&words, subnets, ' ');
	assert_true(words.n <= WORDS);
	for (size_t i = 0; i < words.n; i++)
		assert_int_equal(prefix_parse_host(words.v[i], &v[i], NULL), 0);
	dns_clients_network(cs, 100 + net, id_of(1000 + net), forward, v, words.n);
}

/* "4: 1 2 old:db @10.9.9.9 forward": the inode (0: wired), the networks, and so on; "-": nobody. */
static void is(const struct dns_client *c, const char *want)
{
	_cleanup_buf_ struct buf b;
	char ip[IP_TEXT_MAX];

	buf_init(&b, 4096);
	if (c) {
		assert_int_equal(c->place.dev, c->place.ino ? 4 : 0);
		buf_printf(&b, "%llu:", (unsigned long long)c->place.ino);
		for (size_t i = 0; i < c->n_networks; i++)
			buf_printf(&b, " %d",
				   c->networks[i].b[0] + 256 * c->networks[i].b[1] - 1000);
		for (size_t i = 0; i < c->links.n; i++)
			buf_printf(&b, " %s", c->links.v[i]);
		for (size_t i = 0; i < c->servers.n; i++)
			buf_printf(&b, " @%s", ip_format(c->servers.v[i].ip, ip));
		buf_puts(&b, c->forward ? " forward" : "");
	}
	assert_string_equal(c ? b.data : "-", want);
}

static const struct dns_client *at(const struct dns_clients *cs, uint64_t ino)
{
	return dns_client_at(cs, (struct dns_place){ ino ? 4 : 0, ino });
}

static const struct dns_client *from(const struct dns_clients *cs, unsigned net, const char *ip)
{
	return dns_client_find(cs, net ? 100 + net : 0, ip_of(ip));
}

static int setup(void **state)
{
	*state = dns_clients_new();
	return 0;
}

static int teardown(void **state)
{
	dns_clients_free(*state);
	return 0;
}

static void by_network_and_address(void **state)
{
	struct dns_clients *cs = *state;

	put(cs, &(struct put){ .n = 1,
			       .net = 1,
			       .ino = 50,
			       .ifname = "eth0",
			       .ip4 = "10.0.1.2",
			       .ip6 = "fd01::2" });
	put(cs, &(struct put){ .n = 2, .net = 2, .ino = 50, .ifname = "eth1", .ip4 = "10.0.2.2" });
	put(cs, &(struct put){ .n = 3, .net = 1, .ino = 60, .ifname = "eth0", .ip4 = "10.0.1.3" });
	/* another network may have the same addresses */
	put(cs, &(struct put){ .n = 4, .net = 3, .ino = 70, .ifname = "eth0", .ip4 = "10.0.1.2" });

	is(from(cs, 1, "10.0.1.2"), "50: 1 2");
	is(from(cs, 1, "fd01::2"), "50: 1 2");
	is(from(cs, 2, "10.0.2.2"), "50: 1 2");
	is(from(cs, 1, "10.0.1.3"), "60: 1");
	is(from(cs, 3, "10.0.1.2"), "70: 3");
	/* its address on one network, asking on another */
	is(from(cs, 2, "10.0.1.2"), "-");
	is(from(cs, 1, "10.0.2.2"), "-");
	is(from(cs, 1, "10.0.1.4"), "-");
	is(from(cs, 1, "fd01::3"), "-");
	is(from(cs, 1, ""), "-");
	is(from(cs, 0, "10.0.1.2"), "-");
	is(at(cs, 50), "50: 1 2");
	is(at(cs, 51), "-");
	is(at(cs, 0), "-");
	is(dns_client_at(cs, (struct dns_place){ 5, 50 }), "-");
}

static void networks_in_the_order_of_interfaces(void **state)
{
	static const struct put members[] = {
		{ .n = 1, .net = 1, .ino = 50, .ifname = "eth10" },
		{ .n = 2, .net = 2, .ino = 50, .ifname = "eth2" },
		{ .n = 3, .net = 3, .ino = 50, .ifname = "eth0" },
		{ .n = 4, .net = 4, .ino = 50, .ifname = "ovl1" },
		{ .n = 5, .net = 5, .ino = 50, .ifname = "eth1" },
		{ .n = 6, .net = 6, .ino = 50, .ifname = "eth100" },
		/* twice on one network */
		{ .n = 7, .net = 3, .ino = 50, .ifname = "eth3" },
	};
	struct dns_clients *cs = *state;

	/* whatever the order in which they came */
	for (size_t first = 0; first < ARRAY_SIZE(members); first++) {
		for (size_t i = 0; i < ARRAY_SIZE(members); i++)
			put(cs, &members[(first + i * 3) % ARRAY_SIZE(members)]);
		is(at(cs, 50), "50: 3 5 2 1 6 4");
		for (size_t i = 0; first % 2 && i < ARRAY_SIZE(members); i++)
			dns_clients_del(cs, id_of(members[i].n));
		is(at(cs, 50), first % 2 ? "-" : "50: 3 5 2 1 6 4");
	}
}

static void what_its_endpoints_say_together(void **state)
{
	struct dns_clients *cs = *state;

	put(cs, &(struct put){ .n = 2,
			       .net = 2,
			       .ino = 50,
			       .ifname = "eth1",
			       .links = "old:db x:y",
			       .server = "10.9.9.2",
			       .forward = true });
	is(at(cs, 50), "50: 2 old:db x:y @10.9.9.2 forward");
	put(cs, &(struct put){ .n = 1, .net = 1, .ino = 50, .ifname = "eth0", .links = "x:y web" });
	is(at(cs, 50), "50: 1 2 x:y web old:db @10.9.9.2 forward");
	put(cs,
	    &(struct put){ .n = 1, .net = 1, .ino = 50, .ifname = "eth0", .server = "10.9.9.1" });
	is(at(cs, 50), "50: 1 2 old:db x:y @10.9.9.1 forward");
	dns_clients_del(cs, id_of(2));
	is(at(cs, 50), "50: 1 @10.9.9.1");
	dns_clients_del(cs, id_of(2));
	dns_clients_del(cs, id_of(1));
	is(at(cs, 50), "-");
}

static void what_is_new_replaces(void **state)
{
	struct dns_clients *cs = *state;
	struct put p = {
		.n = 1, .net = 1, .ino = 50, .ifname = "eth0", .ip4 = "10.0.1.2", .ip6 = "fd01::2"
	};

	put(cs, &p);
	put(cs, &p);
	is(from(cs, 1, "10.0.1.2"), "50: 1");
	p.ip4 = "10.0.1.9";
	p.ip6 = NULL;
	put(cs, &p);
	is(from(cs, 1, "10.0.1.2"), "-");
	is(from(cs, 1, "fd01::2"), "-");
	is(from(cs, 1, "10.0.1.9"), "50: 1");
	/* into another namespace: a container that was restarted */
	p.ino = 51;
	put(cs, &p);
	is(at(cs, 50), "-");
	is(from(cs, 1, "10.0.1.9"), "51: 1");
	/* not in the kernel: its networks count, nobody asks from it */
	p.net = 0;
	put(cs, &p);
	is(from(cs, 0, "10.0.1.9"), "-");
	is(from(cs, 1, "10.0.1.9"), "-");
	is(at(cs, 51), "51: 0");
}

static void an_unknown_place_is_not_shared(void **state)
{
	struct dns_clients *cs = *state;

	put(cs, &(struct put){ .n = 1, .net = 1, .ip4 = "10.0.1.2", .links = "a:b" });
	put(cs, &(struct put){ .n = 2, .net = 2, .ip4 = "10.0.2.2" });
	is(from(cs, 1, "10.0.1.2"), "0: 1 a:b");
	is(from(cs, 2, "10.0.2.2"), "0: 2");
	is(at(cs, 0), "-");
	dns_clients_del(cs, id_of(1));
	is(from(cs, 1, "10.0.1.2"), "-");
	is(from(cs, 2, "10.0.2.2"), "0: 2");
}

static void wired_by_hand(void **state)
{
	struct dns_clients *cs = *state;

	wire(cs, 1, true, "10.0.1.1/24 fd01::1/64");
	wire(cs, 2, false, "10.0.1.0/24 10.0.2.128/25");
	is(from(cs, 1, "10.0.1.77"), "0: 1 forward");
	is(from(cs, 1, "fd01::77"), "0: 1 forward");
	is(from(cs, 1, "fd01::ffff:ffff:ffff:ffff"), "0: 1 forward");
	is(from(cs, 2, "10.0.1.77"), "0: 2");
	is(from(cs, 2, "10.0.2.200"), "0: 2");
	/* the gateway where it was told, the network, everybody, strangers */
	is(from(cs, 1, "10.0.1.1"), "-");
	is(from(cs, 1, "fd01::1"), "-");
	is(from(cs, 2, "10.0.1.1"), "0: 2");
	is(from(cs, 1, "10.0.1.0"), "-");
	is(from(cs, 1, "fd01::"), "-");
	is(from(cs, 1, "10.0.1.255"), "-");
	is(from(cs, 2, "10.0.2.128"), "-");
	is(from(cs, 2, "10.0.2.255"), "-");
	is(from(cs, 2, "10.0.2.127"), "-");
	is(from(cs, 1, "10.0.2.200"), "-");
	is(from(cs, 3, "10.0.1.77"), "-");
	is(from(cs, 0, "10.0.1.77"), "-");
	/* who has an endpoint is that */
	put(cs, &(struct put){ .n = 1, .net = 1, .ino = 50, .ifname = "eth0", .ip4 = "10.0.1.77" });
	is(from(cs, 1, "10.0.1.77"), "50: 1");
	dns_clients_del(cs, id_of(1));
	is(from(cs, 1, "10.0.1.77"), "0: 1 forward");
	/* other subnets, another answer; then none */
	wire(cs, 1, false, "10.0.3.0/24");
	is(from(cs, 1, "10.0.1.77"), "-");
	is(from(cs, 1, "10.0.3.77"), "0: 1");
	wire(cs, 1, true, "");
	wire(cs, 1, true, "");
	is(from(cs, 1, "10.0.3.77"), "-");
	is(from(cs, 2, "10.0.1.77"), "0: 2");
	/* too small to have more than machines */
	wire(cs, 4, false, "10.0.4.0/31 10.0.5.2/32");
	is(from(cs, 4, "10.0.4.1"), "0: 4");
}

static void as_the_zone_wants_it(void **state)
{
	struct dns_clients *cs = *state;
	const struct dns_client *c;
	struct zone_asker a;

	put(cs, &(struct put){ .n = 1, .net = 1, .ino = 50, .ifname = "eth0", .links = "a:b" });
	c = at(cs, 50);
	a = dns_client_asker(c);
	assert_int_equal(a.n_networks, 1);
	assert_true(id_eq(a.networks[0], id_of(1001)));
	assert_true(a.links == &c->links);
}

/* ---- against a model that looks at all of them ---- */

#define MODEL_ENDPOINTS 40
#define MODEL_NETS 5
#define MODEL_PLACES 9

struct model {
	struct put v[MODEL_ENDPOINTS]; /* net 0: not there */
	char ip[MODEL_ENDPOINTS][IP_TEXT_MAX], ifname[MODEL_ENDPOINTS][16];
};

static uint32_t next_random(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(*seed >> 33);
}

static bool model_before(const struct put *a, const struct put *b)
{
	size_t x = strlen(a->ifname), y = strlen(b->ifname); /* ethN, N without leading zero */
	int order = x != y ? (x < y ? -1 : 1) : strcmp(a->ifname, b->ifname);

	return order < 0 || (order == 0 && a->n < b->n);
}

static void model_client(const struct model *m, uint64_t ino, struct buf *b)
{
	bool done[MODEL_ENDPOINTS] = { false }, told[MODEL_NETS + 1] = { false }, forward = false;
	const struct put *next;

	buf_printf(b, "%llu:", (unsigned long long)ino);
	do {
		next = NULL;
		for (size_t i = 0; i < MODEL_ENDPOINTS; i++) {
			const struct put *p = &m->v[i];

			if (p->net && p->ino == ino && !done[i] && (!next || model_before(p, next)))
				next = p;
		}
		if (!next)
			break;
		done[next - m->v] = true;
		forward = forward || next->forward;
		if (!told[next->net])
			buf_printf(b, " %u", next->net);
		told[next->net] = true;
	} while (next);
	buf_puts(b, forward ? " forward" : "");
}

static void model_check(const struct model *m, const struct dns_clients *cs)
{
	for (size_t i = 0; i < MODEL_ENDPOINTS; i++) {
		const struct put *p = &m->v[i];
		_cleanup_buf_ struct buf b;

		buf_init(&b, 4096);
		if (p->net)
			model_client(m, p->ino, &b);
		for (unsigned net = 1; net <= MODEL_NETS; net++)
			is(from(cs, net, m->ip[i]), net == p->net ? b.data : "-");
		if (p->net)
			is(at(cs, p->ino), b.data);
	}
}

static void as_the_model_says(void **state)
{
	for (uint64_t run = 1; run <= 5; run++) {
		struct dns_clients *cs = dns_clients_new();
		struct model *m = mem_alloc(sizeof(*m));
		uint64_t seed = run;

		for (unsigned i = 0; i < MODEL_ENDPOINTS; i++)
			snprintf(m->ip[i], sizeof(m->ip[i]), "10.0.0.%u", i + 1);
		for (unsigned step = 0; step < 300; step++) {
			unsigned i = next_random(&seed) % MODEL_ENDPOINTS;
			struct put *p = &m->v[i];

			if (next_random(&seed) % 3 == 0) {
				p->net = 0;
				dns_clients_del(cs, id_of(i));
			} else {
				snprintf(m->ifname[i], sizeof(m->ifname[i]), "eth%u",
					 next_random(&seed) % 12);
				*p = (struct put){ .n = i,
						   .net = 1 + next_random(&seed) % MODEL_NETS,
						   .ino = 1 + next_random(&seed) % MODEL_PLACES,
						   .ifname = m->ifname[i],
						   .ip4 = m->ip[i],
						   .forward = next_random(&seed) % 4 == 0 };
				put(cs, p);
			}
			if (step % 10 == 0)
				model_check(m, cs);
		}
		model_check(m, cs);
		free(m);
		dns_clients_free(cs);
	}
	(void)state;
}

#define ON_CLIENTS(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_CLIENTS(by_network_and_address),
		ON_CLIENTS(networks_in_the_order_of_interfaces),
		ON_CLIENTS(what_its_endpoints_say_together),
		ON_CLIENTS(what_is_new_replaces),
		ON_CLIENTS(an_unknown_place_is_not_shared),
		ON_CLIENTS(wired_by_hand),
		ON_CLIENTS(as_the_zone_wants_it),
		cmocka_unit_test(as_the_model_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
