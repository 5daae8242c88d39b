/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/view.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cli/spell.h"

#define DEFAULT_WIDTH 100
#define MIN_WIDTH 60

void view_init(struct view *view, FILE *to)
{
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
	bool is_terminal = isatty(fileno(to));
	struct winsize size;

	*view = (struct view){.to = to, .width = DEFAULT_WIDTH};
	if (is_terminal && !ioctl(fileno(to), TIOCGWINSZ, &size) && size.ws_col)
		view->width = size.ws_col < MIN_WIDTH ? MIN_WIDTH : size.ws_col;
	if (view->width > VIEW_MAX_WIDTH)
		view->width = VIEW_MAX_WIDTH;
	view->has_colours = is_terminal && !(no_color && *no_color) && term && strcmp(term, "dumb");
}

void view_colour(const struct view *view, const char *colour)
{
	if (view->has_colours)
		fputs(colour, view->to);
}

void view_title(const struct view *view, const char *title)
{
	view_colour(view, VIEW_BOLD);
	fputs(title, view->to);
	view_colour(view, VIEW_OFF);
	fputc('\n', view->to);
}

/* Characters of valid UTF-8; each is taken to be one column wide. */
unsigned int view_columns(const char *text)
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
unsigned int view_name(const struct view *view, const char *name, unsigned int width)
{
	auto_free char *safe = spell_name(name);
	unsigned int columns, head, tail;

	if (!safe)
		return 0;
	columns = view_columns(safe);
	if (columns <= width) {
		fputs(safe, view->to);
		return columns;
	}
	tail = (width - 1) / 3;
	head = width - 1 - tail;
	fprintf(view->to, "%.*s…%s", (int)(skip_columns(safe, head) - safe), safe, skip_columns(safe, columns - tail));
	return width;
}

unsigned int view_name_columns(const char *name)
{
	auto_free char *safe = spell_name(name);

	return safe ? view_columns(safe) : 0;
}
