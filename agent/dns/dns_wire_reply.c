/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/dns/dns_wire.h"

#include <errno.h>
#include <ldns/ldns.h>
#include <string.h>

#include "agent/dns/dns_wire_bytes.h"
#include "base/mem.h"

#define TTL_MAX 0x7fffffffu /* above: 0 (RFC 2181 §8) */
#define SOA_MINIMUM 4 /* bytes, the last of an SOA */
#define SHOWN_MAX 1024 /* records */

/* What the records of a reply say together. */
struct sum {
	bool sound; /* each can be read, and nothing is left */
	bool answered; /* a record of the asked type */
	bool soa, opt;
	uint32_t ttl;
	uint32_t minimum; /* the SOA's */
	unsigned rcode_upper;
};

static uint32_t ttl_of(uint32_t wire)
{
	return wire > TTL_MAX ? 0 : wire;
}

static uint32_t lower_of(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/* Sound, an SOA cannot be shorter. Return: how long it says that something is not there. */
static uint32_t minimum_of(const uint8_t *pkt, const struct dns_record *r)
{
	return r->end - r->data_at > SOA_MINIMUM ? ttl_of(dns_get32(pkt + r->end - SOA_MINIMUM)) :
						   0;
}

/* Names are the same in any case (RFC 4343); the bytes of lengths are no letters. */
static bool is_same_question(const uint8_t *pkt, size_t len, const struct dns_query *q)
{
	const uint8_t *p = pkt + DNS_HEADER;
	size_t name = q->question_len - 4;

	if (q->question_len < 5 || len < DNS_HEADER + q->question_len)
		return false;
	for (size_t i = 0; i < name; i++)
		if (dns_lower(p[i]) != dns_lower(q->question[i]))
			return false;
	return memcmp(p + name, q->question + name, 4) == 0;
}

/* RFC 6891 §6.1.1, 6.1.2 */
static bool is_opt_in_place(const struct dns_record *r)
{
	return r->type == DNS_TYPE_OPT && r->section == DNS_ADDITIONAL && r->fixed_at == r->at + 1;
}

static void sum_record(struct sum *s, const uint8_t *pkt, const struct dns_record *r, uint16_t type)
{
	if (r->type == DNS_TYPE_OPT) {
		if (s->opt || !is_opt_in_place(r))
			s->sound = false;
		s->opt = true;
		s->rcode_upper = r->ttl >> 24;
		return;
	}
	s->ttl = lower_of(s->ttl, ttl_of(r->ttl));
	if (r->section == DNS_ANSWER && (r->type == type || type == ZONE_ANY))
		s->answered = true;
	if (r->section == DNS_AUTHORITY && r->type == ZONE_SOA) {
		s->soa = true;
		s->minimum = minimum_of(pkt, r);
	}
}

static void sum_records(const uint8_t *pkt, size_t len, uint16_t type, struct sum *ret)
{
	struct dns_record r;
	struct dns_walk w;
	int rc;

	*ret = (struct sum){ .ttl = UINT32_MAX };
	if (dns_walk_begin(&w, pkt, len) < 0)
		return;
	/* Long ones are not kept, so need not be read in full: an attacker's work for us has a bound. */
	ret->sound = len <= DNS_REPLY_CACHEABLE_MAX;
	while ((rc = dns_walk_next(&w, &r)) > 0) {
		if (ret->sound) {
			_cleanup_(dns_record_freep) ldns_rr *rr = dns_record_decode(pkt, len, &r);

			ret->sound = rr != NULL;
		}
		sum_record(ret, pkt, &r, type);
	}
	if (rc < 0 || w.at != len)
		ret->sound = false;
}

int dns_reply_check(const uint8_t *pkt, size_t len, const struct dns_query *q, uint16_t id,
		    struct dns_reply *ret)
{
	unsigned flags, questions, rcode;
	bool negative;
	struct sum s;

	if (len < DNS_HEADER || len > DNS_PACKET_MAX)
		return -EBADMSG;
	flags = dns_get16(pkt + DNS_AT_FLAGS);
	questions = dns_get16(pkt + DNS_AT_QDCOUNT);
	rcode = flags & DNS_RCODE;
	if (dns_get16(pkt) != id || !(flags & DNS_QR) || (flags & DNS_OPCODE) != 0)
		return -EBADMSG;
	/* NXDOMAIN is an answer to a question, the other codes are of the server itself. */
	if (questions == 0 ? rcode == DNS_NOERROR || rcode == DNS_NXDOMAIN :
			     questions != 1 || !is_same_question(pkt, len, q))
		return -EBADMSG;
	sum_records(pkt, len, q->type, &s);
	rcode |= s.rcode_upper << 4;
	*ret = (struct dns_reply){
		.rcode = (enum dns_rcode)rcode,
		.truncated = flags & DNS_TC,
		.no_question = questions == 0,
	};
	negative = rcode == DNS_NXDOMAIN || !s.answered;
	ret->cacheable = (rcode == DNS_NOERROR || rcode == DNS_NXDOMAIN) && questions == 1 &&
			 !ret->truncated && s.sound && (!negative || s.soa);
	if (ret->cacheable)
		ret->ttl = negative ? lower_of(s.ttl, s.minimum) : s.ttl;
	return 0;
}

/* Where a reply's OPT lies and where all ends. */
struct tail {
	bool whole; /* all records are there */
	bool opt_last;
	size_t opt_at, end;
	enum dns_rcode rcode;
};

static struct tail find_tail(const uint8_t *pkt, size_t len)
{
	struct tail t = { .rcode = (enum dns_rcode)(dns_get16(pkt + DNS_AT_FLAGS) & DNS_RCODE) };
	struct dns_record r;
	struct dns_walk w;
	int rc;

	if (dns_walk_begin(&w, pkt, len) < 0)
		return t;
	while ((rc = dns_walk_next(&w, &r)) > 0) {
		t.opt_last = is_opt_in_place(&r);
		if (t.opt_last) {
			t.opt_at = r.at;
			t.rcode |= (r.ttl >> 24) << 4;
		}
	}
	t.whole = rc == 0;
	t.end = w.at;
	return t;
}

/* To what there is room for of header, question and OPT. */
static size_t cut(uint8_t *pkt, size_t max, const struct dns_query *q, enum dns_rcode rcode)
{
	size_t n = DNS_HEADER;

	dns_put16(pkt + DNS_AT_FLAGS, dns_get16(pkt + DNS_AT_FLAGS) | DNS_TC);
	memset(pkt + DNS_AT_QDCOUNT, 0, DNS_HEADER - DNS_AT_QDCOUNT);
	if (max < n + q->question_len)
		return n;
	dns_put16(pkt + DNS_AT_QDCOUNT, q->question_len != 0);
	memcpy(pkt + n, q->question, q->question_len);
	n += q->question_len;
	if (!q->edns || max < n + DNS_OPT)
		return n;
	dns_put16(pkt + DNS_AT_ARCOUNT, 1);
	dns_opt_put(q, rcode, pkt + n);
	return n + DNS_OPT;
}

size_t dns_reply_adopt(uint8_t *pkt, size_t len, const struct dns_query *q, size_t max)
{
	unsigned flags;
	struct tail t;

	if (len < DNS_HEADER)
		return 0;
	flags = dns_get16(pkt + DNS_AT_FLAGS) & ~(DNS_RD | DNS_CD);
	flags |= (q->rd ? DNS_RD : 0) | (q->cd ? DNS_CD : 0);
	dns_put16(pkt, q->id);
	dns_put16(pkt + DNS_AT_FLAGS, flags);
	if (dns_get16(pkt + DNS_AT_QDCOUNT) == 1 && is_same_question(pkt, len, q))
		memcpy(pkt + DNS_HEADER, q->question, q->question_len);
	t = find_tail(pkt, len);
	if (t.whole) {
		len = t.end; /* what trails was never asked for */
		/* Who did not speak of EDNS is not spoken to in it (RFC 6891 §7). */
		if (t.opt_last && !q->edns) {
			dns_put16(pkt + DNS_AT_ARCOUNT, dns_get16(pkt + DNS_AT_ARCOUNT) - 1u);
			len = t.opt_at;
		}
	}
	return len > max ? cut(pkt, max, q, t.rcode) : len;
}

/* Options belong to the one who asked first (RFC 7873: its cookie). */
static size_t drop_options(uint8_t *pkt, size_t len)
{
	struct tail t = find_tail(pkt, len);

	if (!t.whole || !t.opt_last)
		return len;
	dns_put16(pkt + t.opt_at + DNS_OPT - 2, 0);
	return t.opt_at + DNS_OPT;
}

size_t dns_reply_aged(const uint8_t *pkt, size_t len, uint32_t age_s, const struct dns_query *q,
		      size_t max, uint8_t *buf)
{
	struct dns_record r;
	struct dns_walk w;
	int rc;

	if (dns_walk_begin(&w, pkt, len) < 0)
		return 0;
	memcpy(buf, pkt, len);
	while ((rc = dns_walk_next(&w, &r)) > 0) {
		uint32_t ttl = ttl_of(r.ttl);

		/* Its minimum does not grow less, its TTL does: RFC 2308 §5. */
		if (r.section == DNS_AUTHORITY && r.type == ZONE_SOA)
			ttl = lower_of(ttl, minimum_of(pkt, &r));
		/* What OPT has there is no TTL. */
		if (r.type != DNS_TYPE_OPT)
			dns_put32(buf + r.fixed_at + 4, ttl > age_s ? ttl - age_s : 0);
	}
	if (rc < 0)
		return 0;
	return dns_reply_adopt(buf, drop_options(buf, len), q, max);
}

/* libldns writes "NAME TTL CLASS TYPE DATA", with tabs between; in a name it escapes them. */
static const char *data_of(char *line)
{
	line[strcspn(line, "\n")] = '\0';
	for (unsigned field = 0; field < 4; field++) {
		line += strcspn(line, "\t");
		if (*line)
			line++;
	}
	return line;
}

static int show_record(const uint8_t *pkt, size_t len, const struct dns_record *r,
		       void (*fn)(void *user, const struct dns_shown *r), void *user)
{
	_cleanup_(dns_record_freep) ldns_rr *rr = dns_record_decode(pkt, len, r);
	_cleanup_free_ char *line = NULL, *name = NULL;
	char type[DNS_TYPE_TEXT_MAX];
	size_t n;

	if (rr) {
		line = ldns_rr2str_fmt(ldns_output_format_nocomments, rr);
		name = ldns_rdf2str(ldns_rr_owner(rr));
	}
	if (!line || !name)
		return -EBADMSG;
	n = strlen(name);
	if (n > 1 && name[n - 1] == '.')
		name[n - 1] = '\0';
	fn(user, &(struct dns_shown){
			 .name = name,
			 .type = dns_type_text(r->type, type),
			 .data = data_of(line),
			 .ttl = ttl_of(r->ttl),
		 });
	return 0;
}

int dns_show(const uint8_t *pkt, size_t len, void (*fn)(void *user, const struct dns_shown *r),
	     void *user)
{
	struct dns_record r;
	struct dns_walk w;
	unsigned shown = 0;
	int rc;

	if (dns_walk_begin(&w, pkt, len) < 0)
		return -EBADMSG;
	while ((rc = dns_walk_next(&w, &r)) > 0 && r.section == DNS_ANSWER) {
		if (++shown > SHOWN_MAX || show_record(pkt, len, &r, fn, user) < 0)
			return -EBADMSG;
	}
	return rc < 0 ? -EBADMSG : 0;
}
