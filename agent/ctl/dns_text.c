/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/ctl/dns_text.h"

#include <stdint.h>
#include <string.h>

#include "base/addr.h"
#include "base/buf.h"
#include "base/json.h"

#define SHORT_ID 12
#define NAME_WIDTH 23 /* a tab follows: dig's first column has 24 */

static const char *text(const cJSON *j, const char *key)
{
	const cJSON *v = cJSON_IsObject(j) ? json_get(j, key) : NULL;

	return v && cJSON_IsString(v) ? v->valuestring : "";
}

static unsigned long long count(const cJSON *j, const char *key)
{
	uint64_t v = 0;

	if (cJSON_IsObject(j))
		json_get_u64(j, key, 0, UINT64_MAX, &v, NULL);
	return v;
}

static bool is(const cJSON *j, const char *key, const char *value)
{
	return strcmp(text(j, key), value) == 0;
}

/* ---- an answer ---- */

static int n_answers(const cJSON *reply)
{
	return cJSON_GetArraySize(json_get(reply, "Answers"));
}

bool dns_text_found(const cJSON *reply)
{
	return is(reply, "Rcode", "NOERROR") && n_answers(reply) > 0;
}

/* "endpoint c2 (3f2a5c0d9e11) of network demo on node host2 (alive)" */
static void put_endpoint(struct buf *b, const cJSON *r)
{
	if (*text(r, "Link"))
		buf_printf(b, ", link %s", text(r, "Link"));
	if (*text(r, "EndpointID"))
		buf_printf(b, ": endpoint %s (%.*s)",
			   *text(r, "Endpoint") ? text(r, "Endpoint") : "just gone", SHORT_ID,
			   text(r, "EndpointID"));
	if (*text(r, "NetworkID"))
		buf_printf(b, "%s network %s", *text(r, "EndpointID") ? " of" : ":",
			   *text(r, "Network") ? text(r, "Network") : text(r, "NetworkID"));
	if (*text(r, "Node"))
		buf_printf(b, " on node %s (%s)", text(r, "Node"),
			   cJSON_IsTrue(json_get(r, "NodeAlive")) ? "alive" : "down");
	/* The zone tells of one; each has one record. */
	if (*text(r, "EndpointID") && n_answers(r) > 1)
		buf_printf(b, ", and %d more", n_answers(r) - 1);
}

static void put_upstream(struct buf *b, const cJSON *r)
{
	unsigned long long tries = count(r, "Tries");

	buf_printf(b, "from upstream %s", text(r, "Server"));
	if (tries > 0)
		buf_printf(b, ", %llu %s", tries, tries == 1 ? "try" : "tries");
	if (cJSON_IsTrue(json_get(r, "Tcp")))
		buf_puts(b, ", by TCP");
	if (*text(r, "Error"))
		buf_printf(b, ": %s", text(r, "Error"));
}

static void put_source(struct buf *b, const cJSON *r)
{
	if (is(r, "Source", "zone") && !is(r, "Rcode", "NOERROR") && !is(r, "Rcode", "NXDOMAIN")) {
		buf_printf(b, "nobody is asked for records of type %s", text(r, "Type"));
	} else if (is(r, "Source", "zone")) {
		buf_puts(b, "from the zone");
		put_endpoint(b, r);
	} else if (is(r, "Source", "cache")) {
		buf_puts(b, "cached");
		if (*text(r, "Server"))
			buf_printf(b, ", from upstream %s", text(r, "Server"));
	} else {
		put_upstream(b, r);
	}
}

static void put_why(struct buf *b, const cJSON *r)
{
	const char *rcode = text(r, "Rcode");

	if (is(r, "Source", "refused")) {
		buf_puts(b,
			 "refused: the name is none of ours, and no network leads out of there\n");
		return;
	}
	if (is(r, "Source", "upstream") && !*text(r, "Server")) {
		buf_printf(b, "no upstream answered: %s\n",
			   *text(r, "Error") ? text(r, "Error") : rcode);
		return;
	}
	if (strcmp(rcode, "NXDOMAIN") == 0)
		buf_puts(b, "not there: NXDOMAIN; ");
	else if (strcmp(rcode, "NOERROR") != 0)
		buf_printf(b, "failed: %s; ", rcode);
	else if (n_answers(r) == 0)
		buf_printf(b, "not there: the name exists, but no record of type %s; ",
			   text(r, "Type"));
	put_source(b, r);
	buf_puts(b, "\n");
}

static void put_asked_as(struct buf *b, const cJSON *r)
{
	const cJSON *list = json_get(r, "Networks"), *name;

	buf_puts(b, "; asked as by a container on ");
	cJSON_ArrayForEach(name, list)
		buf_printf(b, "%s%s", name == list->child ? "" : ", ",
			   cJSON_IsString(name) ? name->valuestring : "?");
	if (!list || !list->child)
		buf_puts(b, "no network");
	if (count(r, "NetworksLeftOut") > 0)
		buf_printf(b, " (%llu more left out)", count(r, "NetworksLeftOut"));
	buf_puts(b, "\n");
}

