/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "agent/config_file.h"
#include "base/mem.h"

#define ARGS_MAX 40

struct lab {
	char yaml[64], password[64]; /* files that the test may fill */
	struct config c;
	enum config_outcome outcome;
	struct err e;
};

static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static void temp(char *ret, size_t size)
{
	int fd;

	snprintf(ret, size, "/tmp/ovl-test-config.XXXXXX");
	fd = mkstemp(ret);
	assert_true(fd >= 0);
	close(fd);
}

static int set_up(void **state)
{
	struct lab *l = mem_alloc(sizeof(*l));

	temp(l->yaml, sizeof(l->yaml));
	temp(l->password, sizeof(l->password));
	write_file(l->yaml, "name: from-file\n");
	*state = l;
	return 0;
}

static int tear_down(void **state)
{
	struct lab *l = *state;

	config_done(&l->c);
	unlink(l->yaml);
	unlink(l->password);
	free(l);
	return 0;
}

/* Flags after --config, up to NULL. */
static int load(struct lab *l, ...)
{
	char *argv[ARGS_MAX] = { (char *)"ovld", (char *)"--config", l->yaml };
	int argc = 3;
	va_list ap;
	char *arg;

	va_start(ap, l);
	while ((arg = va_arg(ap, char *)) && argc < ARGS_MAX - 1)
		argv[argc++] = arg;
	va_end(ap);
	config_done(&l->c);
	l->e = (struct err){ 0 };
	return config_load(argc, argv, &l->c, &l->outcome, &l->e);
}

static void assert_says(const struct err *e, const char *what)
{
	if (!strstr(e->text, what))
		fail_msg("\"%s\" is not in \"%s\"", what, e->text);
}

static void defaults_where_nothing_is_said(void **state)
{
	struct lab *l = *state;
	char base[PREFIX_TEXT_MAX];

	assert_int_equal(load(l, NULL), 0);
	assert_int_equal(l->outcome, CONFIG_RUN);
	assert_string_equal(l->c.name, "from-file");
	assert_int_equal(l->c.etcd.n, 0);
	assert_string_equal(l->c.etcd_prefix, "/ovl/v1");
	assert_string_equal(l->c.socket, "/run/ovl/ovld.sock");
	assert_string_equal(l->c.state_dir, "/var/lib/ovl");
	assert_string_equal(l->c.overlay_netns, "/run/netns/ovl");
	assert_null(l->c.advertise);
	assert_null(l->c.etcd_ca);
	assert_null(l->c.etcd_user);
	assert_null(l->c.etcd_password);
	assert_int_equal(l->c.vxlan_port, 4789);
	assert_int_equal(l->c.liveness_ttl_s, 10);
	assert_int_equal(l->c.address_ttl_s, 86400);
	assert_int_equal(l->c.log_level, LOG_LEVEL_INFO);
	assert_int_equal(l->c.n_pools, 1);
	assert_string_equal(prefix_format(l->c.pools[0].base, base), "10.0.0.0/8");
	assert_int_equal(l->c.pools[0].len, 24);
	assert_int_equal(l->c.n_local_pools, 16);
	assert_string_equal(prefix_format(l->c.local_pools[0].base, base), "172.31.0.0/16");
	assert_string_equal(prefix_format(l->c.local_pools[14].base, base), "172.17.0.0/16");
	assert_string_equal(prefix_format(l->c.local_pools[15].base, base), "192.168.0.0/16");
	assert_int_equal(l->c.local_pools[15].len, 20);
	assert_false(prefix_is_set(l->c.egress_subnet));
	assert_false(prefix_is_set(l->c.default_bridge_subnet));
	assert_true(l->c.dns);
	assert_string_equal(l->c.dns_domain, "ovl");
	assert_string_equal(l->c.dns_resolv_conf, "/etc/resolv.conf");
	assert_int_equal(l->c.dns_ttl_s, 5);
	assert_int_equal(l->c.dns_servers.n, 0);
	assert_int_equal(l->c.dns_cache_bytes, 4 << 20);
	assert_false(l->c.takeover);
	assert_false(l->c.check_only);
}

