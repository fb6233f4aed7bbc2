/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nft_event - notifications of nf_tables in one namespace: did somebody else change a table of ours?
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"

/** nft_event_open() - in the namespace @nsfd, or in the caller's for -1. Return: a non-blocking descriptor, or -errno. */
int nft_event_open(int nsfd, struct err *e);
/**
 * nft_event_read() - drain @fd
 * @table: in families inet and bridge; @own_portid: nft_sock_portid() of the socket whose changes are not news
 * Return: true when another changed it, or notifications were lost (ENOBUFS)
 */
bool nft_event_read(int fd, const char *table, uint32_t own_portid);
/** nft_event_read_others() - the same, for all tables of ip, ip6 and inet but those called @table. */
bool nft_event_read_others(int fd, const char *table, uint32_t own_portid);
