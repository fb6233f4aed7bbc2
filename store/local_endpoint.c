/* SPDX-License-Identifier: GPL-2.0-or-later */
/* This node's endpoints with what is intended for each; one row each. */
#include "store/local.h"

#include <errno.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "store/local_db.h"
#include "store/model.h"

#define COLUMN_TEXT_MAX \
	(1024 * 1024) /* MODEL_PUBLISH_MAX of the longest items; all lists of names are less */

/* Columns in the order of COLUMNS; bound and read by position. */
enum column {
	COL_ID,
	COL_NETWORK,
	COL_STATE,
	COL_NAME,
	COL_ALIASES,
	COL_SANDBOX,
	COL_IFNAME,
	COL_PORT,
	COL_MAC,
	COL_IP4,
	COL_IP6,
	COL_TARGET_PATH,
	COL_NETNS_DEV,
	COL_NETNS_INO,
	COL_PID,
	COL_PID_START,
	COL_RUN_NAME,
	COL_BOOT_ID,
	COL_CREATED,
	COL_CONTAINER_ID,
	COL_ENDPOINT_REV,
	COL_ADDR4_REV,
	COL_ADDR6_REV,
	COL_PUBLISH,
	COL_GW_PRIORITY,
	COL_DEFER_EGRESS,
	COL_NAMES,
};
#define COLUMNS                                                                                 \
	"id, network, state, name, aliases, sandbox, ifname, port, mac, ip4, ip6, target_path," \
	" netns_dev, netns_ino, pid, pid_start, run_name, boot_id, created, container_id,"      \
	" endpoint_rev, addr4_rev, addr6_rev, publish, gw_priority, defer_egress, names"

/* Text columns that are plain strings of the struct. */
static const struct {
	enum column column;
	size_t offset;
} texts[] = {
	{ COL_NAME, offsetof(struct local_endpoint, name) },
	{ COL_SANDBOX, offsetof(struct local_endpoint, sandbox) },
	{ COL_IFNAME, offsetof(struct local_endpoint, ifname) },
	{ COL_PORT, offsetof(struct local_endpoint, port) },
	{ COL_TARGET_PATH, offsetof(struct local_endpoint, target.path) },
	{ COL_RUN_NAME, offsetof(struct local_endpoint, run_name) },
	{ COL_BOOT_ID, offsetof(struct local_endpoint, boot_id) },
	{ COL_CREATED, offsetof(struct local_endpoint, created) },
	{ COL_CONTAINER_ID, offsetof(struct local_endpoint, container_id) },
};

/* Texts within the column `names`. */
static const struct {
	const char *key;
	size_t offset, max;
} names_texts[] = {
	{ "hostname", offsetof(struct local_endpoint, hostname), MODEL_HOSTNAME_MAX },
	{ "engine", offsetof(struct local_endpoint, engine), LOCAL_NAMES_TEXT_MAX },
	{ "engine-network", offsetof(struct local_endpoint, engine_network), LOCAL_NAMES_TEXT_MAX },
};

/* Lists within the column `names`. */
static const struct {
	const char *key;
	size_t offset, max;
} lists[] = {
	{ "links", offsetof(struct local_endpoint, links), LOCAL_LINKS_MAX },
	{ "dns", offsetof(struct local_endpoint, dns), LOCAL_DNS_MAX },
	{ "dns-search", offsetof(struct local_endpoint, dns_search), LOCAL_DNS_SEARCH_MAX },
	{ "dns-options", offsetof(struct local_endpoint, dns_options), LOCAL_DNS_OPTIONS_MAX },
	{ "extra-hosts", offsetof(struct local_endpoint, extra_hosts), LOCAL_HOSTS_MAX },
};

static char **text_of(const struct local_endpoint *ep, size_t i)
{
	return (char **)((char *)ep + texts[i].offset);
}

static char **names_text_of(const struct local_endpoint *ep, size_t i)
{
	return (char **)((char *)ep + names_texts[i].offset);
}

