#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A mixed load that keeps every CPU busy. usage: load.sh SECONDS FOLDER (for its files; made when missing)
#
# What a build machine does: one large translation unit, many small ones through the whole tool chain, an interpreter,
# compression and checksums, a sort; and programs in Go and Rust where the workloads are built.
set -u

seconds=${1:?usage: load.sh SECONDS FOLDER}
folder=${2:?usage: load.sh SECONDS FOLDER}
WORKLOADS=${WORKLOADS:-$(cd "$(dirname "$0")/../.." && pwd)/build/tests/workloads}
mkdir -p "$folder/small" && cd "$folder" || exit 1

cat >large.cc <<'C'
#include <algorithm>
#include <deque>
#include <functional>
#include <iostream>
#include <iterator>
#include <map>
#include <memory>
#include <numeric>
#include <set>
#include <sstream>
#include <string>
#include <unordered_map>
#include <vector>
template <unsigned N> struct tower {
	static long height(std::unordered_map<std::string, std::set<long>> &seen)
	{
		std::ostringstream name;
		name << "level " << N;
		seen[name.str()].insert(N);
		return std::accumulate(seen[name.str()].begin(), seen[name.str()].end(), tower<N - 1>::height(seen));
	}
};
template <> struct tower<0> {
	static long height(std::unordered_map<std::string, std::set<long>> &) { return 0; }
};
int main()
{
	std::unordered_map<std::string, std::set<long>> seen;
	std::deque<std::shared_ptr<std::map<int, std::function<long()>>>> queue;
	std::cout << tower<120>::height(seen) + static_cast<long>(queue.size()) << "\n";
}
C
for i in $(seq 40); do
	printf '#include <stdlib.h>\n#include <string.h>\nstatic int by_%d(const void *a, const void *b)\n{\n\treturn strcmp(a, b) * %d;\n}\nint main(void)\n{\n\tchar words[4][8] = {"d", "c", "b", "a"};\n\n\tqsort(words, 4, 8, by_%d);\n\treturn words[0][0] == 0;\n}\n' \
		"$i" "$i" "$i" >"small/$i.c"
done
cat >interpreted.py <<'PYTHON'
import collections, hashlib, json, re, sys, time
until = time.monotonic() + float(sys.argv[1])
words = [f"word{i * 7919 % 4001}" for i in range(20000)]
while time.monotonic() < until:
    counted = collections.Counter(words)
    text = json.dumps(counted, sort_keys=True)
    matches = re.findall(r'"(word\d+)": (\d+)', text)
    hashlib.sha512(text.encode()).hexdigest()
    sorted(matches, key=lambda pair: (int(pair[1]), pair[0]))
    json.loads(text)
PYTHON
[ -s numbers ] || seq 400000 | awk '{print $1 * 7919 % 400009, "line", $1}' >numbers

end=$((SECONDS + seconds))
is_time()
{
	[ $SECONDS -lt $end ]
}
while is_time; do g++ -O2 -c large.cc -o large.o; done &
while is_time; do
	for i in $(seq 40); do
		is_time || break
		gcc -O1 "small/$i.c" -o "small/$i.out" && "small/$i.out"
	done
done &
python3 interpreted.py "$seconds" &
while is_time; do gzip -6 -c numbers >numbers.gz; sha512sum numbers.gz >sums; gzip -dc numbers.gz | sort -n | tail -n 1 >last; done &
# These count CPU seconds, not time: with the others beside them they last until they are ended.
others=()
for program in split-go split-rust; do
	if [ -x "$WORKLOADS/$program" ]; then
		"$WORKLOADS/$program" "$seconds" &
		others+=($!)
	fi
done
while is_time; do sleep 0.2; done
[ ${#others[@]} -eq 0 ] || kill "${others[@]}" 2>/dev/null
wait
exit 0
