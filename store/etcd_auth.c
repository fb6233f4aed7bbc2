/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * User and password are exchanged for a token (about 70 ms of bcrypt in etcd). It is asked for when it is first needed, again when
 * it grows old (beside the calls, which go on with the old one), and again when etcd refuses it (calls wait).
 */
#include <stdio.h>
#include <string.h>

#include "store/etcd_internal.h"

static void token_set(struct etcd *e, char *token)
{
	free(e->token);
	free(e->token_header);
	e->token = token;
	/* Without "Bearer": etcd takes the whole value (server/auth/store.go, AuthInfoFromCtx). */
	e->token_header = token && *token ? mem_printf("Authorization: %s", token) : NULL;
}

static void on_auth(void *user, int status, const struct kv_result *res)
{
	struct etcd *e = user;
	struct etcd_call *c = e->auth;

	e->auth = NULL;
	if (status == -ECANCELED && e->closing)
		return;
	if (status == 0) {
		/* etcd_call.c leaves the token in the call's body; "" where etcd has auth switched off. */
		token_set(e, TAKE_PTR(c->body));
		e->token_gen++;
		e->token_ms = etcd_now(e);
	}
	/* An older token may still be good when its renewal fails; then nobody waits. */
	etcd_calls_token(e, status, err_text(res->err));
	etcd_watches_token(e, status, err_text(res->err));
}

static void authenticate(struct etcd *e)
{
	if (e->auth || e->closing)
		return;
	e->auth =
		etcd_call_new(e, ETCD_CALL_AUTH, etcd_json_auth(e->user, e->password), on_auth, e);
	etcd_call_start(e->auth, 0);
}

bool etcd_token_ready(struct etcd *e)
{
	if (!e->user)
		return true;
	if (!e->token || etcd_now(e) - e->token_ms > ETCD_TOKEN_AGE_MS)
		authenticate(e);
	return e->token != NULL;
}

void etcd_token_drop(struct etcd *e, unsigned gen)
{
	if (gen == e->token_gen)
		token_set(e, NULL);
}

void etcd_auth_done(struct etcd *e)
{
	token_set(e, NULL);
	free(e->user);
	if (e->password)
		explicit_bzero(e->password, strlen(e->password));
	free(e->password);
}
