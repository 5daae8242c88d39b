/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdio.h>
#include <string.h>

#include "label/cgroup_path.h"

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define OTHER_ID "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210"
#define UID "31dfdd5b-5a1a-4b3d-9a7c-0123456789ab"
#define UID_OF_SLICE "31dfdd5b_5a1a_4b3d_9a7c_0123456789ab"
#define STATIC_UID "0123456789abcdef0123456789abcdef"
#define USER "/user.slice/user-1000.slice/user@1000.service"

struct expected {
	const char *path, *container_id, *runtime, *pod_uid, *unit;
};

static void check(const struct expected *expected, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct cgroup_owner owner;

		cgroup_path_parse(expected[i].path, &owner);
		if (strcmp(owner.container_id, expected[i].container_id) != 0 ||
		    strcmp(owner.runtime, expected[i].runtime) != 0 ||
		    strcmp(owner.pod_uid, expected[i].pod_uid) != 0 || strcmp(owner.unit, expected[i].unit) != 0)
			fail_msg("%s: container '%s' of '%s', pod '%s', unit '%s'", expected[i].path,
				 owner.container_id, owner.runtime, owner.pod_uid, owner.unit);
	}
}

#define CHECK(...)                                                                                                     \
	check((const struct expected[]){__VA_ARGS__},                                                                  \
	      sizeof((const struct expected[]){__VA_ARGS__}) / sizeof(struct expected))

static void pods_of_both_drivers_are_told(void **state)
{
	(void)state;
	CHECK({"/kubepods/burstable/pod" UID "/" ID, ID, "", UID, ""}, {"/kubepods/pod" UID "/" ID, ID, "", UID, ""},
	      {"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" UID_OF_SLICE
	       ".slice/cri-containerd-" ID ".scope",
	       ID, "containerd", UID, ""},
	      {"/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod" UID_OF_SLICE ".slice/crio-" ID
	       ".scope",
	       ID, "cri-o", UID, ""},
	      {"/kubepods.slice/kubepods-pod" UID_OF_SLICE ".slice/docker-" ID ".scope", ID, "docker", UID, ""},
	      /* containerd's name for a group that systemd does not know */
	      {"/system.slice/containerd.service/kubepods-burstable-pod" UID_OF_SLICE ".slice:cri-containerd:" ID, ID,
	       "containerd", UID, ""},
	      /* a static pod; the pod's own group, in which nothing should run */
	      {"/kubepods/burstable/pod" STATIC_UID "/" ID, ID, "", STATIC_UID, ""},
	      {"/kubepods/burstable/pod" UID, "", "", UID, ""});
}

static void nodes_that_are_containers_are_not_the_container(void **state)
{
	(void)state;
	/* kind, k3d; Docker in a pod; systemd in a pod */
	CHECK({"/docker/" OTHER_ID "/kubelet/kubepods/besteffort/pod" UID "/" ID, ID, "", UID, ""},
	      {"/system.slice/docker-" OTHER_ID
	       ".scope/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod" UID_OF_SLICE
	       ".slice/cri-containerd-" ID ".scope",
	       ID, "containerd", UID, ""},
	      {"/kubepods/burstable/pod" UID "/" ID "/docker/" OTHER_ID, ID, "", UID, ""},
	      {"/kubepods/burstable/pod" UID "/" ID "/system.slice/nginx.service", ID, "", UID, "nginx.service"});
}

