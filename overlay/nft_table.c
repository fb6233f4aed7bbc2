/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "overlay/nft_table.h"
#include <errno.h>
#include <inttypes.h>
#include <libnftnl/chain.h>
#include <libnftnl/object.h>
#include <libnftnl/rule.h>
#include <libnftnl/set.h>
#include <libnftnl/table.h>
#include <libnftnl/udata.h>
#include <string.h>
#include "base/mem.h"
#include "base/strv.h"

#define NFT_TABLE_TRIES 5 /* dumps overtaken by somebody's changes */

static void *checked(void *p)
{
	if (!p)
		abort();
	return p;
}

static void put_table(struct nft_batch *b, uint16_t type, uint16_t flags, uint8_t family,
		      const char *name)
{
	mnl_attr_put_strz(nft_batch_msg(b, type, family, flags), NFTA_TABLE_NAME, name);
}

static const char *chain_type(const struct nft_chain_def *c)
{
	return c->nat ? "nat" : "filter";
}

static uint32_t set_flags(const struct nft_set_def *s)
{
	return s->data_len ? NFT_SET_MAP : 0;
}

static void put_chain(struct nft_batch *b, const struct nft_table_def *t,
		      const struct nft_chain_def *def, const struct nft_params *p)
{
	struct nftnl_chain *c = checked(nftnl_chain_alloc());

	nftnl_chain_set_str(c, NFTNL_CHAIN_TABLE, p->table);
	nftnl_chain_set_str(c, NFTNL_CHAIN_NAME, def->name);
	if (def->base) {
		nftnl_chain_set_u32(c, NFTNL_CHAIN_HOOKNUM, def->hook);
		nftnl_chain_set_s32(c, NFTNL_CHAIN_PRIO, def->prio);
		nftnl_chain_set_u32(c, NFTNL_CHAIN_POLICY, def->policy);
		nftnl_chain_set_str(c, NFTNL_CHAIN_TYPE, chain_type(def));
	}
	nftnl_chain_nlmsg_build_payload(nft_batch_msg(b, NFT_MSG_NEWCHAIN, t->family, NLM_F_CREATE),
					c);
	nftnl_chain_free(c);
}

/* What nft(8) needs to print names as text; the kernel keeps it and does not look (enum byteorder in nftables' datatype.h). */
static void put_byteorder(struct nftnl_set *s)
{
	const uint32_t host_endian = 1;
	struct nftnl_udata_buf *b = checked(nftnl_udata_buf_alloc(NFT_USERDATA_MAXLEN));

	nftnl_udata_put_u32(b, NFTNL_UDATA_SET_KEYBYTEORDER, host_endian);
	nftnl_set_set_data(s, NFTNL_SET_USERDATA, nftnl_udata_buf_data(b), nftnl_udata_buf_len(b));
	nftnl_udata_buf_free(b);
}

static void put_set(struct nft_batch *b, const struct nft_table_def *t,
		    const struct nft_set_def *def, const struct nft_params *p, uint32_t id)
{
	struct nftnl_set *s = checked(nftnl_set_alloc());

	nftnl_set_set_str(s, NFTNL_SET_TABLE, p->table);
	nftnl_set_set_str(s, NFTNL_SET_NAME, def->name);
	nftnl_set_set_u32(s, NFTNL_SET_ID, id);
	nftnl_set_set_u32(s, NFTNL_SET_FLAGS, set_flags(def));
	nftnl_set_set_u32(s, NFTNL_SET_KEY_TYPE, def->key_type);
	nftnl_set_set_u32(s, NFTNL_SET_KEY_LEN, def->key_len);
	if (def->key_len == IFNAMSIZ && def->key_type == NFT_TYPE_IFNAME)
		put_byteorder(s);
	if (def->data_len) {
		nftnl_set_set_u32(s, NFTNL_SET_DATA_TYPE, def->data_type);
		nftnl_set_set_u32(s, NFTNL_SET_DATA_LEN, def->data_len);
	}
	nftnl_set_nlmsg_build_payload(nft_batch_msg(b, NFT_MSG_NEWSET, t->family, NLM_F_CREATE), s);
	nftnl_set_free(s);
}

