/* SPDX-License-Identifier: Apache-2.0 */
/* One pass over the text that a demangler printed. What is in brackets is copied, replaced by "..." or left out as a
 * whole, by the bracket and what stands before it. The identifiers in it are foreign: a name that is not as expected
 * comes out odd or not at all, no worse. */
#include "symbol/shorten_name.h"

#include <string.h>

#include "base/text.h"

#define MAX_NESTING 128

struct shortening {
	enum name_language language;
	const char *name, *at;
	char *to;
	size_t len, size;
	size_t braces; /* that are open: "{lambda(" */
	bool failed;
};

static bool is_identifier(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '$' ||
	       (unsigned char)c >= 0x80;
}

static bool starts_with(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

static void put(struct shortening *shortening, const char *text, size_t n)
{
	if (shortening->failed || n >= shortening->size - shortening->len) {
		shortening->failed = true;
		return;
	}
	memcpy(shortening->to + shortening->len, text, n);
	shortening->len += n;
}

static void put_str(struct shortening *shortening, const char *text)
{
	put(shortening, text, strlen(text));
}

static void copy(struct shortening *shortening, size_t n)
{
	put(shortening, shortening->at, n);
	shortening->at += n;
}

/* The character before, or NUL at the start. */
static char before(const char *name, const char *at)
{
	return at > name ? at[-1] : '\0';
}

/* Length of "operator<<" at `at`, of which no bracket opens or closes anything; 0: no operator in symbols is there. */
static size_t operator_len(const char *name, const char *at)
{
	static const char word[] = "operator";
	static const char *const operators[] = {
		"()", "[]", "->*", "<=>", "<<=", ">>=", "->", "<<", ">>", "<=", ">=", "==", "!=",
		"&&", "||", "++",  "--",  "+=",	 "-=",	"*=", "/=", "%=", "^=", "&=", "|=", "+",
		"-",  "*",  "/",   "%",	  "^",	 "&",	"|",  "~",  "!",  "=",	"<",  ">",  ","};
	const size_t n = sizeof(word) - 1;

	if (!starts_with(at, word) || is_identifier(before(name, at)))
		return 0;
	for (size_t i = 0; i < sizeof(operators) / sizeof(operators[0]); i++)
		if (starts_with(at + n, operators[i]))
			return n + strlen(operators[i]);
	return 0;
}

/* An angle bracket that is no bracket: of "->", or of a comparison, whose operands libiberty sets in parentheses. */
static bool is_symbol(enum name_language language, const char *name, const char *at, char innermost)
{
	if (language == NAME_D)
		return *at == '<' || *at == '>';
	if (*at == '>')
		return before(name, at) == '-' || innermost != '>';
	return *at == '<' && (before(name, at) == ')' || (before(name, at) == '<' && innermost == ')'));
}

static char closing(char bracket)
{
	switch (bracket) {
	case '(':
		return ')';
	case '[':
		return ']';
	case '{':
		return '}';
	case '<':
		return '>';
	default:
		return '\0';
	}
}

/* D's text in quotes, with what follows a backslash; its length, 0: there is none. */
static size_t quoted_len(enum name_language language, const char *at)
{
	size_t n = 1;

	if (language != NAME_D || *at != '"')
		return 0;
	while (at[n] && at[n] != '"')
		n += at[n] == '\\' && at[n + 1] ? 2 : 1;
	return n + (at[n] == '"');
}

/* Behind the bracket that closes the one at `at`; NULL: none does. */
static const char *group_end(enum name_language language, const char *name, const char *at)
{
	char open[MAX_NESTING]; /* what would close them */
	size_t n = 0;

	while (*at) {
		size_t skipped = operator_len(name, at) + quoted_len(language, at);

		if (skipped) {
			at += skipped;
			continue;
		}
		if (!n || !is_symbol(language, name, at, open[n - 1])) {
			if (closing(*at)) {
				if (n == MAX_NESTING)
					return NULL;
				open[n++] = closing(*at);
			} else if (strchr(")]}>", *at)) {
				if (!n || *at != open[n - 1])
					return NULL;
				n--;
			}
		}
		at++;
		if (!n)
			return at;
	}
	return NULL;
}

/* The group becomes `text`. */
static void replace_group(struct shortening *shortening, const char *text)
{
	const char *end = group_end(shortening->language, shortening->name, shortening->at);

	if (!end) {
		shortening->failed = true;
		return;
	}
	put_str(shortening, text);
	shortening->at = end;
}

/* What is behind the parameters of a member function. */
static void skip_qualifiers(struct shortening *shortening)
{
	static const char *const qualifiers[] = {" const", " volatile", " &&", " &", " noexcept"};

	for (size_t i = 0; i < sizeof(qualifiers) / sizeof(qualifiers[0]); i++)
		if (starts_with(shortening->at, qualifiers[i]) && !is_identifier(shortening->at[strlen(qualifiers[i])]))
			shortening->at += strlen(qualifiers[i]);
}

static void shorten_parentheses(struct shortening *shortening)
{
	static const char anonymous[] = "(anonymous namespace)";

	if (shortening->language == NAME_RUST) /* tuples and function types: a name has no parameters */
		copy(shortening, 1);
	else if (starts_with(shortening->at, anonymous))
		copy(shortening, sizeof(anonymous) - 1);
	else if (before(shortening->name, shortening->at) == '!')
		replace_group(shortening, "(...)");
	else if (shortening->braces)
		replace_group(shortening, shortening->at[1] == ')' ? "()" : "(...)");
	else {
		replace_group(shortening, "");
		if (!shortening->failed)
			skip_qualifiers(shortening);
	}
}

/* Of Rust's "<T as Trait>" and "<impl Trait for T>" it is the inside that matters. */
static bool are_arguments(const struct shortening *shortening)
{
	const char *name = shortening->name, *at = shortening->at;

	if (shortening->language != NAME_RUST)
		return true;
	if (starts_with(at, "<impl "))
		return false;
	return is_identifier(before(name, at)) || (at - name > 2 && at[-1] == ':' && at[-2] == ':');
}

static void shorten_next(struct shortening *shortening)
{
	size_t n = operator_len(shortening->name, shortening->at);

	if (n) {
		copy(shortening, n);
		return;
	}
	switch (*shortening->at) {
	case '<':
		if (are_arguments(shortening))
			replace_group(shortening, "<...>");
		else
			copy(shortening, 1);
		break;
	case '(':
		shorten_parentheses(shortening);
		break;
	case '[': /* "[abi:cxx11]", " [clone .cold]" */
		n = strcspn(shortening->at, "]");
		copy(shortening, n + (shortening->at[n] == ']'));
		break;
	case '{':
		shortening->braces++;
		copy(shortening, 1);
		break;
	case '}':
		shortening->braces -= shortening->braces > 0;
		copy(shortening, 1);
		break;
	default:
		copy(shortening, 1);
	}
}

bool shorten_name(enum name_language language, const char *name, char *to, size_t size)
{
	struct shortening shortening = {.language = language, .name = name, .at = name, .to = to, .size = size};

	if (!size)
		return false;
	while (*shortening.at && !shortening.failed)
		shorten_next(&shortening);
	to[shortening.len] = '\0';
	return !shortening.failed && shortening.len;
}
