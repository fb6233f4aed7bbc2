/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/config.h"

#include <errno.h>
#include <fcntl.h>
#include <popt.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/config_file.h"
#include "agent/dns/dns.h"
#include "agent/dns/resolv_conf.h"
#include "agent/docker/docker_api.h"
#include "agent/docker/plugin.h"
#include "base/mem.h"
#include "store/etcd.h"
#include "store/model.h"

#define CONFIG_SOCKET_MAX 107 /* sun_path */
#define CONFIG_PASSWORD_MAX 1024
#define CONFIG_CACHE_KIB_MIN 16
#define CONFIG_CACHE_KIB_MAX (1024 * 1024)

/* Every text setting: its name in the file and as a flag, and where it goes. The flag's value wins over the file's, the file's over the default. */
struct text_setting {
	const char *name;
	size_t file, dest;
	const char *fallback;
	const char *help, *arg;
};
#define TEXT(n, field, dflt, h, a)                                                       \
	{                                                                                \
		.name = (n), .file = offsetof(struct config_file, field),                \
		.dest = offsetof(struct config, field), .fallback = (dflt), .help = (h), \
		.arg = (a)                                                               \
	}
static const struct text_setting texts[] = {
	TEXT("name", name, NULL, "name of this node (default: the host's name)", "NODE"),
	TEXT("etcd-prefix", etcd_prefix, MODEL_PREFIX_DEFAULT,
	     "where the cluster lives in etcd (default: " MODEL_PREFIX_DEFAULT ")", "PREFIX"),
	TEXT("etcd-ca", etcd_ca, NULL, "CA certificate of etcd", "FILE"),
	TEXT("etcd-cert", etcd_cert, NULL, "client certificate for etcd", "FILE"),
	TEXT("etcd-key", etcd_key, NULL, "key of the client certificate", "FILE"),
	TEXT("etcd-user", etcd_user, NULL, "user in etcd", "NAME"),
	TEXT("advertise", advertise, NULL,
	     "address other nodes reach this one by (default: the one that reaches etcd)",
	     "ADDR|IFACE"),
	TEXT("socket", socket, "/run/ovl/ovld.sock",
	     "socket of the API (default: /run/ovl/ovld.sock)", "PATH"),
	TEXT("state-dir", state_dir, "/var/lib/ovl", "this node's memory (default: /var/lib/ovl)",
	     "DIR"),
	TEXT("overlay-netns", overlay_netns, "/run/netns/ovl",
	     "network namespace of all overlays (default: /run/netns/ovl)", "PATH"),
};

struct flags {
	char *values[ARRAY_SIZE(texts)];
	char *config, *etcd, *password_file, *log_level, *vxlan_port, *liveness_ttl, *address_ttl;
	char *docker_plugin, *docker_api;
	char *dns_domain, *dns_resolv_conf, *dns_ttl, **dns_servers;
	int no_dns, check, takeover, version;
};

static char **field(void *base, size_t offset)
{
	return (char **)((char *)base + offset);
}

static int run_popt(int argc, char **argv, const struct poptOption *table, struct err *e)
{
	poptContext ctx = poptGetContext("ovld", argc, (const char **)argv, table, 0);
	int r = poptGetNextOpt(ctx);

	if (r < -1)
		r = err_set(e, -EINVAL, "%s: %s", poptBadOption(ctx, POPT_BADOPTION_NOALIAS),
			    poptStrerror(r));
	else if (poptPeekArg(ctx))
		r = err_set(e, -EINVAL, "unexpected argument \"%s\"", poptPeekArg(ctx));
	else
		r = 0;
	poptFreeContext(ctx);
	return r;
}

