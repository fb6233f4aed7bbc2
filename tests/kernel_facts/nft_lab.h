/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nft_lab - namespaces, commands, sockets and hand-made frames for the tests of nf_tables.
 *
 * Namespaces are called "onf-<pid>-<name>" and vanish when the program ends. In commands "~" stands for "onf-<pid>-".
 * Whether a frame passed is told without waiting: a second one that surely passes is sent after it, and what came before that is looked at.
 */
#pragma once
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NFT_LAB_WAIT_MS 5000 /* until a frame that surely passes must have come */
#define NFT_LAB_FRAME_MAX 512

/** nft_lab_begin() - root and nft(8), ip(8) are there, or the program ends with a failure. */
void nft_lab_begin(void);
/** nft_lab_ns() - a new namespace with lo up. */
void nft_lab_ns(const char *name);
/** nft_lab_path() - its file; static buffer. */
const char *nft_lab_path(const char *name);
/** nft_lab_sh() - a shell command that must succeed; the program ends where it does not. */
void nft_lab_sh(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/** nft_lab_try() - one that may fail. Return: its exit status. */
int nft_lab_try(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/** nft_lab_enter() - go into a namespace; NULL: back into the one the program began in. */
void nft_lab_enter(const char *name);
/** nft_lab_number() - the number in a file, seen from within a namespace. */
long nft_lab_number(const char *name, const char *path);
/** nft_lab_need() - a file that the kernel must have, else the program ends with 77. */
void nft_lab_need(const char *path, const char *what);

/** nft_lab_fact() - a fact that must hold, or the program says that it does not and ends with 1. */
void nft_lab_fact(bool holds, const char *fact);

/** nft_lab_udp() - bound to addr:port ("" any, 0 any); v4 or v6 by its text. */
int nft_lab_udp(const char *name, const char *addr, uint16_t port);
/** nft_lab_send() - a text from @fd to addr:port. Return: 0 or -errno. */
int nft_lab_send(int fd, const char *addr, uint16_t port, const char *text);
/** nft_lab_got() - read until @last comes; did @text come before? The program ends when @last does not come. */
bool nft_lab_got(int fd, const char *text, const char *last);
/** nft_lab_comes() - does @text come within @ms? For what has no second one to wait for. */
bool nft_lab_comes(int fd, const char *text, unsigned ms);

/** nft_lab_raw() - AF_PACKET socket on an interface, all protocols. */
int nft_lab_raw(const char *name, const char *ifname);

struct frame {
	uint8_t b[NFT_LAB_FRAME_MAX];
	size_t n;
};
/* Builders append; the first begins the frame. MACs as text, addresses as text. */
void frame_eth(struct frame *f, const char *dst, const char *src, uint16_t type);
void frame_ip4(struct frame *f, const char *src, const char *dst, uint8_t proto);
void frame_ip6(struct frame *f, const char *src, const char *dst, uint8_t next, uint8_t hops);
void frame_udp(struct frame *f, uint16_t sport, uint16_t dport);
void frame_arp(struct frame *f, uint16_t op, const char *smac, const char *sip, const char *tip);
void frame_bytes(struct frame *f, const void *data, size_t n);
void frame_text(struct frame *f, const char *text);
/** frame_done() - lengths and checksums of the IP packet that begins at @at, and of UDP, ICMP or ICMPv6 within. */
void frame_done(struct frame *f, size_t at);
void frame_send(int fd, const struct frame *f);
