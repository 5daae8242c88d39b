/* SPDX-License-Identifier: Apache-2.0 */
/* hostprof: one program in several roles. What the user starts is the collector; the others are this program again. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/budget.h"
#include "base/clock.h"
#include "base/log.h"
#include "cli/options.h"
#include "cli/record.h"
#include "cli/symbolize.h"
#include "cli/symbols.h"
#include "ipc/child.h"
#include "opener/opener.h"
#include "resolver/resolver.h"
#include "sender/sender.h"

#define EXIT_USAGE 2

/* A descriptor that is closed at the start would be given to the first file opened, and written to as stderr. */
static void open_standard_descriptors(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

int main(int argc, char **argv)
{
	uint64_t start_ns = clock_mono_ns(&clock_system);
	enum role role = role_from_argv(argc, argv);
	int err;
	static struct options options; /* large */

	open_standard_descriptors();
	memory_keep_small();
	child_set_up(role);
	switch (role) {
	case ROLE_OPENER:
		return opener_main(CHILD_CHANNEL_FD);
	case ROLE_RESOLVER:
		return resolver_main(CHILD_CHANNEL_FD);
	case ROLE_SENDER:
		return sender_main(CHILD_CHANNEL_FD);
	case ROLE_COLLECTOR:
	case ROLE_COUNT:
		break;
	}
	err = options_parse(argc, argv, &options);
	if (err)
		return err == -EINVAL ? EXIT_USAGE : EXIT_FAILURE;
	if (options.command == OPTIONS_EXIT)
		return EXIT_SUCCESS;
	if (options.command == OPTIONS_SYMBOLS)
		return symbols_run(&options.symbols);
	if (options.command == OPTIONS_SYMBOLIZE)
		return symbolize_run(&options.symbolize);
	if (options.record.quiet)
		log_set_level(LOG_ERROR);
	else if (options.record.verbose)
		log_set_level(options.record.verbose > 1 ? LOG_DEBUG : LOG_INFO);
	return record_run(&options.record, start_ns);
}
