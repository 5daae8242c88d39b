/* SPDX-License-Identifier: Apache-2.0 */
/* A mangled name is a program: substitutions refer to earlier parts, so that a few hundred bytes may stand for more
 * text than there is memory, and libiberty prints all of it. Its callbacks cannot say "enough". Hence
 *  - C++ and Rust are printed into a buffer whose end is left by longjmp: libiberty's C++ printer holds no memory,
 *    and the Rust one does only while it prints a punycode identifier, which is never pure ASCII;
 *  - D has no callback at all, so what its back references amount to is computed before;
 *  - Rust's v0 names can make it count without printing, so their counts are looked at before. */
#include "symbol/demangle.h"

#include <errno.h>
#include <libiberty/demangle.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"

#define MAX_D_INPUT 4096	     /* nesting is a byte a level: bounds the stack */
#define MAX_D_EXPANSION (256u << 10) /* bytes with every back reference replaced by its text */

#define MAX_DEPTH 500
#define MAX_BINDER_DIGITS 1 /* 63 lifetimes */

struct output {
	char *to;
	size_t len, size;
	bool is_full, may_hold_memory;
	jmp_buf enough;
};

static bool is_ascii(const char *piece, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)piece[i] >= 0x80)
			return false;
	return true;
}

static void output_append(const char *piece, size_t n, void *opaque)
{
	struct output *output = opaque;

	if (!n) /* piece may be NULL then */
		return;
	if (!output->is_full && n < output->size - output->len) {
		memcpy(output->to + output->len, piece, n);
		output->len += n;
		return;
	}
	output->is_full = true;
	if (!output->may_hold_memory || is_ascii(piece, n))
		longjmp(output->enough, 1);
}

typedef int printer(const char *mangled, int options, demangle_callbackref callback, void *opaque);

/* True when the whole name is in `to`. */
static bool print(printer *print_with, const char *mangled, int options, char *to, size_t size)
{
	struct output output = {.to = to, .size = size, .may_hold_memory = print_with == rust_demangle_callback};

	if (setjmp(output.enough))
		return false;
	if (!print_with(mangled, options, output_append, &output) || output.is_full || !output.len)
		return false;
	to[output.len] = '\0';
	return true;
}

/* Distance of the back reference at `at` (behind its 'Q'), in base 26: capitals, the last digit in small. */
static size_t d_back_reference(const char *at)
{
	size_t distance = 0;

	for (; *at >= 'A' && *at <= 'Z'; at++) {
		if (distance > MAX_D_INPUT)
			return 0;
		distance = distance * 26 + (size_t)(*at - 'A');
	}
	return *at >= 'a' && *at <= 'z' ? distance * 26 + (size_t)(*at - 'a') : 0;
}

/* Whether the name stays small with its back references written out. Each refers to a part that ends before it, so at
 * most to all that stands between. */
static bool is_d_name_bounded(const char *mangled, size_t len)
{
	auto_free uint32_t *until = calloc(len + 1, sizeof(*until)); /* expanded bytes before a position */

	if (!until)
		return false;
	for (size_t i = 0; i < len; i++) {
		size_t distance = mangled[i] == 'Q' ? d_back_reference(mangled + i + 1) : 0;
		uint64_t expanded = (uint64_t)until[i] + 1;

		if (distance && distance <= i)
			expanded += until[i] - until[i - distance];
		if (expanded > MAX_D_EXPANSION)
			return false;
		until[i + 1] = (uint32_t)expanded;
	}
	return true;
}

static bool print_d(const char *mangled, size_t len, char *to, size_t size)
{
	auto_free char *name = NULL;

	if (len > MAX_D_INPUT || !is_d_name_bounded(mangled, len))
		return false;
	name = dlang_demangle(mangled, 0);
	if (!name || !*name || strlen(name) >= size)
		return false;
	text_copy(to, size, name);
	return true;
}

/* --- Rust v0 --------------------------------------------------------------------------------------------------------
 * A binder ("for<'a, 'b>") is the number of its lifetimes, up to 2^64 in eleven digits, and libiberty counts them out
 * even where it prints nothing and so never calls back. Hence names are walked before, by the grammar of RFC 2603, only
 * to find their binders. */

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

static bool is_rust_v0_bounded(const char *mangled, size_t len)
{
	struct walk walk = {.at = mangled + 2, .end = mangled + len};

	walk_path(&walk);
	if (is_upper(peek(&walk))) /* the crate that instantiates it */
		walk_path(&walk);
	return !walk.failed && (walk.at == walk.end || *walk.at == '.' || *walk.at == '$');
}

/* A legacy Rust name is a C++ one whose last part is a hash, "17h" and 16 digits; libiberty checks and cuts it. */
static bool may_be_rust(const char *mangled, size_t len)
{
	if (mangled[1] == 'R')
		return is_rust_v0_bounded(mangled, len);
	return mangled[1] == 'Z' && strstr(mangled, "17h");
}

int demangle(const char *mangled, char *to, size_t size)
{
	size_t len = strnlen(mangled, DEMANGLE_MAX_INPUT + 1), limit = size;

	if (!size)
		return 0;
	if (limit > DEMANGLE_MAX_OUTPUT)
		limit = DEMANGLE_MAX_OUTPUT;
	if (len > 2 && len <= DEMANGLE_MAX_INPUT && mangled[0] == '_') {
		if (may_be_rust(mangled, len) && print(rust_demangle_callback, mangled, 0, to, limit))
			return 1;
		if (mangled[1] == 'Z' && print(cplus_demangle_v3_callback, mangled, DMGL_PARAMS | DMGL_ANSI, to, limit))
			return 1;
		if (mangled[1] == 'D' && print_d(mangled, len, to, limit))
			return 1;
	}
	text_copy(to, size, mangled);
	return 0;
}

void demangle_go(const char *name, char *to, size_t size)
{
	const char *first = strchr(name, '['), *last = strrchr(name, ']');

	if (first && last && last > first)
		snprintf(to, size, "%.*s[...]%s", (int)(first - name), name, last + 1);
	else
		text_copy(to, size, name);
}
