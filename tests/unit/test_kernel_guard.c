/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <errno.h>
#include <stdio.h>

#include "collector/kernel_guard.h"

#define PLAIN_BUILD "#1 SMP PREEMPT_DYNAMIC Thu Nov 16 10:53:04 UTC 2023"

static const struct {
	const char *release, *build, *signature, *version; /* NULL: none is found */
	bool locks_up;
} kernels[] = {
	/* Upstream's own releases: the borders of each series. */
	{"5.10.223", PLAIN_BUILD, "", "5.10.223", false},
	{"5.18.19", PLAIN_BUILD, "", "5.18.19", false},
	{"5.19.0", PLAIN_BUILD, "", "5.19.0", true},
	{"5.19.17", PLAIN_BUILD, "", "5.19.17", true},
	{"6.0.0", PLAIN_BUILD, "", "6.0.0", true},
	{"6.0.19", PLAIN_BUILD, "", "6.0.19", true},
	{"6.1.0", PLAIN_BUILD, "", "6.1.0", true},
	{"6.1.35", PLAIN_BUILD, "", "6.1.35", true},
	{"6.1.36", PLAIN_BUILD, "", "6.1.36", false},
	{"6.1.176", PLAIN_BUILD, "", "6.1.176", false},
	{"6.2.0", PLAIN_BUILD, "", "6.2.0", true},
	{"6.2.16", PLAIN_BUILD, "", "6.2.16", true},
	{"6.3.9", PLAIN_BUILD, "", "6.3.9", true},
	{"6.3.10", PLAIN_BUILD, "", "6.3.10", false},
	{"6.4.0", PLAIN_BUILD, "", "6.4.0", false},
	{"6.12.107", PLAIN_BUILD, "", "6.12.107", false},
	{"7.1.3", PLAIN_BUILD, "", "7.1.3", false},
	{"16.1.3", PLAIN_BUILD, "", "16.1.3", false},
	{"6.10.3", PLAIN_BUILD, "", "6.10.3", false},
	{"6.20.3", PLAIN_BUILD, "", "6.20.3", false},
	/* Before a release, and local names. */
	{"6.3-rc4", PLAIN_BUILD, "", "6.3.0", true},
	{"6.4.0-rc1+", PLAIN_BUILD, "", "6.4.0", false},
	{"6.1.20-mine", "#7 SMP Debian kernels are nice", "", "6.1.20", true},
	{"5.15.90.1-microsoft-standard-WSL2", PLAIN_BUILD, "", "5.15.90", false},
	/* Debian and those after it: the release stays, the build tells. */
	{"6.1.0-9-amd64", "#1 SMP PREEMPT_DYNAMIC Debian 6.1.27-1 (2023-05-08)", "", "6.1.27", true},
	{"6.1.0-13-amd64", "#1 SMP PREEMPT_DYNAMIC Debian 6.1.55-1 (2023-09-29)", "", "6.1.55", false},
	{"6.1.0-50-cloud-arm64", "#1 SMP Debian 6.1.176-1 (2026-07-02)", "", "6.1.176", false},
	{"6.3.0-1-amd64", "#1 SMP PREEMPT_DYNAMIC Debian 6.3.7-1 (2023-06-12)", "", "6.3.7", true},
	{"6.3.0-2-amd64", "#1 SMP PREEMPT_DYNAMIC Debian 6.3.11-1 (2023-07-01)", "", "6.3.11", false},
	{"6.1.0-rpi7-rpi-v8", "#1 SMP PREEMPT Debian 1:6.1.63-1+rpt1 (2023-11-24)", "", "6.1.63", false},
	{"5.10.0-32-cloud-arm64", "#1 SMP Debian 5.10.223-1 (2024-08-10)", "", "5.10.223", false},
	/* Ubuntu: a file of its own. */
	{"6.2.0-39-generic", "#40-Ubuntu SMP PREEMPT_DYNAMIC Tue Nov 14 14:18:00 UTC 2023",
	 "Ubuntu 6.2.0-39.40-generic 6.2.16\n", "6.2.16", true},
	{"6.1.0-1036-oem", "#36-Ubuntu SMP", "Ubuntu 6.1.0-1036.36-oem 6.1.75\n", "6.1.75", false},
	{"5.19.0-50-generic", "#50-Ubuntu SMP", "Ubuntu 5.19.0-50.50-generic 5.19.17\n", "5.19.17", true},
	{"5.15.0-91-generic", "#101-Ubuntu SMP", "Ubuntu 5.15.0-91.101-generic 5.15.131\n", "5.15.131", false},
	/* Others put the upstream version into the release. */
	{"6.2.15-300.fc38.x86_64", "#1 SMP PREEMPT_DYNAMIC Thu May 11 17:37:39 UTC 2023", "", "6.2.15", true},
	{"6.3.12-200.fc38.x86_64", "#1 SMP PREEMPT_DYNAMIC Thu Jul  6 04:05:18 UTC 2023", "", "6.3.12", false},
	{"6.1.34-56.100.amzn2023.x86_64", "#1 SMP PREEMPT_DYNAMIC", "", "6.1.34", true},
	{"6.1.41-63.114.amzn2023.x86_64", "#1 SMP PREEMPT_DYNAMIC", "", "6.1.41", false},
	{"6.2.16-3-pve", "#1 SMP PREEMPT_DYNAMIC PVE 6.2.16-3 (2023-06-17T05:58Z)", "", "6.2.16", true},
	{"5.14.0-362.8.1.el9_3.x86_64", "#1 SMP PREEMPT_DYNAMIC", "", "5.14.0", false},
	/* What speaks of another kernel, or says nothing, does not count. */
	{"6.1.20", "#1 SMP Debian 5.10.223-1", "", "6.1.20", true},
	{"6.1.20", PLAIN_BUILD, "Ubuntu 6.5.0-14.14-generic 6.5.3", "6.1.20", true},
	{"6.1.20", "#1 SMP Debian", "", "6.1.20", true},
	{"6.1.20", "#1 SMP Debian unstable", "\n", "6.1.20", true},
	{"6.1.20", "", "", "6.1.20", true},
	/* No version at all. */
	{"", "", "", NULL, false},
	{"six", "", "", NULL, false},
	{"6", "", "", NULL, false},
	{"6.", "", "", NULL, false},
	{"6.1.", "", "", NULL, false},
	{"99999999999.1.2", "", "", NULL, false},
	{"6.4294967296.2", "", "", NULL, false},
	{"99999999999999999999999.1", "", "", NULL, false},
};

