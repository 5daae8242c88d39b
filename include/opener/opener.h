/* SPDX-License-Identifier: Apache-2.0 */
/* The process that opens files: /proc text becomes records, mapped objects become descriptors, finished outputs become
 * files of the invoking user. It parses no object. It may hang on a dead file system: the collector then starts
 * another. */
#pragma once

/* Serves the channel until it closes. Returns the exit status. */
int opener_main(int channel_fd);
