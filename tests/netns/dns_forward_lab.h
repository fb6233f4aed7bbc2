/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dns_forward_lab - upstream servers that do as they are told, and askers, all on one loop in a namespace with nothing but loopback.
 */
#pragma once
#include "agent/dns/dns_forward.h"

#define LAB_WAIT_MS 20000
#define LAB_UPSTREAMS 3 /* 127.0.0.1, 127.0.0.2, ::1, all on LAB_PORT */
#define LAB_PORT 5300
#define LAB_SEEN_MAX 2048
#define LAB_ANSWERS_MAX 2200

enum lab_mode {
	LAB_ANSWER,
	LAB_SILENT,
	LAB_RCODE, /* ->rcode, nothing else */
	LAB_NO_QUESTION, /* the same, header only */
	LAB_NXDOMAIN, /* with SOA */
	LAB_WRONG_ID, /* one of each, then the answer */
	LAB_WRONG_QUESTION,
	LAB_WRONG_ONLY, /* DNS_FORWARD_WRONG_MAX with another id */
	LAB_OTHER_ADDRESS, /* the answer comes from another socket */
	LAB_TRUNCATED, /* by UDP; TCP answers */
	LAB_ANSWER_AND_STALL, /* the loop does not turn for ->stall_ms after the answer, once */
};
enum lab_tcp {
	LAB_TCP_ANSWER,
	LAB_TCP_PARTS, /* byte by byte */
	LAB_TCP_SILENT,
	LAB_TCP_CLOSE,
	LAB_TCP_SHORT, /* a length below a header */
	LAB_TCP_WRONG_ID,
	LAB_TCP_SERVFAIL,
};
struct lab;
struct lab_upstream {
	struct lab *lab;
	struct dns_server_addr addr;
	enum lab_mode mode;
	enum lab_tcp tcp_mode;
	enum dns_rcode rcode;
	uint64_t stall_ms;
	char silent_for; /* names beginning with it */
	unsigned records;
	uint32_t ttl;
	int fd; /* -1: nobody there */
	uv_poll_t *poll;
	uv_tcp_t *listener; /* NULL: nobody there */
	/* What came by UDP; by TCP only counted. */
	size_t n_udp, n_tcp;
	uint16_t id[LAB_SEEN_MAX], port[LAB_SEEN_MAX];
	uint8_t last[DNS_FORWARD_QUESTION_MAX];
	size_t last_len;
};
/* One who asked. */
struct lab_answer {
	struct lab *lab;
	struct dns_asked *asked;
	struct dns_query q;
	uint8_t pkt[DNS_FORWARD_QUESTION_MAX + 1]; /* the question */
	size_t pkt_len;
	unsigned calls;
	uint8_t *reply;
	size_t len;
	struct dns_forward_how how;
	char error[600]; /* of how */
	void (*inside)(struct lab_answer *a); /* called from within */
	struct lab_answer *victim; /* for it */
};
struct lab {
	uv_loop_t loop;
	struct dns_forward_config config;
	struct dns_forward *f;
	struct lab_upstream up[LAB_UPSTREAMS];
	struct lab_answer *answers; /* LAB_ANSWERS_MAX */
	size_t n_asked, n_told; /* those given to dns_forward_ask(); those called back */
	unsigned fds;
	bool self_up0; /* up[0] is ourselves */
};
void dns_forward_lab_begin(void);
void dns_forward_lab_end(void);
/* cmocka's: a loop, a forwarder that waits long for each try, the upstreams answering; nothing may be left in the end. */
int dns_forward_lab_setup(void **state);
int dns_forward_lab_teardown(void **state);

/** lab_new() - another forwarder instead: @try_ms, @sick_ms as in its configuration. */
void lab_new(struct lab *l, uint64_t try_ms, uint64_t sick_ms);
/** lab_servers() - the first @n upstreams are the default ones. */
void lab_servers(struct lab *l, size_t n);
struct dns_servers lab_list(const struct lab *l, size_t first, size_t n);
/** lab_mute() - nobody listens there any more, by UDP or TCP. */
void lab_mute(struct lab_upstream *u);
void lab_mute_tcp(struct lab_upstream *u);

/** lab_prepare() - a question that is not asked yet; @edns: with OPT, DO and a cookie. */
struct lab_answer *lab_prepare(struct lab *l, const char *name, uint16_t type, bool edns);
/** lab_ask_as() - ask it. @servers: NULL: the default ones. Return: dns_forward_ask()'s. */
int lab_ask_as(struct lab_answer *a, uint64_t client, const struct dns_servers *servers,
	       size_t max);
/** lab_ask() - A, with client 1, a TCP asker's size. Must be taken. */
struct lab_answer *lab_ask(struct lab *l, const char *name);
/** lab_get() - ask, and wait for the answer. */
struct lab_answer *lab_get(struct lab *l, const char *name);
/** lab_wait() - turn the loop until @n were called back, or @cond; the test fails after LAB_WAIT_MS. */
void lab_wait(struct lab *l, size_t n);
void lab_until(struct lab *l, bool (*cond)(struct lab *l));
struct dns_forward_stats lab_stats(struct lab *l);
unsigned lab_fds(void);

/* Of an answer. */
unsigned lab_rcode(const struct lab_answer *a);
bool lab_truncated(const struct lab_answer *a);
unsigned lab_records(const struct lab_answer *a);
uint32_t lab_ttl(const struct lab_answer *a);
/** lab_good() - called once, NOERROR, its own id and question, as many records as @u has. */
void lab_good(const struct lab_answer *a, const struct lab_upstream *u);
