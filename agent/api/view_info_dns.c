/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The part of `info` about names (view.h). */
#include "agent/api/view.h"

#include <stdio.h>

#include "agent/dns/dns.h"
#include "base/json.h"
#include "base/mem.h"

const char *view_dns_server(struct dns_server_addr a, char ret[VIEW_DNS_SERVER_MAX])
{
	char text[IP_TEXT_MAX];

	snprintf(ret, VIEW_DNS_SERVER_MAX, a.ip.family == AF_INET6 ? "[%s]:%u" : "%s:%u",
		 ip_format(a.ip, text), a.port);
	return ret;
}

static void put_servers(cJSON *j, const struct dns_forward_stats *f)
{
	cJSON *list = cJSON_AddArrayToObject(j, "Servers");
	char text[VIEW_DNS_SERVER_MAX];

	for (size_t i = 0; i < f->n_servers; i++) {
		const struct dns_forward_server_state *s = &f->server[i];
		cJSON *o = cJSON_CreateObject();

		json_put_str(o, "Server", view_dns_server(s->addr, text));
		json_put_str(o, "State", s->self ? "self" : s->sick ? "silent" : "ok");
		json_put_u64(o, "Asked", s->asked);
		json_put_u64(o, "Answered", s->answered);
		json_put_u64(o, "Failed", s->failed);
		cJSON_AddItemToArray(list, o);
	}
}

static void put_cache(cJSON *j, const struct dns_cache_stats *c)
{
	cJSON *o = cJSON_AddObjectToObject(j, "Cache");

	json_put_u64(o, "Entries", c->entries);
	json_put_u64(o, "Bytes", c->bytes);
	json_put_u64(o, "Hits", c->hits);
	json_put_u64(o, "Misses", c->misses);
	json_put_u64(o, "Evicted", c->evicted);
}

static void put_stats(cJSON *j, const struct dns_stats *st)
{
	cJSON *listening = cJSON_AddObjectToObject(j, "Listening");

	json_put_bool(listening, "Overlay", st->listen.overlay);
	json_put_u64(listening, "Host", st->listen.host);
	if (st->listen.host_no_tcp > 0)
		json_put_u64(listening, "HostNoTcp", st->listen.host_no_tcp);
	put_servers(j, &st->forward);
	json_put_u64(j, "Questions", st->questions);
	json_put_u64(j, "Ours", st->ours);
	json_put_u64(j, "Forwarded", st->forwarded);
	json_put_u64(j, "Refused", st->refused);
	json_put_u64(j, "Bad", st->bad);
	json_put_u64(j, "Strangers", st->strangers);
	json_put_u64(j, "Dropped", st->listen.dropped);
	put_cache(j, &st->forward.cache);
	json_put_u64(j, "InFlight", st->forward.in_flight);
	json_put_u64(j, "Names", st->zone.names);
	json_put_u64(j, "NameBytes", st->zone.bytes);
}

void view_info_dns(const struct api_context *ctx, cJSON *j)
{
	cJSON *o = cJSON_AddObjectToObject(j, "Dns");
	_cleanup_strv_ struct strv problems = { 0 };
	struct dns_stats st = { 0 };

	json_put_bool(o, "On", ctx->dns != NULL);
	if (!ctx->dns)
		return;
	dns_stats(ctx->dns, &st);
	json_put_str(o, "Domain", zone_domain(dns_zone(ctx->dns)));
	json_put_u64(o, "Ttl", ctx->config->dns_ttl_s);
	put_stats(o, &st);
	if (ctx->dns_problems)
		ctx->dns_problems(ctx->user, &problems);
	json_put_strv(o, "Problems", &problems);
}
