/* SPDX-License-Identifier: Apache-2.0 */
/* profile.proto (google/pprof), gzip: deterministic bytes for equal profiles. */
#pragma once

struct profile;
struct sink;

int pprof_encode(const struct profile *profile, const struct sink *sink);
