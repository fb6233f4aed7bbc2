/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dns_wire - questions and answers as bytes (RFC 1035 §4, EDNS: RFC 6891).
 *
 * Pure: no IO, no clock. All bytes are foreign: nothing is believed that was not checked here. Lengths are our own matter (dns_wire_bytes.h), as is
 * what every question and answer of the zone needs; what is within the records of others, and all texts, libldns does.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "agent/dns/zone.h"

#define DNS_HEADER 12
#define DNS_PACKET_MAX 65535
#define DNS_UDP_MIN 512 /* what fits where no EDNS says otherwise (RFC 1035 §4.2.1) */
#define DNS_UDP_MAX \
	1232 /* what we send at most by UDP (dnsflagday.net/2020): no fragments on any of our networks */
#define DNS_QUESTION_MAX (255 + 4)
#define DNS_REPLY_CACHEABLE_MAX \
	4096 /* bytes: longer replies are passed on, but neither read in full nor kept */
#define DNS_TYPE_TEXT_MAX 16

enum dns_rcode {
	DNS_NOERROR = 0,
	DNS_FORMERR = 1,
	DNS_SERVFAIL = 2,
	DNS_NXDOMAIN = 3,
	DNS_NOTIMP = 4,
	DNS_REFUSED = 5,
	DNS_BADVERS = 16,
};
struct dns_query {
	uint16_t id;
	uint8_t opcode;
	bool rd, cd;
	uint8_t question[DNS_QUESTION_MAX]; /* as it came: name (case kept), type, class */
	size_t question_len; /* 0: none that could be read */
	char name[ZONE_NAME_MAX + 1]; /* lower case, no dot at the end, "" for the root */
	bool odd_name; /* has bytes that no name of ours can have (dots within labels, controls, ...): ->name is "", none of ours */
	uint16_t type, class;
	bool edns, dnssec_ok;
	uint8_t edns_version;
	uint16_t udp_size; /* what its UDP answer may have: DNS_UDP_MIN, or what EDNS says, at least that and at most DNS_UDP_MAX */
};
/**
 * dns_query_parse()
 * Return: 0: a question to answer or to forward;
 * -EBADMSG: not to be answered at all (shorter than a header, or an answer itself);
 * -EINVAL: to be answered with *ret_rcode (FORMERR: not exactly one question, trailing bytes, broken name or OPT; NOTIMP: another opcode; BADVERS:
 * EDNS above 0; REFUSED: a class other than IN, AXFR, IXFR and the other types for servers among themselves). What could be read is in *ret.
 */
int dns_query_parse(const uint8_t *pkt, size_t len, struct dns_query *ret,
		    enum dns_rcode *ret_rcode);
/**
 * dns_query_make() - the packet of a question of our own
 * @name: as text. Return: its length; 0: @name is none
 */
size_t dns_query_make(uint16_t id, const char *name, uint16_t type, uint8_t *buf, size_t size);

/**
 * dns_answer_write() - what the zone says, as an answer to @q (authoritative, recursion available, OPT if the question had one)
 * @ttl: seconds, of the records and of a negative answer; @max: what fits, at least DNS_UDP_MIN: by UDP q->udp_size. Where not all does, as many whole records as
 * do, with TC set; additional ones are left out without TC.
 * Return: its length, never more than @max; @buf has DNS_PACKET_MAX bytes
 */
size_t dns_answer_write(const struct dns_query *q, const char *domain, const struct zone_answer *a,
			uint32_t ttl, size_t max, uint8_t *buf);
/** dns_error_write() - an answer without records. Return: its length; @buf has DNS_PACKET_MAX bytes. */
size_t dns_error_write(const struct dns_query *q, enum dns_rcode rcode, uint8_t *buf);

/* What an upstream sent. */
struct dns_reply {
	enum dns_rcode rcode; /* as in the header, EDNS's upper bits included */
	bool truncated;
	bool no_question; /* an error that left it out: to be passed on as dns_error_write() has it */
	bool cacheable; /* NOERROR and NXDOMAIN, not truncated, whole and well-formed, not above DNS_REPLY_CACHEABLE_MAX; negative ones only with SOA (RFC 2308 §5) */
	uint32_t ttl; /* cacheable: the lowest of all its records, and of a negative one the SOA's minimum; else 0 */
};
/**
 * dns_reply_check() - is @pkt an answer to @q sent with @id? Its question has to be the same but for case, or left out in an error (RFC 1035 says nothing of it; seen).
 * Return: 0, -EBADMSG: not the answer waited for, go on waiting
 */
int dns_reply_check(const uint8_t *pkt, size_t len, const struct dns_query *q, uint16_t id,
		    struct dns_reply *ret);
/**
 * dns_reply_adopt() - make it ours to pass on, in place: @q's id and flags, its question in its own case, no OPT where it had none, nothing that trails
 * @max: at least DNS_UDP_MIN; where the answer has more bytes, it is cut to header and question with TC set (and OPT if the question had one).
 * Return: its length then, never more than @len; 0: shorter than a header
 */
size_t dns_reply_adopt(uint8_t *pkt, size_t len, const struct dns_query *q, size_t max);
/**
 * dns_reply_aged() - a copy of a cacheable reply whose records have @age_s seconds less to live; then as dns_reply_adopt()
 * For whoever did not send the question itself: EDNS options are left out, they answer to those of another (RFC 7873: a cookie).
 * @buf: DNS_PACKET_MAX bytes. Return: its length; 0: it does not decode
 */
size_t dns_reply_aged(const uint8_t *pkt, size_t len, uint32_t age_s, const struct dns_query *q,
		      size_t max, uint8_t *buf);

/** dns_type_text() / dns_type_parse() - "A", "AAAA", "TYPE65280" (RFC 3597), any case. Return: @ret; 0, -EINVAL. */
const char *dns_type_text(uint16_t type, char ret[DNS_TYPE_TEXT_MAX]);
int dns_type_parse(const char *text, uint16_t *ret, struct err *e);
/** dns_rcode_text() - "NOERROR", "NXDOMAIN", ...; "RCODE24" for others, into @buf of DNS_TYPE_TEXT_MAX. */
const char *dns_rcode_text(unsigned rcode, char buf[DNS_TYPE_TEXT_MAX]);
/* Answers of a packet for people; @fn once per record of the answer section, those before a broken one too. Return: 0, -EBADMSG. */
struct dns_shown {
	const char *name, *type,
		*data; /* borrowed; name: no dot at the end; data: as in a zone file */
	uint32_t ttl;
};
int dns_show(const uint8_t *pkt, size_t len, void (*fn)(void *user, const struct dns_shown *r),
	     void *user);
