/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/dns/dns_wire_bytes.h"

#include <errno.h>
#include <ldns/ldns.h>
#include <string.h>

size_t dns_name_skip(const uint8_t *pkt, size_t len, size_t at)
{
	size_t end = 0, name = 0, limit = len;

	for (unsigned pointers = 0; at < limit;) {
		uint8_t b = pkt[at];

		if (b == 0)
			return name + 1 > DNS_NAME_WIRE_MAX ? 0 : end ? end : at + 1;
		if (b <= DNS_LABEL_MAX) {
			name += (size_t)b + 1;
			if (name > DNS_NAME_WIRE_MAX || at + b + 1 >= limit)
				return 0;
			at += (size_t)b + 1;
		} else {
			size_t to;

			if (b < 0xc0 || at + 2 > limit || ++pointers > DNS_POINTERS_MAX)
				return 0;
			to = dns_get16(pkt + at) & DNS_POINTER_TO_MAX;
			if (to < DNS_HEADER || to >= at)
				return 0;
			if (!end)
				end = at + 2;
			/* What it points to ends before the pointer itself: each step leads further back. */
			limit = at;
			at = to;
		}
	}
	return 0;
}

size_t dns_name_put(const char *text, uint8_t *buf, size_t size)
{
	size_t n = 0;

	while (*text) {
		size_t label = strcspn(text, ".");

		if (label == 0 || label > DNS_LABEL_MAX || n + label + 2 > DNS_NAME_WIRE_MAX ||
		    n + label + 2 > size)
			return 0;
		buf[n++] = (uint8_t)label;
		memcpy(buf + n, text, label);
		n += label;
		text += label;
		if (*text == '.' && *++text == '\0')
			return 0;
	}
	if (n + 1 > size)
		return 0;
	buf[n++] = 0;
	return n;
}

int dns_walk_begin(struct dns_walk *w, const uint8_t *pkt, size_t len)
{
	unsigned questions;

	if (len < DNS_HEADER || len > DNS_PACKET_MAX)
		return -EBADMSG;
	*w = (struct dns_walk){
		.pkt = pkt,
		.len = len,
		.at = DNS_HEADER,
		.left = { dns_get16(pkt + DNS_AT_ANCOUNT), dns_get16(pkt + DNS_AT_NSCOUNT),
			  dns_get16(pkt + DNS_AT_ARCOUNT) },
	};
	for (questions = dns_get16(pkt + DNS_AT_QDCOUNT); questions; questions--) {
		w->at = dns_name_skip(pkt, len, w->at);
		if (!w->at || len - w->at < 4)
			return -EBADMSG;
		w->at += 4;
	}
	return 0;
}

int dns_walk_next(struct dns_walk *w, struct dns_record *ret)
{
	size_t fixed_at, size;
	const uint8_t *p;

	while (w->section < DNS_SECTIONS && w->left[w->section] == 0)
		w->section++;
	if (w->section == DNS_SECTIONS)
		return 0;
	fixed_at = dns_name_skip(w->pkt, w->len, w->at);
	if (!fixed_at || w->len - fixed_at < DNS_RECORD_FIXED)
		return -EBADMSG;
	p = w->pkt + fixed_at;
	size = dns_get16(p + 8);
	if (w->len - fixed_at - DNS_RECORD_FIXED < size)
		return -EBADMSG;
	*ret = (struct dns_record){
		.section = w->section,
		.at = w->at,
		.fixed_at = fixed_at,
		.data_at = fixed_at + DNS_RECORD_FIXED,
		.end = fixed_at + DNS_RECORD_FIXED + size,
		.type = dns_get16(p),
		.class = dns_get16(p + 2),
		.ttl = dns_get32(p + 4),
	};
	w->left[w->section]--;
	w->at = ret->end;
	return 1;
}

void dns_record_freep(struct ldns_struct_rr **rr)
{
	ldns_rr_free(*rr); /* takes NULL */
}

struct ldns_struct_rr *dns_record_decode(const uint8_t *pkt, size_t len, const struct dns_record *r)
{
	const ldns_rr_descriptor *d = ldns_rr_descript(r->type);
	ldns_rr *rr = NULL;
	size_t at = r->at;

	/* Not more than up to the record's end: nothing behind it is its business. */
	if (r->end > len ||
	    ldns_wire2rr(&rr, pkt, r->end, &at, LDNS_SECTION_ANSWER) != LDNS_STATUS_OK)
		return NULL;
	/* It takes a record without any data, as updates have them (RFC 2136), for one of any type. */
	if (at != r->end || (ldns_rr_descriptor_minimum(d) > ldns_rr_rd_count(rr) &&
			     (r->end > r->data_at ||
			      ldns_rr_descriptor_field_type(d, 0) != LDNS_RDF_TYPE_UNKNOWN))) {
		ldns_rr_free(rr);
		return NULL;
	}
	return rr;
}

size_t dns_head_put(const struct dns_query *q, unsigned flags, enum dns_rcode rcode, uint8_t *buf)
{
	flags |= DNS_QR | DNS_RA | (unsigned)(q->opcode & 0xf) << DNS_OPCODE_SHIFT;
	flags |= (unsigned)rcode & DNS_RCODE;
	if (q->rd)
		flags |= DNS_RD;
	if (q->cd)
		flags |= DNS_CD;
	memset(buf, 0, DNS_HEADER);
	dns_put16(buf, q->id);
	dns_put16(buf + DNS_AT_FLAGS, flags);
	dns_put16(buf + DNS_AT_QDCOUNT, q->question_len != 0);
	memcpy(buf + DNS_HEADER, q->question, q->question_len);
	return DNS_HEADER + q->question_len;
}

void dns_opt_put(const struct dns_query *q, enum dns_rcode rcode, uint8_t *buf)
{
	buf[0] = 0;
	dns_put16(buf + 1, DNS_TYPE_OPT);
	dns_put16(buf + 3, DNS_UDP_MAX);
	buf[5] = (uint8_t)((unsigned)rcode >> 4);
	buf[6] = 0; /* the version we know */
	dns_put16(buf + 7, q->dnssec_ok ? DNS_EDNS_DO : 0); /* copied: RFC 3225 §3 */
	dns_put16(buf + 9, 0);
}
