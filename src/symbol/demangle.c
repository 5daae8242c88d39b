/* SPDX-License-Identifier: Apache-2.0 */
/* A mangled name is a program: substitutions refer to earlier parts, so that a few hundred bytes may stand for more
 * text than there is memory, and libiberty prints all of it. Its callbacks cannot say "enough". Hence
 *  - C++ and Rust are printed into a buffer whose end is left by longjmp: libiberty's C++ printer holds no memory,
 *    and the Rust one does only while it prints a punycode identifier, which is never pure ASCII;
 *  - D has no callback at all, so what its back references amount to is computed before;
 *  - Rust's v0 names can make it count without printing, so their counts are looked at before;
 *  - the template arguments of a conversion to a template parameter are read twice, and those in them four times: such
 *    names are counted before.
 * libiberty refuses C++ names of more than DEMANGLE_RECURSION_LIMIT / 2 bytes, which those of templates often have.
 * Told not to, it recurses once a byte and takes some 250 bytes of stack for it, FRAME_BYTES at most: a stack that
 * holds them is asked for before. Printing has a limit of its own, 1,024 levels. */
#include "symbol/demangle.h"

#include <errno.h>
#include <libiberty/demangle.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "symbol/rust_v0.h"
#include "symbol/shorten_name.h"

#define MAX_D_INPUT 4096	     /* nesting is a byte a level: bounds the stack */
#define MAX_D_EXPANSION (256u << 10) /* bytes with every back reference replaced by its text */

#define FRAME_BYTES 400
#define OTHER_STACK_BYTES (1u << 20)
/* Conversions to template parameters with arguments. Each may double the work. */
#define MAX_REREAD 8
/* Of the text that is made shorter. */
#define MAX_LONG_OUTPUT 32768

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

/* --- which language ----------------------------------------------------------------------------------------------- */

/* A legacy Rust name is a C++ one whose last part is a hash, "17h" and 16 digits; libiberty checks and cuts it. */
static bool may_be_rust(const char *mangled, size_t len)
{
	if (mangled[1] == 'R')
		return rust_v0_is_bounded(mangled, len);
	return mangled[1] == 'Z' && strstr(mangled, "17h");
}

static size_t count_template_parameters_with_arguments(const char *mangled)
{
	size_t n = 0;

	for (const char *at = strchr(mangled, 'T'); at; at = strchr(at + 1, 'T')) {
		const char *end = at + 1 + strspn(at + 1, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ");

		n += end[0] == '_' && end[1] == 'I';
	}
	return n;
}

static bool is_cpp_bounded(const char *mangled)
{
	return !strstr(mangled, "cv") || count_template_parameters_with_arguments(mangled) <= MAX_REREAD;
}

/* Whether the stack may grow enough for a name of this length. */
static bool has_stack(size_t len)
{
	struct rlimit limit;

	return !getrlimit(RLIMIT_STACK, &limit) &&
	       (limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur >= len * FRAME_BYTES + OTHER_STACK_BYTES);
}

static bool print_cpp(const char *mangled, size_t len, int options, char *to, size_t size)
{
	if (!is_cpp_bounded(mangled))
		return false;
	if (len > DEMANGLE_RECURSION_LIMIT / 2 && has_stack(len))
		options |= DMGL_NO_RECURSE_LIMIT;
	return print(cplus_demangle_v3_callback, mangled, options | DMGL_PARAMS | DMGL_ANSI, to, size);
}

/* The whole readable name. */
static bool print_any(const char *mangled, int options, char *to, size_t size, enum name_language *ret_language)
{
	size_t len = strnlen(mangled, DEMANGLE_MAX_INPUT + 1);

	if (len < 3 || len > DEMANGLE_MAX_INPUT || mangled[0] != '_')
		return false;
	*ret_language = NAME_RUST;
	if (may_be_rust(mangled, len) && print(rust_demangle_callback, mangled, 0, to, size))
		return true;
	*ret_language = NAME_CPP;
	if (mangled[1] == 'Z' && print_cpp(mangled, len, options, to, size))
		return true;
	*ret_language = NAME_D;
	return mangled[1] == 'D' && print_d(mangled, len, to, size);
}

static bool print_simple(const char *mangled, char *to, size_t size)
{
	auto_free char *whole = malloc(MAX_LONG_OUTPUT);
	enum name_language language;

	if (!whole || !print_any(mangled, DMGL_RET_DROP, whole, MAX_LONG_OUTPUT, &language))
		return false;
	if (shorten_name(language, whole, to, size))
		return true;
	if (strlen(whole) >= size)
		return false;
	text_copy(to, size, whole);
	return true;
}

int demangle(const char *mangled, enum demangle_mode mode, char *to, size_t size)
{
	size_t limit = size < DEMANGLE_MAX_OUTPUT ? size : DEMANGLE_MAX_OUTPUT;
	enum name_language language;

	if (!size)
		return 0;
	if (mode == DEMANGLE_FULL && print_any(mangled, 0, to, limit, &language))
		return 1;
	if (mode != DEMANGLE_NONE && print_simple(mangled, to, limit)) /* also of those whose whole is too long */
		return 1;
	text_copy(to, size, mangled);
	return 0;
}

void demangle_go(const char *name, enum demangle_mode mode, char *to, size_t size)
{
	const char *first = strchr(name, '['), *last = strrchr(name, ']');

	if (mode != DEMANGLE_NONE && first && last && last > first)
		snprintf(to, size, "%.*s[...]%s", (int)(first - name), name, last + 1);
	else
		text_copy(to, size, name);
}
