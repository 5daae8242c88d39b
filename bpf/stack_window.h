/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Words of the user stack through a window of it. */
#pragma once

#include "scratch.h"

/* A window begins this far below the word that is asked for: what a frame saves lies below its return address. It does
 * not begin at sp, nor in an earlier page: a large local array, and what lies below sp, may never have been touched,
 * and what has no page cannot be read here. */
#define WINDOW_BELOW 64
#define WINDOW_PAGE_BYTES 4096 /* or more */

/* Moves the window so that it holds the word at the address. Near the top of a stack less can be read. */
static __always_inline long window_move(struct stack_window *window, __u64 address)
{
	__u64 in_page = address & (WINDOW_PAGE_BYTES - 1);

	window->base = address - (in_page < WINDOW_BELOW ? in_page & ~7ULL : WINDOW_BELOW);
	window->bytes = WINDOW_BYTES;
	if (!shim_read_user(window->words, WINDOW_BYTES, window->base))
		return 0;
	window->bytes = WINDOW_BELOW + 8;
	if (!shim_read_user(window->words, WINDOW_BELOW + 8, address - WINDOW_BELOW)) {
		window->base = address - WINDOW_BELOW;
		return 0;
	}
	window->base = address;
	window->bytes = 8;
	if (!shim_read_user(window->words, 8, address))
		return 0;
	window->bytes = 0;
	return -1;
}

static __always_inline int window_has(const struct stack_window *window, __u64 address)
{
	__u64 offset = address - window->base;

	return offset + 8 <= window->bytes && offset < WINDOW_BYTES && !(offset & 7);
}

static __always_inline __u64 window_word(const struct stack_window *window, __u64 address)
{
	return window->words[bounded((address - window->base) / 8, WINDOW_WORDS)];
}

/* The word at the address, the window moved there if need be. */
static __always_inline long window_read(struct stack_window *window, __u64 address, __u64 *ret)
{
	if (!window_has(window, address) && window_move(window, address))
		return -1;
	*ret = window_word(window, address);
	return 0;
}

/* The same, for a word that may lie apart from those that come next: the window stays. */
static __always_inline long window_peek(const struct stack_window *window, __u64 address, __u64 *ret)
{
	if (!window_has(window, address))
		return shim_read_user(ret, sizeof(*ret), address);
	*ret = window_word(window, address);
	return 0;
}
