/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * knl_decode - rtnetlink notifications of one namespace into kernel.h's events.
 *
 * Without sockets of its own: messages in, events out. It keeps the table of our links (number -> name, key), from the
 * messages themselves. What is not ours (knl_link.h says what is) is passed over.
 */
#pragma once
#include "overlay/kernel.h"
#include "overlay/knl_dump.h"
#include "overlay/knl_link.h"

struct knl_decode;
struct knl_decode *knl_decode_new(enum knl_where where, struct knl_hidden hidden,
				  kernel_event_fn fn, void *user);
void knl_decode_free(struct knl_decode *d);
/** knl_decode_links() - the table anew from a dump: at the beginning and after a loss. No events. Return: 0 or -errno. */
int knl_decode_links(struct knl_decode *d, struct knl_sock *s);
/**
 * knl_decode_message() - one notification; @fn is called for what it says, at most twice
 * Return: whether a link of ours is concerned.
 */
bool knl_decode_message(struct knl_decode *d, const struct nlmsghdr *h);
/** knl_decode_has() - is the link of that number one of ours? */
bool knl_decode_has(const struct knl_decode *d, int ifindex);