static int parse_flags(int argc, char **argv, struct flags *f, struct err *e)
{
	struct poptOption extra[] = {
		{ "config", 'c', POPT_ARG_STRING, &f->config, 0,
		  "configuration file (default: " CONFIG_PATH_DEFAULT ")", "FILE" },
		{ "etcd", 0, POPT_ARG_STRING, &f->etcd, 0,
		  "etcd's client URLs, comma-separated; without any this host stands alone: no overlay networks, the others work",
		  "URL[,URL...]" },
		{ "etcd-password-file", 0, POPT_ARG_STRING, &f->password_file, 0,
		  "file with the password of the etcd user", "FILE" },
		{ "vxlan-port", 0, POPT_ARG_STRING, &f->vxlan_port, 0,
		  "UDP port of VXLAN (default: 4789)", "N" },
		{ "liveness-ttl", 0, POPT_ARG_STRING, &f->liveness_ttl, 0,
		  "seconds until a silent node counts as down (default: 10)", "S" },
		{ "address-ttl", 0, POPT_ARG_STRING, &f->address_ttl, 0,
		  "seconds until a lost node's addresses are free again (default: 86400)", "S" },
		{ "dns-domain", 0, POPT_ARG_STRING, &f->dns_domain, 0,
		  "what the names of containers end in (default: " ZONE_DOMAIN_DEFAULT ")",
		  "DOMAIN" },
		{ "dns-ttl", 0, POPT_ARG_STRING, &f->dns_ttl, 0,
		  "seconds for which a name of a container may be remembered (default: 5)", "S" },
		{ "dns-server", 0, POPT_ARG_ARGV, &f->dns_servers, 0,
		  "name server for all other names, up to three times (default: those of the host's resolv.conf)",
		  "ADDR[:PORT]" },
		{ "dns-resolv-conf", 0, POPT_ARG_STRING, &f->dns_resolv_conf, 0,
		  "the host's resolv.conf, followed as it changes (default: " CONFIG_RESOLV_CONF
		  ")",
		  "FILE" },
		{ "no-dns", 0, POPT_ARG_NONE, &f->no_dns, 0,
		  "serve no names, and leave resolv.conf and hosts of containers alone", NULL },
		{ "docker-plugin", 0, POPT_ARG_STRING, &f->docker_plugin, 0,
		  "socket that Docker finds its network driver ovl by, or none (default: " PLUGIN_SOCKET_DEFAULT
		  " where etcd is given)",
		  "PATH" },
		{ "docker-api", 0, POPT_ARG_STRING, &f->docker_api, 0,
		  "Docker's own socket, to keep its networks like the cluster's and to read the names of containers, or none (default: " DOCKER_API_SOCKET_DEFAULT
		  ")",
		  "PATH" },
		{ "log-level", 0, POPT_ARG_STRING, &f->log_level, 0,
		  "error, warn, info or debug (default: info)", "L" },
		{ "takeover", 0, POPT_ARG_NONE, &f->takeover, 0,
		  "take this node's name over from another node id that has it in etcd", NULL },
		{ "check-config", 0, POPT_ARG_NONE, &f->check, 0,
		  "validate the configuration and exit", NULL },
		{ "version", 'V', POPT_ARG_NONE, &f->version, 0, "print the version and exit",
		  NULL },
		POPT_AUTOHELP POPT_TABLEEND
	};
	struct poptOption table[ARRAY_SIZE(texts) + ARRAY_SIZE(extra)];

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		table[i] = (struct poptOption){ texts[i].name, 0, POPT_ARG_STRING,
						&f->values[i], 0, texts[i].help,
						texts[i].arg };
	memcpy(table + ARRAY_SIZE(texts), extra, sizeof(extra));
	return run_popt(argc, argv, table, e);
}

static void flags_done(struct flags *f)
{
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		free(f->values[i]);
	free(f->config);
	free(f->etcd);
	free(f->password_file);
	free(f->log_level);
	free(f->vxlan_port);
	free(f->liveness_ttl);
	free(f->address_ttl);
	free(f->docker_plugin);
	free(f->docker_api);
	free(f->dns_domain);
	free(f->dns_resolv_conf);
	free(f->dns_ttl);
	for (char **server = f->dns_servers; server && *server; server++)
		free(*server);
	free(f->dns_servers);
}

static void set_number(const char *what, const char *text, const uint32_t *from_file,
		       uint32_t fallback, uint32_t min, uint32_t max, uint32_t *ret, struct err *e)
{
	unsigned long long v = from_file ? *from_file : fallback;
	char *end = NULL;

	if (text) {
		errno = 0;
		v = strtoull(text, &end, 10);
		if (errno || end == text || *end || text[0] == '-')
			v = UINT64_MAX;
	}
	if (v < min || v > max)
		err_add(e, -EINVAL, "%s: not a number from %u to %u", what, min, max);
	else
		*ret = (uint32_t)v;
}

