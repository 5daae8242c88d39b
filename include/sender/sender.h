/* SPDX-License-Identifier: Apache-2.0 */
/* The process that has the network: it downloads what the collector asks for into files that it is given, and knows no
 * process and no ELF file. What servers say is hostile, and it is nobody with nothing behind a filter that opens no
 * file. One thread, one loop over its channel, the name service and libcurl. */
#pragma once

/* Serves the channel until it closes. Returns the exit status. */
int sender_main(int channel_fd);
