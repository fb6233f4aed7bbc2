/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parts of nf_tables that need no kernel: keys of elements, what is remembered of guards, rules as text. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include "base/mem.h"
#include "overlay/nft_elem.h"
#include "overlay/nft_host.h"
#include "overlay/nft_known.h"
#include "overlay/nft_skel.h"

#include <libnftnl/rule.h>

static struct state_guard guard(const char *port, const char *mac, const char *ip)
{
	struct state_guard g = { 0 };

	snprintf(g.port, sizeof(g.port), "%s", port);
	assert_int_equal(mac_parse(mac, &g.mac, NULL), 0);
	if (ip)
		assert_int_equal(ip_parse(ip, &g.ip, NULL), 0);
	return g;
}

static void test_keys(void **state)
{
	static const struct {
		const char *ip, *set;
		uint8_t len;
	} cases[] = {
		{ "10.0.0.2", "guard4", 28 },
		{ "fd00::2", "guard6", 40 },
		{ NULL, "macs", 24 },
	};
	const char *set;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct state_guard g = guard("ve0123456789ab", "02:42:0a:00:00:02", cases[i].ip),
				   back;
		struct nft_key k = nft_elem_guard(&g, &set);

		assert_string_equal(set, cases[i].set);
		assert_int_equal(k.len, cases[i].len);
		assert_int_equal(k.b[22] | k.b[23], 0); /* the MAC's padding */
		assert_int_equal(nft_elem_to_guard(&k, &back), 0);
		assert_string_equal(back.port, g.port);
		assert_true(mac_eq(back.mac, g.mac) && ip_eq(back.ip, g.ip));
	}
	struct nft_key odd = { .len = 27 };
	struct state_guard none;
	struct ip a;
	assert_int_equal(nft_elem_to_guard(&odd, &none), -EINVAL);
	assert_int_equal(nft_elem_to_vtep(&odd, &a), -EINVAL);
	struct nft_key v = nft_elem_vtep(guard("", "02:00:00:00:00:00", "2001:db8::1").ip, &set);
	assert_string_equal(set, "vteps6");
	assert_int_equal(nft_elem_to_vtep(&v, &a), 0);
	assert_true(ip_eq(a, guard("", "02:00:00:00:00:00", "2001:db8::1").ip));
}

/* The other kinds of port security. */
static void test_guard_kinds(void **state)
{
	struct state_guard g = guard("ovp0123456789a", "02:42:0a:00:00:02", NULL), back;
	const char *set;

	(void)state;
	g.security = STATE_SECURE_MAC;
	struct nft_key k = nft_elem_guard(&g, &set);
	assert_string_equal(set, "loose");
	assert_int_equal(k.len, 24);
	g.security = STATE_SECURE_OFF;
	k = nft_elem_guard(&g, &set);
	assert_string_equal(set, "free");
	assert_int_equal(k.len, IFNAMSIZ);
	assert_int_equal(nft_elem_to_guard(&k, &back), 0);
	assert_string_equal(back.port, g.port);
	assert_int_equal(back.security, STATE_SECURE_OFF);
	assert_true(mac_is_zero(back.mac));
}

static struct ip addr(const char *text)
{
	struct ip a;

	assert_int_equal(ip_parse(text, &a, NULL), 0);
	return a;
}

/* The parts of a key, each filled up to 4 bytes, in the order in which the rules load them. */
static void test_host_ops(void **state)
{
	static const uint8_t key[] = { 6, 0, 0, 0, 192, 0, 2, 1, 0x1f, 0x90, 0, 0 },
			     data[] = { 10, 1, 0, 2, 0, 80, 0, 0 };
	const struct state_elem elem =
		state_elem_publish(IPPROTO_TCP, addr("192.0.2.1"), 8080, addr("10.1.0.2"), 80);
	struct kernel_elem_op op = { .elem = elem };
	struct nft_elem_op ret;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(nft_host_op(&op, &ret, &e), 0);
	assert_string_equal(ret.set, "publish4");
	assert_int_equal(ret.family, NFPROTO_INET);
	assert_int_equal(ret.key.len, sizeof(key));
	assert_memory_equal(ret.key.b, key, sizeof(key));
	assert_int_equal(ret.data.len, sizeof(data));
	assert_memory_equal(ret.data.b, data, sizeof(data));
	op.elem = state_elem_member(addr("fd01::2"), "ovl0");
	assert_int_equal(nft_host_op(&op, &ret, &e), 0);
	assert_string_equal(ret.set, "member6");
	assert_int_equal(ret.key.len, 32);
	assert_int_equal(ret.data.len, 0);
	op.elem = state_elem_ifname(STATE_SET_NOICC, "ovp1");
	assert_int_equal(nft_host_op(&op, &ret, &e), 0);
	assert_int_equal(ret.family, NFPROTO_BRIDGE);
	op.elem = elem;
	op.elem.to = addr("fd01::2"); /* of another family than the address it is for */
	assert_int_equal(nft_host_op(&op, &ret, &e), -EINVAL);
	assert_non_null(strstr(e.text, "8080"));
	op.elem.set = STATE_SETS;
	assert_int_equal(nft_host_op(&op, &ret, NULL), -EINVAL);
}

