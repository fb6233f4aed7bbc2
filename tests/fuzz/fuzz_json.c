/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes through the strict JSON reader: what is accepted prints and parses to the same text. */
#include "base/json.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define INPUT_MAX ((size_t)1 << 16)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_fields(const cJSON *j)
{
	_cleanup_strv_ struct strv s = { 0 };
	_cleanup_kv_pairs_ struct kv_pairs p = { 0 };
	const cJSON *item = NULL;
	const char *text;
	struct prefix net;
	struct err e = { 0 };
	struct mac mac;
	struct ip ip;
	uint64_t u;
	int64_t i;
	bool b;

	json_get_str(j, "s", 16, &text, &e);
	json_get_bool(j, "b", &b, &e);
	json_get_u64(j, "n", 1, 1000, &u, &e);
	json_get_i64(j, "n", &i, &e);
	json_get_ip(j, "ip", &ip, &e);
	json_get_prefix(j, "net", &net, &e);
	json_get_mac(j, "mac", &mac, &e);
	json_get_array(j, "l", 4, &item, &e);
	json_get_strv(j, "l", 4, 16, &s, &e);
	json_get_pairs(j, "o", 4, 16, &p, &e);
	json_err_in(&e, "outer");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_json_ cJSON *j = NULL, *again = NULL;
	_cleanup_free_ char *text = NULL, *twice = NULL, *pretty = NULL;
	struct err e = { 0 };

	if (json_parse((const char *)data, size, INPUT_MAX, &j, &e) < 0)
		return 0;
	text = json_print(j);
	/* Escaping grows a text; one that has grown over the limit is not read again. */
	if (json_parse(text, strlen(text), 8 * INPUT_MAX, &again, &e) < 0)
		abort();
	twice = json_print(again);
	if (strcmp(text, twice) != 0)
		abort();
	pretty = json_print_pretty(j);
	read_fields(j);
	return 0;
}
