/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/terminal.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cli/spell.h"

#define DEFAULT_WIDTH 100
#define MIN_WIDTH 60

void terminal_init(struct terminal *terminal, FILE *to)
{
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
	bool is_terminal = isatty(fileno(to));
	struct winsize size;

	*terminal = (struct terminal){.to = to, .width = DEFAULT_WIDTH};
	if (is_terminal && !ioctl(fileno(to), TIOCGWINSZ, &size) && size.ws_col)
		terminal->width = size.ws_col < MIN_WIDTH ? MIN_WIDTH : size.ws_col;
	if (terminal->width > TERMINAL_MAX_WIDTH)
		terminal->width = TERMINAL_MAX_WIDTH;
	terminal->has_colours = is_terminal && !(no_color && *no_color) && term && strcmp(term, "dumb");
}

void terminal_colour(const struct terminal *terminal, const char *colour)
{
	if (terminal->has_colours)
		fputs(colour, terminal->to);
}

void terminal_title(const struct terminal *terminal, const char *title)
{
	terminal_colour(terminal, TERMINAL_BOLD);
	fputs(title, terminal->to);
	terminal_colour(terminal, TERMINAL_OFF);
	fputc('\n', terminal->to);
}

/* Characters of valid UTF-8; each is taken to be one column wide. */
unsigned int terminal_columns(const char *text)
{
	unsigned int columns = 0;

	for (; *text; text++)
		columns += ((uint8_t)*text & 0xc0) != 0x80;
	return columns;
}

/* Where the nth character begins. */
static const char *skip_columns(const char *text, unsigned int n)
{
	while (*text && n--)
		for (text++; ((uint8_t)*text & 0xc0) == 0x80; text++)
			;
	return text;
}

/* In at most `width` columns: what is longer loses its middle, since the head names the place and the tail the
 * function. Returns the columns used. */
unsigned int terminal_name(const struct terminal *terminal, const char *name, unsigned int width)
{
	auto_free char *safe = spell_name(name);
	unsigned int columns, head, tail;

	if (!safe)
		return 0;
	columns = terminal_columns(safe);
	if (columns <= width) {
		fputs(safe, terminal->to);
		return columns;
	}
	tail = (width - 1) / 3;
	head = width - 1 - tail;
	fprintf(terminal->to, "%.*s…%s", (int)(skip_columns(safe, head) - safe), safe,
		skip_columns(safe, columns - tail));
	return width;
}

unsigned int terminal_name_columns(const char *name)
{
	auto_free char *safe = spell_name(name);

	return safe ? terminal_columns(safe) : 0;
}