static void test_known(void **state)
{
	struct state_guard a4 = guard("ve1", "02:42:0a:00:00:02", "10.0.0.2");
	struct state_guard a6 = guard("ve1", "02:42:0a:00:00:02", "fd00::2");
	struct state_guard other = guard("ve1", "02:42:0a:00:00:03", "10.0.0.2");
	struct nft_known *k = nft_known_new();

	(void)state;
	nft_known_add(k, &a4);
	nft_known_add(k, &a4);
	nft_known_add(k, &a6);
	assert_true(nft_known_has(k, &a4));
	assert_false(nft_known_has(k, &other));
	assert_true(nft_known_del(k, &other)); /* never there: nothing is left for its MAC */
	assert_false(nft_known_del(k, &a4));
	assert_false(nft_known_del(k, &a4));
	assert_true(nft_known_del(k, &a6));
	assert_true(nft_known_del(k, &a6));
	nft_known_add(k, &a6);
	nft_known_clear(k);
	assert_false(nft_known_has(k, &a6));
	nft_known_free(k);
	nft_known_free(NULL);
}

/* Rules stand in chains and name sets, chains and counters of their own table. */
static bool has_set(const struct nft_table_def *t, const char *name, bool map)
{
	for (size_t i = 0; i < t->n_sets; i++) {
		if (strcmp(t->sets[i].name, name) == 0 && (t->sets[i].data_len > 0) == map)
			return true;
	}
	return false;
}

static size_t chain_index(const struct nft_table_def *t, const char *name)
{
	size_t i = 0;

	while (i < t->n_chains && strcmp(t->chains[i].name, name) != 0)
		i++;
	return i;
}

static void check_rules(const struct nft_table_def *t)
{
	size_t last = 0;

	for (size_t i = 0; i < t->n_rules; i++) {
		size_t chain = chain_index(t, t->rules[i].chain);

		assert_true(chain < t->n_chains && chain >= last);
		last = chain;
		for (const struct nft_op *op = t->rules[i].ops; op->kind != NFT_OP_END; op++) {
			if (op->kind == NFT_OP_LOOKUP || op->kind == NFT_OP_MAP)
				assert_true(has_set(t, op->s, op->kind == NFT_OP_MAP));
			if (op->kind == NFT_OP_COUNT)
				assert_string_equal(op->s, t->counter);
			if (op->kind == NFT_OP_VERDICT && op->s)
				assert_true(chain_index(t, op->s) < t->n_chains);
		}
	}
}

static void test_skeletons(void **state)
{
	const struct nft_params p = { .table = "ovl", .vxlan_port = 4789 };

	(void)state;
	check_rules(&nft_skel_overlay);
	check_rules(&nft_skel_bridge);
	check_rules(&nft_skel_host);
	check_rules(&nft_skel_host_bridge);
	struct nftnl_rule *r = nft_rule_new(nft_skel_host.family, nft_skel_host.rules[0].chain,
					    nft_skel_host.rules[0].ops, &p);
	_cleanup_free_ char *text = nft_rule_text(r);
	assert_ptr_equal(strstr(text, "[meta load l4proto => reg 1 ][cmp eq reg 1 "), text);
	assert_non_null(strstr(text, "][payload load 2b @ transport header + 2 => reg 1 ][cmp eq"));
	assert_non_null(strstr(text, "][immediate reg 0 jump -> vxlan_in ]"));
	nftnl_rule_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keys),	  cmocka_unit_test(test_guard_kinds),
		cmocka_unit_test(test_host_ops),  cmocka_unit_test(test_known),
		cmocka_unit_test(test_skeletons),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
