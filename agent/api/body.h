/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * body - what clients and ovld agree on: the default socket, and the bodies of requests as values.
 *
 * Pure. Decoders gather every problem of a body in one error; a field that is not known is refused by name, and so is one
 * given twice: a slip of the pen must not change something else than what was meant. Empty strings and nulls count as
 * absent, as Docker's clients send them. Encoders write what the decoders read. On failure *ret is untouched.
 */
#pragma once
#include <cjson/cJSON.h>
#include <stdbool.h>
#include "agent/api/body_names.h"
#include "base/addr.h"
#include "base/err.h"
#include "base/strv.h"

#define API_SOCKET_DEFAULT "/run/ovl/ovld.sock"

#define BODY_NAME_MAX 256 /* bytes of a name; the rules for names are the model's */
#define BODY_TARGET_MAX 511 /* bytes of a TARGET */
#define BODY_CONFIGS_MAX 64 /* IPAM.Config entries */
#define BODY_AUX_MAX 512 /* auxiliary addresses in all */
#define BODY_PAIRS_MAX 64 /* options; labels */
#define BODY_TEXT_MAX 1024 /* bytes of an option, label, address as text */
#define BODY_ALIASES_MAX 64
#define BODY_IFNAME_MAX 15

/* POST /networks/create. Addresses stay text: ipam reports everything that is wrong with them at once. */
struct body_network {
	char *name, *driver; /* driver NULL: the default one */
	struct strv subnets, gateways, ip_ranges;
	struct kv_pairs aux, options, labels;
	bool ipv6, internal;
};
int body_network_decode(const cJSON *j, struct body_network *ret, struct err *e);
/** body_network_encode() - gateways, ranges and auxiliary addresses beside the subnet that holds them, as Docker's CLI does. */
cJSON *body_network_encode(const struct body_network *b);
void body_network_done(struct body_network *b);

#define BODY_PUBLISH_MAX 4096 /* ports of one request, ranges counted out */
/* One published port; a range of them is several. */
struct body_publish {
	uint8_t proto; /* IPPROTO_TCP, _UDP, _SCTP */
	struct ip host_ip; /* unset: every address of the host */
	uint16_t host_port; /* 0: to be chosen */
	uint16_t port;
};
struct body_publishes {
	struct body_publish *v;
	size_t n;
};
/**
 * body_publish_parse() - [HOSTIP:][HOSTPORT[-END]]:CPORT[-END][/tcp|udp|sctp], or CPORT alone; an IPv6 HOSTIP in brackets. Appended to @ret.
 * The ports of a range of the host go to those of the container one by one.
 * Return: 0; -EINVAL naming the part: no number from 1 to 65535, reversed range, ranges of different length, no address, unknown protocol, too many.
 */
int body_publish_parse(const char *text, struct body_publishes *ret, struct err *e);
/** body_publish_format() - "0.0.0.0:8080" / "[::1]:8080"; @family for an unset address. */
#define BODY_PUBLISH_TEXT_MAX 64
const char *body_publish_format(const struct body_publish *p, int family,
				char ret[BODY_PUBLISH_TEXT_MAX]);
/** body_publish_proto() - "tcp", "udp", "sctp". */
const char *body_publish_proto(uint8_t proto);
/** body_publishes_encode() - [{"Proto","HostIp","HostPort","Port"}]; what is unset or to be chosen is left out. */
cJSON *body_publishes_encode(const struct body_publishes *p);
/** body_publishes_decode() - problems are added to @e with @where in front; a port of the host given twice is one. Return: 0, -EINVAL; @ret only on success. */
int body_publishes_decode(const cJSON *list, const char *where, struct body_publishes *ret,
			  struct err *e);
void body_publishes_done(struct body_publishes *p);

/* POST /networks/{id}/connect */
struct body_connect {
	char *target;
	char *name, *ifname; /* NULL: chosen */
	struct strv aliases;
	struct ip ip4, ip6; /* unset: chosen */
	struct mac mac; /* zero: from the address */
	struct body_publishes publish; /* EndpointConfig.Publish */
	int32_t gw_priority; /* EndpointConfig.GwPriority */
	struct body_names names; /* EndpointConfig.Hostname, .ExposedPorts, .Links, .Dns, ... */
	bool more; /* More: further networks follow, the way out comes with the last */
};
int body_connect_decode(const cJSON *j, struct body_connect *ret, struct err *e);
cJSON *body_connect_encode(const struct body_connect *b);
void body_connect_done(struct body_connect *b);

/* POST /networks/{id}/disconnect */
struct body_disconnect {
	char *target;
	bool force;
};
int body_disconnect_decode(const cJSON *j, struct body_disconnect *ret, struct err *e);
cJSON *body_disconnect_encode(const struct body_disconnect *b);
void body_disconnect_done(struct body_disconnect *b);

/* PUT /log-level. Pure text; who applies it knows the levels. */
struct body_log_level {
	char *level;
};
int body_log_level_decode(const cJSON *j, struct body_log_level *ret, struct err *e);
cJSON *body_log_level_encode(const struct body_log_level *b);
void body_log_level_done(struct body_log_level *b);

/* ---- for further decoders of bodies ---- */

/** body_check_fields() - are all members of @j among @known (NULL-terminated), and none twice? Problems are added to @e with @where in front ("" for the top). */
void body_check_fields(const cJSON *j, const char *const *known, const char *where, struct err *e);
/** body_take_text() - a copy of a string field into *ret (freed before); "" and null count as absent. @where as above. */
void body_take_text(const cJSON *j, const char *key, size_t max_len, const char *where, char **ret,
		    struct err *e);
void body_take_bool(const cJSON *j, const char *key, const char *where, bool *ret, struct err *e);
/** body_take_texts() - a list of strings, appended. */
void body_take_texts(const cJSON *j, const char *key, size_t max_items, size_t max_len,
		     const char *where, struct strv *ret, struct err *e);
/** body_take_pairs() - an object of strings, appended; a key that is there already is a problem. */
void body_take_pairs(const cJSON *j, const char *key, size_t max_items, size_t max_len,
		     const char *where, struct kv_pairs *ret, struct err *e);
/** body_take_ip() - an address of @family. */
void body_take_ip(const cJSON *j, const char *key, int family, const char *where, struct ip *ret,
		  struct err *e);
