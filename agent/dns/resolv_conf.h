/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * resolv_conf - resolv.conf(5) and hosts(5): read the host's, write a container's.
 *
 * Pure: texts only.
 */
#pragma once
#include "agent/dns/dns_client.h"
#include "base/err.h"
#include "base/strv.h"

#define RESOLV_CONF_MAX (64 * 1024) /* bytes read */
#define RESOLV_SEARCH_MAX 32
#define RESOLV_OPTIONS_MAX 32
#define RESOLV_HOSTS_MAX 256 /* --add-host */
#define RESOLV_MARK "# made by ovl"

struct resolv_conf {
	struct dns_servers servers; /* the first DNS_SERVERS_MAX; loopback ones too */
	struct strv search, options;
};
/** resolv_conf_read() - what can be read of @text; the last of `search` and `domain` counts. Lines that are none are passed over. */
void resolv_conf_read(const char *text, size_t len, struct resolv_conf *ret);
void resolv_conf_done(struct resolv_conf *c);
/**
 * resolv_conf_write() - heap text; begins with RESOLV_MARK
 * @search, @options: as given; `ndots:0` is added where @options says nothing of ndots, as Docker does: a name without dots is asked as it is, first
 */
char *resolv_conf_write(struct ip server, const struct strv *search, const struct strv *options);
/**
 * resolv_hosts_write() - heap text; begins with RESOLV_MARK: localhost, @extra ("NAME:ADDRESS" as --add-host has it), then each own address with @names
 */
char *resolv_hosts_write(const struct strv *extra, const struct ip *addresses, size_t n_addresses,
			 const struct strv *names);
/** resolv_host_parse() - "NAME:ADDRESS" (an IPv6 address as it is, or in brackets); "host-gateway" as address leaves *ret_ip unset. Return: 0, -EINVAL naming the part. */
int resolv_host_parse(const char *text, char **ret_name, struct ip *ret_ip, struct err *e);
/** resolv_search_check() / resolv_option_check() / resolv_server_parse() - what --dns-search, --dns-option, --dns take. */
int resolv_search_check(const char *text, struct err *e);
int resolv_option_check(const char *text, struct err *e);
int resolv_server_parse(const char *text, struct dns_server_addr *ret, struct err *e);