static const struct config_file_pool standard_pools[] = { { (char *)"10.0.0.0/8", 24 } };
/* From above, so that Docker, which may start later, finds its usual ones free; and last what many a home network uses. */
static const struct config_file_pool standard_local_pools[] = {
	{ (char *)"172.31.0.0/16", 16 }, { (char *)"172.30.0.0/16", 16 },
	{ (char *)"172.29.0.0/16", 16 }, { (char *)"172.28.0.0/16", 16 },
	{ (char *)"172.27.0.0/16", 16 }, { (char *)"172.26.0.0/16", 16 },
	{ (char *)"172.25.0.0/16", 16 }, { (char *)"172.24.0.0/16", 16 },
	{ (char *)"172.23.0.0/16", 16 }, { (char *)"172.22.0.0/16", 16 },
	{ (char *)"172.21.0.0/16", 16 }, { (char *)"172.20.0.0/16", 16 },
	{ (char *)"172.19.0.0/16", 16 }, { (char *)"172.18.0.0/16", 16 },
	{ (char *)"172.17.0.0/16", 16 }, { (char *)"192.168.0.0/16", 20 },
};

/* @v: of the file, @n items; none: @standard. */
static void set_pools(const char *what, const struct config_file_pool *v, size_t n,
		      const struct config_file_pool *standard, size_t n_standard,
		      struct subnet_pool *ret, size_t *ret_n, struct err *e)
{
	if (n == 0) {
		v = standard;
		n = n_standard;
	}
	if (n > CONFIG_POOLS_MAX) {
		err_add(e, -EINVAL, "%s: more than %d", what, CONFIG_POOLS_MAX);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		struct err one = { 0 };
		struct subnet_pool p = { .len = v[i].size };

		if (prefix_parse(v[i].base, &p.base, &one) < 0)
			err_add(e, -EINVAL, "%s[%zu].base: %s", what, i, one.text);
		else if (p.len < p.base.len || p.len > ip_bits(p.base.ip) - 2)
			err_add(e, -EINVAL, "%s[%zu].size: /%u does not fit in %s", what, i, p.len,
				v[i].base);
		else
			ret[(*ret_n)++] = p;
	}
}

static void set_subnet(const char *what, const struct config_file_network *net, struct prefix *ret,
		       struct err *e)
{
	struct err one = { 0 };
	struct prefix p;

	if (!net || !net->subnet || !*net->subnet)
		return;
	if (prefix_parse(net->subnet, &p, &one) < 0)
		err_add(e, -EINVAL, "%s.subnet: %s", what, one.text);
	else if (p.ip.family != AF_INET || p.len > SUBNET_MAX_LEN4)
		err_add(e, -EINVAL, "%s.subnet: %s is not an IPv4 subnet of at most /%d", what,
			net->subnet, SUBNET_MAX_LEN4);
	else
		*ret = p;
}

static void add_server(const char *what, const char *text, struct dns_servers *ret, struct err *e)
{
	struct dns_server_addr a;
	struct err one = { 0 };

	if (resolv_server_parse(text, &a, &one) < 0)
		err_add(e, -EINVAL, "%s: %s", what, one.text);
	else if (ret->n == DNS_SERVERS_MAX)
		err_add(e, -EINVAL, "%s: more than %d", what, DNS_SERVERS_MAX);
	else
		ret->v[ret->n++] = a;
}

static void set_dns(const struct flags *f, const struct config_file_dns *file, struct config *c,
		    struct err *e)
{
	static const struct config_file_dns none;
	struct err one = { 0 };
	uint32_t cache_kib = 0;

