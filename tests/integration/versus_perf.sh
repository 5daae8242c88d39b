#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# perf record -a -g beside us on one load: where its 20 hottest functions are hot, ours are.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

if ! perf_works; then
	skip live_versus_perf "perf does not work here"
	exit 0
fi

mkdir "$T/tiny"
for i in $(seq 40); do
	printf '#include <stdio.h>\nint f%d(int x)\n{\n\treturn x * %d;\n}\n\nint main(void)\n{\n\treturn printf("%%d", f%d(3)) < 0;\n}\n' \
		"$i" "$i" "$i" >"$T/tiny/$i.c"
done
cat >"$T/load" <<EOF2
#!/bin/sh
"$WORKLOADS/split-pie" 8 &
"$WORKLOADS/split-cxx" 6 &
"$WORKLOADS/split-static" 4 &
for i in \$(seq 40); do gcc -O2 -c "$T/tiny/\$i.c" -o "$T/tiny/\$i.o"; done
wait
EOF2
chmod +x "$T/load"

# perf begins before us and ends after us, and both see the whole life of the load, which alone is compared.
if ! perf_beside comm,ip,sym "$T/script" -g -F 999 -- \
	"$HOSTPROF" record -F 999 --json --force --folded "$T/folded" -- "$T/load"; then
	not_ok live_versus_perf_is_recorded "$(cat "$T/err")"
	finish
fi
check live_versus_perf_accounts_balance "$(cat "$T/json")" accounts_balance
verdicts python3 "$here/versus_perf.py" "$T/script" "$T/folded"
finish
