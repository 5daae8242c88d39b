/* SPDX-License-Identifier: Apache-2.0 */
/* A binder ("for<'a, 'b>") is the number of its lifetimes, up to 2^64 in eleven digits, and libiberty counts them out
 * even where it prints nothing and so never calls back. Hence names are walked before, by the grammar of RFC 2603, only
 * to find their binders. */
#include "symbol/rust_v0.h"

#include "symbol/demangle.h"

#define MAX_DEPTH 500
#define MAX_BINDER_DIGITS 1 /* 63 lifetimes */

struct walk {
	const char *at, *end;
	unsigned int depth;
	bool failed;
};

static void walk_path(struct walk *walk);
static void walk_type(struct walk *walk);

static char peek(const struct walk *walk)
{
	return !walk->failed && walk->at < walk->end ? *walk->at : '\0';
}

static char next(struct walk *walk)
{
	char c = peek(walk);

	if (c)
		walk->at++;
	else
		walk->failed = true;
	return c;
}

static bool eat(struct walk *walk, char c)
{
	if (peek(walk) != c)
		return false;
	walk->at++;
	return true;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_lower(char c)
{
	return c >= 'a' && c <= 'z';
}

static bool is_upper(char c)
{
	return c >= 'A' && c <= 'Z';
}

/* Returns the number of digits: "_" is 0, "0_" is 1. */
static unsigned int walk_base62(struct walk *walk)
{
	unsigned int digits = 0;

	for (char c = next(walk); c != '_'; c = next(walk), digits++) {
		if (!is_digit(c) && !is_lower(c) && !is_upper(c)) {
			walk->failed = true;
			break;
		}
	}
	return digits;
}

static void walk_optional_base62(struct walk *walk, char tag)
{
	if (eat(walk, tag))
		walk_base62(walk);
}

static void walk_binder(struct walk *walk)
{
	if (eat(walk, 'G') && walk_base62(walk) > MAX_BINDER_DIGITS)
		walk->failed = true;
}

static void walk_identifier(struct walk *walk)
{
	size_t len = 0;

	eat(walk, 'u');
	if (!is_digit(peek(walk)))
		walk->failed = true;
	if (!eat(walk, '0'))
		while (is_digit(peek(walk)) && len <= DEMANGLE_MAX_INPUT)
			len = len * 10 + (size_t)(next(walk) - '0');
	eat(walk, '_');
	if (len > (size_t)(walk->end - walk->at))
		walk->failed = true;
	else
		walk->at += len;
}

static void walk_const(struct walk *walk)
{
	if (eat(walk, 'B')) {
		walk_base62(walk);
		return;
	}
	if (next(walk) == 'p') /* a placeholder; otherwise the type, and the value in hexadecimal */
		return;
	eat(walk, 'n');
	while (is_digit(peek(walk)) || (peek(walk) >= 'a' && peek(walk) <= 'f'))
		walk->at++;
	if (next(walk) != '_')
		walk->failed = true;
}

static void walk_generic_argument(struct walk *walk)
{
	if (eat(walk, 'L'))
		walk_base62(walk);
	else if (eat(walk, 'K'))
		walk_const(walk);
	else
		walk_type(walk);
}

static void walk_function(struct walk *walk)
{
	walk_binder(walk);
	eat(walk, 'U');
	if (eat(walk, 'K') && !eat(walk, 'C'))
		walk_identifier(walk);
	while (!walk->failed && !eat(walk, 'E'))
		walk_type(walk);
	walk_type(walk);
}

static void walk_dyn(struct walk *walk)
{
	walk_binder(walk);
	while (!walk->failed && !eat(walk, 'E')) {
		walk_path(walk);
		while (eat(walk, 'p')) {
			walk_identifier(walk);
			walk_type(walk);
		}
	}
	if (next(walk) != 'L')
		walk->failed = true;
	walk_base62(walk);
}

static void walk_type(struct walk *walk)
{
	char tag = next(walk);

	if (++walk->depth > MAX_DEPTH)
		walk->failed = true;
	if (walk->failed)
		return;
	switch (tag) {
	case 'R':
	case 'Q':
		walk_optional_base62(walk, 'L');
		walk_type(walk);
		break;
	case 'P':
	case 'O':
	case 'S':
		walk_type(walk);
		break;
	case 'A':
		walk_type(walk);
		walk_const(walk);
		break;
	case 'T':
		while (!walk->failed && !eat(walk, 'E'))
			walk_type(walk);
		break;
	case 'F':
		walk_function(walk);
		break;
	case 'D':
		walk_dyn(walk);
		break;
	default:
		if (!is_lower(tag)) { /* else a basic type */
			walk->at--;
			walk_path(walk);
		}
	}
	walk->depth--;
}

static void walk_path(struct walk *walk)
{
	char tag = next(walk);

	if (++walk->depth > MAX_DEPTH)
		walk->failed = true;
	if (walk->failed)
		return;
	switch (tag) {
	case 'C':
		walk_optional_base62(walk, 's');
		walk_identifier(walk);
		break;
	case 'N':
		next(walk); /* namespace */
		walk_path(walk);
		walk_optional_base62(walk, 's');
		walk_identifier(walk);
		break;
	case 'M':
	case 'X':
		walk_optional_base62(walk, 's');
		walk_path(walk);
		walk_type(walk);
		if (tag == 'X')
			walk_path(walk);
		break;
	case 'Y':
		walk_type(walk);
		walk_path(walk);
		break;
	case 'I':
		walk_path(walk);
		while (!walk->failed && !eat(walk, 'E'))
			walk_generic_argument(walk);
		break;
	case 'B':
		walk_base62(walk);
		break;
	default:
		walk->failed = true;
	}
	walk->depth--;
}

bool rust_v0_is_bounded(const char *mangled, size_t len)
{
	struct walk walk = {.at = mangled + 2, .end = mangled + len};

	walk_path(&walk);
	if (is_upper(peek(&walk))) /* the crate that instantiates it */
		walk_path(&walk);
	return !walk.failed && (walk.at == walk.end || *walk.at == '.' || *walk.at == '$');
}