static void assert_server(const struct lab *l, size_t i, const char *ip, uint16_t port)
{
	char text[IP_TEXT_MAX];

	assert_true(i < l->c.dns_servers.n);
	assert_string_equal(ip_format(l->c.dns_servers.v[i].ip, text), ip);
	assert_int_equal(l->c.dns_servers.v[i].port, port);
}

static void names_in_the_file_and_as_flags(void **state)
{
	struct lab *l = *state;

	write_file(
		l->yaml,
		"dns:\n  enabled: no\n  domain: lab.example\n  resolv-conf: /run/lab.conf\n  ttl: 0\n  cache-kib: 512\n"
		"  servers: [ 10.0.0.1, '10.0.0.2:5353', '[fd00::1]:54' ]\n");
	if (load(l, NULL) < 0)
		fail_msg("%s", l->e.text);
	assert_false(l->c.dns);
	assert_string_equal(l->c.dns_domain, "lab.example");
	assert_string_equal(l->c.dns_resolv_conf, "/run/lab.conf");
	assert_int_equal(l->c.dns_ttl_s, 0);
	assert_int_equal(l->c.dns_cache_bytes, 512 * 1024);
	assert_int_equal(l->c.dns_servers.n, 3);
	assert_server(l, 0, "10.0.0.1", 53);
	assert_server(l, 1, "10.0.0.2", 5353);
	assert_server(l, 2, "fd00::1", 54);
	if (load(l, "--dns-domain", "other", "--dns-ttl", "30", "--dns-server", "10.9.9.9",
		 "--dns-server", "fd00::9", NULL) < 0)
		fail_msg("%s", l->e.text);
	assert_string_equal(l->c.dns_domain, "other");
	assert_int_equal(l->c.dns_ttl_s, 30);
	assert_int_equal(l->c.dns_servers.n, 2); /* in place of the file's */
	assert_server(l, 0, "10.9.9.9", 53);
	assert_server(l, 1, "fd00::9", 53);
	write_file(l->yaml, "dns: { enabled: true }\n");
	assert_int_equal(load(l, NULL), 0);
	assert_true(l->c.dns);
	assert_string_equal(l->c.dns_domain, "ovl");
	assert_int_equal(load(l, "--no-dns", NULL), 0);
	assert_false(l->c.dns);
}

static void bad_settings_of_names(void **state)
{
	struct lab *l = *state;

	write_file(l->yaml, "dns:\n  domain: .ovl\n  ttl: 3601\n  cache-kib: 0\n"
			    "  servers: [ dns.example.com ]\n");
	assert_int_equal(load(l, NULL), -EINVAL);
	assert_says(&l->e, "dns.domain \".ovl\"");
	assert_says(&l->e, "dns.ttl: not a number from 0 to 3600");
	assert_says(&l->e, "dns.cache-kib: not a number from 16 to ");
	assert_says(&l->e, "dns.servers: \"dns.example.com\"");
	write_file(l->yaml, "dns:\n  servers: [ 10.0.0.1, 10.0.0.2, 10.0.0.3, 10.0.0.4 ]\n");
	assert_int_equal(load(l, NULL), -EINVAL);
	assert_says(&l->e, "servers");
	assert_says(&l->e, "line: 2");
	write_file(l->yaml, "name: n1\n");
	assert_int_equal(load(l, "--dns-server", "10.0.0.1", "--dns-server", "10.0.0.2",
			      "--dns-server", "10.0.0.3", "--dns-server", "10.0.0.4", NULL),
			 -EINVAL);
	assert_says(&l->e, "dns-server: more than 3");
	assert_int_equal(load(l, "--dns-server", "10.0.0.1:0", "--dns-ttl", "x", NULL), -EINVAL);
	assert_says(&l->e, "dns-server: ");
	assert_says(&l->e, "dns.ttl: ");
}

