/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dns_lab - an overlay namespace, a host and containers, for the tests of the name server.
 *
 *   o   overlay namespace: br1048576 and br1048577, both 10.7.0.1/24 and fd07::1/64; of their own 10.7.1.1/24, fd07:1::1/64 and 10.7.2.1/24,
 *       fd07:2::1/64
 *   c1  on br1048576: 10.7.0.2, fd07::2, 10.7.1.2, fd07:1::2, and 10.7.1.10 to .29
 *   c2  on br1048577: 10.7.0.2, fd07::2, 10.7.2.2, fd07:2::2
 *   h   host: bridges hb0 (10.8.0.1/24, fd08::1/64) and hb1 (10.9.0.1/24)
 *   c3  on hb0: 10.8.0.2, fd08::2
 *   c4  on hb1: 10.9.0.2, default route
 *
 * The test runs in h, clients and server in one thread: what waits turns the loop.
 */
#pragma once
#include <uv.h>
#include "base/addr.h"

#define DNS_LAB_A 1048576 /* network keys */
#define DNS_LAB_B 1048577
#define DNS_LAB_HOST 0x01000005u
#define DNS_LAB_HOST2 0x01000006u
#define DNS_LAB_WAIT_MS 20000

void dns_lab_begin(void);
void dns_lab_end(void);
/** dns_lab_bridge() - br<vni> in @ns with the port to @client, its addresses as above. */
void dns_lab_bridge(const char *ns, unsigned n, const char *client);
struct ip dns_lab_ip(const char *text);
/** dns_lab_wait() - turn the loop until @cond; the test fails after DNS_LAB_WAIT_MS. */
void dns_lab_wait(uv_loop_t *loop, bool (*cond)(void *arg), void *arg);
/** dns_lab_udp() - bound to @from, any port. */
int dns_lab_udp(const char *ns, const char *from);
/** dns_lab_tcp() - a connection from @from (of @ns) to port 53 of @to, begun; non-blocking. */
int dns_lab_tcp(const char *ns, const char *from, const char *to);
/** dns_lab_recv() - a datagram. Return: bytes, or -errno of the socket. @ret_from may be NULL. */
ssize_t dns_lab_recv(uv_loop_t *loop, int fd, void *buf, size_t size, struct ip *ret_from);
/** dns_lab_read() - @n bytes of a stream. Return: bytes read until the end or a reset. */
size_t dns_lab_read(uv_loop_t *loop, int fd, void *buf, size_t n);
/** dns_lab_write() - all of it. */
void dns_lab_write(uv_loop_t *loop, int fd, const void *data, size_t n);
/** dns_lab_send() - a datagram to port 53 of @to. Return: 0 or -errno. */
int dns_lab_send(int fd, const char *to, const void *data, size_t n);
/** dns_lab_quiet() - has nothing come to @fd? After something that surely came later. */
bool dns_lab_quiet(int fd);
