/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/dns/dns_wire.h"

#include <errno.h>
#include <ldns/ldns.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "agent/dns/dns_wire_bytes.h"
#include "base/mem.h"

#define TEXT_NAME_MAX 1024 /* a name as text whose every byte is escaped: \DDD */
/* Meta types of servers among themselves: TKEY, TSIG, IXFR, AXFR, MAILB, MAILA and what may yet come (RFC 6895 §3.1); ANY is not. */
#define TYPE_META_MIN 128
#define TYPE_META_MAX 254

static const struct {
	unsigned rcode;
	const char *text;
} rcodes[] = {
	/* IANA: dns-parameters, RCODEs */
	{ DNS_NOERROR, "NOERROR" },
	{ DNS_FORMERR, "FORMERR" },
	{ DNS_SERVFAIL, "SERVFAIL" },
	{ DNS_NXDOMAIN, "NXDOMAIN" },
	{ DNS_NOTIMP, "NOTIMP" },
	{ DNS_REFUSED, "REFUSED" },
	{ 6, "YXDOMAIN" },
	{ 7, "YXRRSET" },
	{ 8, "NXRRSET" },
	{ 9, "NOTAUTH" },
	{ 10, "NOTZONE" },
	{ DNS_BADVERS, "BADVERS" },
	{ 23, "BADCOOKIE" },
};

