/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/config_file.h"

#include <cyaml/cyaml.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "agent/config.h"
#include "base/buf.h"
#include "base/mem.h"

#define TEXT_MAX 4096
#define CONFIG_ETCD_MAX 64
#define OPTIONAL CYAML_FLAG_OPTIONAL

static const cyaml_schema_value_t text_value = { CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char *, 1,
								    TEXT_MAX) };

static const cyaml_schema_field_t pool_fields[] = {
	CYAML_FIELD_STRING_PTR("base", CYAML_FLAG_POINTER, struct config_file_pool, base, 1,
			       TEXT_MAX),
	CYAML_FIELD_UINT("size", CYAML_FLAG_DEFAULT, struct config_file_pool, size), CYAML_FIELD_END
};
static const cyaml_schema_value_t pool_value = { CYAML_VALUE_MAPPING(
	CYAML_FLAG_DEFAULT, struct config_file_pool, pool_fields) };

static const cyaml_schema_field_t network_fields[] = {
	CYAML_FIELD_STRING_PTR("subnet", CYAML_FLAG_POINTER | OPTIONAL, struct config_file_network,
			       subnet, 0, TEXT_MAX),
	CYAML_FIELD_END
};

#define TEXT(key, member)                                                                         \
	CYAML_FIELD_STRING_PTR(key, CYAML_FLAG_POINTER | OPTIONAL, struct config_file, member, 0, \
			       TEXT_MAX)
/* A zero is a value as well: only a pointer tells it from none. */
#define NUMBER(key, member) \
	CYAML_FIELD_UINT_PTR(key, CYAML_FLAG_POINTER | OPTIONAL, struct config_file, member)

/* libcyaml's own boolean takes any word that is not "false" or the like for true. */
static const cyaml_strval_t switches[] = { { "true", true }, { "false", false }, { "yes", true },
					   { "no", false },  { "on", true },	 { "off", false } };

static const cyaml_schema_field_t dns_fields[] = {
	CYAML_FIELD_ENUM_PTR("enabled", CYAML_FLAG_POINTER | OPTIONAL | CYAML_FLAG_STRICT,
			     struct config_file_dns, enabled, switches, CYAML_ARRAY_LEN(switches)),
	CYAML_FIELD_STRING_PTR("domain", CYAML_FLAG_POINTER | OPTIONAL, struct config_file_dns,
			       domain, 0, TEXT_MAX),
	CYAML_FIELD_STRING_PTR("resolv-conf", CYAML_FLAG_POINTER | OPTIONAL, struct config_file_dns,
			       resolv_conf, 0, TEXT_MAX),
	CYAML_FIELD_UINT_PTR("ttl", CYAML_FLAG_POINTER | OPTIONAL, struct config_file_dns, ttl),
	CYAML_FIELD_UINT_PTR("cache-kib", CYAML_FLAG_POINTER | OPTIONAL, struct config_file_dns,
			     cache_kib),
	CYAML_FIELD_SEQUENCE_COUNT("servers", CYAML_FLAG_POINTER | OPTIONAL, struct config_file_dns,
				   servers, n_servers, &text_value, 0, DNS_SERVERS_MAX),
	CYAML_FIELD_END
};

static const cyaml_schema_field_t docker_fields[] = {
	CYAML_FIELD_STRING_PTR("plugin", CYAML_FLAG_POINTER | OPTIONAL, struct config_file_docker,
			       plugin, 0, TEXT_MAX),
	CYAML_FIELD_STRING_PTR("api", CYAML_FLAG_POINTER | OPTIONAL, struct config_file_docker, api,
			       0, TEXT_MAX),
	CYAML_FIELD_END
};

static const cyaml_schema_field_t fields[] = {
	TEXT("name", name),
	TEXT("etcd-prefix", etcd_prefix),
	TEXT("etcd-ca", etcd_ca),
	TEXT("etcd-cert", etcd_cert),
	TEXT("etcd-key", etcd_key),
	TEXT("etcd-user", etcd_user),
	TEXT("etcd-password-file", etcd_password_file),
	TEXT("advertise", advertise),
	TEXT("socket", socket),
	TEXT("state-dir", state_dir),
	TEXT("overlay-netns", overlay_netns),
	TEXT("log-level", log_level),
	CYAML_FIELD_SEQUENCE_COUNT("etcd", CYAML_FLAG_POINTER | OPTIONAL, struct config_file, etcd,
				   n_etcd, &text_value, 0, CONFIG_ETCD_MAX),
	NUMBER("vxlan-port", vxlan_port),
	NUMBER("liveness-ttl", liveness_ttl),
	NUMBER("address-ttl", address_ttl),
	CYAML_FIELD_SEQUENCE_COUNT("pools", CYAML_FLAG_POINTER | OPTIONAL, struct config_file,
				   pools, n_pools, &pool_value, 0, CONFIG_POOLS_MAX),
	CYAML_FIELD_SEQUENCE_COUNT("local-pools", CYAML_FLAG_POINTER | OPTIONAL, struct config_file,
				   local_pools, n_local_pools, &pool_value, 0, CONFIG_POOLS_MAX),
	CYAML_FIELD_MAPPING_PTR("egress", CYAML_FLAG_POINTER | OPTIONAL, struct config_file, egress,
				network_fields),
	CYAML_FIELD_MAPPING_PTR("default-bridge", CYAML_FLAG_POINTER | OPTIONAL, struct config_file,
				default_bridge, network_fields),
	CYAML_FIELD_MAPPING_PTR("dns", CYAML_FLAG_POINTER | OPTIONAL, struct config_file, dns,
				dns_fields),
	CYAML_FIELD_MAPPING_PTR("docker", CYAML_FLAG_POINTER | OPTIONAL, struct config_file, docker,
				docker_fields),
	CYAML_FIELD_ENUM("takeover", OPTIONAL | CYAML_FLAG_STRICT, struct config_file, takeover,
			 switches, CYAML_ARRAY_LEN(switches)),
	CYAML_FIELD_END
};
static const cyaml_schema_value_t schema = { CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER,
								 struct config_file, fields) };

