/* SPDX-License-Identifier: Apache-2.0 */
/* Where a report for people goes: as wide as the terminal, 100 columns elsewhere; colours on a terminal only, and none
 * where NO_COLOR is set. */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#define TERMINAL_MAX_WIDTH 400

#define TERMINAL_BOLD "\x1b[1m"
#define TERMINAL_DIM "\x1b[2m"
#define TERMINAL_ALARM "\x1b[31m"
#define TERMINAL_OFF "\x1b[0m"

struct terminal {
	FILE *to;
	unsigned int width;
	bool has_colours;
};

void terminal_init(struct terminal *terminal, FILE *to);
/* TERMINAL_*; nothing where there are no colours. */
void terminal_colour(const struct terminal *terminal, const char *colour);
/* A line of its own. */
void terminal_title(const struct terminal *terminal, const char *title);

/* Characters of valid UTF-8; each is taken to be one column wide. */
unsigned int terminal_columns(const char *text);
/* A foreign name, made safe, in at most `width` columns: what is longer loses its middle, since the head names the
 * place and the tail the function. Returns the columns used. */
unsigned int terminal_name(const struct terminal *terminal, const char *name, unsigned int width);
/* Columns that it takes in whole. */
unsigned int terminal_name_columns(const char *name);
