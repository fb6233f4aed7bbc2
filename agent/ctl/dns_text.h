/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dns_text - what ovld says about names (GET /dns/query, "Dns" of GET /info), as text for people.
 *
 * Pure. Records look as dig(1) prints them; what is said about them begins with ';' as its comments do.
 */
#pragma once
#include <cjson/cJSON.h>
#include <stdbool.h>

#define DNS_TEXT_MAX (4 * 1024 * 1024) /* bytes; what is longer is cut */

/** dns_text_answer() - records, and below why; @asked_as: also as whom the question was asked. Heap. */
char *dns_text_answer(const cJSON *reply, bool asked_as);
/** dns_text_found() - is there an answer to the question, no error, no empty one? */
bool dns_text_found(const cJSON *reply);
/** dns_text_reverse() - the name that has the PTR record of an address ("2.0.0.10.in-addr.arpa", RFC 1035 §3.5, RFC 3596 §2.5). Heap; NULL: @address is none. */
char *dns_text_reverse(const char *address);
/** dns_text_info() - the lines of `ovlctl info` about names, the labels @width wide. Heap; "" where ovld says nothing of names. */
char *dns_text_info(const cJSON *dns, int width);
