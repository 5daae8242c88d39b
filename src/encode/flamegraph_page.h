/* SPDX-License-Identifier: Apache-2.0 */
/* The files of src/encode/page/, part of the program. */
#pragma once

/* Each from NAME up to NAME_end, without a NUL. The template holds the marks {{title}}, {{style}}, {{data}} and
 * {{script}}. */
extern const char flamegraph_html[], flamegraph_html_end[];
extern const char flamegraph_css[], flamegraph_css_end[];
extern const char flamegraph_js[], flamegraph_js_end[];
