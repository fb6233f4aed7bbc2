/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A record as etcd may hold it: the first line is the key, the rest the value. What decodes must encode to a text that
 * decodes again and encodes to itself; what does not must say so under the key's name.
 */
#include "store/model.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define PREFIX "/ovl/v1"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Decodes and encodes once; NULL where the value is refused. */
static char *once(enum model_kind kind, const char *key, const char *value, size_t len)
{
	struct err e = { 0 };
	char *text = NULL;

#define ROUND(type, decode)                              \
	do {                                             \
		struct model_##type *r = NULL;           \
		if (decode == 0) {                       \
			text = model_##type##_encode(r); \
			model_##type##_free(r);          \
		}                                        \
	} while (0)

	switch (kind) {
	case MODEL_CLUSTER:
		ROUND(cluster, model_cluster_decode(key, value, len, &r, &e));
		break;
	case MODEL_NODE:
		ROUND(node, model_node_decode(PREFIX, key, value, len, &r, &e));
		break;
	case MODEL_ALIVE:
		ROUND(alive, model_alive_decode(PREFIX, key, value, len, &r, &e));
		break;
	case MODEL_NETWORK:
		ROUND(network, model_network_decode(PREFIX, key, value, len, &r, &e));
		break;
	case MODEL_ENDPOINT:
		ROUND(endpoint, model_endpoint_decode(PREFIX, key, value, len, &r, &e));
		break;
	case MODEL_ADDRESS:
		ROUND(address, model_address_decode(PREFIX, key, value, len, &r, &e));
		break;
	case MODEL_POOL:
		ROUND(pool, model_pool_decode(PREFIX, key, value, len, &r, &e));
		break;
	case MODEL_BINDING:
		ROUND(binding, model_binding_decode(PREFIX, key, value, len, &r, &e));
		break;
	case MODEL_UNKNOWN:
		return NULL;
	}
	if (!text && (e.code == 0 || strncmp(e.text, key, strlen(key)) != 0))
		abort();
	return text;
}

/* The same value as this node's own memory might hold it. */
static void local_round(struct id id, const char *value, size_t len)
{
	_cleanup_model_network_ struct model_network *n = NULL, *again = NULL;
	_cleanup_free_ char *text = NULL, *twice = NULL;

	if (model_network_decode_local(id, value, len, &n, NULL) < 0)
		return;
	text = model_network_encode(n);
	if (strlen(text) > MODEL_RECORD_MAX)
		return;
	if (model_network_decode_local(id, text, strlen(text), &again, NULL) < 0)
		abort();
	twice = model_network_encode(again);
	if (strcmp(text, twice) != 0)
		abort();
}

static void dup_is_same(enum model_kind kind, const char *key, const char *value)
{
	_cleanup_model_network_ struct model_network *n = NULL, *n2 = NULL;
	_cleanup_model_endpoint_ struct model_endpoint *ep = NULL, *ep2 = NULL;
	_cleanup_free_ char *text = NULL;

	if (kind == MODEL_NETWORK &&
	    model_network_decode(PREFIX, key, value, strlen(value), &n, NULL) == 0) {
		n2 = model_network_dup(n);
		text = model_network_encode(n2);
	} else if (kind == MODEL_ENDPOINT &&
		   model_endpoint_decode(PREFIX, key, value, strlen(value), &ep, NULL) == 0) {
		ep2 = model_endpoint_dup(ep);
		text = model_endpoint_encode(ep2);
	}
	if (text && strcmp(text, value) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *nl = memchr(data, '\n', size);
	_cleanup_free_ char *key = NULL, *text = NULL, *twice = NULL, *value = NULL;
	struct err e = { 0 };
	struct model_key k;
	size_t len;

	if (!nl || nl - data > 512)
		return 0;
	key = mem_strndup((const char *)data, (size_t)(nl - data));
	if (model_key_parse(PREFIX, key, &k, &e) < 0)
		return 0;
	/* Exactly as long as it is, so that ASan sees a read behind it. */
	len = size - (size_t)(nl + 1 - data);
	value = malloc(len ? len : 1);
	if (!value)
		return 0;
	if (len)
		memcpy(value, nl + 1, len);
	if (k.kind == MODEL_NETWORK)
		local_round(k.id, value, len);
	text = once(k.kind, key, value, len);
	/* Numbers may grow when written out (1e9); past the limit it is not read again. */
	if (!text || strlen(text) > MODEL_RECORD_MAX)
		return 0;
	twice = once(k.kind, key, text, strlen(text));
	if (!twice || strcmp(text, twice) != 0)
		abort();
	dup_is_same(k.kind, key, text);
	return 0;
}
