/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dns_packet - packets for the tests of agent/dns, put together by hand: nothing of dns_wire is used, so that its mistakes show.
 */
#pragma once
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Bytes of a string literal without its last NUL: names are written "\3www\7example\3com" "\0". */
#define LIT(s) (s), (sizeof(s) - 1)

#define PACKET_RD 0x0100u
#define PACKET_REPLY 0x8180u /* QR, RD, RA */
#define PACKET_TC 0x0200u

struct packet {
	uint8_t b[70000];
	size_t n;
};

static inline void packet_raw(struct packet *p, const void *bytes, size_t n)
{
	memcpy(p->b + p->n, bytes, n);
	p->n += n;
}
static inline void packet_16(struct packet *p, unsigned v)
{
	p->b[p->n++] = (uint8_t)(v >> 8);
	p->b[p->n++] = (uint8_t)v;
}
static inline void packet_32(struct packet *p, uint32_t v)
{
	packet_16(p, v >> 16);
	packet_16(p, v & 0xffff);
}
static inline void packet_begin(struct packet *p, unsigned id, unsigned flags)
{
	p->n = 0;
	packet_16(p, id);
	packet_16(p, flags);
	packet_raw(p, "\0\0\0\0\0\0\0\0", 8);
}
/* One more of the records counted at @at: 4 questions, 6 answers, 8 authority, 10 additional. */
static inline void packet_count(struct packet *p, size_t at)
{
	if (++p->b[at + 1] == 0)
		p->b[at]++;
}
/* @name without the NUL at its end */
static inline void packet_question(struct packet *p, const char *name, unsigned type,
				   unsigned class)
{
	packet_count(p, 4);
	packet_raw(p, name, strlen(name) + 1);
	packet_16(p, type);
	packet_16(p, class);
}
/* @name as bytes: a pointer, or with its NUL */
static inline void packet_record(struct packet *p, size_t section, const char *name,
				 size_t name_len, unsigned type, uint32_t ttl, const char *data,
				 size_t len)
{
	packet_count(p, section);
	packet_raw(p, name, name_len);
	packet_16(p, type);
	packet_16(p, 1);
	packet_32(p, ttl);
	packet_16(p, (unsigned)len);
	packet_raw(p, data, len);
}
/* @ttl: extended rcode, version, DO */
static inline void packet_opt(struct packet *p, unsigned size, uint32_t ttl, const char *data,
			      size_t len)
{
	packet_count(p, 10);
	packet_raw(p, "\0\0\51", 3);
	packet_16(p, size);
	packet_32(p, ttl);
	packet_16(p, (unsigned)len);
	packet_raw(p, data, len);
}
/* A heap copy as long as the packet, so that a read behind it is seen. */
static inline uint8_t *packet_exact(const void *bytes, size_t n)
{
	uint8_t *copy = malloc(n ? n : 1);

	if (!copy)
		abort();
	memcpy(copy, bytes, n);
	return copy;
}
