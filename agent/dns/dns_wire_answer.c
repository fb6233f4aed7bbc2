/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The few record types of the zone have a fixed form each, so they are put straight into the packet; the tests read them back with libldns. */
#include "agent/dns/dns_wire.h"

#include <string.h>

#include "agent/dns/dns_wire_bytes.h"

#define SOA_MNAME "ovl-dns"
#define SOA_RNAME "hostmaster"
/* Nobody transfers this zone: what a secondary server would do with it is without effect. */
#define SOA_SERIAL 1
#define SOA_REFRESH 3600
#define SOA_RETRY 600
#define SOA_EXPIRE 86400
#define ANY_CPU "RFC8482" /* RFC 8482 §4.2 */

/* Two names at most, and what is between them */
#define DRAFT_MAX (2 * DNS_NAME_WIRE_MAX + DNS_RECORD_FIXED + 64)

/* A packet being written: whole records only. */
struct out {
	uint8_t *buf;
	size_t n, max; /* max: less what OPT takes */
	uint32_t ttl;
	uint16_t targets
		[ZONE_RECORDS_MAX]; /* where record i's target lies; 0: nowhere a pointer reaches */
};

/* One record under construction; goes in whole or not at all. */
struct draft {
	uint8_t b[DRAFT_MAX];
	size_t n, data_at;
};

static void put(struct draft *d, const void *p, size_t n)
{
	memcpy(d->b + d->n, p, n);
	d->n += n;
}

static void put16(struct draft *d, unsigned v)
{
	dns_put16(d->b + d->n, v);
	d->n += 2;
}

static void put32(struct draft *d, uint32_t v)
{
	dns_put32(d->b + d->n, v);
	d->n += 4;
}

/* A name no packet can hold becomes the root: the zone has none such. */
static void put_name(struct draft *d, const char *text)
{
	size_t n = dns_name_put(text, d->b + d->n, DNS_NAME_WIRE_MAX);

	if (n)
		d->n += n;
	else
		d->b[d->n++] = 0;
}

static void put_label(struct draft *d, const char *label)
{
	size_t n = strlen(label);

	d->b[d->n++] = (uint8_t)n;
	put(d, label, n);
}

static void put_fixed(struct draft *d, uint16_t type, uint32_t ttl)
{
	put16(d, type);
	put16(d, DNS_CLASS_IN);
	put32(d, ttl);
	put16(d, 0);
	d->data_at = d->n;
}

/* Return: it fits and is in. */
static bool out_add(struct out *o, struct draft *d)
{
	if (o->n > o->max || d->n > o->max - o->n)
		return false;
	dns_put16(d->b + d->data_at - 2, (unsigned)(d->n - d->data_at));
	memcpy(o->buf + o->n, d->b, d->n);
	o->n += d->n;
	return true;
}

static void put_data(struct draft *d, const struct zone_record *r)
{
	switch ((enum zone_type)r->type) {
	case ZONE_A:
		put(d, r->ip.b, 4);
		break;
	case ZONE_AAAA:
		put(d, r->ip.b, 16);
		break;
	case ZONE_PTR:
		put_name(d, r->target);
		break;
	case ZONE_SRV: /* its target is never compressed: RFC 2782 */
		put16(d, 0);
		put16(d, 0);
		put16(d, r->port);
		put_name(d, r->target);
		break;
	case ZONE_HINFO:
		put_label(d, ANY_CPU);
		put_label(d, "");
		break;
	case ZONE_NS:
	case ZONE_SOA:
	case ZONE_ANY:
		break;
	}
}

static bool add_record(struct out *o, size_t i, const struct zone_record *r)
{
	struct draft d;
	size_t target;

	d.n = 0;
	put16(&d, DNS_POINTER | DNS_HEADER); /* the question's name, in its case */
	put_fixed(&d, r->type, o->ttl);
	target = o->n + d.data_at + 6;
	put_data(&d, r);
	if (!out_add(o, &d))
		return false;
	if (i < ZONE_RECORDS_MAX)
		o->targets[i] =
			r->type == ZONE_SRV && target <= DNS_POINTER_TO_MAX ? (uint16_t)target : 0;
	return true;
}

/* @near: where the last one was found; the zone gives them in the records' order. Return: the record with that target, or n. */
static size_t find_target(const struct zone_answer *a, size_t n, const char *target, size_t near)
{
	for (size_t i = 0; i < n; i++) {
		size_t at = (near + i) % n;

		if (strcmp(a->v[at].target, target) == 0)
			return at;
	}
	return n;
}