static void every_key_of_the_file(void **state)
{
	struct lab *l = *state;
	_cleanup_free_ char *text = NULL;
	char base[PREFIX_TEXT_MAX];

	write_file(l->password, "secret\n");
	text = mem_printf("name: n1\n"
			  "etcd: [ 'http://10.0.0.1:2379', 'http://10.0.0.2:2379' ]\n"
			  "etcd-prefix: /other/v1\n"
			  "etcd-ca: /dev/null\n"
			  "etcd-cert: /dev/null\n"
			  "etcd-key: /dev/null\n"
			  "etcd-user: ovl\n"
			  "etcd-password-file: %s\n"
			  "advertise: eth1\n"
			  "socket: /run/a.sock\n"
			  "state-dir: /var/lib/a\n"
			  "overlay-netns: /run/netns/a\n"
			  "vxlan-port: 8472\n"
			  "liveness-ttl: 5\n"
			  "address-ttl: 60\n"
			  "log-level: debug\n"
			  "takeover: true\n"
			  "pools:\n"
			  "  - { base: 172.20.0.0/14, size: 20 }\n"
			  "  - { base: 'fd00::/48', size: 64 }\n"
			  "local-pools: [ { base: 10.200.0.0/16, size: 24 } ]\n"
			  "egress: { subnet: 10.201.0.0/24 }\n"
			  "default-bridge:\n  subnet: 10.202.0.0/24\n",
			  l->password);
	write_file(l->yaml, text);
	if (load(l, NULL) < 0)
		fail_msg("%s", l->e.text);
	assert_string_equal(l->c.name, "n1");
	assert_int_equal(l->c.etcd.n, 2);
	assert_string_equal(l->c.etcd.v[1], "http://10.0.0.2:2379");
	assert_string_equal(l->c.etcd_prefix, "/other/v1");
	assert_string_equal(l->c.etcd_ca, "/dev/null");
	assert_string_equal(l->c.etcd_cert, "/dev/null");
	assert_string_equal(l->c.etcd_key, "/dev/null");
	assert_string_equal(l->c.etcd_user, "ovl");
	assert_string_equal(l->c.etcd_password, "secret");
	assert_string_equal(l->c.advertise, "eth1");
	assert_string_equal(l->c.socket, "/run/a.sock");
	assert_string_equal(l->c.state_dir, "/var/lib/a");
	assert_string_equal(l->c.overlay_netns, "/run/netns/a");
	assert_int_equal(l->c.vxlan_port, 8472);
	assert_int_equal(l->c.liveness_ttl_s, 5);
	assert_int_equal(l->c.address_ttl_s, 60);
	assert_int_equal(l->c.log_level, LOG_LEVEL_DEBUG);
	assert_true(l->c.takeover);
	assert_int_equal(l->c.n_pools, 2);
	assert_string_equal(prefix_format(l->c.pools[1].base, base), "fd00::/48");
	assert_int_equal(l->c.pools[1].len, 64);
	assert_int_equal(l->c.n_local_pools, 1);
	assert_string_equal(prefix_format(l->c.local_pools[0].base, base), "10.200.0.0/16");
	assert_string_equal(prefix_format(l->c.egress_subnet, base), "10.201.0.0/24");
	assert_string_equal(prefix_format(l->c.default_bridge_subnet, base), "10.202.0.0/24");
}

static void subnets_of_local_networks(void **state)
{
	struct lab *l = *state;

	write_file(l->yaml, "local-pools: [ { base: 10.0.0.1/8, size: 24 } ]\n"
			    "egress: { subnet: 10.201.0.1/24 }\n"
			    "default-bridge: { subnet: 'fd00::/64' }\n");
	assert_int_equal(load(l, NULL), -EINVAL);
	assert_says(&l->e, "local-pools[0].base: ");
	assert_says(&l->e, "egress.subnet: ");
	assert_says(&l->e, "default-bridge.subnet: fd00::/64 is not an IPv4 subnet");
	write_file(l->yaml, "local-pools: [ { base: 10.0.0.0/8, size: 4 } ]\n"
			    "egress: { subnet: 10.201.0.0/31 }\n");
	assert_int_equal(load(l, NULL), -EINVAL);
	assert_says(&l->e, "local-pools[0].size: /4 does not fit in 10.0.0.0/8");
	assert_says(&l->e, "egress.subnet: 10.201.0.0/31 is not");
	write_file(l->yaml, "egress: { gateway: 10.201.0.1 }\n");
	assert_int_equal(load(l, NULL), -EINVAL);
	assert_says(&l->e, "gateway");
	write_file(l->yaml, "egress: {}\n");
	assert_int_equal(load(l, NULL), 0);
}