	if (!file)
		file = &none;
	c->dns = !f->no_dns && (!file->enabled || *file->enabled);
	c->dns_domain = mem_strdup(f->dns_domain ? f->dns_domain :
				   file->domain	 ? file->domain :
						   ZONE_DOMAIN_DEFAULT);
	if (zone_domain_check(c->dns_domain, &one) < 0)
		err_add(e, -EINVAL, "dns.%s", one.text);
	c->dns_resolv_conf = mem_strdup(f->dns_resolv_conf ? f->dns_resolv_conf :
					file->resolv_conf  ? file->resolv_conf :
							     CONFIG_RESOLV_CONF);
	set_number("dns.ttl", f->dns_ttl, file->ttl, DNS_TTL_DEFAULT, 0, DNS_TTL_MAX, &c->dns_ttl_s,
		   e);
	set_number("dns.cache-kib", NULL, file->cache_kib, DNS_CACHE_BYTES / 1024,
		   CONFIG_CACHE_KIB_MIN, CONFIG_CACHE_KIB_MAX, &cache_kib, e);
	c->dns_cache_bytes = (size_t)cache_kib * 1024;
	for (char **server = f->dns_servers; server && *server; server++)
		add_server("dns-server", *server, &c->dns_servers, e);
	for (unsigned i = 0; i < file->n_servers && !f->dns_servers; i++)
		add_server("dns.servers", file->servers[i], &c->dns_servers, e);
}

static char *docker_path(const char *what, const char *flag, const char *file, const char *fallback,
			 struct err *e)
{
	const char *path = flag ? flag : file ? file : fallback;

	if (strcmp(path, "none") == 0)
		return NULL;
	if (path[0] != '/' || strlen(path) > CONFIG_SOCKET_MAX)
		err_add(e, -EINVAL, "%s: must be \"none\" or an absolute path of at most %d bytes",
			what, CONFIG_SOCKET_MAX);
	return mem_strdup(path);
}

/* Networks of this driver are the cluster's: without etcd there is nothing to serve. */
static void set_docker(const struct flags *f, const struct config_file_docker *file,
		       struct config *c, struct err *e)
{
	const char *fallback = c->etcd.n ? PLUGIN_SOCKET_DEFAULT : "none";

	c->docker_plugin = docker_path("docker-plugin", f->docker_plugin,
				       file ? file->plugin : NULL, fallback, e);
	c->docker_api = docker_path("docker-api", f->docker_api, file ? file->api : NULL,
				    DOCKER_API_SOCKET_DEFAULT, e);
	if (!c->docker_plugin) {
		free(c->docker_api);
		c->docker_api = NULL;
	} else if (c->etcd.n == 0) {
		err_add(e, -EINVAL, "docker-plugin: needs etcd, and none is configured");
	}
}

static void read_password(const char *path, struct config *c, struct err *e)
{
	_cleanup_close_ int fd = -1;
	char text[CONFIG_PASSWORD_MAX + 1];
	ssize_t n;

	if (!path)
		return;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text));
	if (n < 0) {
		err_add(e, -EINVAL, "etcd-password-file: %s: %s", path, strerror(errno));
		return;
	}
	if (n > CONFIG_PASSWORD_MAX) {
		err_add(e, -EINVAL, "etcd-password-file: %s: longer than %d bytes", path,
			CONFIG_PASSWORD_MAX);
		return;
	}
	text[n] = '\0';
	text[strcspn(text, "\r\n")] = '\0';
	c->etcd_password = mem_strdup(text);
}

static void check(const struct config *c, struct err *e)
{
	struct err one = { 0 };

	if (model_name_check("name", c->name, &one) < 0)
		err_add(e, one.code, "%s", one.text);
	if (c->etcd_prefix[0] != '/' || strlen(c->etcd_prefix) > MODEL_PREFIX_MAX ||
	    c->etcd_prefix[strlen(c->etcd_prefix) - 1] == '/')
		err_add(e, -EINVAL,
			"etcd-prefix: \"%s\" must begin with '/', not end with it, and have at most %d bytes",
			c->etcd_prefix, MODEL_PREFIX_MAX);
	if (c->socket[0] != '/' || strlen(c->socket) > CONFIG_SOCKET_MAX)
		err_add(e, -EINVAL, "socket: must be an absolute path of at most %d bytes",
			CONFIG_SOCKET_MAX);
	if (c->advertise && !*c->advertise)
		err_add(e, -EINVAL, "advertise: empty");
	if (c->state_dir[0] != '/')
		err_add(e, -EINVAL, "state-dir: must be an absolute path");
	if (c->overlay_netns[0] != '/')
		err_add(e, -EINVAL, "overlay-netns: must be an absolute path");
	if (c->etcd.n) {
		struct etcd_config ec = { .endpoints = c->etcd,
					  .ca_file = c->etcd_ca,
					  .cert_file = c->etcd_cert,
					  .key_file = c->etcd_key,
					  .user = c->etcd_user,
					  .password = c->etcd_password };
		one = (struct err){ 0 };
		if (etcd_config_check(&ec, &one) < 0)
			err_add(e, one.code, "%s", one.text);
	}
	if (!c->etcd_user != !c->etcd_password)
		err_add(e, -EINVAL, "etcd-user and etcd-password-file go together");
}

