/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Any bytes as a question: refused, or taken with a name that is one; and whatever is answered to it fits, is an answer to it by our own
 * check, and reads with libldns. The id chooses what the zone says.
 */
#include "agent/dns/dns_wire.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define ERROR_MAX (DNS_HEADER + DNS_QUESTION_MAX + 11)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void count(void *user, const struct dns_shown *r)
{
	check(*r->name && *r->type && r->data);
	++*(unsigned *)user;
}

static void check_name(const struct dns_query *q)
{
	struct dns_query again;
	enum dns_rcode rcode;
	uint8_t buf[512];
	size_t n;

	check(strlen(q->name) <= ZONE_NAME_MAX && !(q->odd_name && *q->name));
	check(strspn(q->name, "abcdefghijklmnopqrstuvwxyz0123456789-_.") == strlen(q->name));
	if (q->odd_name)
		return;
	n = dns_query_make(7, q->name, q->type, buf, sizeof(buf));
	check(n == DNS_HEADER + q->question_len);
	check(dns_query_parse(buf, n, &again, &rcode) == 0 && strcmp(again.name, q->name) == 0);
}

static void check_errors(const struct dns_query *q)
{
	static const enum dns_rcode rcodes[] = { DNS_FORMERR, DNS_SERVFAIL, DNS_NOTIMP, DNS_REFUSED,
						 DNS_BADVERS };

	for (size_t i = 0; i < ARRAY_SIZE(rcodes); i++) {
		uint8_t *buf = mem_alloc(ERROR_MAX);
		size_t n = dns_error_write(q, rcodes[i], buf);
		struct dns_reply r;

		check(n >= DNS_HEADER && n <= ERROR_MAX);
		/* BADVERS goes out with the header's lower bits 0: an answer only with the question. */
		if (q->opcode == 0 && (q->question_len || rcodes[i] != DNS_BADVERS))
			check(dns_reply_check(buf, n, q, q->id, &r) == 0 && r.rcode == rcodes[i]);
		free(buf);
	}
}

static void make_answer(const struct dns_query *q, struct zone_answer *a)
{
	static const uint16_t types[] = { ZONE_A, ZONE_AAAA, ZONE_PTR, ZONE_SRV, ZONE_HINFO };
	unsigned n = 1 + (q->id >> 4) % ZONE_RECORDS_MAX, type = types[q->id % ARRAY_SIZE(types)];

	*a = (struct zone_answer){ .outcome = ZONE_FOUND + (q->id >> 11) % 3 };
	snprintf(a->owner, sizeof(a->owner), "%s", q->id & 1 ? "ovl" : q->name);
	if (a->outcome != ZONE_FOUND)
		return;
	a->v = mem_alloc_array(n, sizeof(*a->v));
	a->extra = mem_alloc_array(n, sizeof(*a->extra));
	a->n = n;
	a->n_extra = type == ZONE_SRV ? n : 0;
	for (unsigned i = 0; i < n; i++) {
		a->v[i].type = (uint16_t)type;
		a->v[i].port = (uint16_t)i;
		snprintf(a->v[i].target, sizeof(a->v[i].target), "c%u.net.ovl", i);
		a->extra[i] = a->v[i];
		a->extra[i].type = i % 2 ? ZONE_A : ZONE_AAAA;
	}
}

static void check_answer(const struct dns_query *q, size_t max)
{
	uint8_t *buf = mem_alloc(max);
	unsigned shown = 0;
	struct zone_answer a;
	struct dns_reply r;
	size_t n;

	make_answer(q, &a);
	n = dns_answer_write(q, "ovl", &a, 5, max, buf);
	check(n >= DNS_HEADER + q->question_len && n <= max);
	check(memcmp(buf + DNS_HEADER, q->question, q->question_len) == 0);
	check(dns_reply_check(buf, n, q, q->id, &r) == 0);
	check(r.rcode == (a.outcome == ZONE_NXDOMAIN ? DNS_NXDOMAIN : DNS_NOERROR));
	check(dns_show(buf, n, count, &shown) == 0 && shown <= a.n);
	check(r.truncated == (shown < a.n));
	/* Sound in every byte; what was asked for need not be what this zone made up. */
	if (a.outcome != ZONE_FOUND)
		check(r.cacheable && r.ttl == 5);
	else if (n <= DNS_REPLY_CACHEABLE_MAX && !r.truncated && q->type == a.v[0].type)
		check(r.cacheable && r.ttl == 5);
	free(a.v);
	free(a.extra);
	free(buf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum dns_rcode rcode;
	struct dns_query q;
	int rc = dns_query_parse(data, size, &q, &rcode);

	check(q.question_len <= DNS_QUESTION_MAX);
	check(q.udp_size >= DNS_UDP_MIN && q.udp_size <= DNS_UDP_MAX);
	check((rc == 0) == (rcode == DNS_NOERROR) && (rc != 0 || q.question_len > 0));
	if (rc != -EBADMSG)
		check_errors(&q);
	if (rc < 0)
		return 0;
	check_name(&q);
	check_answer(&q, q.udp_size);
	check_answer(&q, DNS_UDP_MIN);
	check_answer(&q, DNS_PACKET_MAX);
	return 0;
}
