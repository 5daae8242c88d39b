/* SPDX-License-Identifier: Apache-2.0 */
/* Arguments, each ended by a NUL: they are refused with one harmless line, or what they ask for is within its bounds.
 * Corpus: printf 'record\0-F\0099\0' and the like, a file for each kind of option and for some that are wrong. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cli/options.h"

#define MAX_ARGS 256

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool is_true)
{
	if (!is_true)
		abort();
}

static void check_options(const struct record_options *options)
{
	check(options->rate_hz >= 1 && options->rate_hz <= 10000);
	check(options->duration_seconds >= 0 && options->duration_seconds <= 31536000);
	check(options->n_pids <= RECORD_MAX_PIDS && options->n_comms <= RECORD_MAX_COMMS);
	check(options->memory_bytes >= 16u << 20 && options->memory_bytes <= 2ull << 30);
	check(options->n_outputs >= 1 && options->n_outputs <= RECORD_MAX_OUTPUTS);
	check(!(options->kernel_only && options->user_only) && !(options->n_pids && options->command));
	for (size_t i = 0; i < options->n_pids; i++)
		check(options->pids[i] >= 1 && options->pids[i] <= 4194304);
	for (size_t i = 0; i < options->n_comms; i++)
		check(*options->comms[i] && strlen(options->comms[i]) <= 15);
	for (size_t i = 0; i < options->n_outputs; i++)
		check(options->outputs[i].path ? *options->outputs[i].path != 0 : options->n_outputs == 1);
}

static void check_symbols(const struct symbols_options *options, int argc)
{
	check(options->unwind && options->n_files >= 1 && options->n_files < (size_t)argc);
	for (size_t i = 0; i < options->n_files; i++)
		check(options->files[i] != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct options options;
	char *argv[MAX_ARGS + 2] = {(char[]){"hostprof"}}, *copy = calloc(1, size + 1), *pos = copy;
	char error[OPTIONS_ERROR_BYTES] = "";
	enum options_page page;
	int argc = 1;

	if (!copy)
		return 0;
	memcpy(copy, data, size);
	for (; pos < copy + size && argc <= MAX_ARGS; pos += strlen(pos) + 1)
		argv[argc++] = pos;
	if (options_read(argc, argv, &options, &page, error)) {
		check(*error && strlen(error) < sizeof(error));
		for (const char *at = error; *at; at++)
			check((unsigned char)*at >= 0x20 && *at != 0x7f);
	} else if (!page && options.command == OPTIONS_SYMBOLS) {
		check_symbols(&options.symbols, argc);
	} else if (!page) {
		check_options(&options.record);
	}
	free(copy);
	return 0;
}