static struct kernel_texts texts_of(size_t i)
{
	struct kernel_texts texts;

	snprintf(texts.release, sizeof(texts.release), "%s", kernels[i].release);
	snprintf(texts.build, sizeof(texts.build), "%s", kernels[i].build);
	snprintf(texts.signature, sizeof(texts.signature), "%s", kernels[i].signature);
	return texts;
}

static void upstream_version_is_found_in_the_texts(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(kernels) / sizeof(kernels[0]); i++) {
		const struct kernel_texts texts = texts_of(i);
		struct kernel_version version = {0};
		char text[64] = "";

		assert_int_equal(kernel_texts_version(&texts, &version), kernels[i].version != NULL);
		if (!kernels[i].version)
			continue;
		snprintf(text, sizeof(text), "%u.%u.%u", version.major, version.minor, version.patch);
		assert_string_equal(text, kernels[i].version);
		if (kernel_version_locks_up(&version) != kernels[i].locks_up)
			fail_msg("%s is %s", text, kernels[i].locks_up ? "not refused" : "refused");
	}
}

static void refusal_names_the_version_and_the_way_on(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(kernels) / sizeof(kernels[0]); i++) {
		const struct kernel_texts texts = texts_of(i);
		struct problem problem = {0};
		char text[1024], wanted[64];

		assert_int_equal(kernel_guard_check(&texts, &problem), kernels[i].locks_up ? -EOPNOTSUPP : 0);
		if (!kernels[i].locks_up)
			continue;
		problem_text(&problem, text, sizeof(text));
		snprintf(wanted, sizeof(wanted), "Linux %s can lock up", kernels[i].version);
		assert_non_null(strstr(text, wanted));
		assert_non_null(strstr(text, "EOPNOTSUPP; use 6.1.36 "));
		assert_non_null(strstr(text, "--trust-kernel"));
	}
}

static void running_kernel_has_a_version(void **state)
{
	struct kernel_texts texts;
	struct kernel_version version;

	(void)state;
	kernel_texts_read(&texts);
	assert_true(kernel_texts_version(&texts, &version));
	assert_true(version.major >= 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(upstream_version_is_found_in_the_texts),
		cmocka_unit_test(refusal_names_the_version_and_the_way_on),
		cmocka_unit_test(running_kernel_has_a_version),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
