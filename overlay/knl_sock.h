/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * knl_sock - one netlink socket (rtnetlink, unless another is asked for): batches of requests in one send, and dumps.
 *
 * A batch is built in the socket: knl_begin() starts a message (and ends the one before), libmnl's mnl_attr_put_*() fill it, knl_send()
 * sends all of them at once and reads the answers. rtnetlink works a batch off before send() returns, each message by itself: one
 * that fails does not stop the next. Only the last one asks for an acknowledgement; a failure is always answered.
 *
 * A socket belongs to the namespace it was opened in, whatever its user's is. Not for two threads at once.
 */
#pragma once
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"
#include "base/mem.h"

#define KNL_MSG_MAX 2048 /* bytes that one message may take */
#define KNL_BATCH_MAX 1000 /* messages in one send */
#define KNL_ALLOW_MAX 3 /* errors of a message that count as success */
#define KNL_DUMP_TRIES 20 /* a dump interrupted by a change is read anew that often */

struct knl_sock;

/** knl_open() - @nsfd: the namespace, -1 for the current one. Return: 0, -EPERM, -EPROTONOSUPPORT ... */
int knl_open(int nsfd, struct knl_sock **ret, struct err *e);
/** knl_open_protocol() - the same for another of netlink's protocols; requests that are not rtnetlink's ask for their answer by NLM_F_ACK. */
int knl_open_protocol(int nsfd, int protocol, struct knl_sock **ret, struct err *e);
void knl_close(struct knl_sock *s);
static inline void knl_closep(struct knl_sock **s)
{
	knl_close(*s);
}
#define _cleanup_knl_ _cleanup_(knl_closep)

/**
 * knl_begin() - the next message of the batch
 * @type: RTM_*; @flags: beside NLM_F_REQUEST; @header, @len: struct ifinfomsg and its like, copied
 * Return: the message, to be filled up to KNL_MSG_MAX bytes; never NULL. Valid until the next knl_begin().
 */
struct nlmsghdr *knl_begin(struct knl_sock *s, uint16_t type, uint16_t flags, const void *header,
			   size_t len);
/** knl_allow() - the message begun last may fail with @code (negative errno): that is success. */
void knl_allow(struct knl_sock *s, int code);
/** knl_queued() - messages in the batch so far. */
unsigned knl_queued(const struct knl_sock *s);
/** knl_drop() - forget the batch begun. */
void knl_drop(struct knl_sock *s);

/* One answer that is no error: @index is that of the request in its batch. */
typedef void (*knl_reply_fn)(void *user, unsigned index, const struct nlmsghdr *h);
/**
 * knl_send() - send the batch, read what is answered
 * @reply: for the answers of RTM_GET*, NULL for none
 * Return: 0, or the error of the first message that failed (others may have failed too: knl_status()), or -EIO, -ETIMEDOUT, -ENOBUFS.
 */
int knl_send(struct knl_sock *s, knl_reply_fn reply, void *user);
/* Until the next knl_begin(): the outcome of message @index, how many failed, and the kernel's words (extack) on the first. */
int knl_status(const struct knl_sock *s, unsigned index);
unsigned knl_failed(const struct knl_sock *s);
const char *knl_extack(const struct knl_sock *s);
/** knl_fail() - err_set() with "what: the kernel's words, or the error's name" after the first message that failed. Return: @code. */
int knl_fail(const struct knl_sock *s, struct err *e, int code, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* One object of a dump; @h NULL: the dump begins (again): forget what came before. */
typedef void (*knl_dump_fn)(void *user, const struct nlmsghdr *h);
/**
 * knl_dump() - the one message begun is a dump request (NLM_F_DUMP): read all of it
 * Read anew when a change interrupts it (NLM_F_DUMP_INTR), a bounded number of times. Return: 0, -EAGAIN when it never came whole, or -errno.
 */
int knl_dump(struct knl_sock *s, knl_dump_fn fn, void *user, struct err *e);

/* A monitor: a nonblocking socket that joined @groups (RTNLGRP_*), with a receive buffer of @rcvbuf_bytes. Return: a descriptor or -errno. */
int knl_monitor(int nsfd, const int *groups, size_t n_groups, int rcvbuf_bytes);

/* Reading attributes of wrong length as nothing is safer than trusting them. */
static inline uint32_t knl_get_u32(const struct nlattr *a)
{
	return mnl_attr_get_payload_len(a) >= sizeof(uint32_t) ? mnl_attr_get_u32(a) : 0;
}
static inline uint16_t knl_get_u16(const struct nlattr *a)
{
	return mnl_attr_get_payload_len(a) >= sizeof(uint16_t) ? mnl_attr_get_u16(a) : 0;
}
static inline uint8_t knl_get_u8(const struct nlattr *a)
{
	return mnl_attr_get_payload_len(a) >= sizeof(uint8_t) ? mnl_attr_get_u8(a) : 0;
}