static void merge(const struct flags *f, const struct config_file *file, struct config *c,
		  struct err *e)
{
	uint32_t port = 0;
	const char *level = f->log_level    ? f->log_level :
			    file->log_level ? file->log_level :
					      "info";

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		const char *from_file = *field((void *)file, texts[i].file);
		const char *v = f->values[i] ? f->values[i] :
				from_file    ? from_file :
					       texts[i].fallback;

		*field(c, texts[i].dest) = mem_strdup(v);
	}
	if (!c->name) {
		char host[MODEL_NAME_MAX + 1] = "";

		gethostname(host, sizeof(host) - 1);
		c->name = mem_strdup(host);
	}
	if (f->etcd)
		strv_split(&c->etcd, f->etcd, ',');
	else
		for (size_t i = 0; i < file->n_etcd; i++)
			strv_add(&c->etcd, file->etcd[i]);
	set_number("vxlan-port", f->vxlan_port, file->vxlan_port, 4789, 1, 65535, &port, e);
	c->vxlan_port = (uint16_t)port;
	set_number("liveness-ttl", f->liveness_ttl, file->liveness_ttl, 10, 2, 3600,
		   &c->liveness_ttl_s, e);
	set_number("address-ttl", f->address_ttl, file->address_ttl, 86400, 5, 10000000,
		   &c->address_ttl_s, e);
	if (log_level_parse(level, &c->log_level) < 0)
		err_add(e, -EINVAL, "log-level: \"%s\" is none of error, warn, info, debug", level);
	set_pools("pools", file->pools, file->n_pools, standard_pools, ARRAY_SIZE(standard_pools),
		  c->pools, &c->n_pools, e);
	set_pools("local-pools", file->local_pools, file->n_local_pools, standard_local_pools,
		  ARRAY_SIZE(standard_local_pools), c->local_pools, &c->n_local_pools, e);
	set_subnet("egress", file->egress, &c->egress_subnet, e);
	set_subnet("default-bridge", file->default_bridge, &c->default_bridge_subnet, e);
	set_dns(f, file->dns, c, e);
	set_docker(f, file->docker, c, e);
	read_password(f->password_file ? f->password_file : file->etcd_password_file, c, e);
	c->takeover = f->takeover || file->takeover;
	c->check_only = f->check;
	check(c, e);
}

int config_load(int argc, char **argv, struct config *ret, enum config_outcome *ret_outcome,
		struct err *e)
{
	struct config_file *file = NULL;
	struct config_file none = { 0 };
	struct config c = { 0 };
	struct flags f = { 0 };
	struct err problems = { 0 };
	int r;

	r = parse_flags(argc, argv, &f, &problems);
	if (r == 0 && f.version) {
		printf("ovld %s\n", OVL_VERSION);
		flags_done(&f);
		*ret_outcome = CONFIG_EXIT_OK;
		return 0;
	}
	if (r == 0 && (f.config || access(CONFIG_PATH_DEFAULT, F_OK) == 0))
		r = config_file_load(f.config ? f.config : CONFIG_PATH_DEFAULT, &file, &problems);
	if (r == 0)
		merge(&f, file ? file : &none, &c, &problems);
	config_file_free(file);
	flags_done(&f);
	if (problems.code < 0) {
		config_done(&c);
		return err_set(e, problems.code, "%s", problems.text);
	}
	*ret = c;
	*ret_outcome = CONFIG_RUN;
	return 0;
}

void config_done(struct config *c)
{
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		free(*field(c, texts[i].dest));
	strv_done(&c->etcd);
	free(c->etcd_password);
	free(c->dns_domain);
	free(c->dns_resolv_conf);
	free(c->docker_plugin);
	free(c->docker_api);
	memset(c, 0, sizeof(*c));
}
