/* SPDX-License-Identifier: Apache-2.0 */
/* The process that looks into foreign files: no capability, no path, no socket but its channel. */
#pragma once

/* Serves the channel until it closes. Returns the exit status. */
int resolver_main(int channel_fd);