/* Names with the dot at the end, as dig and zone files have them; the API has them without, but for the root. */
static void put_record(struct buf *b, const cJSON *a)
{
	const char *name = text(a, "Name"), *dot = strcmp(name, ".") == 0 ? "" : ".";
	int width = NAME_WIDTH - (int)strlen(dot);

	buf_printf(b, "%s%s%*s\t%llu\tIN\t%s\t%s\n", name, dot,
		   (int)strlen(name) < width ? width - (int)strlen(name) : 0, "", count(a, "TTL"),
		   text(a, "Type"), text(a, "Data"));
}

char *dns_text_answer(const cJSON *reply, bool asked_as)
{
	const cJSON *a;
	struct buf b;

	buf_init(&b, DNS_TEXT_MAX);
	cJSON_ArrayForEach(a, json_get(reply, "Answers"))
		put_record(&b, a);
	buf_puts(&b, "; ");
	put_why(&b, reply);
	if (cJSON_IsTrue(json_get(reply, "Truncated")))
		buf_puts(&b, "; truncated: there is more\n");
	if (asked_as)
		put_asked_as(&b, reply);
	return buf_take(&b);
}

char *dns_text_reverse(const char *address)
{
	struct ip ip;
	struct buf b;

	if (ip_parse(address, &ip, NULL) < 0)
		return NULL;
	buf_init(&b, DNS_TEXT_MAX);
	for (unsigned i = ip_bytes(ip); i-- > 0;) {
		if (ip.family == AF_INET)
			buf_printf(&b, "%u.", ip.b[i]);
		else
			buf_printf(&b, "%x.%x.", ip.b[i] & 15U, ip.b[i] >> 4);
	}
	buf_puts(&b, ip.family == AF_INET ? "in-addr.arpa" : "ip6.arpa");
	return buf_take(&b);
}

/* ---- info ---- */

static void put_listening(struct buf *b, const cJSON *dns)
{
	const cJSON *l = json_get(dns, "Listening");

	buf_printf(b, "port 53 of %s and of %llu addresses of this host",
		   cJSON_IsTrue(l ? json_get(l, "Overlay") : NULL) ? "overlays" : "no overlay",
		   count(l, "Host"));
	if (count(l, "HostNoTcp") > 0)
		buf_printf(b, " (%llu by UDP alone)", count(l, "HostNoTcp"));
	buf_puts(b, "\n");
}

static void put_servers(struct buf *b, const cJSON *dns, int width)
{
	const cJSON *list = json_get(dns, "Servers"), *s;

	if (!list || !list->child)
		buf_printf(b, "%-*snone: other names are not found\n", width, "  Upstreams:");
	cJSON_ArrayForEach(s, list) {
		const char *state = text(s, "State");

		buf_printf(b, "%-*s%s %s, %llu asked, %llu answered\n", width,
			   s == list->child ? "  Upstreams:" : "", text(s, "Server"),
			   strcmp(state, "self") == 0 ? "left out (it is this server)" : state,
			   count(s, "Asked"), count(s, "Answered"));
	}
}

static void put_cache(struct buf *b, const cJSON *dns, int width)
{
	const cJSON *c = json_get(dns, "Cache");

	buf_printf(b, "%-*s%llu answers, %llu bytes, %llu hits, %llu misses\n", width,
		   "  Cache:", count(c, "Entries"), count(c, "Bytes"), count(c, "Hits"),
		   count(c, "Misses"));
}

char *dns_text_info(const cJSON *dns, int width)
{
	const cJSON *p;
	struct buf b;

	buf_init(&b, DNS_TEXT_MAX);
	if (!dns)
		return buf_take(&b);
	if (!cJSON_IsTrue(json_get(dns, "On"))) {
		buf_printf(&b, "%-*sswitched off\n", width, "Names:");
		return buf_take(&b);
	}
	buf_printf(&b, "%-*s%llu, domain %s, TTL %llu s, ", width, "Names:", count(dns, "Names"),
		   text(dns, "Domain"), count(dns, "Ttl"));
	put_listening(&b, dns);
	put_servers(&b, dns, width);
	buf_printf(
		&b,
		"%-*s%llu: %llu ours, %llu forwarded (%llu right now), %llu refused, %llu of strangers dropped\n",
		width, "  Questions:", count(dns, "Questions"), count(dns, "Ours"),
		count(dns, "Forwarded"), count(dns, "InFlight"), count(dns, "Refused"),
		count(dns, "Strangers"));
	put_cache(&b, dns, width);
	cJSON_ArrayForEach(p, json_get(dns, "Problems"))
		buf_printf(&b, "%-*s%s\n", width,
			   "WARNING:", cJSON_IsString(p) ? p->valuestring : "");
	return buf_take(&b);
}
