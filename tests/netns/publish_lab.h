/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * publish_lab - a host and a container with services, for the tests of published ports.
 *
 * h is the host (10.2.0.1, 10.2.0.3, fd02::1, fd02::3 and loopback), c the container (10.2.0.2, fd02::2). The test runs in h; the services of c
 * in a process of their own.
 */
#pragma once
#include "agent/publish_priv.h"

#define LAB_ECHO 7 /* TCP and UDP */
#define LAB_COUNT 8 /* TCP: reads to the end, answers with the number of bytes */
#define LAB_SOURCE 9 /* TCP: sends LAB_SOURCE_BYTES, lab_sent() so far */
#define LAB_BYE 10 /* TCP: sends "bye" and closes */
#define LAB_MUTE 12 /* TCP: the kernel answers, nobody accepts */
#define LAB_CLOSED 11 /* nobody listens */
#define LAB_SOURCE_BYTES ((size_t)64 << 20)
#define LAB_WAIT_MS 20000

struct lab {
	uv_loop_t loop;
	struct publishes *ps;
	struct id web, db; /* owners */
};

/** publish_lab_begin() - namespaces and services; publish_lab_end() ends the services. */
void publish_lab_begin(void);
void publish_lab_end(void);
/* cmocka's setup and teardown: a loop and publishes; nothing may be left when they close. */
int publish_lab_setup(void **state);
int publish_lab_teardown(void **state);

size_t lab_sent(void);
struct ip lab_ip(const char *text); /* "": unset */
struct model_publish lab_port(uint8_t proto, const char *host_ip, uint16_t host_port,
			      uint16_t port);
/** lab_publish() - one port of @owner, relayed to c's addresses. */
void lab_publish(struct lab *l, struct id owner, struct model_publish p, const char *ip4,
		 const char *ip6);
/** lab_socket() - connected from h; TCP or UDP. */
int lab_socket(int type, const char *addr, uint16_t port);
/** lab_bind() - bound in h (TCP: listening), no options but v6only. Return: a descriptor or -errno. */
int lab_bind(int type, const char *addr, uint16_t port, bool v6only);
/** lab_drive() - run @fn in a thread while the loop turns here. */
void lab_drive(struct lab *l, void (*fn)(void *arg), void *arg);
/** lab_wait() - turn the loop until @cond; the test fails after LAB_WAIT_MS. */
void lab_wait(struct lab *l, bool (*cond)(struct lab *l));
struct publish_stats lab_stats(struct lab *l);
/** lab_fds() - open descriptors of this process. */
unsigned lab_fds(void);