static void flags_win_over_the_file(void **state)
{
	struct lab *l = *state;

	write_file(l->yaml, "name: n1\netcd: [ 'http://10.0.0.1:2379' ]\nvxlan-port: 8472\n"
			    "log-level: debug\nsocket: /run/a.sock\nliveness-ttl: 5\n"
			    "advertise: eth1\n");
	if (load(l, "--name", "n2", "--etcd", "http://10.0.0.8:2379,,http://10.0.0.9:2379",
		 "--vxlan-port", "4790", "--log-level", "warn", "--liveness-ttl", "7",
		 "--address-ttl", "3600", "--etcd-prefix", "/p", "--state-dir", "/s",
		 "--overlay-netns", "/n", "--takeover", "--check-config", NULL) < 0)
		fail_msg("%s", l->e.text);
	assert_string_equal(l->c.name, "n2");
	assert_int_equal(l->c.etcd.n, 2);
	assert_string_equal(l->c.etcd.v[0], "http://10.0.0.8:2379");
	assert_string_equal(l->c.etcd.v[1], "http://10.0.0.9:2379");
	assert_int_equal(l->c.vxlan_port, 4790);
	assert_int_equal(l->c.log_level, LOG_LEVEL_WARN);
	assert_int_equal(l->c.liveness_ttl_s, 7);
	assert_int_equal(l->c.address_ttl_s, 3600);
	assert_string_equal(l->c.etcd_prefix, "/p");
	assert_string_equal(l->c.state_dir, "/s");
	assert_string_equal(l->c.overlay_netns, "/n");
	assert_string_equal(l->c.socket, "/run/a.sock"); /* not overridden */
	assert_string_equal(l->c.advertise, "eth1");
	assert_true(l->c.takeover);
	assert_true(l->c.check_only);
}

static void all_bad_values_are_told_at_once(void **state)
{
	static const char *const told[] = {
		"name",		 "etcd-prefix",	 "socket",	"state-dir", "overlay-netns",
		"vxlan-port",	 "liveness-ttl", "address-ttl", "log-level", "pools[0].base",
		"pools[1].size", "etcd-user",	 "advertise",
	};
	struct lab *l = *state;

	write_file(l->yaml, "name: 'no spaces'\netcd-prefix: ovl/\nsocket: s\nstate-dir: d\n"
			    "overlay-netns: n\nvxlan-port: 65536\nliveness-ttl: 1\n"
			    "address-ttl: 4\nlog-level: loud\netcd-user: ovl\nadvertise: ''\n"
			    "pools:\n- { base: 10.0.0.1/8, size: 24 }\n"
			    "- { base: 10.0.0.0/16, size: 8 }\n");
	assert_int_equal(load(l, NULL), -EINVAL);
	for (size_t i = 0; i < ARRAY_SIZE(told); i++)
		assert_says(&l->e, told[i]);
	assert_says(&l->e, "10.0.0.0/8"); /* the prefix that was meant */
	assert_null(l->c.name); /* untouched */
}