static void containers_without_kubernetes_are_told(void **state)
{
	(void)state;
	CHECK({"/docker/" ID, ID, "docker", "", ""}, {"/system.slice/docker-" ID ".scope", ID, "docker", "", ""},
	      {"/docker/" OTHER_ID "/docker/" ID, ID, "docker", "", ""},
	      {"/machine.slice/libpod-" ID ".scope", ID, "podman", "", ""},
	      {"/machine.slice/libpod-" ID ".scope/container", ID, "podman", "", ""},
	      {USER "/user.slice/libpod-" ID ".scope/container", ID, "podman", "", ""},
	      {"/libpod_parent/" ID, ID, "podman", "", ""}, {"/libpod_parent/libpod-" ID, ID, "podman", "", ""},
	      {"/system.slice/nerdctl-" ID ".scope", ID, "containerd", "", ""}, {"/default/" ID, ID, "", "", ""},
	      {"/ecs/" STATIC_UID "/" ID, ID, "", "", ""},
	      {"/ecs/" STATIC_UID "/" STATIC_UID "-2938493847", STATIC_UID "-2938493847", "", "", ""},
	      {"/ecstasks.slice/ecstasks-" STATIC_UID ".slice/docker-" ID ".scope", ID, "docker", "", ""},
	      /* seen from within a group namespace */
	      {"/../../docker-" ID ".scope", ID, "docker", "", ""});
}

static void a_monitor_is_no_container(void **state)
{
	(void)state;
	CHECK({"/machine.slice/libpod-conmon-" ID ".scope", "", "", "", "libpod-conmon-" ID ".scope"},
	      {"/kubepods.slice/kubepods-pod" UID_OF_SLICE ".slice/crio-conmon-" ID ".scope", "", "", UID,
	       "crio-conmon-" ID ".scope"});
}

static void units_are_the_deepest(void **state)
{
	(void)state;
	CHECK({"/system.slice/nginx.service", "", "", "", "nginx.service"},
	      {"/system.slice/system-getty.slice/getty@tty1.service", "", "", "", "getty@tty1.service"},
	      {"/user.slice/user-1000.slice/session-3.scope", "", "", "", "session-3.scope"},
	      {USER, "", "", "", "user@1000.service"}, {USER "/init.scope", "", "", "", "init.scope"},
	      {USER "/app.slice/app-firefox-2211.scope", "", "", "", "app-firefox-2211.scope"},
	      {"/docker/" ID "/system.slice/nginx.service", ID, "docker", "", "nginx.service"},
	      {"/system.slice/php-fpm.service/worker", "", "", "", "php-fpm.service"});
}

static void what_only_looks_alike_is_nothing(void **state)
{
	(void)state;
	CHECK({"", "", "", "", ""}, {"/", "", "", "", ""}, {"///::", "", "", "", ""}, {"/user.slice", "", "", "", ""},
	      {"/.service", "", "", "", ""}, {"/0123456789abcdef", "", "", "", ""},
	      {"/docker/0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef", "", "", "", ""},
	      {"/docker/" ID "0", "", "", "", ""}, {"/docker-" ID ".mount", "", "", "", ""}, {"/x" ID, "", "", "", ""},
	      {"/tripod" STATIC_UID, "", "", "", ""},
	      {"/kubepods/pod31dfdd5b-5a1a-4b3d-9a7c-0123456789zz", "", "", "", ""},
	      {"/tasks/" STATIC_UID "-1", "", "", "", ""}, {"/ecs/" STATIC_UID "-", "", "", "", ""},
	      {"/ecs/" STATIC_UID, "", "", "", ""});
}

static void long_names_are_cut(void **state)
{
	char path[600] = "/";
	struct cgroup_owner owner;

	(void)state;
	memset(path + 1, 'x', 500);
	memcpy(path + 501, ".service", sizeof(".service"));
	cgroup_path_parse(path, &owner);
	assert_int_equal(strlen(owner.unit), CGROUP_UNIT_BYTES - 1);
	memset(path + 1, '1', 500);
	memcpy(path + 1, "ecs/", 4);
	path[5 + 32] = '-';
	path[501] = 0;
	cgroup_path_parse(path, &owner);
	assert_string_equal(owner.container_id, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pods_of_both_drivers_are_told),
		cmocka_unit_test(nodes_that_are_containers_are_not_the_container),
		cmocka_unit_test(containers_without_kubernetes_are_told),
		cmocka_unit_test(a_monitor_is_no_container),
		cmocka_unit_test(units_are_the_deepest),
		cmocka_unit_test(what_only_looks_alike_is_nothing),
		cmocka_unit_test(long_names_are_cut),
	};

	return cmocka_run_group_tests_name("cgroup_path", tests, NULL, NULL);
}
