/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * names - the options of `run` and `network connect` about names: what others find the container by, and what it is told.
 */
#pragma once
#include "agent/api/body.h"
#include "agent/ctl/ctl.h"

struct names_options {
	char *hostname;
	char **links, **expose, **dns, **dns_search, **dns_options, **extra_hosts;
};
/* In a table of options; --hostname stands by itself, as only `run` has a letter for it. */
#define NAMES_OPTIONS(o)                                                                         \
	{                                                                                        \
		"link",                                                                          \
		0,                                                                               \
		POPT_ARG_ARGV,                                                                   \
		&(o)->links,                                                                     \
		0,                                                                               \
		"Another container that this one alone finds as ALIAS too (repeatable)",         \
		"NAME[:ALIAS]"                                                                   \
	},                                                                                       \
		{ "expose",                                                                      \
		  0,                                                                             \
		  POPT_ARG_ARGV,                                                                 \
		  &(o)->expose,                                                                  \
		  0,                                                                             \
		  "Port that it serves, found by SRV (repeatable)",                              \
		  "PORT[-END][/PROTO]" },                                                        \
		{ "dns",                                                                         \
		  0,                                                                             \
		  POPT_ARG_ARGV,                                                                 \
		  &(o)->dns,                                                                     \
		  0,                                                                             \
		  "Server that is asked for foreign names (up to 3; default: ovld's)",           \
		  "IP[:PORT]" },                                                                 \
		{ "dns-search",	    0, POPT_ARG_ARGV,                                            \
		  &(o)->dns_search, 0, "Search domain (repeatable; . for none)",                 \
		  "DOMAIN" },                                                                    \
		{ "dns-option",	     0, POPT_ARG_ARGV,                                           \
		  &(o)->dns_options, 0, "Option of its resolv.conf (repeatable)",                \
		  "OPTION" },                                                                    \
		{ "dns-opt", 0,	  POPT_ARG_ARGV | POPT_ARGFLAG_DOC_HIDDEN, &(o)->dns_options, 0, \
		  NULL,	     NULL },                                                             \
	{                                                                                        \
		"add-host", 0, POPT_ARG_ARGV, &(o)->extra_hosts, 0,                              \
			"Further line of its /etc/hosts (repeatable)", "NAME:IP"                 \
	}
void names_options_done(struct names_options *o);
/** names_take() - into the empty @ret. Return: 0, -EINVAL with the option named. */
int names_take(const struct names_options *o, struct body_names *ret, struct err *e);
