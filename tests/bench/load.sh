#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A mixed load that keeps every CPU busy. usage: load.sh SECONDS FOLDER (for its files; made when missing)
#
# What a build machine does: large translation units, many small ones through the whole tool chain, an interpreter,
# compression and checksums, a sort; programs in Go and Rust where the workloads are built, in JavaScript and Java where
# node and a JDK are installed.
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
cat >interpreted.js <<'JS'
const until = Date.now() + 1000 * +process.argv[2];
const fibonacci = (n) => (n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2));
let sum = 0;
while (Date.now() < until) {
	const table = {};
	for (let i = 0; i < 3000; i++) table[`key${i * 7919 % 1009}`] = { value: i, list: [i, i + 1] };
	const text = JSON.stringify(table);
	sum += Object.keys(JSON.parse(text)).length + fibonacci(20);
	sum += text.replace(/\d+/g, (number) => +number + 1).length;
}
console.log(sum);
JS
cat >Interpreted.java <<'JAVA'
import java.util.*;
import java.util.stream.*;

public class Interpreted {
	static int fibonacci(int n) { return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2); }
	public static void main(String[] arguments)
	{
		long until = System.currentTimeMillis() + 1000L * Integer.parseInt(arguments[0]), sum = 0;
		while (System.currentTimeMillis() < until) {
			Map<String, List<Integer>> groups =
				IntStream.range(0, 5000).boxed().collect(Collectors.groupingBy(i -> "key" + i % 97));
			StringBuilder text = new StringBuilder();
			for (var group : groups.entrySet())
				text.append(group.getKey()).append(group.getValue().stream().mapToInt(Integer::intValue).sum());
			sum += groups.size() + fibonacci(22) + text.toString().hashCode();
		}
		System.out.println(sum);
	}
}
JAVA
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
if command -v clang++ >/dev/null; then
	while is_time; do clang++ -O2 -c large.cc -o large-clang.o; done &
fi
python3 interpreted.py "$seconds" &
if command -v node >/dev/null; then
	node interpreted.js "$seconds" >/dev/null &
fi
if command -v javac >/dev/null; then
	javac Interpreted.java && java -Xmx256m Interpreted "$seconds" >/dev/null &
fi
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
