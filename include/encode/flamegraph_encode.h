/* SPDX-License-Identifier: Apache-2.0 */
/* One self-contained HTML page with a flame graph: nothing is fetched from the network. */
#pragma once

struct profile;
struct sink;

struct flamegraph_options {
	const char *title;
	double duration_seconds; /* totals are shown in cores: cpu time / duration */
};

/* Uses the last sample type (cpu nanoseconds); labels "comm" and "pid" make the process filter. */
int flamegraph_encode(const struct profile *profile, const struct flamegraph_options *options, const struct sink *sink);
