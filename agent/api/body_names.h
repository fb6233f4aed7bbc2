/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * body_names - what a container is found by beside its name, and what it is told of others: a part of two bodies (body.h, body_run.h).
 *
 * Pure text: of servers, search domains, options and further hosts the bounds are checked here, what they say is checked by ovld.
 */
#pragma once
#include <cjson/cJSON.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"
#include "base/strv.h"

#define BODY_HOSTNAME_MAX 253
#define BODY_EXPOSE_MAX 256
#define BODY_LINKS_MAX 64
#define BODY_DNS_MAX 3 /* as resolv.conf(5) has */
#define BODY_DNS_SEARCH_MAX 32
#define BODY_DNS_OPTIONS_MAX 32
#define BODY_HOSTS_MAX 256

/* A port that the container says it serves. */
struct body_port {
	uint8_t proto; /* IPPROTO_TCP, _UDP, _SCTP */
	uint16_t port;
};
struct body_names {
	char *hostname; /* NULL: not told */
	struct body_port *expose; /* none twice */
	size_t n_expose;
	struct strv links; /* "NAME:ALIAS" */
	struct strv dns, dns_search, dns_options;
	struct strv extra_hosts; /* "NAME:ADDRESS" */
};
/* Members of a body that are names, for body_check_fields(). */
#define BODY_NAMES_FIELDS \
	"Hostname", "ExposedPorts", "Links", "Dns", "DnsSearch", "DnsOptions", "ExtraHosts"

/** body_hostname_check() - letters, digits, '-', '.' and '_', a letter or digit first. Return: 0, -EINVAL. */
int body_hostname_check(const char *text, struct err *e);
/** body_link_parse() - "NAME[:ALIAS]", appended as "NAME:ALIAS"; the same once more is no other. Return: 0, -EINVAL naming the part. */
int body_link_parse(const char *text, struct strv *links, struct err *e);
/** body_expose_parse() - "PORT[-END][/tcp|udp|sctp]", appended to ret->expose. Return: 0; -EINVAL: no port, reversed range, unknown protocol, too many. */
int body_expose_parse(const char *text, struct body_names *ret, struct err *e);
/** body_names_take() - the members of @j; problems are added to @e with @where in front ("" for the top). @ret: to be done in any case. */
void body_names_take(const cJSON *j, const char *where, struct body_names *ret, struct err *e);
/** body_names_put() - add to @j what is there. */
void body_names_put(cJSON *j, const struct body_names *n);
void body_names_done(struct body_names *n);