static struct strv *list_of(const struct local_endpoint *ep, size_t i)
{
	return (struct strv *)((char *)ep + lists[i].offset);
}

static char *aliases_text(const struct strv *aliases)
{
	_cleanup_json_ cJSON *j = cJSON_CreateObject();

	json_put_strv(j, "aliases", aliases);
	return json_print(j);
}

static char *publish_text(const struct local_endpoint *ep)
{
	_cleanup_json_ cJSON *j = cJSON_CreateObject();

	if (ep->n_publish > 0)
		cJSON_AddItemToObject(j, "publish", model_publish_json(ep->publish, ep->n_publish));
	return json_print(j);
}

static char *names_text(const struct local_endpoint *ep)
{
	_cleanup_json_ cJSON *j = cJSON_CreateObject();

	for (size_t i = 0; i < ARRAY_SIZE(names_texts); i++)
		json_put_str_opt(j, names_texts[i].key, *names_text_of(ep, i));
	if (ep->n_expose > 0)
		cJSON_AddItemToObject(j, "expose", model_expose_json(ep->expose, ep->n_expose));
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		if (list_of(ep, i)->n > 0)
			json_put_strv(j, lists[i].key, list_of(ep, i));
	}
	return json_print(j);
}

/*
 * Only an intent has to outlive a power cut: after one, whatever the row's state, the endpoint is of an earlier boot and given
 * back, and giving back twice is nothing. An agent that is killed loses nothing either way.
 */
static int run_lightly(struct local *l, sqlite3_stmt *s, struct err *e)
{
	int r;

	local_db_exec(l, "PRAGMA synchronous = NORMAL", NULL);
	r = local_db_run(l, s, e);
	local_db_exec(l, "PRAGMA synchronous = FULL", NULL);
	return r;
}

int local_endpoint_put(struct local *l, const struct local_endpoint *ep, struct err *e)
{
	static const char sql[] = "INSERT OR REPLACE INTO endpoint (" COLUMNS ") VALUES (?, ?, ?,"
				  " ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?,"
				  " ?, ?, ?, ?)";
	_cleanup_free_ char *aliases = aliases_text(&ep->aliases), *publish = publish_text(ep),
			    *names = names_text(ep);
	char mac[MAC_TEXT_MAX], ip4[IP_TEXT_MAX], ip6[IP_TEXT_MAX];
	sqlite3_stmt *s = local_db_stmt(l, sql, e);

	if (!s)
		return -EIO;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		local_db_bind_text(s, (int)texts[i].column + 1, *text_of(ep, i));
	local_db_bind_id(s, COL_ID + 1, ep->id);
	local_db_bind_id(s, COL_NETWORK + 1, ep->network);
	local_db_bind_i64(s, COL_STATE + 1, ep->state);
	local_db_bind_text(s, COL_ALIASES + 1, aliases);
	local_db_bind_text(s, COL_MAC + 1, mac_format(ep->mac, mac));
	local_db_bind_text(s, COL_IP4 + 1, ip_format(ep->ip4, ip4));
	local_db_bind_text(s, COL_IP6 + 1, ip_format(ep->ip6, ip6));
	local_db_bind_i64(s, COL_NETNS_DEV + 1, (int64_t)ep->target.netns_dev);
	local_db_bind_i64(s, COL_NETNS_INO + 1, (int64_t)ep->target.netns_ino);
	local_db_bind_i64(s, COL_PID + 1, ep->target.pid);
	local_db_bind_i64(s, COL_PID_START + 1, (int64_t)ep->target.pid_start);
	local_db_bind_i64(s, COL_ENDPOINT_REV + 1, ep->endpoint_rev);
	local_db_bind_i64(s, COL_ADDR4_REV + 1, ep->addr4_rev);
	local_db_bind_i64(s, COL_ADDR6_REV + 1, ep->addr6_rev);
	local_db_bind_text(s, COL_PUBLISH + 1, publish);
	local_db_bind_i64(s, COL_GW_PRIORITY + 1, ep->gw_priority);
	local_db_bind_i64(s, COL_DEFER_EGRESS + 1, ep->defer_egress);
	local_db_bind_text(s, COL_NAMES + 1, names);
	return ep->state == LOCAL_INTENDED ? local_db_run(l, s, e) : run_lightly(l, s, e);
}

