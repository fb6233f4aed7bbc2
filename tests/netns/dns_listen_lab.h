/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dns_listen_lab - dns_listen alone, with a handler that does as it is told.
 */
#pragma once
#include "agent/dns/dns_listen_priv.h"

#define LAB_KEPT_MAX (DNS_LISTEN_UNDER_WAY_MAX + 1000)

enum lab_how {
	LAB_ECHO, /* the question is the answer */
	LAB_KEEP, /* kept, watched */
	LAB_CLOSE_HOST, /* kept, and DNS_LAB_HOST is closed from within */
	LAB_BIG, /* answered with as many bytes as there can be */
};
struct lab_kept {
	struct listen_lab *l;
	struct dns_asker *asker; /* NULL: nobody waits */
	uint8_t first; /* byte of the question */
};
struct listen_lab {
	uv_loop_t loop;
	struct dns_listen *listen;
	enum lab_how how;
	size_t n; /* questions */
	struct dns_from last;
	struct lab_kept kept[LAB_KEPT_MAX];
	size_t n_kept, gone;
	unsigned opened; /* sockets, by the last call */
	char error[ERR_TEXT_MAX]; /* of the last call */
};
int listen_lab_setup(void **state);
int listen_lab_teardown(void **state);
struct dns_listen_stats listen_lab_stats(const struct listen_lab *l);
void listen_lab_overlay(struct listen_lab *l, const char *ns);
/** listen_lab_host() - @code is what it must return. */
void listen_lab_host(struct listen_lab *l, uint32_t key, const char *ifname, const char *address,
		     int code);
/** listen_lab_until() - until @n questions have come in all. */
void listen_lab_until(struct listen_lab *l, size_t n);
/** listen_lab_echo() - one question by UDP that comes back from @to. */
void listen_lab_echo(struct listen_lab *l, int fd, const char *to, const char *text);
/** listen_lab_refused() - nobody has the port there: the kernel says so. Connects @fd. */
void listen_lab_refused(struct listen_lab *l, int fd, const char *to);
