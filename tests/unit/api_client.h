/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * api_client - a raw client of a unix socket in the thread of the server's loop: whenever it waits, it turns the loop.
 *
 * Every wait has a deadline; past it the test fails.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#define API_CLIENT_DEADLINE_MS 10000

/** api_client_dial() - connected, non-blocking. */
int api_client_dial(const char *path);
/** api_client_turn() - one turn of the loop and a millisecond. */
void api_client_turn(uv_loop_t *loop);
/** api_client_say() - all of it. Return: false when the server closed. */
bool api_client_say(uv_loop_t *loop, int fd, const char *data, size_t len);
/** api_client_hear() - read until the text contains @want, "": until the server closes. Heap. */
char *api_client_hear(uv_loop_t *loop, int fd, const char *want);