static void put_counter(struct nft_batch *b, const struct nft_table_def *t,
			const struct nft_params *p, uint64_t count)
{
	struct nftnl_obj *o = checked(nftnl_obj_alloc());

	nftnl_obj_set_u32(o, NFTNL_OBJ_TYPE, NFT_OBJECT_COUNTER);
	nftnl_obj_set_str(o, NFTNL_OBJ_TABLE, p->table);
	nftnl_obj_set_str(o, NFTNL_OBJ_NAME, t->counter);
	nftnl_obj_set_u64(o, NFTNL_OBJ_CTR_PKTS, count);
	nftnl_obj_set_u64(o, NFTNL_OBJ_CTR_BYTES, 0);
	nftnl_obj_nlmsg_build_payload(nft_batch_msg(b, NFT_MSG_NEWOBJ, t->family, NLM_F_CREATE), o);
	nftnl_obj_free(o);
}

void nft_table_put(struct nft_batch *b, const struct nft_table_def *t, const struct nft_params *p,
		   uint64_t count)
{
	/* The first add makes the delete succeed where no table is. */
	put_table(b, NFT_MSG_NEWTABLE, NLM_F_CREATE, t->family, p->table);
	put_table(b, NFT_MSG_DELTABLE, 0, t->family, p->table);
	put_table(b, NFT_MSG_NEWTABLE, NLM_F_CREATE, t->family, p->table);
	for (size_t i = 0; i < t->n_sets; i++)
		put_set(b, t, &t->sets[i], p, (uint32_t)i + 1);
	if (t->counter)
		put_counter(b, t, p, count);
	for (size_t i = 0; i < t->n_chains; i++)
		put_chain(b, t, &t->chains[i], p);
	for (size_t i = 0; i < t->n_rules; i++) {
		struct nftnl_rule *r =
			nft_rule_new(t->family, t->rules[i].chain, t->rules[i].ops, p);

		nftnl_rule_nlmsg_build_payload(nft_batch_msg(b, NFT_MSG_NEWRULE, t->family,
							     NLM_F_CREATE | NLM_F_APPEND),
					       r);
		nftnl_rule_free(r);
	}
}

/* A table as lines of text, one for each thing in it. */
struct lines {
	struct strv v;
	const char *table;
	char chain[128]; /* of the last rule, to number the rules of each chain */
	unsigned rule;
};

static void add_line(struct lines *l, char *text)
{
	if (l->v.n < NFT_TABLE_LINES_MAX)
		strv_add(&l->v, text);
	free(text);
}

static void add_chain(struct lines *l, const char *name, bool base, uint32_t hook, int32_t prio,
		      const char *type, uint32_t policy)
{
	if (base)
		add_line(l,
			 mem_printf("chain %s, %s at hook %" PRIu32 ", priority %" PRId32
				    ", policy %s",
				    name, type, hook, prio, policy == NF_DROP ? "drop" : "accept"));
	else
		add_line(l, mem_printf("chain %s", name));
}

static void add_set(struct lines *l, uint32_t flags, const struct nft_set_def *s)
{
	add_line(l, mem_printf("set %s, flags %" PRIu32 ", key %" PRIx32 " of %" PRIu32
			       " bytes, data %" PRIx32 " of %" PRIu32 " bytes",
			       s->name, flags, s->key_type, s->key_len, s->data_type, s->data_len));
}

static void add_rule(struct lines *l, const char *chain, const struct nftnl_rule *r)
{
	_cleanup_free_ char *text = nft_rule_text(r);

	if (strcmp(l->chain, chain) != 0) {
		snprintf(l->chain, sizeof(l->chain), "%s", chain);
		l->rule = 0;
	}
	l->rule++;
	add_line(l, mem_printf("rule %s %03u %s", chain, l->rule, text));
}

static void expect(struct lines *l, const struct nft_table_def *t, const struct nft_params *p)
{
	add_line(l, mem_printf("table flags 0"));
	for (size_t i = 0; i < t->n_chains; i++) {
		const struct nft_chain_def *c = &t->chains[i];
		add_chain(l, c->name, c->base, c->hook, c->prio, chain_type(c), c->policy);
	}
	for (size_t i = 0; i < t->n_sets; i++)
		add_set(l, set_flags(&t->sets[i]), &t->sets[i]);
	if (t->counter)
		add_line(l, mem_printf("object %s of type %d", t->counter, NFT_OBJECT_COUNTER));
	for (size_t i = 0; i < t->n_rules; i++) {
		struct nftnl_rule *r =
			nft_rule_new(t->family, t->rules[i].chain, t->rules[i].ops, p);
		add_rule(l, t->rules[i].chain, r);
		nftnl_rule_free(r);
	}
}

