/* SPDX-License-Identifier: GPL-2.0-or-later */
/* nft_ground against the real kernel: made, checked, altered by hand, made again. What the rules do to packets: test_nft_packets.c. */
#include "overlay/nft_ground.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>
#include "base/mem.h"
#include "overlay/sysctl_ground.h"
#include "tests/kernel_facts/nft_lab.h"

struct fixture {
	struct nft_ground *g;
	int nsfd;
	struct ip vteps[3];
	struct state_guard guards[3];
	struct state_elem elems[3];
	size_t n_elems;
	struct kernel_elements el;
};

static struct ip addr(const char *text)
{
	struct ip a;

	assert_int_equal(ip_parse(text, &a, NULL), 0);
	return a;
}

static struct state_guard guard(const char *port, const char *mac, const char *ip)
{
	struct state_guard g = { 0 };

	snprintf(g.port, sizeof(g.port), "%s", port);
	assert_int_equal(mac_parse(mac, &g.mac, NULL), 0);
	if (ip)
		g.ip = addr(ip);
	return g;
}

/* One in each table, sorted. All kinds: test_nft_elems.c. */
static void make_elems(struct fixture *f)
{
	const struct ip to = addr("10.1.0.2");

	f->elems[0] = state_elem_ifname(STATE_SET_BRIDGES, "ovl0");
	f->elems[1] = state_elem_ifname(STATE_SET_NOICC, "ovp000000000001");
	f->elems[2] = state_elem_publish(IPPROTO_TCP, (struct ip){ 0 }, 8080, to, 80);
	f->n_elems = 3;
	f->el.elems = f->elems;
	f->el.n_elems = f->n_elems;
}

