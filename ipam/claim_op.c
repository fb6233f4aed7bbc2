/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ipam/claim_op.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "base/mem.h"

static void op_closed(uv_handle_t *h)
{
	struct claim_op *op = h->data;
	struct claim *c = op->claim;

	claim_who_free(op->naming);
	op->type->free(op);
	claim_unref(c);
}

/* Out of the list first: the user's callback may close the claim or start further operations. */
static void finish(struct claim_op *op)
{
	DL_DELETE(op->claim->ops, op);
	uv_timer_stop(&op->timer);
	op->type->done(op);
	uv_close((uv_handle_t *)&op->timer, op_closed);
}

static void on_timer(uv_timer_t *t)
{
	struct claim_op *op = t->data;

	if (op->ended) {
		finish(op);
	} else if (op->call) {
		op->cut = true;
		kv_cancel(op->claim->kv, op->call);
	} else if (op->claim->closed) {
		claim_op_fail(op, -ECANCELED, "cancelled: the agent is stopping");
	} else {
		op->step(op);
	}
}

void claim_op_start(struct claim_op *op, struct claim *c, const struct claim_op_type *type,
		    claim_step_fn first)
{
	op->type = type;
	op->claim = c;
	op->started_ms = uv_now(c->loop);
	op->step = first;
	backoff_init(&op->backoff, CLAIM_BACKOFF_MIN_MS, CLAIM_BACKOFF_MAX_MS,
		     backoff_rand(&c->seed));
	uv_timer_init(c->loop, &op->timer);
	op->timer.data = op;
	DL_APPEND(c->ops, op);
	c->refs++;
	op->starting = true;
	if (c->closed)
		claim_op_fail(op, -ECANCELED, "cancelled: the agent is stopping");
	else
		first(op);
	op->starting = false;
}

static void on_answer(void *user, int status, const struct kv_result *res)
{
	struct claim_op *op = user;

	op->call = NULL;
	uv_timer_stop(&op->timer);
	if (op->claim->closed) {
		claim_op_fail(op, -ECANCELED, "cancelled: the agent is stopping");
		return;
	}
	if (op->cut && status == -ECANCELED)
		status = -ETIMEDOUT;
	op->cut = false;
	op->answer(op, status, res);
}

static bool changes_something(const struct kv_txn *txn)
{
	for (size_t i = 0; i < txn->n_then; i++) {
		if (txn->then_ops[i].type != KV_OP_GET)
			return true;
	}
	return false;
}

static uint64_t time_left_ms(const struct claim_op *op)
{
	uint64_t now = uv_now(op->claim->loop);

	return now < op->settle_until_ms ? op->settle_until_ms - now : 0;
}

void claim_op_txn(struct claim_op *op, const struct kv_txn *txn, claim_answer_fn answer)
{
	op->answer = answer;
	op->writes = changes_something(txn);
	op->call = kv_txn(op->claim->kv, txn, on_answer, op);
	if (op->unsure)
		uv_timer_start(&op->timer, on_timer, time_left_ms(op) + 1, 0);
}

void claim_op_pause(struct claim_op *op, uint32_t ms, claim_step_fn next)
{
	op->step = next;
	uv_timer_start(&op->timer, on_timer, ms, 0);
}

void claim_op_fill(struct claim_op *op, struct id network, claim_step_fn next)
{
	op->step = next;
	op->fill = network;
	op->waiting = true;
	claim_net_fill(claim_net_get(op->claim, network));
}

void claim_op_end(struct claim_op *op, int status)
{
	op->status = status;
	if (!op->starting) {
		finish(op);
		return;
	}
	op->ended = true;
	uv_timer_start(&op->timer, on_timer, 0, 0);
}

void claim_op_fail(struct claim_op *op, int status, const char *fmt, ...)
{
	char text[ERR_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	err_set(&op->err, status, "%s", text);
	claim_op_end(op, status);
}

void claim_op_retry(struct claim_op *op, claim_step_fn next)
{
	op->tries++;
	if (op->tries >= CLAIM_TRIES_MAX)
		claim_op_fail(op, -EAGAIN, "gave up after %d conflicts with others in a row",
			      CLAIM_TRIES_MAX);
	else if (op->tries == 1)
		claim_op_pause(op, 0, next);
	else
		claim_op_pause(op, backoff_next(&op->backoff), next);
}

void claim_op_settled(struct claim_op *op)
{
	op->unsure = false;
}

static void lost_words(struct claim_op *op, int status, const struct kv_result *res)
{
	struct err words = { .code = status };

	if (res && res->err)
		words = *res->err;
	words.code = status;
	err_set(&op->err, status, "%s", err_text(&words));
}

void claim_op_lost(struct claim_op *op, int status, const struct kv_result *res,
		   claim_step_fn again)
{
	uint64_t now = uv_now(op->claim->loop);

	if (status == -ENOENT) {
		claim_op_fail(op, -EKEYEXPIRED, "the node's address lease is gone from etcd");
		return;
	}
	if (status == -ETIMEDOUT && op->writes && !op->unsure) {
		op->unsure = true;
		op->settle_until_ms = op->started_ms + op->claim->deadline_ms;
		if (op->settle_until_ms < now + op->claim->settle_min_ms)
			op->settle_until_ms = now + op->claim->settle_min_ms;
		backoff_reset(&op->backoff);
	}
	if (op->unsure && now < op->settle_until_ms) {
		claim_op_pause(op, backoff_next(&op->backoff), again);
		return;
	}
	if (op->unsure) {
		lost_words(op, -ETIMEDOUT, res);
		err_prefix(&op->err, "etcd did not answer; whether it was done is not known");
		claim_op_end(op, -ETIMEDOUT);
		return;
	}
	/* Nothing but a read was sent: certainly not done. */
	if (status == -ETIMEDOUT)
		status = -EHOSTUNREACH;
	lost_words(op, status, res);
	claim_op_end(op, status);
}
