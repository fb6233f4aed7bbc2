/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * apply_priv - what the files of apply share: apply.c (ports and entries), apply_device.c (bridges, VXLAN devices, uplinks, gateways).
 */
#pragma once
#include "overlay/apply.h"

struct apply {
	struct kernel *k;
	const struct state_net *want; /* NULL: the network goes */
	struct state_net *have;
	const struct apply_hooks *h;
	void *user;
	struct apply_result res;
	char (*bad_ports)[IFNAMSIZ]; /* could not be made: their entries are left out */
	size_t n_bad;
	int status; /* first failure */
};

/** apply_note() - count one operation, and tell of its failure. Return: @r. */
int apply_note(struct apply *a, const struct diff_op *op, int r, const struct err *e);
void apply_delete_link(struct apply *a, const char *name);
/** apply_lose_fdb() - entries that went with a device: on the bridge those via @port, and with @self the device's own. */
void apply_lose_fdb(struct state_net *h, const char *port, bool self);
/** apply_net() - what tells the kernel which network it is: as it shall be, or was. */
static inline const struct state_net *apply_net(const struct apply *a)
{
	return a->want ? a->want : a->have;
}
/** apply_device() - one operation on a device or a gateway. Return: < 0 when the rest of this network cannot go on. */
int apply_device(struct apply *a, const struct diff_op *op);
