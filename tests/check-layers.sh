#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The folder tells the privilege: checks the #include lines of src/ and include/ against the table of layers, system
# headers included, and that code which runs in the resolver calls nothing that takes a path or makes a socket.
#
#     tests/check-layers.sh [ROOT]
set -u
cd "${1:-.}" || exit 2

# Folder -> folders whose headers it may include, besides its own.
declare -A allowed=(
	[base]=''
	[ipc]='base wire'
	[collector]='base ipc table wire'
	[opener]='base ipc wire'
	[elf]='base wire'
	[dwarf]='base elf wire'
	[table]='base wire'
	[unwind]='base elf table wire'
	[symbol]='base dwarf elf wire'
	[label]='base'
	[profile]='base'
	[encode]='base profile'
	[resolver]='base ipc dwarf elf table unwind symbol label profile encode wire'
	[net]='base ipc'
	[sender]='base ipc net'
	[cli]='base ipc collector table wire opener/debug_file.h opener/opener.h opener/debug_cache.h resolver/resolver.h sender/sender.h'
	[wire]=''
)
# src/main.c starts the roles and the commands.
allowed[main]="cli ${allowed[cli]}"

# Extended regex of system headers -> folders that may include them.
system_rules=(
	'^(bpf/|.*\.skel\.h$) collector'
	'^(libelf|gelf|elfutils/.*|dwarf)\.h$ elf'
	'^zlib\.h$ elf encode'
	'^(lzma|zstd|zstd_errors)\.h$ elf'
	'^(protobuf-c/|.*\.pb-c\.h$) encode'
	'^(sys/capability|seccomp|linux/seccomp|linux/capability)\.h$ ipc'
	'^(sys/socket|sys/un|netinet/.*|arpa/inet|netdb|linux/netlink)\.h$ ipc net'
	'^(curl/.*|dlfcn\.h$) net'
	'^(libiberty/.*|demangle)\.h$ symbol'
	'^(sha2|sha256|md5)\.h$ elf'
	'^(cmocka|vmlinux)\.h$ -'
)

# These take bytes, descriptors or readers, never a path: "openat(" and its kin are no calls of theirs.
pathless='resolver dwarf elf table unwind symbol label profile encode'
path_calls='open|open64|openat|openat2|creat|fopen|freopen|opendir|scandir|nftw|stat|lstat|statx|access|readlink'
path_calls+='|readlinkat|realpath|unlink|unlinkat|rename|renameat|mkdir|mkdirat|mkstemp|popen|system|execve|execvp'
path_calls+='|socket|connect|bind|dlopen|syscall'

bad=0
complain()
{
	echo "$1: $2" >&2
	bad=$((bad + 1))
}

# "LINE: KIND NAME" for each #include, where KIND is < or ". In awk, because comments must not count.
includes()
{
	awk '
	{ text = $0 }
	in_comment { if (!sub(/^.*\*\//, "", text)) next; in_comment = 0 }
	{ while (match(text, /\/\*([^*]|\*+[^*\/])*\*+\//)) text = substr(text, 1, RSTART - 1) " " substr(text, RSTART + RLENGTH) }
	/\/\*/ && match(text, /\/\*/) { text = substr(text, 1, RSTART - 1); in_comment = 1 }
	text ~ /^[ \t]*#[ \t]*include/ {
		sub(/^[ \t]*#[ \t]*include[ \t]*/, "", text)
		kind = substr(text, 1, 1)
		text = substr(text, 2)
		sub(/[">].*/, "", text)
		print FNR, kind, text
	}' "$1"
}

includes_of_file()
{
	local file=$1 folder=$2 line kind name target rule pattern owners

	while read -r line kind name; do
		if [ "$kind" != '<' ] && [ "$kind" != '"' ]; then
			complain "$file:$line" "include of a macro cannot be checked"
			continue
		fi
		if [[ $name == *..* ]]; then
			complain "$file:$line" "\"$name\" leaves its folder"
			continue
		fi
		target=${name%%/*}
		if [ "$target" != "$name" ] && [ -n "${allowed[$target]+known}" ] && [[ $name != *.pb-c.h ]]; then
			if [ "$target" != "$folder" ] && [[ " ${allowed[$folder]} " != *" $target "* ]] &&
				[[ " ${allowed[$folder]} " != *" $name "* ]]; then
				complain "$file:$line" "$folder must not include $name"
			fi
			continue
		fi
		for rule in "${system_rules[@]}"; do
			pattern=${rule%% *}
			owners=${rule#* }
			if [[ $name =~ $pattern ]] && [[ " $owners " != *" $folder "* ]]; then
				complain "$file:$line" "$folder must not include $name: it belongs to $owners"
			fi
		done
	done < <(includes "$file")
}

# Without comments and strings, each call of a function that takes a path.
path_calls_of_file()
{
	"${CC:-gcc}" -fpreprocessed -dD -E -w -x c "$1" 2>/dev/null |
		awk -v calls="(^|[^A-Za-z0-9_])($path_calls)[ \t]*\\\\(" '
		/^# [0-9]+ / { line = $2; next }
		{
			gsub(/\\\\|\\"/, "")
			gsub(/"[^"]*"/, "\"\"")
			if ($0 ~ calls)
				print line ": " $0
			line++
		}'
}

checked=0
for path in src/*/ include/*/; do
	[ -d "$path" ] || continue
	folder=$(basename "$path")
	if [ -z "${allowed[$folder]+known}" ]; then
		complain "$path" "no layer of this name in tests/check-layers.sh"
		continue
	fi
	for file in "$path"*.[ch]; do
		[ -e "$file" ] || continue
		checked=$((checked + 1))
		includes_of_file "$file" "$folder"
		[[ " $pathless " == *" $folder "* ]] || continue
		while IFS= read -r call; do
			complain "$file:${call%%:*}" "$folder runs without paths and sockets:${call#*:}"
		done < <(path_calls_of_file "$file")
	done
done
if [ -e src/main.c ]; then
	checked=$((checked + 1))
	includes_of_file src/main.c main
fi

if [ $checked -eq 0 ]; then
	complain . "no sources found"
fi
[ $bad -eq 0 ] || exit 1
