/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * knl_direct_priv - what the files of knl_direct share.
 */
#pragma once
#include "overlay/knl_direct.h"

/** knl_direct_is_driver() - "macvlan" or "ipvlan"? */
bool knl_direct_is_driver(const char *driver);
/** knl_direct_going() - is this device of that namespace asked to go? */
bool knl_direct_going(const struct knl_direct *d, const struct state_target *t, int ifindex);