static int on_table(const struct nlmsghdr *nlh, void *user)
{
	struct lines *l = user;
	struct nftnl_table *t = checked(nftnl_table_alloc());

	if (nftnl_table_nlmsg_parse(nlh, t) >= 0)
		add_line(l, mem_printf("table flags %" PRIu32,
				       nftnl_table_get_u32(t, NFTNL_TABLE_FLAGS)));
	nftnl_table_free(t);
	return 0;
}

static int on_chain(const struct nlmsghdr *nlh, void *user)
{
	struct lines *l = user;
	struct nftnl_chain *c = checked(nftnl_chain_alloc());

	if (nftnl_chain_nlmsg_parse(nlh, c) < 0)
		add_line(l, mem_printf("chain that cannot be read"));
	else if (strcmp(nftnl_chain_get_str(c, NFTNL_CHAIN_TABLE), l->table) == 0)
		add_chain(l, nftnl_chain_get_str(c, NFTNL_CHAIN_NAME),
			  nftnl_chain_is_set(c, NFTNL_CHAIN_HOOKNUM),
			  nftnl_chain_get_u32(c, NFTNL_CHAIN_HOOKNUM),
			  nftnl_chain_get_s32(c, NFTNL_CHAIN_PRIO),
			  nftnl_chain_get_str(c, NFTNL_CHAIN_TYPE),
			  nftnl_chain_get_u32(c, NFTNL_CHAIN_POLICY));
	nftnl_chain_free(c);
	return 0;
}

static int on_set(const struct nlmsghdr *nlh, void *user)
{
	struct lines *l = user;
	struct nftnl_set *s = checked(nftnl_set_alloc());

	if (nftnl_set_nlmsg_parse(nlh, s) < 0)
		add_line(l, mem_printf("set that cannot be read"));
	else if (strcmp(nftnl_set_get_str(s, NFTNL_SET_TABLE), l->table) == 0)
		add_set(l, nftnl_set_get_u32(s, NFTNL_SET_FLAGS),
			&(struct nft_set_def){ nftnl_set_get_str(s, NFTNL_SET_NAME),
					       nftnl_set_get_u32(s, NFTNL_SET_KEY_TYPE),
					       nftnl_set_get_u32(s, NFTNL_SET_KEY_LEN),
					       nftnl_set_get_u32(s, NFTNL_SET_DATA_TYPE),
					       nftnl_set_get_u32(s, NFTNL_SET_DATA_LEN) });
	nftnl_set_free(s);
	return 0;
}

static int on_obj(const struct nlmsghdr *nlh, void *user)
{
	struct lines *l = user;
	struct nftnl_obj *o = checked(nftnl_obj_alloc());

	if (nftnl_obj_nlmsg_parse(nlh, o) < 0)
		add_line(l, mem_printf("object that cannot be read"));
	else if (strcmp(nftnl_obj_get_str(o, NFTNL_OBJ_TABLE), l->table) == 0)
		add_line(l, mem_printf("object %s of type %" PRIu32,
				       nftnl_obj_get_str(o, NFTNL_OBJ_NAME),
				       nftnl_obj_get_u32(o, NFTNL_OBJ_TYPE)));
	nftnl_obj_free(o);
	return 0;
}

static int on_rule(const struct nlmsghdr *nlh, void *user)
{
	struct lines *l = user;
	struct nftnl_rule *r = checked(nftnl_rule_alloc());

	if (nftnl_rule_nlmsg_parse(nlh, r) < 0)
		add_line(l, mem_printf("rule that cannot be read"));
	else if (strcmp(nftnl_rule_get_str(r, NFTNL_RULE_TABLE), l->table) == 0)
		add_rule(l, nftnl_rule_get_str(r, NFTNL_RULE_CHAIN), r);
	nftnl_rule_free(r);
	return 0;
}

/* What to ask for, in order; the table's name is attribute 1 of each. Only chains cannot be asked for by table. */
static const struct {
	uint16_t type, flags;
	nft_sock_reply_fn fn;
} questions[] = {
	{ NFT_MSG_GETTABLE, NLM_F_ACK, on_table }, { NFT_MSG_GETCHAIN, NLM_F_DUMP, on_chain },
	{ NFT_MSG_GETSET, NLM_F_DUMP, on_set },	   { NFT_MSG_GETOBJ, NLM_F_DUMP, on_obj },
	{ NFT_MSG_GETRULE, NLM_F_DUMP, on_rule },
};
_Static_assert(NFTA_TABLE_NAME == 1 && NFTA_CHAIN_TABLE == 1 && NFTA_SET_TABLE == 1 &&
		       NFTA_OBJ_TABLE == 1 && NFTA_RULE_TABLE == 1,
	       "a table's name is attribute 1");