/* Addresses of the targets. Return: how many went in. */
static unsigned add_extra(struct out *o, const struct zone_answer *a, size_t n_answers)
{
	size_t n = n_answers < ZONE_RECORDS_MAX ? n_answers : ZONE_RECORDS_MAX, near = 0;
	unsigned done = 0;

	for (size_t i = 0; i < a->n_extra; i++) {
		const struct zone_record *r = &a->extra[i];
		size_t at = find_target(a, n, r->target, near);
		struct draft d;

		if (r->type != ZONE_A && r->type != ZONE_AAAA)
			continue;
		d.n = 0;
		if (at < n && o->targets[at]) {
			put16(&d, DNS_POINTER | o->targets[at]);
			near = at;
		} else {
			put_name(&d, r->target);
		}
		put_fixed(&d, r->type, o->ttl);
		put_data(&d, r);
		if (!out_add(o, &d))
			break;
		done++;
	}
	return done;
}

/* The owner is the question's name or an ancestor of it. In text and in bytes a label begins at the same distance from the name's begin. */
static void put_owner(struct draft *d, const struct dns_query *q, const char *owner)
{
	size_t name = strlen(q->name), n = strlen(owner);

	if (n > 0 && n <= name && memcmp(q->name + name - n, owner, n) == 0 &&
	    (n == name || q->name[name - n - 1] == '.'))
		put16(d, DNS_POINTER | (unsigned)(DNS_HEADER + name - n));
	else
		put_name(d, owner);
}

/* RFC 2308 §3, 5: the lower one of TTL and minimum counts. */
static bool add_soa(struct out *o, const struct dns_query *q, const char *owner, const char *domain)
{
	size_t domain_at;
	struct draft d;

	d.n = 0;
	put_owner(&d, q, owner);
	put_fixed(&d, ZONE_SOA, o->ttl);
	put_label(&d, SOA_MNAME);
	domain_at = o->n + d.n;
	put_name(&d, domain);
	put_label(&d, SOA_RNAME);
	put16(&d, DNS_POINTER | (unsigned)domain_at);
	put32(&d, SOA_SERIAL);
	put32(&d, SOA_REFRESH);
	put32(&d, SOA_RETRY);
	put32(&d, SOA_EXPIRE);
	put32(&d, o->ttl);
	return out_add(o, &d);
}

/* Return: flags */
static unsigned write_found(struct out *o, const struct zone_answer *a)
{
	size_t n = 0;

	while (n < a->n && add_record(o, n, &a->v[n]))
		n++;
	dns_put16(o->buf + DNS_AT_ANCOUNT, (unsigned)n);
	if (n < a->n)
		return DNS_TC;
	dns_put16(o->buf + DNS_AT_ARCOUNT, add_extra(o, a, n));
	return 0;
}

static unsigned write_negative(struct out *o, const struct dns_query *q, const char *domain,
			       const struct zone_answer *a)
{
	if (!add_soa(o, q, a->owner, domain))
		return DNS_TC;
	dns_put16(o->buf + DNS_AT_NSCOUNT, 1);
	return 0;
}

size_t dns_answer_write(const struct dns_query *q, const char *domain, const struct zone_answer *a,
			uint32_t ttl, size_t max, uint8_t *buf)
{
	enum dns_rcode rcode = a->outcome == ZONE_NXDOMAIN ? DNS_NXDOMAIN : DNS_NOERROR;
	size_t opt = q->edns ? DNS_OPT : 0;
	struct out o = { .buf = buf, .max = max, .ttl = ttl };
	unsigned flags;

	if (a->outcome == ZONE_FOREIGN || q->question_len == 0)
		return dns_error_write(q, DNS_REFUSED, buf);
	if (o.max > DNS_PACKET_MAX)
		o.max = DNS_PACKET_MAX;
	o.max = o.max > opt ? o.max - opt : 0;
	o.n = dns_head_put(q, DNS_AA, rcode, buf);
	flags = a->outcome == ZONE_FOUND ? write_found(&o, a) : write_negative(&o, q, domain, a);
	if (flags)
		dns_put16(buf + DNS_AT_FLAGS, dns_get16(buf + DNS_AT_FLAGS) | flags);
	if (opt) {
		dns_put16(buf + DNS_AT_ARCOUNT, dns_get16(buf + DNS_AT_ARCOUNT) + 1u);
		dns_opt_put(q, rcode, buf + o.n);
	}
	return o.n + opt;
}
