/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * observe - does a kernel event say anything that the observed state does not hold already?
 *
 * Pure. Echoes of our own writes are recognised because apply_diff() has put them into the observed state before they arrive; anything else
 * means that somebody changed an object of ours, and the network is to be dumped again.
 */
#pragma once
#include "overlay/kernel.h"

/** observe_event() - Return: true when @net (observed, NULL if unknown) does not agree with @ev. Only LINK, FDB, NEIGH, GATEWAY. */
bool observe_event(const struct state_net *net, const struct kernel_event *ev);
