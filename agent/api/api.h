/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * api - the agent's API: all tables of routes on the configured socket.
 *
 * Stopped with api_server_close() (server.h): what is ready is delivered, pending calls are answered 503. Operations already
 * under way in the agent's modules still call back into the routes afterwards, which then only drop their replies.
 */
#pragma once
#include "agent/api/context.h"
#include "agent/api/server.h"

/**
 * api_start() - listen on ctx->config->socket
 * @ctx: borrowed until the loop has run every callback of the modules in it, not only until the server is closed
 * Return: 0, -EADDRINUSE: another ovld answers there, or what bind says.
 */
int api_start(const struct api_context *ctx, struct api_server **ret, struct err *e);