#define UNEXPECTED "Unexpected key: "

struct collect {
	struct err *e;
	const char *name, *text;
	size_t len;
	char *unexpected; /* a key that libcyaml has just refused */
};

static bool is_key(const char *p, const char *stop, const char *key)
{
	size_t len = strlen(key);

	for (; (p = memmem(p, (size_t)(stop - p), key, len)) != NULL; p++) {
		const char *after = p + len;

		while (after < stop && strchr("'\" \t", *after))
			after++;
		if (after < stop && *after == ':')
			return true;
	}
	return false;
}

/* Of a key nobody knows libcyaml tells the place of the value before it: its line is the next one with that key, from there on. */
static unsigned key_line(const struct collect *c, unsigned from)
{
	const char *p = c->text, *end = c->text + c->len;

	for (unsigned line = 1; p < end; line++) {
		const char *stop = memchr(p, '\n', (size_t)(end - p));

		if (!stop)
			stop = end;
		if (line >= from && is_key(p, stop, c->unexpected))
			return line;
		p = stop + 1;
	}
	return from;
}

/* Return: @line was about a refused key, and has been dealt with. */
static bool collect_unexpected(struct collect *c, const char *line)
{
	const char *at;

	if (strncmp(line, UNEXPECTED, strlen(UNEXPECTED)) == 0) {
		free(c->unexpected);
		c->unexpected = mem_strdup(line + strlen(UNEXPECTED));
		return true;
	}
	if (!c->unexpected)
		return false;
	at = strstr(line, "(line: ");
	err_set(c->e, -EINVAL, "%s: " UNEXPECTED "%s (line: %u)", c->name, c->unexpected,
		key_line(c, at ? (unsigned)strtoul(at + 7, NULL, 10) : 1));
	free(c->unexpected);
	c->unexpected = NULL;
	return true;
}

/* libcyaml tells the problem first and then a backtrace with line and column: both are wanted in one text. */
static void collect_log(cyaml_log_t level, void *ctx, const char *fmt, va_list args)
{
	struct collect *c = ctx;
	_cleanup_free_ char *line = NULL;

	if (level < CYAML_LOG_ERROR)
		return;
	line = mem_vprintf(fmt, args);
	line[strcspn(line, "\n")] = '\0';
	if (strncmp(line, "Load: ", 6) == 0)
		memmove(line, line + 6, strlen(line + 6) + 1);
	if (strcmp(line, "Backtrace:") == 0 || collect_unexpected(c, line))
		return;
	if (c->e && c->e->code == 0)
		err_set(c->e, -EINVAL, "%s: %s", c->name, line);
	else
		err_add(c->e, -EINVAL, "%s", line + strspn(line, " "));
}

static cyaml_config_t make_config(struct collect *c)
{
	return (cyaml_config_t){ .log_fn = collect_log,
				 .log_ctx = c,
				 .mem_fn = cyaml_mem,
				 .log_level = CYAML_LOG_ERROR,
				 .flags = CYAML_CFG_DEFAULT };
}

int config_file_parse(const char *text, size_t len, const char *name, struct config_file **ret,
		      struct err *e)
{
	struct collect c = { .e = e, .name = name, .text = text, .len = len };
	cyaml_config_t cfg = make_config(&c);
	struct config_file *f = NULL;
	cyaml_err_t r;

	if (len == 0) /* cut off by an accident, more likely than meant */
		return err_set(e, -EINVAL, "%s: empty", name);
	if (len > CONFIG_FILE_MAX)
		return err_set(e, -EMSGSIZE, "%s: larger than %d bytes", name, CONFIG_FILE_MAX);
	r = cyaml_load_data((const uint8_t *)text, len, &cfg, &schema, (cyaml_data_t **)&f, NULL);
	free(c.unexpected);
	if (r != CYAML_OK) {
		if (!e || e->code == 0)
			err_set(e, -EINVAL, "%s: %s", name, cyaml_strerror(r));
		return -EINVAL;
	}
	/* Nothing but comments: everything has its default. */
	*ret = f ? f : mem_alloc(sizeof(*f));
	return 0;
}

int config_file_load(const char *path, struct config_file **ret, struct err *e)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	_cleanup_buf_ struct buf b;
	char chunk[8192];
	ssize_t n;

	buf_init(&b, CONFIG_FILE_MAX + 1);
	if (fd < 0)
		return err_set(e, errno == ENOENT ? -ENOENT : -EINVAL, "%s: %s", path,
			       strerror(errno));
	while ((n = read(fd, chunk, sizeof(chunk))) > 0) {
		if (buf_append(&b, chunk, (size_t)n) < 0)
			return err_set(e, -EMSGSIZE, "%s: larger than %d bytes", path,
				       CONFIG_FILE_MAX);
	}
	if (n < 0)
		return err_set(e, -EINVAL, "%s: %s", path, strerror(errno));
	return config_file_parse(b.data ? b.data : "", b.len, path, ret, e);
}

void config_file_free(struct config_file *f)
{
	struct collect c = { 0 };
	cyaml_config_t cfg = make_config(&c);

	if (f)
		cyaml_free(&cfg, &schema, f, 0);
}