int local_endpoint_del(struct local *l, struct id id, struct err *e)
{
	static const char sql[] = "DELETE FROM endpoint WHERE id = ?";
	sqlite3_stmt *s = local_db_stmt(l, sql, e);

	if (!s)
		return -EIO;
	local_db_bind_id(s, 1, id);
	return run_lightly(l, s, e);
}

/* Our own writing, but a file that people can edit: checked, and the column named. */
static int read_values(sqlite3_stmt *s, struct local_endpoint *ep, struct err *e)
{
	const char *id = (const char *)sqlite3_column_text(s, COL_ID);
	const char *network = (const char *)sqlite3_column_text(s, COL_NETWORK);
	const char *mac = (const char *)sqlite3_column_text(s, COL_MAC);
	const char *ip4 = (const char *)sqlite3_column_text(s, COL_IP4);
	const char *ip6 = (const char *)sqlite3_column_text(s, COL_IP6);
	int64_t state = sqlite3_column_int64(s, COL_STATE);

	if (id_parse(id, &ep->id) < 0 || id_parse(network, &ep->network) < 0)
		return err_set(e, -EINVAL, "endpoint %s: id or network is no identity", id);
	if (state < LOCAL_INTENDED || state > LOCAL_CONFLICT)
		return err_set(e, -EINVAL, "endpoint %s: state %lld is unknown", id,
			       (long long)state);
	if (mac_parse(mac, &ep->mac, e) < 0 || (*ip4 && ip_parse(ip4, &ep->ip4, e) < 0) ||
	    (*ip6 && ip_parse(ip6, &ep->ip6, e) < 0)) {
		err_prefix(e, "endpoint %s", id);
		return -EINVAL;
	}
	ep->state = (enum local_endpoint_state)state;
	return 0;
}

static int read_aliases(sqlite3_stmt *s, struct local_endpoint *ep, struct err *e)
{
	_cleanup_json_ cJSON *j = NULL;
	int r = json_parse_object((const char *)sqlite3_column_text(s, COL_ALIASES),
				  (size_t)sqlite3_column_bytes(s, COL_ALIASES), MODEL_RECORD_MAX,
				  &j, e);

	if (r == 0)
		r = json_get_strv(j, "aliases", MODEL_ALIASES_MAX, MODEL_NAME_MAX, &ep->aliases, e);
	return r;
}

static int read_publish(sqlite3_stmt *s, struct local_endpoint *ep, struct err *e)
{
	_cleanup_json_ cJSON *j = NULL;
	int r = json_parse_object((const char *)sqlite3_column_text(s, COL_PUBLISH),
				  (size_t)sqlite3_column_bytes(s, COL_PUBLISH), COLUMN_TEXT_MAX, &j,
				  e);

	if (r == 0)
		r = model_publish_parse(json_get(j, "publish"), &ep->publish, &ep->n_publish, e);
	if (r < 0)
		err_prefix(e, "endpoint %s", (const char *)sqlite3_column_text(s, COL_ID));
	return r;
}

static int take_names(const cJSON *j, struct local_endpoint *ep, struct err *e)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(names_texts); i++) {
		const char *text = NULL;

		r = json_get_str(j, names_texts[i].key, names_texts[i].max, &text, e);
		if (r == 0)
			*names_text_of(ep, i) = mem_strdup(text);
	}
	if (r == 0 && ep->hostname)
		r = model_hostname_check("hostname", ep->hostname, e);
	if (r == 0)
		r = model_expose_parse(j, "expose", &ep->expose, &ep->n_expose, e);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(lists); i++)
		r = json_get_strv(j, lists[i].key, lists[i].max, LOCAL_NAMES_TEXT_MAX,
				  list_of(ep, i), e);
	return r;
}