static void numbers_are_numbers_in_their_range(void **state)
{
	static const char *const bad[] = { "0",	 "65536", "-1",	 "x",
					   "1x", "",	  "1.5", "99999999999999999999999" };
	struct lab *l = *state;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(load(l, "--vxlan-port", bad[i], NULL), -EINVAL);
		assert_says(&l->e, "vxlan-port: not a number from 1 to 65535");
	}
	assert_int_equal(load(l, "--vxlan-port", "65535", NULL), 0);
	assert_int_equal(l->c.vxlan_port, 65535);
	/* A zero in the file is a value, and no silent default. */
	write_file(l->yaml, "name: n1\nvxlan-port: 0\nliveness-ttl: 0\n");
	assert_int_equal(load(l, NULL), -EINVAL);
	assert_says(&l->e, "vxlan-port: not a number from 1 to 65535");
	assert_says(&l->e, "liveness-ttl");
}

static void bad_etcd_settings(void **state)
{
	struct lab *l = *state;

	assert_int_equal(load(l, "--etcd", "ftp://x:1", NULL), -EINVAL);
	assert_says(&l->e, "ftp://x:1");
	assert_int_equal(load(l, "--etcd", "http://10.0.0.1:2379", "--etcd-cert", "/dev/null",
			      NULL),
			 -EINVAL);
	assert_says(&l->e, "go together");
	assert_int_equal(load(l, "--etcd-user", "u", "--etcd-password-file", "/no/such", NULL),
			 -EINVAL);
	assert_says(&l->e, "/no/such");
	write_file(l->password, "p\r\nsecond line\n");
	assert_int_equal(load(l, "--etcd-user", "u", "--etcd-password-file", l->password, NULL), 0);
	assert_string_equal(l->c.etcd_password, "p");
}

static void the_command_line_itself(void **state)
{
	struct lab *l = *state;

	assert_int_equal(load(l, "--no-such", NULL), -EINVAL);
	assert_says(&l->e, "--no-such");
	assert_int_equal(load(l, "stray", NULL), -EINVAL);
	assert_says(&l->e, "unexpected argument \"stray\"");
	assert_int_equal(load(l, "--name", NULL), -EINVAL);
	unlink(l->yaml);
	snprintf(l->yaml, sizeof(l->yaml), "/no/such.yaml");
	assert_int_equal(load(l, NULL), -ENOENT);
	assert_says(&l->e, "/no/such.yaml: ");
	assert_int_equal(load(l, "--version", NULL), 0);
	assert_int_equal(l->outcome, CONFIG_EXIT_OK);
}

static int parse(const char *text, struct config_file **f, struct err *e)
{
	*f = NULL;
	*e = (struct err){ 0 };
	return config_file_parse(text, strlen(text), "f.yaml", f, e);
}

static void bad_files_are_told_with_key_and_line(void **state)
{
	static const struct {
		const char *text, *what, *where;
	} cases[] = {
		{ "name: n1\nbogus: 1\n", "bogus", "line: 2" },
		{ "name: n1\n\nvxlan-port: many\n", "vxlan-port", "line: 3" },
		{ "bogu: 1\n# bogus\nname: bogus\n'bogus' : 1\n", "bogu", "line: 1" },
		{ "name: bogus\n# bogus\n'bogus' : 1\n", "bogus", "line: 3" },
		{ "vxlan-port: -1\n", "vxlan-port", "line: 1" },
		{ "takeover: perhaps\n", "takeover", "line: 1" },
		{ "etcd: http://10.0.0.1:2379\n", "etcd", "line: 1" },
		{ "name: [ a ]\n", "name", "line: 1" },
		{ "pools:\n- { base: 10.0.0.0/8 }\n", "size", "line: 2" },
		{ "pools:\n- { base: 10.0.0.0/8, size: 300 }\n", "size", "line: 2" },
		{ "pools:\n- { base: 10.0.0.0/8, size: 24, more: 1 }\n", "more", "line: 2" },
		{ "name: n1\ndns:\n  bogus: 1\n", "bogus", "line: 3" },
		{ "dns:\n  ttl: soon\n", "ttl", "line: 2" },
		{ "dns:\n  enabled: perhaps\n", "enabled", "line: 2" },
		{ "dns: on\n", "dns", "line: 1" },
		{ "name: 'open\n", "f.yaml", "" },
		{ "- a\n- b\n", "f.yaml", "" },
		{ "", "f.yaml", "" },
		{ "\xff\xfe\x01", "f.yaml", "" },
	};
	struct config_file *f;
	struct err e;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		if (parse(cases[i].text, &f, &e) != -EINVAL)
			fail_msg("taken: %s", cases[i].text);
		assert_null(f);
		assert_says(&e, "f.yaml");
		assert_says(&e, cases[i].what);
		assert_says(&e, cases[i].where);
	}
}

