/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "store/model.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"

/* What follows the kind's word in a key. */
enum key_form { FORM_NONE, FORM_ID, FORM_NETWORK_ID, FORM_NETWORK_IP };

static const struct {
	const char *word;
	enum key_form form;
} kinds[] = {
	[MODEL_CLUSTER] = { "cluster", FORM_NONE },
	[MODEL_NODE] = { "node", FORM_ID },
	[MODEL_ALIVE] = { "alive", FORM_ID },
	[MODEL_NETWORK] = { "network", FORM_ID },
	[MODEL_ENDPOINT] = { "endpoint", FORM_NETWORK_ID },
	[MODEL_ADDRESS] = { "address", FORM_NETWORK_IP },
	[MODEL_POOL] = { "pool", FORM_ID },
	[MODEL_BINDING] = { "binding", FORM_NETWORK_ID },
};

int model_name_check(const char *what, const char *name, struct err *e)
{
	size_t len = strlen(name);

	if (len == 0)
		return err_set(e, -EINVAL, "%s: empty", what);
	if (len > MODEL_NAME_MAX)
		return err_set(e, -EINVAL, "%s: longer than %d characters", what, MODEL_NAME_MAX);
	for (size_t i = 0; i < len; i++) {
		char c = name[i];
		bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			    (c >= '0' && c <= '9');

		if (!word && (i == 0 || !strchr("_.-", c)))
			return err_set(
				e, -EINVAL,
				"%s: \"%s\" is not letters, digits, '_', '.' and '-' with a letter or digit first",
				what, name);
	}
	return 0;
}

char *model_key_cluster(const char *prefix)
{
	return mem_printf("%s/%s", prefix, kinds[MODEL_CLUSTER].word);
}

static char *key_id(const char *prefix, enum model_kind kind, struct id id)
{
	char text[ID_TEXT_MAX];

	return mem_printf("%s/%s/%s", prefix, kinds[kind].word, id_format(id, text));
}

char *model_key_node(const char *prefix, struct id node)
{
	return key_id(prefix, MODEL_NODE, node);
}

char *model_key_alive(const char *prefix, struct id node)
{
	return key_id(prefix, MODEL_ALIVE, node);
}

char *model_key_network(const char *prefix, struct id network)
{
	return key_id(prefix, MODEL_NETWORK, network);
}

char *model_key_endpoint(const char *prefix, struct id network, struct id endpoint)
{
	char net[ID_TEXT_MAX], ep[ID_TEXT_MAX];

	return mem_printf("%s/%s/%s/%s", prefix, kinds[MODEL_ENDPOINT].word,
			  id_format(network, net), id_format(endpoint, ep));
}

char *model_key_address(const char *prefix, struct id network, struct ip ip)
{
	char net[ID_TEXT_MAX], addr[IP_TEXT_MAX];

	return mem_printf("%s/%s/%s/%s", prefix, kinds[MODEL_ADDRESS].word, id_format(network, net),
			  ip_format(ip, addr));
}

char *model_key_pool(const char *prefix, struct id pool)
{
	return key_id(prefix, MODEL_POOL, pool);
}

char *model_key_binding(const char *prefix, struct id network, struct id node)
{
	char net[ID_TEXT_MAX], text[ID_TEXT_MAX];

	return mem_printf("%s/%s/%s/%s", prefix, kinds[MODEL_BINDING].word, id_format(network, net),
			  id_format(node, text));
}

char *model_key_dir(const char *prefix, enum model_kind kind, const struct id *network)
{
	char net[ID_TEXT_MAX];

	if (kind == MODEL_UNKNOWN)
		return mem_printf("%s/", prefix);
	if (kind == MODEL_CLUSTER)
		return model_key_cluster(prefix);
	if (!network)
		return mem_printf("%s/%s/", prefix, kinds[kind].word);
	return mem_printf("%s/%s/%s/", prefix, kinds[kind].word, id_format(*network, net));
}

void model_mirror_range(const char *prefix, char **ret_key, char **ret_range_end)
{
	/* In the order of bytes: address < [alive binding cluster endpoint network node] < o < pool. */
	*ret_key = mem_printf("%s/alive", prefix);
	*ret_range_end = mem_printf("%s/o", prefix);
}

/* "<64 hex>", or "<64 hex>/..." with @ret_rest behind the slash. */
static int take_id(const char *text, struct id *ret, const char **ret_rest)
{
	size_t len = strcspn(text, "/");

	if (id_parse_n(text, len, ret) < 0 || (text[len] == '/') != (ret_rest != NULL))
		return -EINVAL;
	if (ret_rest)
		*ret_rest = text + len + 1;
	return 0;
}

static int take_ip(const char *text, struct ip *ret)
{
	char again[IP_TEXT_MAX];

	/* One text per address: another spelling would be a second key for it, and so a second owner. */
	if (ip_parse(text, ret, NULL) < 0 || strcmp(ip_format(*ret, again), text) != 0)
		return -EINVAL;
	return 0;
}

static int parse_rest(enum key_form form, const char *rest, struct model_key *k)
{
	switch (form) {
	case FORM_NONE:
		return -EINVAL; /* "cluster/..." */
	case FORM_ID:
		return take_id(rest, &k->id, NULL);
	case FORM_NETWORK_ID:
		if (take_id(rest, &k->network, &rest) < 0)
			return -EINVAL;
		return take_id(rest, &k->id, NULL);
	case FORM_NETWORK_IP:
		if (take_id(rest, &k->network, &rest) < 0)
			return -EINVAL;
		return take_ip(rest, &k->ip);
	}
	return -EINVAL;
}

int model_key_parse(const char *prefix, const char *key, struct model_key *ret, struct err *e)
{
	size_t plen = strlen(prefix), len;
	struct model_key k = { .kind = MODEL_UNKNOWN };
	const char *word;

	if (strncmp(key, prefix, plen) != 0 || key[plen] != '/')
		return err_set(e, -EINVAL, "%s: not under %s/", key, prefix);
	word = key + plen + 1;
	len = strcspn(word, "/");
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (strlen(kinds[i].word) == len && strncmp(kinds[i].word, word, len) == 0)
			k.kind = (enum model_kind)i;
	}
	if (k.kind == MODEL_UNKNOWN || (k.kind == MODEL_CLUSTER && word[len] == '\0')) {
		*ret = k;
		return 0;
	}
	if (word[len] == '\0' || parse_rest(kinds[k.kind].form, word + len + 1, &k) < 0)
		return err_set(e, -EINVAL, "%s: not a key of the form %s%s", key,
			       kinds[k.kind].word,
			       kinds[k.kind].form == FORM_NONE	     ? "" :
			       kinds[k.kind].form == FORM_ID	     ? "/<id>" :
			       kinds[k.kind].form == FORM_NETWORK_ID ? "/<network-id>/<id>" :
								       "/<network-id>/<address>");
	*ret = k;
	return 0;
}