static int read_names(sqlite3_stmt *s, struct local_endpoint *ep, struct err *e)
{
	_cleanup_json_ cJSON *j = NULL;
	int r = json_parse_object((const char *)sqlite3_column_text(s, COL_NAMES),
				  (size_t)sqlite3_column_bytes(s, COL_NAMES), COLUMN_TEXT_MAX, &j,
				  e);

	if (r == 0)
		r = take_names(j, ep, e);
	if (r < 0)
		err_prefix(e, "endpoint %s: names", (const char *)sqlite3_column_text(s, COL_ID));
	return r;
}

static int read_row(sqlite3_stmt *s, struct local_endpoint *ep, struct err *e)
{
	int r = read_values(s, ep, e);

	if (r == 0)
		r = read_aliases(s, ep, e);
	if (r == 0)
		r = read_publish(s, ep, e);
	if (r == 0)
		r = read_names(s, ep, e);
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		*text_of(ep, i) = local_db_text(s, (int)texts[i].column);
	ep->target.netns_dev = (uint64_t)sqlite3_column_int64(s, COL_NETNS_DEV);
	ep->target.netns_ino = (uint64_t)sqlite3_column_int64(s, COL_NETNS_INO);
	ep->target.pid = sqlite3_column_int64(s, COL_PID);
	ep->target.pid_start = (uint64_t)sqlite3_column_int64(s, COL_PID_START);
	ep->endpoint_rev = sqlite3_column_int64(s, COL_ENDPOINT_REV);
	ep->addr4_rev = sqlite3_column_int64(s, COL_ADDR4_REV);
	ep->addr6_rev = sqlite3_column_int64(s, COL_ADDR6_REV);
	ep->gw_priority = sqlite3_column_int(s, COL_GW_PRIORITY);
	ep->defer_egress = sqlite3_column_int(s, COL_DEFER_EGRESS) != 0;
	return r;
}

int local_endpoint_each(struct local *l, void (*fn)(void *user, const struct local_endpoint *ep),
			void *user, struct err *e)
{
	static const char sql[] = "SELECT " COLUMNS " FROM endpoint ORDER BY id";
	sqlite3_stmt *s = local_db_stmt(l, sql, e);
	int r, bad = 0;

	if (!s)
		return -EIO;
	while ((r = local_db_step(l, s, e)) > 0) {
		struct local_endpoint *ep = mem_alloc(sizeof(*ep));

		r = read_row(s, ep, e);
		if (r == 0)
			fn(user, ep);
		else
			bad = r;
		local_endpoint_free(ep);
	}
	return r < 0 ? r : bad;
}

struct local_endpoint *local_endpoint_dup(const struct local_endpoint *ep)
{
	struct local_endpoint *c = mem_dup(ep, sizeof(*ep));

	c->aliases = (struct strv){ 0 };
	strv_copy(&c->aliases, &ep->aliases);
	c->publish = ep->n_publish ? mem_dup(ep->publish, ep->n_publish * sizeof(*ep->publish)) :
				     NULL;
	c->expose = ep->n_expose ? mem_dup(ep->expose, ep->n_expose * sizeof(*ep->expose)) : NULL;
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
		strv_copy(list_of(c, i), list_of(ep, i));
	for (size_t i = 0; i < ARRAY_SIZE(names_texts); i++)
		*names_text_of(c, i) = mem_strdup(*names_text_of(ep, i));
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		*text_of(c, i) = mem_strdup(*text_of(ep, i));
	return c;
}

void local_endpoint_free(struct local_endpoint *ep)
{
	if (!ep)
		return;
	strv_done(&ep->aliases);
	free(ep->publish);
	for (size_t i = 0; i < ARRAY_SIZE(names_texts); i++)
		free(*names_text_of(ep, i));
	free(ep->expose);
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
		strv_done(list_of(ep, i));
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		free(*text_of(ep, i));
	free(ep);
}
