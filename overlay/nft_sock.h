/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nft_sock - one NETLINK_NETFILTER socket: transactions and questions to nf_tables.
 *
 * A transaction is a struct nft_batch: messages are appended, then committed all or none. The kernel answers within sendmsg(2), so nothing
 * here waits. Only the last message asks for an acknowledgement; a message that fails is always reported (nfnetlink_rcv_batch()).
 * Everything the kernel then tells the world carries this socket's port id, which is how a monitor knows its own echoes.
 */
#pragma once
#include <libmnl/libmnl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"

struct nft_sock;
/** nft_sock_open() - in the namespace @nsfd, or in the caller's for -1. Return: 0, -EPERM, ... */
int nft_sock_open(int nsfd, struct nft_sock **ret, struct err *e);
void nft_sock_close(struct nft_sock *s);
uint32_t nft_sock_portid(const struct nft_sock *s);

#define NFT_MSG_ROOM 8192 /* bytes that one message may take; a rule of ours takes 1000 */

struct nft_batch {
	struct nft_sock *sock;
	char *data;
	size_t len, cap; /* len: without the message still being written */
	uint32_t begin_seq; /* the messages have begin_seq + 1 ... begin_seq + n */
	size_t n;
	size_t open; /* offset of the message being written, 0: none (the first is the batch's begin) */
	int *status; /* after a commit: n entries, 0 or -errno each */
};
/** nft_batch_init() - an empty transaction on @s; one at a time per socket. */
void nft_batch_init(struct nft_batch *b, struct nft_sock *s);
void nft_batch_done(struct nft_batch *b);
/** nft_batch_msg() - begin a message (NFT_MSG_*); the header stays valid until the next call, NFT_MSG_ROOM bytes may be put. */
struct nlmsghdr *nft_batch_msg(struct nft_batch *b, uint16_t type, uint8_t family, uint16_t flags);
/**
 * nft_batch_commit() - all or nothing; an empty batch is success without a system call
 * Return: 0, or the first message's error (-ENOENT: table, chain, set or element absent); b->status tells which messages failed.
 */
int nft_batch_commit(struct nft_batch *b, struct err *e);

/** nft_sock_request() - a question (NFT_MSG_GET*), to be given attributes and then to nft_sock_ask(). @flags: NLM_F_DUMP or NLM_F_ACK */
struct nlmsghdr *nft_sock_request(struct nft_sock *s, uint16_t type, uint8_t family,
				  uint16_t flags);
typedef int (*nft_sock_reply_fn)(const struct nlmsghdr *nlh, void *user);
/**
 * nft_sock_ask() - send @nlh, give every reply to @fn (which may return -errno: remembered, the rest is read and dropped)
 * Return: 0, -ENOENT, -EINTR: a dump that was overtaken by a change; ask again from the start. Or @fn's error.
 */
int nft_sock_ask(struct nft_sock *s, struct nlmsghdr *nlh, nft_sock_reply_fn fn, void *user);