static void nothing_but_comments_is_all_defaults(void **state)
{
	struct config_file *f;
	struct err e;

	(void)state;
	assert_int_equal(parse("# etcd:\n#   - http://10.0.0.1:2379\n", &f, &e), 0);
	assert_int_equal(f->n_etcd, 0);
	assert_null(f->name);
	config_file_free(f);
}

static void files_too_large_are_refused(void **state)
{
	_cleanup_free_ char *text = mem_alloc(CONFIG_FILE_MAX + 2);
	struct lab *l = *state;
	struct config_file *f;
	struct err e;

	memset(text, '#', CONFIG_FILE_MAX + 1);
	assert_int_equal(parse(text, &f, &e), -EMSGSIZE);
	write_file(l->yaml, text);
	assert_int_equal(load(l, NULL), -EMSGSIZE);
	assert_says(&l->e, "larger than");
}

static void docker_where_there_is_etcd(void **state)
{
	static char etcd[] = "--etcd", url[] = "http://127.0.0.1:2379";
	struct lab *l = *state;

	assert_int_equal(load(l, NULL), 0);
	assert_null(l->c.docker_plugin);
	assert_null(l->c.docker_api);
	assert_int_equal(load(l, etcd, url, NULL), 0);
	assert_string_equal(l->c.docker_plugin, "/run/docker/plugins/ovl.sock");
	assert_string_equal(l->c.docker_api, "/var/run/docker.sock");
	assert_int_equal(load(l, etcd, url, "--docker-api", "none", NULL), 0);
	assert_non_null(l->c.docker_plugin);
	assert_null(l->c.docker_api);
	assert_int_equal(load(l, etcd, url, "--docker-plugin", "none", NULL), 0);
	assert_null(l->c.docker_plugin);
	assert_null(l->c.docker_api);
	write_file(l->yaml, "docker: { plugin: /run/p.sock, api: /run/d.sock }\n");
	assert_int_equal(load(l, NULL), -EINVAL);
	assert_says(&l->e, "docker-plugin: needs etcd");
	assert_int_equal(load(l, etcd, url, NULL), 0);
	assert_string_equal(l->c.docker_plugin, "/run/p.sock");
	assert_string_equal(l->c.docker_api, "/run/d.sock");
	assert_int_equal(load(l, etcd, url, "--docker-plugin", "p.sock", NULL), -EINVAL);
	assert_says(&l->e, "docker-plugin: must be \"none\" or an absolute path");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(defaults_where_nothing_is_said, set_up, tear_down),
		cmocka_unit_test_setup_teardown(every_key_of_the_file, set_up, tear_down),
		cmocka_unit_test_setup_teardown(names_in_the_file_and_as_flags, set_up, tear_down),
		cmocka_unit_test_setup_teardown(bad_settings_of_names, set_up, tear_down),
		cmocka_unit_test_setup_teardown(docker_where_there_is_etcd, set_up, tear_down),
		cmocka_unit_test_setup_teardown(flags_win_over_the_file, set_up, tear_down),
		cmocka_unit_test_setup_teardown(subnets_of_local_networks, set_up, tear_down),
		cmocka_unit_test_setup_teardown(all_bad_values_are_told_at_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(numbers_are_numbers_in_their_range, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(bad_etcd_settings, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_command_line_itself, set_up, tear_down),
		cmocka_unit_test(bad_files_are_told_with_key_and_line),
		cmocka_unit_test(nothing_but_comments_is_all_defaults),
		cmocka_unit_test_setup_teardown(files_too_large_are_refused, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
