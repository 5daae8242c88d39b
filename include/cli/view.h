/* SPDX-License-Identifier: Apache-2.0 */
/* Where a report for people goes: as wide as the terminal, 100 columns elsewhere; colours on a terminal only, and none
 * where NO_COLOR is set. */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#define VIEW_MAX_WIDTH 400

#define VIEW_BOLD "\x1b[1m"
#define VIEW_DIM "\x1b[2m"
#define VIEW_ALARM "\x1b[31m"
#define VIEW_OFF "\x1b[0m"

struct view {
	FILE *to;
	unsigned int width;
	bool has_colours;
};

void view_init(struct view *view, FILE *to);
/* VIEW_*; nothing where there are no colours. */
void view_colour(const struct view *view, const char *colour);
/* A line of its own. */
void view_title(const struct view *view, const char *title);

/* Characters of valid UTF-8; each is taken to be one column wide. */
unsigned int view_columns(const char *text);
/* A foreign name, made safe, in at most `width` columns: what is longer loses its middle, since the head names the
 * place and the tail the function. Returns the columns used. */
unsigned int view_name(const struct view *view, const char *name, unsigned int width);
/* Columns that it takes in whole. */
unsigned int view_name_columns(const char *name);
