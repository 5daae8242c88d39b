/* SPDX-License-Identifier: Apache-2.0 */
/* What every perf record has in common, as sideband_open() asks for it. */
#pragma once

#define SIDEBAND_HEADER_BYTES 8
/* struct sample_id of PERF_SAMPLE_TID|TIME|CPU|IDENTIFIER: pid, tid; time; cpu, res; id. */
#define SIDEBAND_TRAILER_BYTES 32
#define SIDEBAND_TRAILER_TIME_OFFSET 8
