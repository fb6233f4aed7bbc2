/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Any bytes as an upstream's reply to the question it repeats: passed on it fits, has the asker's id and question, and is an answer to it; kept
 * it ages, and what was sound stays so. The first byte says what the asker is like, the second how old the reply is.
 */
#include "agent/dns/dns_wire.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define ASKER_EDNS 1
#define ASKER_DO 2
#define ASKER_LARGE 4

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void shown(void *user, const struct dns_shown *r)
{
	(void)user;
	check(*r->name && *r->type && strlen(r->data) <= 8 * (size_t)DNS_PACKET_MAX);
}

/* The question that the reply repeats, or else one of our own. */
static void make_query(const uint8_t *pkt, size_t len, uint8_t asker, struct dns_query *ret)
{
	uint8_t buf[DNS_HEADER + DNS_QUESTION_MAX];
	size_t at = DNS_HEADER, n;
	enum dns_rcode rcode;

	while (at < len && pkt[at] && pkt[at] < 64)
		at += pkt[at] + 1u;
	n = at + 5;
	if (n <= len && n <= sizeof(buf)) {
		memcpy(buf, pkt, n);
		memcpy(buf + 2, "\1\0\0\1\0\0\0\0\0\0", 10);
	} else {
		n = dns_query_make(1, "www.example.com", 1, buf, sizeof(buf));
	}
	if (dns_query_parse(buf, n, ret, &rcode) < 0) {
		n = dns_query_make(1, "www.example.com", 1, buf, sizeof(buf));
		check(dns_query_parse(buf, n, ret, &rcode) == 0);
	}
	ret->id = 0xabcd;
	ret->edns = asker & ASKER_EDNS;
	ret->dnssec_ok = asker & ASKER_DO;
	if (ret->question_len > 6) /* another case */
		for (size_t i = 0; i < ret->question_len - 4; i++)
			if (ret->question[i] >= 'a' && ret->question[i] <= 'z')
				ret->question[i] -= 32;
}

static void check_adopted(const uint8_t *pkt, size_t len, const struct dns_query *q, size_t max,
			  const struct dns_reply *was)
{
	uint8_t *copy = mem_dup(pkt, len);
	size_t n = dns_reply_adopt(copy, len, q, max);
	struct dns_reply r;

	check(n >= DNS_HEADER && n <= len && n <= max);
	check(dns_reply_check(copy, n, q, q->id, &r) == 0);
	check(was->no_question || !r.no_question); /* one that is cut has it again */
	if (!r.no_question)
		check(memcmp(copy + DNS_HEADER, q->question, q->question_len) == 0);
	if (was->cacheable)
		check(r.truncated == !r.cacheable && (r.truncated || r.ttl == was->ttl));
	free(copy);
}

static void check_aged(const uint8_t *pkt, size_t len, uint32_t age_s, const struct dns_query *q,
		       size_t max, const struct dns_reply *was)
{
	uint8_t *buf = mem_alloc(len > DNS_PACKET_MAX ? len : DNS_PACKET_MAX);
	size_t n = dns_reply_aged(pkt, len, age_s, q, max, buf);
	struct dns_reply r;

	check(n <= len && n <= max);
	if (was && was->cacheable) {
		check(n > 0 && dns_reply_check(buf, n, q, q->id, &r) == 0);
		check(r.truncated == !r.cacheable);
		check(r.ttl <= (was->ttl > age_s ? was->ttl - age_s : 0));
	}
	free(buf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dns_reply r = { 0 };
	struct dns_query q;
	uint32_t age_s;
	uint8_t *pkt;
	size_t max;
	bool ours;

	if (size < 2 || size - 2 > DNS_PACKET_MAX)
		return 0;
	age_s = data[1];
	max = data[0] & ASKER_LARGE ? DNS_PACKET_MAX : DNS_UDP_MIN;
	make_query(data + 2, size - 2, data[0], &q);
	/* Exactly as long as the reply, so that a read before or behind it is seen. */
	size -= 2;
	pkt = mem_alloc(size ? size : 1);
	memcpy(pkt, data + 2, size);
	ours = size >= 2 &&
	       dns_reply_check(pkt, size, &q, (uint16_t)(pkt[0] << 8 | pkt[1]), &r) == 0;
	if (ours)
		check_adopted(pkt, size, &q, max, &r);
	check_aged(pkt, size, age_s, &q, max, ours ? &r : NULL);
	dns_show(pkt, size, shown, NULL);
	/* Also where it is no answer to it. */
	dns_reply_adopt(pkt, size, &q, DNS_UDP_MIN);
	free(pkt);
	return 0;
}
