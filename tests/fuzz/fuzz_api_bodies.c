/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes as each kind of body: what is accepted is written so that it is read back as the same. And as filters. */
#include "agent/api/body.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/api/filter.h"
#include "base/json.h"

#define INPUT_MAX ((size_t)1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void same(cJSON *first, cJSON *second)
{
	_cleanup_free_ char *a = json_print(first), *b = json_print(second);

	if (strcmp(a, b) != 0)
		abort();
	cJSON_Delete(first);
	cJSON_Delete(second);
}

/* Decode; where that works: encode, decode, encode, and compare. */
#define ROUND(kind)                                           \
	static void round_##kind(const cJSON *j)              \
	{                                                     \
		struct body_##kind one, two;                  \
		struct err e = { 0 };                         \
		cJSON *out;                                   \
                                                              \
		if (body_##kind##_decode(j, &one, &e) < 0) {  \
			if (e.code >= 0 || e.text[0] == '\0') \
				abort();                      \
			return;                               \
		}                                             \
		out = body_##kind##_encode(&one);             \
		if (body_##kind##_decode(out, &two, &e) < 0)  \
			abort();                              \
		same(out, body_##kind##_encode(&two));        \
		body_##kind##_done(&one);                     \
		body_##kind##_done(&two);                     \
	}

ROUND(network)
ROUND(connect)
ROUND(disconnect)
ROUND(log_level)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const known[] = { "name", "label", "id", "type", NULL };
	_cleanup_json_ cJSON *j = NULL;
	_cleanup_free_ char *text = mem_strndup((const char *)data, size);
	_cleanup_kv_pairs_ struct kv_pairs labels = { 0 };
	struct filter f;
	struct err e = { 0 };

	if (filter_parse(text, known, &f, &e) == 0) {
		kv_pairs_set(&labels, "a", "b");
		(void)filter_labels(&f, &labels);
		(void)filter_part(&f, "name", "demo");
		filter_done(&f);
	}
	if (json_parse_object((const char *)data, size, INPUT_MAX, &j, &e) < 0)
		return 0;
	round_network(j);
	round_connect(j);
	round_disconnect(j);
	round_log_level(j);
	return 0;
}