static bool is_name_byte(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

/* The one name of the question. No pointer can be valid there: nothing lies before it. Return: its length in bytes, 0: broken. */
static size_t read_name(const uint8_t *p, size_t len, struct dns_query *q)
{
	char *text = q->name;
	size_t at = 0;

	while (at < len && p[at] != 0) {
		size_t label = p[at];

		if (label > DNS_LABEL_MAX || at + 1 + label + 1 > DNS_NAME_WIRE_MAX ||
		    at + 1 + label >= len)
			goto broken;
		if (at)
			*text++ = '.';
		for (const uint8_t *b = p + at + 1, *end = b + label; b < end; b++) {
			uint8_t c = dns_lower(*b);

			q->odd_name |= !is_name_byte(c);
			*text++ = (char)c;
		}
		at += 1 + label;
	}
	if (at >= len)
		goto broken;
	*text = '\0';
	if (q->odd_name)
		q->name[0] = '\0';
	return at + 1;
broken:
	q->name[0] = '\0';
	q->odd_name = false;
	return 0;
}

static int read_question(const uint8_t *pkt, size_t len, struct dns_query *q)
{
	const uint8_t *p = pkt + DNS_HEADER;
	size_t name = read_name(p, len - DNS_HEADER, q);

	if (!name || len - DNS_HEADER - name < 4)
		return -EINVAL;
	q->type = dns_get16(p + name);
	q->class = dns_get16(p + name + 2);
	q->question_len = name + 4;
	memcpy(q->question, p, q->question_len);
	return 0;
}

/* RFC 6891 §6.1.2: options fill the record. */
static bool options_are_whole(const uint8_t *pkt, const struct dns_record *r)
{
	size_t at = r->data_at;

	while (r->end - at >= 4) {
		size_t n = dns_get16(pkt + at + 2);

		if (r->end - at - 4 < n)
			return false;
		at += 4 + n;
	}
	return at == r->end;
}

static int read_opt(const uint8_t *pkt, const struct dns_record *r, struct dns_query *q)
{
	/* One at most, of the root, in its section (RFC 6891 §6.1.1, 6.1.2). */
	if (q->edns || r->section != DNS_ADDITIONAL || r->fixed_at != r->at + 1 ||
	    !options_are_whole(pkt, r))
		return -EINVAL;
	q->edns = true;
	q->edns_version = (uint8_t)(r->ttl >> 16);
	q->dnssec_ok = r->ttl & DNS_EDNS_DO;
	q->udp_size = r->class;
	if (q->udp_size < DNS_UDP_MIN)
		q->udp_size = DNS_UDP_MIN;
	if (q->udp_size > DNS_UDP_MAX)
		q->udp_size = DNS_UDP_MAX;
	return 0;
}

static int read_records(const uint8_t *pkt, size_t len, struct dns_query *q)
{
	struct dns_record r;
	struct dns_walk w;
	int rc;

	if (dns_walk_begin(&w, pkt, len) < 0)
		return -EINVAL;
	while ((rc = dns_walk_next(&w, &r)) > 0) {
		_cleanup_(dns_record_freep) ldns_rr *rr = NULL;

		if (r.type == DNS_TYPE_OPT) {
			if (read_opt(pkt, &r, q) < 0)
				return -EINVAL;
		} else {
			rr = dns_record_decode(pkt, len, &r);
			if (!rr)
				return -EINVAL;
		}
	}
	return rc < 0 || w.at != len ? -EINVAL : 0;
}

static bool is_for_us(const struct dns_query *q)
{
	return q->class == DNS_CLASS_IN && q->type != 0 && q->type != DNS_TYPE_OPT &&
	       (q->type < TYPE_META_MIN || q->type > TYPE_META_MAX);
}

int dns_query_parse(const uint8_t *pkt, size_t len, struct dns_query *ret,
		    enum dns_rcode *ret_rcode)
{
	unsigned flags;

	*ret = (struct dns_query){ .udp_size = DNS_UDP_MIN };
	*ret_rcode = DNS_FORMERR;
	if (len < DNS_HEADER || len > DNS_PACKET_MAX)
		return -EBADMSG;
	flags = dns_get16(pkt + DNS_AT_FLAGS);
	if (flags & DNS_QR)
		return -EBADMSG;
	ret->id = dns_get16(pkt);
	ret->opcode = (uint8_t)((flags & DNS_OPCODE) >> DNS_OPCODE_SHIFT);
	ret->rd = flags & DNS_RD;
	ret->cd = flags & DNS_CD;
	if (ret->opcode != 0) {
		*ret_rcode = DNS_NOTIMP;
		return -EINVAL;
	}
	if (dns_get16(pkt + DNS_AT_QDCOUNT) != 1 || read_question(pkt, len, ret) < 0 ||
	    read_records(pkt, len, ret) < 0)
		return -EINVAL;
	if (ret->edns_version > 0) {
		*ret_rcode = DNS_BADVERS;
		return -EINVAL;
	}
	if (!is_for_us(ret)) {
		*ret_rcode = DNS_REFUSED;
		return -EINVAL;
	}
	*ret_rcode = DNS_NOERROR;
	return 0;
}

size_t dns_query_make(uint16_t id, const char *name, uint16_t type, uint8_t *buf, size_t size)
{
	ldns_rdf *dname;
	size_t n, total = 0;

	if (strnlen(name, TEXT_NAME_MAX + 1) > TEXT_NAME_MAX)
		return 0;
	dname = ldns_dname_new_frm_str(*name ? name : ".");
	if (!dname)
		return 0;
	n = ldns_rdf_size(dname);
	if (n > 0 && n <= DNS_NAME_WIRE_MAX && DNS_HEADER + n + 4 <= size) {
		memset(buf, 0, DNS_HEADER);
		dns_put16(buf, id);
		dns_put16(buf + DNS_AT_FLAGS, DNS_RD);
		dns_put16(buf + DNS_AT_QDCOUNT, 1);
		memcpy(buf + DNS_HEADER, ldns_rdf_data(dname), n);
		dns_put16(buf + DNS_HEADER + n, type);
		dns_put16(buf + DNS_HEADER + n + 2, DNS_CLASS_IN);
		total = DNS_HEADER + n + 4;
	}
	ldns_rdf_deep_free(dname);
	return total;
}

size_t dns_error_write(const struct dns_query *q, enum dns_rcode rcode, uint8_t *buf)
{
	size_t n = dns_head_put(q, 0, rcode, buf);

	/* A code above 15 has its upper bits in OPT. */
	if (!q->edns && rcode <= DNS_RCODE)
		return n;
	dns_put16(buf + DNS_AT_ARCOUNT, 1);
	dns_opt_put(q, rcode, buf + n);
	return n + DNS_OPT;
}

const char *dns_type_text(uint16_t type, char ret[DNS_TYPE_TEXT_MAX])
{
	_cleanup_free_ char *text = ldns_rr_type2str(type);

	if (text)
		snprintf(ret, DNS_TYPE_TEXT_MAX, "%s", text);
	else
		snprintf(ret, DNS_TYPE_TEXT_MAX, "TYPE%u", type);
	return ret;
}

/* libldns takes any number behind TYPE, and anything behind that. */
static int parse_type_number(const char *digits, uint16_t *ret)
{
	size_t n = strspn(digits, "0123456789");
	unsigned v = 0;

	if (n == 0 || n > 5 || digits[n])
		return -EINVAL;
	for (size_t i = 0; i < n; i++)
		v = v * 10 + (unsigned)(digits[i] - '0');
	if (v > UINT16_MAX)
		return -EINVAL;
	*ret = (uint16_t)v;
	return 0;
}

int dns_type_parse(const char *text, uint16_t *ret, struct err *e)
{
	char name[DNS_TYPE_TEXT_MAX];
	unsigned type;

	if (strncasecmp(text, "TYPE", 4) == 0 && parse_type_number(text + 4, ret) == 0)
		return 0;
	if (strlen(text) < DNS_TYPE_TEXT_MAX) {
		type = ldns_get_rr_type_by_name(text);
		/* Believed where it has the same name for that number. */
		if (type > 0 && type <= UINT16_MAX &&
		    strcasecmp(dns_type_text((uint16_t)type, name), text) == 0) {
			*ret = (uint16_t)type;
			return 0;
		}
	}
	return err_set(e, -EINVAL, "\"%.32s\" is no type of DNS records (A, AAAA, SRV, TYPE65280)",
		       text);
}

const char *dns_rcode_text(unsigned rcode, char buf[DNS_TYPE_TEXT_MAX])
{
	for (size_t i = 0; i < ARRAY_SIZE(rcodes); i++)
		if (rcodes[i].rcode == rcode)
			return rcodes[i].text;
	snprintf(buf, DNS_TYPE_TEXT_MAX, "RCODE%u", rcode);
	return buf;
}