static int observe(struct nft_sock *s, const struct nft_table_def *t, struct lines *l)
{
	int r = -EINTR;

	for (unsigned try = 0; r == -EINTR && try < NFT_TABLE_TRIES; try++) {
		strv_done(&l->v);
		l->chain[0] = '\0';
		r = 0;
		for (size_t i = 0; i < ARRAY_SIZE(questions) && !r; i++) {
			struct nlmsghdr *nlh = nft_sock_request(s, questions[i].type, t->family,
								questions[i].flags);
			mnl_attr_put_strz(nlh, NFTA_TABLE_NAME, l->table);
			r = nft_sock_ask(s, nlh, questions[i].fn, l);
		}
	}
	return r;
}

static int cmp_lines(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int compare(struct lines *want, struct lines *have, struct err *e)
{
	size_t n = want->v.n < have->v.n ? want->v.n : have->v.n;
	size_t i = 0;

	qsort(want->v.v, want->v.n, sizeof(char *), cmp_lines);
	qsort(have->v.v, have->v.n, sizeof(char *), cmp_lines);
	while (i < n && strcmp(want->v.v[i], have->v.v[i]) == 0)
		i++;
	if (i == want->v.n && i == have->v.n)
		return 0;
	if (i == have->v.n)
		return err_set(e, -ESTALE, "missing: %s", want->v.v[i]);
	if (i == want->v.n)
		return err_set(e, -ESTALE, "not ours: %s", have->v.v[i]);
	return err_set(e, -ESTALE, "%s; should be: %s", have->v.v[i], want->v.v[i]);
}

static const char *family_name(const struct nft_table_def *t)
{
	return t->family == NFPROTO_BRIDGE ? "bridge" : "inet";
}

int nft_table_check(struct nft_sock *s, const struct nft_table_def *t, const struct nft_params *p,
		    struct err *e)
{
	struct lines want = { .table = p->table }, have = { .table = p->table };
	int r = observe(s, t, &have);

	if (r == -ENOENT) {
		r = err_set(e, -ESTALE, "absent");
	} else if (r) {
		err_set(e, r, "%s", strerror(-r));
	} else {
		expect(&want, t, p);
		r = compare(&want, &have, e);
	}
	strv_done(&want.v);
	strv_done(&have.v);
	if (r)
		err_prefix(e, "nf_tables: table %s %s (%s)", family_name(t), p->table, t->where);
	return r;
}

static int on_count(const struct nlmsghdr *nlh, void *user)
{
	struct nftnl_obj *o = checked(nftnl_obj_alloc());

	if (nftnl_obj_nlmsg_parse(nlh, o) >= 0)
		*(uint64_t *)user = nftnl_obj_get_u64(o, NFTNL_OBJ_CTR_PKTS);
	nftnl_obj_free(o);
	return 0;
}

int nft_table_count(struct nft_sock *s, const struct nft_table_def *t, const struct nft_params *p,
		    uint64_t *ret)
{
	struct nlmsghdr *nlh = nft_sock_request(s, NFT_MSG_GETOBJ, t->family, NLM_F_ACK);
	uint64_t n = 0;

	mnl_attr_put_strz(nlh, NFTA_OBJ_TABLE, p->table);
	mnl_attr_put_strz(nlh, NFTA_OBJ_NAME, t->counter);
	mnl_attr_put_u32(nlh, NFTA_OBJ_TYPE, htonl(NFT_OBJECT_COUNTER));
	int r = nft_sock_ask(s, nlh, on_count, &n);
	if (!r)
		*ret = n;
	return r;
}

int nft_table_delete(struct nft_sock *s, const struct nft_table_def *t, const struct nft_params *p,
		     struct err *e)
{
	struct err why = { 0 };
	struct nft_batch b;

	nft_batch_init(&b, s);
	put_table(&b, NFT_MSG_DELTABLE, 0, t->family, p->table);
	int r = nft_batch_commit(&b, &why);
	nft_batch_done(&b);
	if (r && r != -ENOENT)
		return err_set(e, r, "delete table %s %s (%s): %s", family_name(t), p->table,
			       t->where, err_text(&why));
	return 0;
}
