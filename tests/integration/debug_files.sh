#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Debug files of stripped programs, in each place where they are looked for, and files that only look like them.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

if ! have gcc objcopy strip readelf; then
	skip live_debug_files "no gcc, objcopy, strip, readelf"
	finish
fi
mkdir "$T/bin" "$T/dirs" "$T/plain"
cat >"$T/spin.c" <<'C'
#include <time.h>
static volatile unsigned long sink;
static __attribute__((noinline)) void hidden_worker(void)
{
	for (int i = 0; i < 1000000; i++)
		sink += i;
}
int main(void)
{
	struct timespec began, now;

	clock_gettime(CLOCK_MONOTONIC, &began);
	do {
		hidden_worker();
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while (now.tv_sec - began.tv_sec < 60);
	return 0;
}
C

# build NAME LINKER-OPTIONS: the program with its symbols, what was stripped, and what was stripped off
build()
{
	gcc -O1 -g -o "$T/$1.full" "$T/spin.c" -Wl,"$2" || return 1
	objcopy --only-keep-debug "$T/$1.full" "$T/$1.debug" && strip -o "$T/bin/$1" "$T/$1.full"
}
id_of()
{
	readelf -n "$1" | sed -n 's/.*Build ID: //p'
}
# by_id DIR FILE ID: the file where DIR keeps that of the id
by_id()
{
	mkdir -p "$1/.build-id/${3:0:2}" && cp "$2" "$1/.build-id/${3:0:2}/${3:2}.debug"
}
# recorded NAME OPTIONS...: the stacks of one of our programs in $T/folded, what was said in $T/err
recorded()
{
	local pid

	"$T/bin/$1" &
	pid=$!
	"$HOSTPROF" record -v -d 0.5 -p $pid --folded "$T/folded" --force "${@:2}" 2>"$T/err"
	kill $pid
	wait $pid 2>/dev/null
}
# shellcheck disable=SC2317,SC2329 # by check
is_named()
{
	grep -q 'main;hidden_worker' "$T/folded"
}
# shellcheck disable=SC2317,SC2329 # by check
is_unnamed()
{
	grep -q "\[stripped $1+0x" "$T/folded" && ! grep -q hidden_worker "$T/folded"
}

# --- by build id ---
build by_id --build-id
recorded by_id
check live_debug_without_one_it_is_stripped "$(head -n 5 "$T/folded")" is_unnamed by_id
by_id "$T/dirs" "$T/by_id.debug" "$(id_of "$T/bin/by_id")"
recorded by_id --debug-dir "$T/plain" --debug-dir "$T/dirs"
check live_debug_by_build_id "$(head -n 5 "$T/folded")" is_named
line=$(grep -n 'sink += i' "$T/spin.c" | cut -d: -f1)
address=0x$(nm "$T/by_id.full" | awk '$3 == "hidden_worker" { print $1 }')
"$HOSTPROF" symbols --debug-dir "$T/dirs" "$T/bin/by_id" "$address" >"$T/out" 2>"$T/err"
matches live_debug_symbols_names '^hidden_worker$' "$T/out"
matches live_debug_symbols_has_lines "spin\.c:$((line - 2))\$|spin\.c:$((line - 3))\$" "$T/out"
"$HOSTPROF" symbols --debug-dir "$T/none" "$T/bin/by_id" "$address" >"$T/out" 2>"$T/err"
equal live_debug_symbols_wants_a_directory 1 $?
matches live_debug_symbols_says_which_directory "cannot open it" "$T/err"
recorded by_id --debug-dir "$T/none"
matches live_debug_record_says_which_directory "cannot look for debug files in .*/none" "$T/err"

# An id of eight bytes, and one that is longer than the kernel tells.
for bytes in 8 32; do
	build "id_$bytes" "--build-id=0x$(printf "%0$((2 * bytes))d" "$((bytes * 7))")"
	by_id "$T/dirs" "$T/id_$bytes.debug" "$(id_of "$T/bin/id_$bytes")"
	recorded "id_$bytes" --debug-dir "$T/dirs"
	check "live_debug_by_build_id_of_${bytes}_bytes" "$(head -n 5 "$T/folded")" is_named
done

# --- what is not it ---
build stale --build-id=0x0123456789abcdef
by_id "$T/dirs" "$T/by_id.debug" "$(id_of "$T/bin/stale")"
recorded stale --debug-dir "$T/dirs"
check live_debug_stale_is_refused "$(head -n 5 "$T/folded")" is_unnamed stale
matches live_debug_stale_is_counted 'debug_files_failed: 1$' "$T/err"
id=$(id_of "$T/bin/stale")
rm "$T/dirs/.build-id/${id:0:2}/${id:2}.debug"
mkfifo "$T/dirs/.build-id/${id:0:2}/${id:2}.debug"
recorded stale --debug-dir "$T/dirs"
check live_debug_fifo_is_refused "$(head -n 5 "$T/folded")" is_unnamed stale

# --- by link ---
build linked --build-id=none
cp "$T/linked.debug" "$T/plain/linked.debug"
objcopy --add-gnu-debuglink="$T/linked.debug" "$T/bin/linked"
recorded linked
check live_debug_link_without_the_file "$(head -n 5 "$T/folded")" is_unnamed linked
recorded linked --debug-dir "$T/plain"
check live_debug_by_link_in_a_directory "$(head -n 5 "$T/folded")" is_named
mkdir "$T/bin/.debug"
cp "$T/linked.debug" "$T/bin/.debug/"
recorded linked
check live_debug_by_link_beside_the_program "$(head -n 5 "$T/folded")" is_named
printf x >>"$T/bin/.debug/linked.debug"
recorded linked
check live_debug_link_of_wrong_checksum "$(head -n 5 "$T/folded")" is_unnamed linked
matches live_debug_link_of_wrong_checksum_is_counted 'debug_files_failed: 1$' "$T/err"

# --- in a container's root, gone when its names are made ---
mkdir -p "$T/root/bin" "$T/root/proc"
gcc -O1 -g -static -o "$T/inside.full" "$T/spin.c" -Wl,--build-id
objcopy --only-keep-debug "$T/inside.full" "$T/inside.debug"
strip -o "$T/root/bin/inside" "$T/inside.full"
by_id "$T/root/usr/lib/debug" "$T/inside.debug" "$(id_of "$T/root/bin/inside")"
# recorded_inside TO: for a second, while its first half the program runs in a mount namespace with that root
recorded_inside()
{
	local pid

	# shellcheck disable=SC2016 # for the inner shell
	unshare --mount --propagation private sh -ec '
		mount -t tmpfs none "$1/proc" # something that is in this namespace alone
		exec chroot "$1" /bin/inside' sh "$T/root" &
	pid=$!
	wait_for 10 sh -c "readlink /proc/$pid/exe | grep -q /bin/inside"
	(sleep 0.6; kill $pid) &
	"$HOSTPROF" record -q -d 1 -p $pid --folded "$T/folded" --force 2>"$T/err"
	wait $pid 2>/dev/null
}
recorded_inside
check live_debug_in_a_container_s_root "$(head -n 5 "$T/folded")" is_named

# --- a distribution's ---
libc=$(ldd "$T/by_id.full" | awk '/libc\.so/ { print $3 }')
id=$(id_of "$libc")
debug=/usr/lib/debug/.build-id/${id:0:2}/${id:2}.debug
if [ -e "$debug" ]; then
	address=$(nm "$debug" | awk '$3 == "_int_malloc" { print $1 }')
	"$HOSTPROF" symbols "$libc" "0x$address" >"$T/out" 2>"$T/err"
	matches live_debug_libc_has_its_static_functions '^_int_malloc$' "$T/out"
	matches live_debug_libc_has_their_lines 'malloc/malloc\.c:[0-9]' "$T/out"
else
	skip live_debug_libc_has_its_static_functions "no libc6-dbg"
fi

# --- split, and shared: what is inlined is told by DWARF alone ---
cat >"$T/inlined.c" <<'C'
#include <time.h>
static volatile unsigned long sink;
static inline __attribute__((always_inline)) void deep_inlined(int i)
{
	sink += i;
}
static __attribute__((noinline)) void hidden_worker(void)
{
	for (int i = 0; i < 1000000; i++)
		deep_inlined(i);
}
int main(void)
{
	struct timespec began, now;

	clock_gettime(CLOCK_MONOTONIC, &began);
	do {
		hidden_worker();
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while (now.tv_sec - began.tv_sec < 60);
	return 0;
}
C
# shellcheck disable=SC2317,SC2329 # by check
has_inlines()
{
	grep -q 'main;hidden_worker;deep_inlined' "$T/folded"
}
# shellcheck disable=SC2317,SC2329 # by check
has_no_inlines()
{
	grep -q 'main;hidden_worker' "$T/folded" && ! grep -q deep_inlined "$T/folded"
}
for version in 4 5; do
	mkdir "$T/objects$version" "$T/away$version"
	(cd "$T/objects$version" && gcc -O1 "-gdwarf-$version" -gsplit-dwarf -c "$T/inlined.c" -o split.o &&
		gcc -o "$T/bin/split$version" split.o)
	recorded "split$version"
	check "live_debug_split_${version}_without_its_files" "$(head -n 5 "$T/folded")" has_no_inlines
	recorded "split$version" --debug-dir "$T/objects$version"
	check "live_debug_split_${version}_in_a_directory" "$(head -n 5 "$T/folded")" has_inlines
	# The one of binutils 2.40 makes no packages of version 5.
	packer=$([ "$version" = 4 ] && echo dwp || echo llvm-dwp)
	if have "$packer"; then
		"$packer" -o "$T/away$version/split$version.dwp" "$T/objects$version/split.dwo"
		recorded "split$version" --debug-dir "$T/away$version"
		check "live_debug_split_${version}_in_a_package" "$(head -n 5 "$T/folded")" has_inlines
	else
		skip "live_debug_split_${version}_in_a_package" "no $packer"
	fi
	cp "$T/objects$version/split.dwo" "$T/bin"
	recorded "split$version"
	check "live_debug_split_${version}_beside_the_program" "$(head -n 5 "$T/folded")" has_inlines
	rm "$T/bin/split.dwo"
done

# dwz shares only what is large, and the same in both.
if have dwz; then
	mkdir "$T/shared"
	for name in one two; do
		{
			cat "$T/inlined.c"
			for i in $(seq 200); do
				echo "struct shared_$i { int member_$i; struct shared_$i *next_of_$i; } kept_$i;"
			done
			echo "int only_in_$name;"
		} >"$T/$name.c"
		gcc -O1 -gdwarf-4 -o "$T/$name.full" "$T/$name.c" -Wl,--build-id
		objcopy --only-keep-debug "$T/$name.full" "$T/$name.debug"
		strip -o "$T/bin/$name" "$T/$name.full"
	done
	(cd "$T" && dwz -m shared/common.debug -M ../common.debug one.debug two.debug)
	check live_debug_dwz_made_a_shared_file "dwz made none" test -s "$T/shared/common.debug"
	by_id "$T/shared" "$T/one.debug" "$(id_of "$T/bin/one")"
	by_id "$T/dirs" "$T/one.debug" "$(id_of "$T/bin/one")"
	recorded one --debug-dir "$T/shared"
	check live_debug_dwz_with_what_is_shared "$(head -n 5 "$T/folded")" has_inlines
	matches live_debug_dwz_opens_what_is_shared 'debug_files_opened: [2-9]' "$T/err"
	recorded one --debug-dir "$T/dirs"
	check live_debug_dwz_without_it_is_named "$(head -n 5 "$T/folded")" is_named
	# One of that name that is not it.
	cp "$T/two.debug" "$T/dirs/common.debug"
	recorded one --debug-dir "$T/dirs"
	matches live_debug_dwz_of_another_is_refused 'debug_files_failed: 1$' "$T/err"
else
	skip live_debug_dwz "no dwz"
fi
finish
