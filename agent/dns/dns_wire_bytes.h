/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dns_wire_bytes - the frame of a DNS packet (RFC 1035 §4): header, names, where each record lies.
 *
 * Pure; within dns_wire only. This is the part that must not be wrong about lengths, so it is our own and small: a record is found here first, and
 * only then given to libldns for what is in it, which has to end where we say. It also is what a query and its answer need in the common case,
 * without an allocation.
 */
#pragma once
#include "agent/dns/dns_wire.h"

#define DNS_NAME_WIRE_MAX 255 /* RFC 1035 §2.3.4 */
#define DNS_LABEL_MAX 63
#define DNS_POINTERS_MAX 127 /* in one name: each has at least a label of its own before it */
#define DNS_OPT 11 /* bytes of an OPT record without options */
#define DNS_RECORD_FIXED 10 /* type, class, TTL, length */
#define DNS_POINTER 0xc000u
#define DNS_POINTER_TO_MAX 0x3fffu

/* Bits of the header's second 16 (RFC 1035 §4.1.1, RFC 4035 §3.2) */
#define DNS_QR 0x8000u
#define DNS_OPCODE 0x7800u
#define DNS_OPCODE_SHIFT 11
#define DNS_AA 0x0400u
#define DNS_TC 0x0200u
#define DNS_RD 0x0100u
#define DNS_RA 0x0080u
#define DNS_CD 0x0010u
#define DNS_RCODE 0x000fu

/* Offsets in the header */
#define DNS_AT_FLAGS 2
#define DNS_AT_QDCOUNT 4
#define DNS_AT_ANCOUNT 6
#define DNS_AT_NSCOUNT 8
#define DNS_AT_ARCOUNT 10

#define DNS_TYPE_CNAME 5
#define DNS_TYPE_OPT 41
#define DNS_CLASS_IN 1
#define DNS_EDNS_DO 0x8000u

enum dns_section {
	DNS_ANSWER,
	DNS_AUTHORITY,
	DNS_ADDITIONAL,
	DNS_SECTIONS,
};
/* Where a record lies; offsets into the packet, all within it. */
struct dns_record {
	enum dns_section section;
	size_t at; /* its owner name */
	size_t fixed_at; /* type, class, TTL, length */
	size_t data_at, end;
	uint16_t type, class;
	uint32_t ttl; /* as it is there */
};
struct dns_walk {
	const uint8_t *pkt;
	size_t len, at;
	enum dns_section section;
	unsigned left[DNS_SECTIONS];
};

static inline uint16_t dns_get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}
static inline uint32_t dns_get32(const uint8_t *p)
{
	return (uint32_t)dns_get16(p) << 16 | dns_get16(p + 2);
}
static inline void dns_put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}
static inline void dns_put32(uint8_t *p, uint32_t v)
{
	dns_put16(p, v >> 16);
	dns_put16(p + 2, v & 0xffff);
}
static inline uint8_t dns_lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c | 0x20) : c;
}
/**
 * dns_name_skip() - the name at @at: whole, at most 255 bytes when followed, pointers only to what lies before it (no loop can be)
 * Return: where it ends in place; 0: broken
 */
size_t dns_name_skip(const uint8_t *pkt, size_t len, size_t at);
/** dns_name_put() - @text (no escapes, no dot at the end, "" is the root) as bytes. Return: its length, at most DNS_NAME_WIRE_MAX; 0: none, or above @size. */
size_t dns_name_put(const char *text, uint8_t *buf, size_t size);

/** dns_walk_begin() - all records in turn, the question(s) passed over. Return: 0, -EBADMSG. */
int dns_walk_begin(struct dns_walk *w, const uint8_t *pkt, size_t len);
/** dns_walk_next() - Return: 1: *ret is one; 0: no more, w->at is where the last ended; -EBADMSG. */
int dns_walk_next(struct dns_walk *w, struct dns_record *ret);

/* libldns's form of one record */
struct ldns_struct_rr;
void dns_record_freep(struct ldns_struct_rr **rr);
/** dns_record_decode() - to be freed. Return: NULL: libldns cannot read it, reads another length, or misses fields. */
struct ldns_struct_rr *dns_record_decode(const uint8_t *pkt, size_t len,
					 const struct dns_record *r);

/**
 * dns_head_put() - header of an answer to @q, and its question; counts of records 0
 * @flags: beside QR, RA and what is copied from @q. Return: its length, at most DNS_HEADER + DNS_QUESTION_MAX
 */
size_t dns_head_put(const struct dns_query *q, unsigned flags, enum dns_rcode rcode, uint8_t *buf);
/** dns_opt_put() - the OPT record (DNS_OPT bytes) of an answer to @q. */
void dns_opt_put(const struct dns_query *q, enum dns_rcode rcode, uint8_t *buf);
