/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * knl_diag - which socket holds a port, in the namespace of the calling thread.
 *
 * Asked of inet_diag (net/ipv4/inet_diag.c), for the words of a refusal only: by the time of the answer it may have changed.
 */
#pragma once
#include "base/addr.h"
#include "base/err.h"

/**
 * knl_diag_holder() - the socket that keeps others from binding @ip:@port
 * @proto: IPPROTO_TCP, _UDP or _SCTP; @ip: may be unspecified (0.0.0.0, ::), not unset
 * A listening one before others. IPv6 sockets on [::] that take IPv4 too hold the IPv4 port.
 * Return: 0 with its inode (as in /proc/<pid>/fd: "socket:[inode]"; 0: a socket of no process); -ENOENT: none found, or the kernel cannot say.
 */
int knl_diag_holder(uint8_t proto, struct ip ip, uint16_t port, uint32_t *ret_inode);
