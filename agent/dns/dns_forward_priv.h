/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dns_forward_priv - what the parts of dns_forward share: who asked (dns_forward), a question's way from server to server (dns_forward_question),
 * upstreams and their health (dns_forward_server), one try (dns_forward_udp, dns_forward_tcp).
 *
 * A question has one try at a time. Questions and tries hold libuv's handles: closed at any time they do nothing more and go when the loop has
 * run, each holding `struct dns_forward` until then.
 */
#pragma once
#include <uthash.h>
#include "agent/dns/dns_forward.h"

#define DNS_FORWARD_IDS 128 /* random ids fetched at a time */

struct dns_forward_udp;
struct dns_forward_tcp;
struct dns_forward_question;

/* Questions of one client that are under way; there as long as there are any. */
struct dns_forward_client {
	struct dns_place place;
	size_t n;
	UT_hash_handle hh;
};
struct dns_asked {
	struct dns_forward_question *question;
	struct dns_forward_client *client;
	struct dns_query query;
	size_t max;
	bool own; /* it was its packet that went out */
	dns_forward_fn fn;
	void *user;
	struct dns_asked *prev, *next; /* of the question */
};
/* What is known of an upstream. */
struct dns_forward_server {
	struct dns_server_addr addr; /* bytes compared: zeroed before it is filled */
	uint64_t asked, answered, failed;
	uint64_t answered_ms; /* last */
	uint64_t sick_until_ms;
	bool warned; /* of being ourselves */
	UT_hash_handle hh; /* used longest ago first */
};
enum dns_forward_failure {
	DNS_FORWARD_NOT_ASKED,
	DNS_FORWARD_SELF,
	DNS_FORWARD_SILENT,
	DNS_FORWARD_WRONG, /* DNS_FORWARD_WRONG_MAX */
	DNS_FORWARD_RCODE, /* ->code */
	DNS_FORWARD_ERRNO, /* ->code: of socket(2), connect(2), send(2), recv(2) */
};
/* One server of a question, in the order in which they are tried. */
struct dns_forward_choice {
	struct dns_server_addr addr;
	unsigned tries;
	enum dns_forward_failure failure;
	int code;
};
struct dns_forward_question {
	struct dns_forward *f;
	struct dns_cache_key key;
	struct dns_query query; /* of the first who asked */
	uint8_t *pkt;
	size_t len;
	struct dns_servers servers;
	struct dns_forward_choice choice[DNS_SERVERS_MAX];
	size_t n_choices;
	struct dns_forward_choice *now; /* asked at the moment */
	bool over; /* no longer in f->questions, tries and timer closed */
	unsigned tries;
	uint64_t try_began_ms, deadline_ms;
	uv_timer_t timer;
	struct dns_forward_udp *udp;
	struct dns_forward_tcp *tcp;
	uint8_t *cut; /* the truncated answer, while TCP is tried */
	size_t cut_len;
	struct dns_asked *askers;
	size_t n_askers;
	UT_hash_handle hh;
};
struct dns_forward {
	uv_loop_t *loop;
	unsigned refs; /* handles, and one until closed */
	bool closed;
	struct dns_forward_config config;
	struct dns_cache *cache;
	struct dns_servers servers; /* the default ones */
	struct dns_forward_question *questions; /* by cache key */
	struct dns_forward_client *clients;
	struct dns_forward_server *known;
	size_t n_tcp;
	struct dns_forward_stats stats;
	uint16_t ids[DNS_FORWARD_IDS];
	size_t n_ids; /* not yet used */
	uint8_t in[DNS_PACKET_MAX]; /* what is being received */
	uint8_t out[DNS_PACKET_MAX]; /* what is being given to an asker */
};
void dns_forward_ref(struct dns_forward *f);
void dns_forward_unref(struct dns_forward *f);
/** dns_forward_id() - a random one. */
uint16_t dns_forward_id(struct dns_forward *f);
/**
 * dns_forward_tell() - all who asked, and forget them; @q is over
 * @reply: NULL: an error of @rcode
 */
void dns_forward_tell(struct dns_forward_question *q, const uint8_t *reply, size_t len,
		      enum dns_rcode rcode, const struct dns_forward_how *how);

/** dns_forward_question_new() - under way from the loop's next turn on; without askers yet */
struct dns_forward_question *dns_forward_question_new(struct dns_forward *f,
						      const struct dns_cache_key *key,
						      const struct dns_servers *servers,
						      const struct dns_forward_ask *ask);
/** dns_forward_question_close() - nobody asks any more; memory goes when the loop has run. */
void dns_forward_question_close(struct dns_forward_question *q);
/** dns_forward_question_answer() - an answer that dns_reply_check() let pass; ends the try. @pkt is borrowed. */
void dns_forward_question_answer(struct dns_forward_question *q, const uint8_t *pkt, size_t len,
				 const struct dns_reply *r);
/** dns_forward_question_failed() - the try by UDP; ends it. */
void dns_forward_question_failed(struct dns_forward_question *q, enum dns_forward_failure failure,
				 int code);
/** dns_forward_question_tcp_failed() - the try by TCP; ends it. */
void dns_forward_question_tcp_failed(struct dns_forward_question *q);

/** dns_forward_server_order() - fill q->choice: those not silent lately first, else as given; ourselves are marked. */
void dns_forward_server_order(struct dns_forward_question *q);
/** dns_forward_server_next() - the one to try now; NULL: all have failed, or were tried enough. */
struct dns_forward_choice *dns_forward_server_next(struct dns_forward_question *q);
void dns_forward_server_asked(struct dns_forward *f, struct dns_server_addr a);
void dns_forward_server_answered(struct dns_forward *f, struct dns_server_addr a);
/** dns_forward_server_failed() - @silent: no answer since @since_ms; it is sick unless it has answered others meanwhile. */
void dns_forward_server_failed(struct dns_forward *f, struct dns_server_addr a, bool silent,
			       uint64_t since_ms);
/** dns_forward_server_text() - what became of each server, heap. */
char *dns_forward_server_text(const struct dns_forward_question *q);
void dns_forward_server_state(const struct dns_forward *f, struct dns_server_addr a,
			      struct dns_forward_server_state *ret);
/** dns_forward_server_free() - all that is known. */
void dns_forward_server_free(struct dns_forward *f);

/** dns_forward_udp_start() - send q's question to @a as q->udp. Return: 0 or -errno. */
int dns_forward_udp_start(struct dns_forward_question *q, struct dns_server_addr a);
/** dns_forward_udp_read() - what has come. Return: whether that ended the try. */
bool dns_forward_udp_read(struct dns_forward_udp *u);
/** dns_forward_udp_close() - NULL is none. */
void dns_forward_udp_close(struct dns_forward_udp *u);
/** dns_forward_tcp_start() - the same by TCP, as q->tcp. Return: 0, -EBUSY above DNS_FORWARD_TCP_MAX, -errno. */
int dns_forward_tcp_start(struct dns_forward_question *q, struct dns_server_addr a);
void dns_forward_tcp_close(struct dns_forward_tcp *t);
