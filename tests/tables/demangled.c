/* SPDX-License-Identifier: Apache-2.0 */
/* Demangles a name a line, as c++filt does: demangled full|simple|none <NAMES */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "symbol/demangle.h"

int main(int argc, char **argv)
{
	static const char *const words[] = {
		[DEMANGLE_FULL] = "full", [DEMANGLE_SIMPLE] = "simple", [DEMANGLE_NONE] = "none"};
	static char readable[DEMANGLE_MAX_INPUT];
	enum demangle_mode mode = 0;
	char *line = NULL;
	size_t size = 0;

	while (argc != 2 || (mode < DEMANGLE_MODE_COUNT && strcmp(words[mode], argv[1]) != 0))
		if (argc != 2 || ++mode == DEMANGLE_MODE_COUNT)
			return 2;
	while (getline(&line, &size, stdin) > 0) {
		line[strcspn(line, "\n")] = '\0';
		demangle(line, mode, readable, sizeof(readable));
		puts(readable);
	}
	free(line);
	return 0;
}
