/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sweep - deletes endpoints of nodes that are gone, together with the addresses that came with them.
 *
 * An endpoint and its addresses are put by one transaction (DESIGN.md §4), so an address key belongs to the endpoint when both have the
 * same mod_revision; anything else is somebody else's and stays.
 */
#pragma once
#include "store/kv.h"
#include "store/model.h"

typedef void (*sweep_done_fn)(void *user, int status, const struct err *e);
/** sweep_endpoint() - @ep is copied as needed; -ECANCELED when the store closes. Absent is success. */
void sweep_endpoint(struct kv *kv, const char *prefix, const struct model_endpoint *ep,
		    sweep_done_fn done, void *user);