static int setup(void **state)
{
	struct fixture *f = mem_alloc(sizeof(*f));
	struct err e = { 0 };

	nft_lab_sh("nsd() { ip netns exec ~$1 nft flush ruleset; }; nsd o; nsd h");
	f->nsfd = open(nft_lab_path("o"), O_RDONLY | O_CLOEXEC);
	nft_lab_enter("h");
	assert_int_equal(nft_ground_new(f->nsfd, "ovl", 4789, &f->g, &e), 0);
	nft_lab_enter(NULL);
	f->vteps[0] = addr("192.0.2.1");
	f->vteps[1] = addr("192.0.2.2");
	f->vteps[2] = addr("2001:db8::2");
	f->guards[0] = guard("ve000000000001", "02:42:0a:00:00:02", "10.0.0.2");
	f->guards[1] = guard("ve000000000001", "02:42:0a:00:00:02", "fd00::2");
	f->guards[2] = guard("ve000000000002", "02:42:0a:00:00:03", "10.0.0.3");
	f->el = (struct kernel_elements){ f->vteps, 3, f->guards, 3, NULL, 0 };
	make_elems(f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	nft_ground_free(f->g);
	close(f->nsfd);
	free(f);
	return 0;
}

static void expect_dump(struct fixture *f, const struct state_guard *guards, size_t n,
			const struct ip *vteps, size_t n_vteps)
{
	_cleanup_free_ struct state_guard *got = NULL;
	_cleanup_free_ struct ip *got_vteps = NULL;
	size_t n_got, n_got_vteps;
	struct err e = { 0 };

	assert_int_equal(nft_ground_dump(f->g, &got, &n_got, &got_vteps, &n_got_vteps, &e), 0);
	assert_int_equal(n_got, n);
	for (size_t i = 0; i < n; i++) {
		assert_string_equal(got[i].port, guards[i].port);
		assert_true(mac_eq(got[i].mac, guards[i].mac));
		assert_true(ip_eq(got[i].ip, guards[i].ip));
		assert_int_equal(got[i].security, guards[i].security);
	}
	assert_int_equal(n_got_vteps, n_vteps);
	for (size_t i = 0; i < n_vteps; i++)
		assert_true(ip_eq(got_vteps[i], vteps[i]));
}

static void expect_elems(struct fixture *f, const struct state_elem *elems, size_t n)
{
	_cleanup_free_ struct state_elem *got = NULL;
	char text[STATE_ELEM_TEXT_MAX], other[STATE_ELEM_TEXT_MAX];
	struct err e = { 0 };
	size_t n_got;

	assert_int_equal(nft_ground_dump_elems(f->g, &got, &n_got, &e), 0);
	for (size_t i = 0; i < n && i < n_got; i++) {
		if (memcmp(&got[i], &elems[i], sizeof(*got)) != 0)
			fail_msg("%s, not %s", state_elem_format(&got[i], text),
				 state_elem_format(&elems[i], other));
	}
	assert_int_equal(n_got, n);
}

/* Did either event socket tell of another's change? */
static bool told(struct fixture *f)
{
	int o, h;

	nft_ground_event_fds(f->g, &o, &h);
	bool overlay = nft_ground_event_read(f->g, o), host = nft_ground_event_read(f->g, h);
	return overlay || host;
}

static void test_make(void **state)
{
	struct fixture *f = *state;
	struct err e = { 0 };

	assert_int_equal(nft_ground_check(f->g, &e), -ESTALE);
	assert_non_null(strstr(e.text, "absent"));
	expect_dump(f, NULL, 0, NULL, 0);
	assert_int_equal(nft_ground_make(f->g, &f->el, &e), 0);
	assert_int_equal(nft_ground_check(f->g, &e), 0);
	expect_dump(f, f->guards, 3, f->vteps, 3);
	expect_elems(f, f->elems, f->n_elems);
	assert_false(told(f));

	uint64_t writes = nft_ground_writes(f->g);
	nft_lab_sh(
		"ip netns exec ~o nft -a list ruleset >/tmp/~1; ip netns exec ~h nft -a list ruleset >>/tmp/~1");
	assert_int_equal(nft_ground_make(f->g, &f->el, &e), 0);
	assert_int_equal(nft_ground_writes(f->g), writes);
	/* Handles too: nothing was made anew. */
	nft_lab_sh(
		"ip netns exec ~o nft -a list ruleset >/tmp/~2; ip netns exec ~h nft -a list ruleset >>/tmp/~2");
	nft_lab_sh("cmp /tmp/~1 /tmp/~2; rm /tmp/~1 /tmp/~2");

	assert_int_equal(nft_ground_remove(f->g, &e), 0);
	assert_int_equal(nft_ground_remove(f->g, &e), 0);
	nft_lab_sh(
		"test -z \"$(ip netns exec ~o nft list ruleset)$(ip netns exec ~h nft list ruleset)\"");
	assert_false(told(f));
}

/* Each by the nft CLI, in namespace "o" or "h"; what nft_ground_check() must name. */
static const struct {
	const char *ns, *cmd, *says;
} alterations[] = {
	{ "o", "nft flush ruleset", "absent" },
	{ "h", "nft flush ruleset", "absent" },
	{ "o", "nft delete table bridge ovl", "bridge" },
	{ "o", "nft insert rule inet ovl input accept", "input" },
	{ "o", "nft add rule inet ovl forward accept", "forward" },
	{ "o", "nft add rule bridge ovl ports counter", "ports" },
	{ "o", "nft flush chain bridge ovl icmp6", "icmp6" },
	{ "o",
	  "nft delete rule inet ovl raw_in handle $(nft -a list chain inet ovl raw_in | sed -n 's/.*notrack # handle //p')",
	  "raw_in" },
	{ "o",
	  "nft replace rule inet ovl input handle $(nft -a list chain inet ovl input | sed -n 's/.*udp dport 53.*handle //p') udp dport 54 accept",
	  "input" },
	{ "o", "nft 'chain inet ovl input { policy accept; }'", "policy accept" },
	{ "o", "nft 'chain inet ovl forward { policy accept; }'", "policy accept" },
	{ "o", "nft add chain inet ovl more", "more" },
	{ "o",
	  "nft 'add chain inet ovl more { type filter hook input priority -500; policy drop; }'",
	  "more" },
	{ "o", "nft 'add set bridge ovl more { type ipv4_addr; }'", "more" },
	{ "o", "nft 'add table inet ovl { flags dormant; }'", "flags" },
	{ "h", "nft add counter inet ovl more", "more" },
	{ "h", "nft insert rule inet ovl vxlan_in accept", "vxlan_in" },
	{ "h", "nft flush chain inet ovl raw_out", "raw_out" },
	{ "h", "nft delete table bridge ovl", "bridge" },
	{ "h", "nft delete table inet ovl", "inet" },
	{ "h", "nft insert rule inet ovl forward accept", "forward" },
	{ "h", "nft flush chain inet ovl masq", "masq" },
	{ "h", "nft flush chain inet ovl publish", "publish" },
	{ "h",
	  "nft replace rule inet ovl publish handle $(nft -a list chain inet ovl publish | sed -n 's/.*publish4_any # handle //p') "
	  "dnat ip to meta l4proto . th dport map @publish4_any",
	  "publish" },
	{ "h", "nft add rule bridge ovl forward accept", "forward" },
	{ "h", "nft flush chain bridge ovl others", "others" },
	{ "h",
	  "nft 'add map inet ovl more { type inet_proto . inet_service : ipv4_addr . inet_service; }'",
	  "more" },
};

static void test_altered(void **state)
{
	struct fixture *f = *state;
	struct err e = { 0 };

	assert_int_equal(nft_ground_make(f->g, &f->el, &e), 0);
	for (size_t i = 0; i < ARRAY_SIZE(alterations); i++) {
		assert_false(told(f));
		nft_lab_sh("ip netns exec ~%s sh -ec \"$(cat <<'END'\n%s\nEND\n)\"",
			   alterations[i].ns, alterations[i].cmd);
		assert_true(told(f));
		assert_int_equal(nft_ground_check(f->g, &e), -ESTALE);
		if (!strstr(e.text, alterations[i].says))
			fail_msg("%s: %s", alterations[i].cmd, e.text);
		assert_int_equal(nft_ground_make(f->g, &f->el, &e), 0);
		assert_int_equal(nft_ground_check(f->g, &e), 0);
		expect_dump(f, f->guards, 3, f->vteps, 3);
		expect_elems(f, f->elems, f->n_elems);
	}
	assert_false(told(f));
}

/* Foreign changes that are none of ours, and elements, which only the dump tells. */
static void test_foreign(void **state)
{
	struct fixture *f = *state;
	struct err e = { 0 };

	assert_int_equal(nft_ground_make(f->g, &f->el, &e), 0);
	nft_lab_sh(
		"ip netns exec ~h nft 'add table inet other; add chain inet other x; add table ip ovl; add chain ip ovl x'");
	assert_false(told(f));
	assert_int_equal(nft_ground_check(f->g, &e), 0);

	nft_lab_sh("ip netns exec ~h nft delete element inet ovl vteps4 { 192.0.2.1 }");
	assert_true(told(f));
	nft_lab_sh("ip netns exec ~h nft add element inet ovl vteps4 { 192.0.2.9 }");
	assert_true(told(f));
	const struct ip vteps[] = { f->vteps[1], addr("192.0.2.9"), f->vteps[2] };
	expect_dump(f, f->guards, 3, vteps, 3);
	assert_int_equal(nft_ground_vteps(f->g, f->vteps, 1, &vteps[1], 1, &e), 0);
	expect_dump(f, f->guards, 3, f->vteps, 3);

	/* An address without its MAC counts as absent; a MAC without address is told. */
	nft_lab_sh("ip netns exec ~o nft delete element bridge ovl macs "
		   "{ ve000000000002 . 02:42:0a:00:00:03 }");
	assert_true(told(f));
	expect_dump(f, f->guards, 2, f->vteps, 3);
	struct kernel_guard_op op = { .guard = f->guards[2] };
	assert_int_equal(nft_ground_guard(f->g, &op, 1, &e), 0);
	expect_dump(f, f->guards, 3, f->vteps, 3);
	nft_lab_sh("ip netns exec ~o nft delete element bridge ovl guard4 "
		   "{ ve000000000002 . 02:42:0a:00:00:03 . 10.0.0.3 }");
	assert_true(told(f));
	struct state_guard left[] = { f->guards[0], f->guards[1], f->guards[2] };
	left[2].ip = (struct ip){ 0 };
	expect_dump(f, left, 3, f->vteps, 3);
	op = (struct kernel_guard_op){ .del = true, .guard = left[2] };
	assert_int_equal(nft_ground_guard(f->g, &op, 1, &e), 0);
	expect_dump(f, left, 2, f->vteps, 3);
	assert_false(told(f));
}

/* Guards go to the namespace of their port, and each kind into its set. */
static void test_guard_kinds(void **state)
{
	struct fixture *f = *state;
	struct err e = { 0 };
	struct state_guard all[] = {
		guard("ovp00000000000a", "02:42:0a:00:00:0a", "10.0.0.10"),
		guard("ovp00000000000b", "02:42:0a:00:00:0b", NULL),
		guard("ovp00000000000c", "00:00:00:00:00:00", NULL),
		guard("ve000000000001", "02:42:0a:00:00:02", "10.0.0.2"),
		guard("ve00000000000b", "02:42:0a:00:00:0b", NULL),
		guard("ve00000000000c", "00:00:00:00:00:00", NULL),
	};
	struct kernel_guard_op ops[ARRAY_SIZE(all)] = { 0 };

	all[1].security = all[4].security = STATE_SECURE_MAC;
	all[2].security = all[5].security = STATE_SECURE_OFF;
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		ops[i].guard = all[i];
	assert_int_equal(nft_ground_make(f->g, NULL, &e), 0);
	assert_int_equal(nft_ground_guard(f->g, ops, ARRAY_SIZE(ops), &e), 0);
	expect_dump(f, all, ARRAY_SIZE(all), NULL, 0);
	nft_lab_sh("for n in o h; do ip netns exec ~$n nft flush ruleset; done");
	assert_true(told(f));
	f->el = (struct kernel_elements){ .guards = all, .n_guards = ARRAY_SIZE(all) };
	assert_int_equal(nft_ground_make(f->g, &f->el, &e), 0);
	expect_dump(f, all, ARRAY_SIZE(all), NULL, 0);
	nft_lab_sh(
		"ip netns exec ~h nft get element bridge ovl loose '{ \"ovp00000000000b\" . 02:42:0a:00:00:0b }' >/dev/null; "
		"ip netns exec ~h nft get element bridge ovl free '{ \"ovp00000000000c\" }' >/dev/null; "
		"ip netns exec ~o nft get element bridge ovl free '{ \"ve00000000000c\" }' >/dev/null");
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		ops[i].del = true;
	assert_int_equal(nft_ground_guard(f->g, ops, ARRAY_SIZE(ops), &e), 0);
	assert_int_equal(nft_ground_guard(f->g, ops, ARRAY_SIZE(ops), &e), 0);
	expect_dump(f, NULL, 0, NULL, 0);
	assert_false(told(f));
}

static size_t count_macs(void)
{
	nft_lab_sh(
		"ip netns exec ~o nft list set bridge ovl macs | grep -o 've0[0-9]*' | wc -l >/tmp/~m");
	char path[64];
	snprintf(path, sizeof(path), "/tmp/onf-%d-m", getpid());
	long n = nft_lab_number(NULL, path);
	unlink(path);
	return (size_t)n;
}

static void test_guard(void **state)
{
	struct fixture *f = *state;
	struct err e = { 0 };
	struct kernel_guard_op op[4] = { 0 };

	op[0].guard = f->guards[0];
	assert_int_equal(nft_ground_guard(f->g, op, 1, &e), -ENOENT);
	assert_int_equal(nft_ground_make(f->g, NULL, &e), 0);
	for (size_t i = 0; i < 3; i++)
		op[i].guard = f->guards[i];
	assert_int_equal(nft_ground_guard(f->g, op, 3, &e), 0);
	assert_int_equal(nft_ground_guard(f->g, op, 3, &e), 0); /* again is no error */
	expect_dump(f, f->guards, 3, NULL, 0);
	assert_int_equal(count_macs(), 2);

	/* One address of two: the MAC stays. */
	op[0] = (struct kernel_guard_op){ .del = true, .guard = f->guards[0] };
	assert_int_equal(nft_ground_guard(f->g, op, 1, &e), 0);
	expect_dump(f, f->guards + 1, 2, NULL, 0);
	assert_int_equal(count_macs(), 2);

	/* Absent ones among present ones, and the order of the operations. */
	op[1] = (struct kernel_guard_op){ .del = true, .guard = f->guards[1] };
	op[2] = (struct kernel_guard_op){ .del = true,
					  .guard = guard("ve09", "02:00:00:00:00:09", "10.9.9.9") };
	op[3] = (struct kernel_guard_op){ .guard = f->guards[1] };
	assert_int_equal(nft_ground_guard(f->g, op, 4, &e), 0);
	expect_dump(f, f->guards + 1, 2, NULL, 0);
	assert_int_equal(nft_ground_guard(f->g, op, 3, &e), 0);
	expect_dump(f, f->guards + 2, 1, NULL, 0);
	assert_int_equal(count_macs(), 1);

	op[0] = (struct kernel_guard_op){ .guard = guard("ve01", "02:00:00:00:00:09", NULL) };
	assert_int_equal(nft_ground_guard(f->g, op, 1, &e), -EINVAL);
	assert_false(told(f));
}

/* What another instance left (an agent that was restarted) is known after its dump. */
static void test_restart(void **state)
{
	struct fixture *f = *state;
	struct err e = { 0 };
	struct nft_ground *second;

	assert_int_equal(nft_ground_make(f->g, &f->el, &e), 0);
	nft_lab_enter("h");
	assert_int_equal(nft_ground_new(f->nsfd, "ovl", 4789, &second, &e), 0);
	nft_lab_enter(NULL);
	assert_int_equal(nft_ground_make(second, NULL, &e), 0);
	assert_int_equal(nft_ground_writes(second), 0);
	struct kernel_guard_op op = { .del = true, .guard = f->guards[0] };
	assert_int_equal(nft_ground_guard(second, &op, 1, &e), 0);
	assert_true(told(f)); /* to the first one the second is somebody else */
	expect_dump(f, f->guards + 1, 2, f->vteps, 3);
	assert_int_equal(count_macs(), 2);
	nft_ground_free(second);

	nft_lab_enter("h");
	assert_int_equal(nft_ground_new(f->nsfd, "ovl", 4790, &second, &e), 0);
	nft_lab_enter(NULL);
	assert_int_equal(nft_ground_check(second, &e), -ESTALE); /* another port: other rules */
	nft_ground_free(second);
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* 2000 ports one by one, then a rebuild with all of them in one transaction. */
static void test_many(void **state)
{
	enum { N = 2000 };
	struct fixture *f = *state;
	struct err e = { 0 };
	_cleanup_free_ struct state_guard *all = mem_alloc_array(N, sizeof(*all));

	assert_int_equal(nft_ground_make(f->g, NULL, &e), 0);
	uint64_t begin = now_ns();
	for (unsigned i = 0; i < N; i++) {
		struct kernel_guard_op op = { .guard = f->guards[0] };

		snprintf(op.guard.port, sizeof(op.guard.port), "ve%012x", i);
		op.guard.ip = ip_v4(0x0a000000 + i);
		op.guard.mac = mac_from_ip(op.guard.ip);
		all[i] = op.guard;
		assert_int_equal(nft_ground_guard(f->g, &op, 1, &e), 0);
	}
	uint64_t added = now_ns();
	expect_dump(f, all, N, NULL, 0);
	uint64_t dumped = now_ns();
	nft_lab_sh("ip netns exec ~o nft flush ruleset");
	assert_true(told(f));
	struct kernel_elements el = { .guards = all, .n_guards = N };
	uint64_t flushed = now_ns();
	assert_int_equal(nft_ground_make(f->g, &el, &e), 0);
	uint64_t made = now_ns();
	expect_dump(f, all, N, NULL, 0);
	assert_false(told(f));
	for (unsigned i = 0; i < N; i++) {
		struct kernel_guard_op op = { .del = true, .guard = all[i] };
		assert_int_equal(nft_ground_guard(f->g, &op, 1, &e), 0);
	}
	expect_dump(f, NULL, 0, NULL, 0);
	assert_int_equal(count_macs(), 0);
	print_message("guard add %.1f us, dump of %d %.1f ms, rebuild with them %.1f ms\n",
		      (double)(added - begin) / 1e3 / N, N, (double)(dumped - added) / 1e6,
		      (double)(made - flushed) / 1e6);
}

static void test_sysctl(void **state)
{
	struct err e = { 0 };
	unsigned writes = 0;

	(void)state;
	nft_lab_ns("s");
	int fd = open(nft_lab_path("s"), O_RDONLY | O_CLOEXEC);
	nft_lab_sh("ip netns exec ~s sysctl -qw net.ipv4.ip_forward=1");
	assert_int_equal(sysctl_ground_check(fd, &e), -ESTALE);
	assert_non_null(strstr(
		e.text, "/proc/sys/net/ipv4/ip_forward of the overlay namespace is 1, not 0"));
	e = (struct err){ 0 };
	assert_int_equal(sysctl_ground_make(fd, &writes, &e), 0);
	assert_true(writes > 5);
	assert_int_equal(sysctl_ground_check(fd, &e), 0);
	assert_int_equal(sysctl_ground_make(fd, &writes, &e), 0);
	assert_int_equal(writes, 0);
	assert_int_equal(nft_lab_number("s", "/proc/sys/net/ipv4/ip_forward"), 0);
	assert_int_equal(nft_lab_number("s", "/proc/sys/net/ipv4/conf/all/arp_ignore"), 1);
	assert_int_equal(nft_lab_number("s", "/proc/sys/net/ipv4/conf/all/accept_redirects"), 0);
	assert_int_equal(nft_lab_number("s", "/proc/sys/net/ipv6/conf/default/accept_ra"), 0);
	/* One altered by hand, and only that one written. */
	nft_lab_sh("ip netns exec ~s sysctl -qw net.ipv6.conf.default.accept_ra=1");
	assert_int_equal(sysctl_ground_make(fd, &writes, &e), 0);
	assert_int_equal(writes, 1);
	/* IPv6 switched off in this namespace only: switched on again. */
	assert_true(sysctl_ground_ipv6(fd));
	nft_lab_sh("ip netns exec ~s sysctl -qw net.ipv6.conf.all.disable_ipv6=1");
	assert_false(sysctl_ground_ipv6(fd));
	assert_int_equal(sysctl_ground_make(fd, &writes, &e), 0);
	assert_true(sysctl_ground_ipv6(fd));
	/* Off on the host: left as it is, and no reason to repair for ever. */
	nft_lab_sh("for s in s h; do for c in all default; do "
		   "ip netns exec ~$s sysctl -qw net.ipv6.conf.$c.disable_ipv6=1; done; done");
	nft_lab_enter("h");
	assert_int_equal(sysctl_ground_check(fd, &e), 0);
	assert_int_equal(sysctl_ground_make(fd, &writes, &e), 0);
	assert_int_equal(writes, 0);
	assert_false(sysctl_ground_ipv6(fd));
	nft_lab_enter(NULL);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_make, setup, teardown),
		cmocka_unit_test_setup_teardown(test_altered, setup, teardown),
		cmocka_unit_test_setup_teardown(test_foreign, setup, teardown),
		cmocka_unit_test_setup_teardown(test_guard, setup, teardown),
		cmocka_unit_test_setup_teardown(test_guard_kinds, setup, teardown),
		cmocka_unit_test_setup_teardown(test_restart, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many, setup, teardown),
		cmocka_unit_test(test_sysctl),
	};

	nft_lab_begin();
	nft_lab_ns("o");
	nft_lab_ns("h");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
