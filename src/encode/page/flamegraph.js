// SPDX-License-Identifier: Apache-2.0
// Draws the graph on one canvas as large as the window: only the rows and frames in sight are touched, so the cost of a
// redraw does not grow with the profile. The data are described in flamegraph_encode.c.
//
// Names come from the profiled machine and are hostile: they reach the page as text only (textContent, fillText).
(() => {
	"use strict";

	const KIND = { process: 0, user: 1, kernel: 2, unnamed: 3, truncated: 4, folded: 5 };
	const KIND_TEXTS = ["process", "user code", "kernel", "without a name", "stack truncated", "folded"];
	const ROW = 20; // height of a row, CSS pixels
	const MIN_WIDTH = 0.7; // narrower frames are drawn together,
	const MAX_TOGETHER = 3; // up to this width, in the colour of the first
	const MIN_TEXT_WIDTH = 26;
	const MAX_LABEL = 400; // characters that are measured and drawn of a name
	const ROWS_ABOVE = 3; // frames above the zoomed one that stay in sight

	const $ = (id) => document.getElementById(id);
	const data = JSON.parse($("data").textContent);
	// Marks that reverse the reading direction would let a name look like another.
	data.strings = data.strings.map((text) => text.replace(/[\u202a-\u202e\u2066-\u2069]/g, "\ufffd"));
	const view = $("view"), canvas = $("canvas"), tooltip = $("tooltip");
	const context = canvas.getContext("2d", { alpha: false });
	const darkQuery = matchMedia("(prefers-color-scheme: dark)");

	// --- the tree: typed arrays by node in preorder; node 0 is the root -------------------------------------------

	const size = data.nodes.length + 1;
	const frame = new Int32Array(size).fill(-1);
	const depth = new Int32Array(size);
	const parent = new Int32Array(size).fill(-1);
	const end = new Int32Array(size); // behind the last node of the subtree
	const total = new Float64Array(size), totalSamples = new Float64Array(size);
	const self = new Float64Array(size), selfSamples = new Float64Array(size);
	const left = new Float64Array(size); // where it begins, in units of the weight
	let rows = []; // by depth: nodes from left to right

	const frames = data.frames.length / 3;
	const frameName = (f) => (f < 0 ? "all" : data.strings[data.frames[3 * f]]);
	const frameModule = (f) => (f < 0 ? "" : data.strings[data.frames[3 * f + 1]]);
	const frameKind = (f) => (f < 0 ? KIND.process : data.frames[3 * f + 2]);

	const entries = data.entries.length / 3;
	const entryNode = new Int32Array(entries), entryProcess = new Int32Array(entries);
	const entrySamples = new Float64Array(entries), entryWeight = new Float64Array(entries);
	const processes = data.processes.length / 2;
	const processComm = (p) => data.strings[data.processes[2 * p]];
	const processPid = (p) => data.strings[data.processes[2 * p + 1]];

	function readTree() {
		const open = [0];
		for (let i = 1; i < size; i++) {
			frame[i] = data.nodes[i - 1];
			depth[i] = data.depths[i - 1];
			while (open.length > depth[i])
				end[open.pop()] = i;
			parent[i] = open[open.length - 1];
			open.push(i);
		}
		while (open.length)
			end[open.pop()] = size;
		for (let i = 0, node = 1; i < entries; i++) {
			node += data.entries[3 * i];
			entryNode[i] = node;
			entryProcess[i] = data.entries[3 * i + 1];
			entrySamples[i] = data.entries[3 * i + 2];
			entryWeight[i] = data.weights ? data.weights[i] : entrySamples[i] * data.period;
		}
	}

	// Adds up the entries of the processes that isShown(p) picks.
	function sum(isShown) {
		const shown = new Uint8Array(processes);
		for (let p = 0; p < processes; p++)
			shown[p] = isShown(p) ? 1 : 0;
		self.fill(0);
		selfSamples.fill(0);
		for (let i = 0; i < entries; i++) {
			if (!shown[entryProcess[i]])
				continue;
			self[entryNode[i]] += entryWeight[i];
			selfSamples[entryNode[i]] += entrySamples[i];
		}
		total.set(self);
		totalSamples.set(selfSamples);
		for (let i = size - 1; i > 0; i--) {
			total[parent[i]] += total[i];
			totalSamples[parent[i]] += totalSamples[i];
		}
	}

	// Siblings from the heaviest to the lightest; of equal ones the first by name comes first.
	function layOut() {
		let row = [0];
		rows = [];
		left[0] = 0;
		while (row.length) {
			const below = [];
			rows.push(Int32Array.from(row));
			for (const node of row) {
				const children = [];
				for (let child = node + 1; child < end[node]; child = end[child])
					if (total[child] > 0)
						children.push(child);
				if (children.length > 1)
					children.sort((a, b) => total[b] - total[a] || a - b);
				let x = left[node];
				for (const child of children) {
					left[child] = x;
					x += total[child];
					below.push(child);
				}
			}
			row = below;
		}
	}

	// The place in its row of the last node that begins at or before x.
	function findInRow(row, x) {
		let low = 0, high = row.length - 1;
		while (low < high) {
			const middle = (low + high + 1) >> 1;
			if (left[row[middle]] <= x)
				low = middle;
			else
				high = middle - 1;
		}
		return low;
	}

	// --- numbers as text -----------------------------------------------------------------------------------------

	const isTime = data.unit === "nanoseconds";
	const grouped = new Intl.NumberFormat("en-US");
	const short = (value) => (value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2));
	const plural = (n, word) => `${grouped.format(n)} ${word}${n === 1 ? "" : "s"}`;

	function percent(part, whole) {
		const share = whole > 0 ? (100 * part) / whole : 0;
		return `${share >= 99.95 || share === 0 ? share.toFixed(0) : share >= 0.1 ? share.toFixed(1) : share.toFixed(3)} %`;
	}

	function seconds(ns) {
		for (const [unit, factor] of [["s", 1e9], ["ms", 1e6], ["µs", 1e3]])
			if (ns >= factor)
				return `${ns >= 1000 * factor ? grouped.format(Math.round(ns / factor)) : short(ns / factor)} ${unit}`;
		return `${ns} ns`;
	}

	function counted(value) {
		for (const [unit, factor] of [["T", 1e12], ["G", 1e9], ["M", 1e6], ["k", 1e3]])
			if (value >= factor)
				return `${short(value / factor)} ${unit}`;
		return String(value);
	}

	function cores(weight) {
		const value = weight / 1e9 / data.seconds;
		return `${value >= 0.1 || value === 0 ? short(value) : value.toPrecision(2)} cores`;
	}

	// What a weight is: "0.21 cores", "2.10 s"; or "3.1 G cycles"
	function amounts(weight) {
		if (!isTime)
			return [`${counted(weight)} ${data.type}`];
		return data.seconds > 0 ? [cores(weight), seconds(weight)] : [seconds(weight)];
	}

	// --- colours -------------------------------------------------------------------------------------------------

	let theme = null;
	const fills = new Array(frames + 1); // by frame; the last is the root's

	function hash(text) {
		let value = 2166136261;
		for (let i = 0; i < text.length; i++)
			value = Math.imul(value ^ text.charCodeAt(i), 16777619);
		return (value ^ (value >>> 15)) >>> 0;
	}

	// Hue by module, brightness a little by name, so that neighbours can be told apart.
	function kindColor(kind, module, name, isDark) {
		const vary = ((hash(name) % 100) / 100 - 0.5) * (isDark ? 5 : 7);
		const pick = (hue, saturation, light, dark) =>
			`hsl(${hue} ${isDark ? saturation * 0.62 : saturation}% ${(isDark ? dark : light) + vary}%)`;
		switch (kind) {
		case KIND.process:
			return pick(158, 38, 70, 30);
		case KIND.user:
			return pick(20 + (module ? hash(module) % 25 : 12), 88, 73, 36);
		case KIND.kernel:
			return pick(module === "[kernel]" ? 212 : 188 + (hash(module) % 16), 72, 76, 38);
		case KIND.unnamed:
			return pick(35, 6, 80, 32);
		case KIND.truncated:
			return pick(342, 62, 80, 38);
		default:
			return pick(35, 4, 88, 26);
		}
	}

	function readTheme() {
		const style = getComputedStyle(document.documentElement), isDark = darkQuery.matches;
		const value = (name) => style.getPropertyValue(name).trim();
		const family = getComputedStyle(document.body).fontFamily;
		theme = {
			back: value("--raised"),
			text: isDark ? "#f6f3ee" : "#211c14",
			root: isDark ? "#3a3d43" : "#d9d5cd",
			match: isDark ? "#9a4fd3" : "#a44ae0",
			matchText: "#ffffff",
			dim: isDark ? "#2e3034" : "#efece7",
			dimText: isDark ? "#aaa59c" : "#6f685d",
			outline: isDark ? "#ffffff" : "#000000",
			accent: value("--accent"),
			font: `12px ${family}`,
			bold: `600 12px ${family}`,
		};
		for (let f = 0; f < frames; f++)
			fills[f] = kindColor(frameKind(f), frameModule(f), frameName(f), isDark);
		fills[frames] = theme.root;
		widths.fill(NaN);
	}

	// --- text ----------------------------------------------------------------------------------------------------

	const widths = new Float64Array(frames + 1); // of each frame's whole label; NaN: not measured yet

	function label(f, width) {
		const index = f < 0 ? frames : f;
		let name = frameName(f);
		if (name.length > MAX_LABEL)
			name = name.slice(0, MAX_LABEL) + "…";
		if (Number.isNaN(widths[index]))
			widths[index] = context.measureText(name).width;
		if (widths[index] <= width)
			return name;
		for (let n = Math.floor((name.length * width) / widths[index]); n > 2; n--) {
			const cut = name.slice(0, n).trimEnd() + "…";
			if (context.measureText(cut).width <= width)
				return cut;
		}
		return "";
	}

	// --- drawing -------------------------------------------------------------------------------------------------

	let zoomed = 0, hovered = -1, current = -1; // nodes; current: of the keyboard
	let isFlame = false; // root at the bottom
	let deepest = 0; // of what is in view
	let matches = null; // by frame, or null: no search
	let viewWidth = 0, viewHeight = 0, ratio = 1;
	let lastRenderMs = 0;

	const contentHeight = () => Math.max((deepest + 1) * ROW, viewHeight);
	const rowTop = (d) => (isFlame ? contentHeight() - (d + 1) * ROW : d * ROW) - view.scrollTop;
	const scale = () => (total[zoomed] > 0 ? viewWidth / total[zoomed] : 0);
	const snap = (x) => Math.round(x * ratio) / ratio;

	// Left and right edge in the view; what lies above the zoomed frame is as wide as the view.
	function edges(node) {
		if (depth[node] < depth[zoomed])
			return [0, viewWidth];
		const x = (left[node] - left[zoomed]) * scale();
		return [Math.max(x, 0), Math.min(x + total[node] * scale(), viewWidth)];
	}

	function drawFrame(node, x0, x1, top) {
		const f = frame[node], isAbove = depth[node] < depth[zoomed];
		const from = snap(x0), to = snap(x1), width = to - from;
		const isMatch = matches && f >= 0 && matches[f];
		let ink = theme.text;

		if (isMatch) {
			context.fillStyle = theme.match;
			ink = theme.matchText;
		} else if (matches || isAbove) {
			context.fillStyle = isAbove && !matches && f < 0 ? theme.root : theme.dim;
			ink = theme.dimText;
		} else {
			context.fillStyle = fills[f < 0 ? frames : f];
		}
		context.fillRect(from, top, width > 3 ? width - 1 : width, ROW - 1);
		if (width < MIN_TEXT_WIDTH)
			return;
		const text = label(f, width - 9);
		if (text) {
			context.fillStyle = ink;
			context.fillText(text, from + 4, top + ROW / 2);
		}
	}

	function drawRow(d, top) {
		const row = rows[d], factor = scale(), from = left[zoomed], to = from + total[zoomed];
		let tinyFrom = -1, tinyTo = -1, tinyFrame = -1;
		const drawTiny = () => {
			if (tinyTo > tinyFrom) {
				context.fillStyle = matches ? theme.dim : fills[tinyFrame];
				context.globalAlpha = 0.7;
				context.fillRect(tinyFrom, top, Math.max(tinyTo - tinyFrom, 1 / ratio), ROW - 1);
				context.globalAlpha = 1;
			}
			tinyFrom = tinyTo = -1;
		};

		for (let i = findInRow(row, from); i < row.length; i++) {
			const node = row[i];
			if (left[node] >= to)
				break;
			if (left[node] < from)
				continue;
			const x0 = (left[node] - from) * factor, x1 = x0 + total[node] * factor;
			const isMatch = matches && frame[node] >= 0 && matches[frame[node]];
			if (x1 - x0 >= MIN_WIDTH || isMatch) {
				drawTiny();
				drawFrame(node, x0, Math.max(x1, x0 + MIN_WIDTH), top);
			} else if (tinyTo >= 0 && x0 - tinyTo < MIN_WIDTH && x1 - tinyFrom <= MAX_TOGETHER) {
				tinyTo = x1;
			} else {
				drawTiny();
				tinyFrom = x0;
				tinyTo = x1;
				tinyFrame = node ? frame[node] : frames;
			}
		}
		drawTiny();
	}

	function outline(node, color) {
		if (node < 0 || total[node] <= 0)
			return;
		const [x0, x1] = edges(node);
		if (x1 <= 0 || x0 >= viewWidth)
			return;
		context.strokeStyle = color;
		context.lineWidth = 1.5;
		context.strokeRect(snap(x0) + 0.75, rowTop(depth[node]) + 0.75, Math.max(snap(x1) - snap(x0) - 2.5, 1), ROW - 2.5);
	}

	function draw() {
		const above = [];

		context.setTransform(ratio, 0, 0, ratio, 0, 0);
		context.fillStyle = theme.back;
		context.fillRect(0, 0, viewWidth, viewHeight);
		context.font = theme.font;
		context.textBaseline = "middle";
		context.direction = "ltr";
		if (total[0] <= 0)
			return;
		for (let node = parent[zoomed]; node >= 0; node = parent[node])
			above[depth[node]] = node;
		for (let d = 0; d <= deepest && d < rows.length; d++) {
			const top = rowTop(d);
			if (top <= -ROW || top >= viewHeight)
				continue;
			if (d < depth[zoomed])
				drawFrame(above[d], 0, viewWidth, top);
			else
				drawRow(d, top);
		}
		outline(hovered, theme.outline);
		outline(current, theme.accent);
	}

	let isDrawPending = false;
	function drawSoon() {
		if (isDrawPending)
			return;
		isDrawPending = true;
		requestAnimationFrame(() => {
			isDrawPending = false;
			draw();
		});
	}

	// An answer to the user, from the input to the finished canvas.
	function timed(action) {
		const begin = performance.now();
		action();
		draw();
		lastRenderMs = performance.now() - begin;
	}

	function resize() {
		viewWidth = view.clientWidth;
		viewHeight = view.clientHeight;
		ratio = window.devicePixelRatio || 1;
		canvas.width = Math.max(1, Math.round(viewWidth * ratio));
		canvas.height = Math.max(1, Math.round(viewHeight * ratio));
		canvas.style.height = `${viewHeight}px`;
		fitContent();
		draw();
	}

	function fitContent() {
		$("spacer").style.height = `${contentHeight() - viewHeight}px`;
	}

	// --- zoom ----------------------------------------------------------------------------------------------------

	function setZoom(node) {
		zoomed = node;
		hovered = -1;
		hideTooltip();
		deepest = depth[node];
		for (let i = node; i < end[node]; i++)
			if (total[i] > 0 && depth[i] > deepest)
				deepest = depth[i];
		fitContent();
		showRow(Math.max(0, depth[node] - ROWS_ABOVE));
		showPath();
	}

	// Scrolls so that this row is the first one.
	function showRow(d) {
		view.scrollTop = isFlame ? contentHeight() - viewHeight - d * ROW : d * ROW;
	}

	function showPath() {
		const path = [];
		for (let node = zoomed; node >= 0; node = parent[node])
			path.unshift(node);
		const shown = path.length > 7 ? [...path.slice(0, 3), -1, ...path.slice(-3)] : path;
		const parts = [];
		for (const node of shown) {
			if (parts.length)
				parts.push(Object.assign(document.createElement("span"), { textContent: "›" }));
			if (node < 0) {
				parts.push(Object.assign(document.createElement("span"), { textContent: "…" }));
				continue;
			}
			const button = document.createElement("button");
			button.type = "button";
			button.textContent = frameName(frame[node]).slice(0, MAX_LABEL);
			button.dataset.node = node;
			if (node === zoomed)
				button.setAttribute("aria-current", "true");
			parts.push(button);
		}
		$("path").replaceChildren(...parts);
	}

	// --- search --------------------------------------------------------------------------------------------------

	function matcher(term) {
		if ($("regex").getAttribute("aria-pressed") === "true") {
			const expression = new RegExp(term, "i");
			return (text) => expression.test(text);
		}
		const wanted = term.toLowerCase();
		return (text) => text.toLowerCase().includes(wanted);
	}

	// Matched is what lies in or below a frame that matches, each sample once.
	function matchedWeight() {
		let weight = 0;
		for (let i = 1; i < size;) {
			if (matches[frame[i]]) {
				weight += total[i];
				i = end[i];
			} else {
				i++;
			}
		}
		return weight;
	}

	function setSearch(term) {
		const output = $("matched");
		let isMatch = null, problem = "";
		try {
			isMatch = term ? matcher(term) : null;
		} catch (error) {
			problem = "not a regular expression";
		}
		$("search").classList.toggle("bad", !!problem);
		output.classList.toggle("bad", !!problem);
		matches = null;
		output.textContent = problem;
		if (!isMatch)
			return;
		matches = new Uint8Array(frames);
		const byText = new Map();
		const test = (text) => {
			let found = byText.get(text);
			if (found === undefined)
				byText.set(text, (found = isMatch(text)));
			return found;
		};
		for (let f = 0; f < frames; f++)
			matches[f] = test(frameName(f)) || test(frameModule(f)) ? 1 : 0;
		output.textContent = percent(matchedWeight(), total[0]);
	}

	// --- process filter ------------------------------------------------------------------------------------------

	// Values are "" (all), "c" + a process of that comm, "p" + process.
	function fillProcesses() {
		const weight = new Float64Array(processes), byComm = new Map();
		let all = 0;
		for (let i = 0; i < entries; i++) {
			weight[entryProcess[i]] += entryWeight[i];
			all += entryWeight[i];
		}
		for (let p = 0; p < processes; p++) {
			const comm = processComm(p);
			if (!byComm.has(comm))
				byComm.set(comm, { weight: 0, members: [] });
			byComm.get(comm).weight += weight[p];
			byComm.get(comm).members.push(p);
		}
		const options = [new Option(`All processes (${grouped.format(processes)})`, "")];
		const pidText = (p) => (processPid(p) ? ` ${processPid(p)}` : "");
		for (const [comm, group] of [...byComm].sort((a, b) => b[1].weight - a[1].weight)) {
			const [first] = group.members;
			if (group.members.length === 1) {
				options.push(new Option(`${comm}${pidText(first)} · ${percent(weight[first], all)}`, `p${first}`));
				continue;
			}
			options.push(new Option(`${comm} (${group.members.length}) · ${percent(group.weight, all)}`, `c${first}`));
			for (const p of group.members.sort((a, b) => weight[b] - weight[a]))
				options.push(new Option(`\u2003${comm}${pidText(p)} · ${percent(weight[p], all)}`, `p${p}`));
		}
		$("process").replaceChildren(...options);
	}

	function setProcess(value) {
		const p = Number(value.slice(1)), comm = value ? processComm(p) : "";
		sum(!value ? () => true : value[0] === "p" ? (q) => q === p : (q) => processComm(q) === comm);
		layOut();
		current = -1;
		$("empty").hidden = total[0] > 0;
		showTotal();
		setSearch($("search").value);
		setZoom(0);
	}

	function showTotal() {
		const [first, ...more] = amounts(total[0]);
		if (isTime && data.seconds > 0)
			more[0] += ` of CPU in ${seconds(data.seconds * 1e9)}`;
		$("total-main").textContent = first;
		$("total-more").textContent = ["", ...more, plural(totalSamples[0], "sample")].join(" · ").trim();
	}

	// --- tooltip -------------------------------------------------------------------------------------------------

	function element(tag, text) {
		const made = document.createElement(tag);
		made.textContent = text;
		return made;
	}

	function showTooltip(node, x, y) {
		const f = frame[node], table = document.createElement("table");
		const kind = f < 0 ? "the whole profile" : KIND_TEXTS[frameKind(f)];
		const line = (name, weight, samples) => {
			const row = table.insertRow();
			row.append(element("th", name), element("td", percent(weight, total[0])));
			for (const amount of amounts(weight))
				row.append(element("td", amount));
			row.append(element("td", plural(samples, "sample")));
		};
		line("Total", total[node], totalSamples[node]);
		line("Self", self[node], selfSamples[node]);
		tooltip.replaceChildren(element("b", frameName(f)),
			element("small", frameModule(f) ? `${frameModule(f)} · ${kind}` : kind), table);
		if (node && parent[node] > 0)
			tooltip.append(element("small", `${percent(total[node], total[parent[node]])} of its caller`));
		tooltip.hidden = false;
		const box = tooltip.getBoundingClientRect();
		const over = y + 18 + box.height > innerHeight - 8;
		tooltip.style.left = `${Math.max(8, Math.min(x + 14, innerWidth - box.width - 8))}px`;
		tooltip.style.top = `${Math.max(8, over ? y - box.height - 12 : y + 18)}px`;
	}

	function hideTooltip() {
		tooltip.hidden = true;
	}

	// --- mouse and keyboard --------------------------------------------------------------------------------------

	function nodeAt(event) {
		const box = canvas.getBoundingClientRect();
		const x = event.clientX - box.left, y = event.clientY - box.top + view.scrollTop;
		const d = Math.floor((isFlame ? contentHeight() - 1 - y : y) / ROW);
		if (total[0] <= 0 || d < 0 || d > deepest || d >= rows.length || x < 0 || x >= viewWidth)
			return -1;
		if (d < depth[zoomed]) {
			let node = zoomed;
			while (depth[node] > d)
				node = parent[node];
			return node;
		}
		const at = left[zoomed] + x / scale(), node = rows[d][findInRow(rows[d], at)];
		return left[node] <= at && at < left[node] + total[node] && left[node] >= left[zoomed] ? node : -1;
	}

	function hover(event) {
		const node = nodeAt(event);
		canvas.style.cursor = node < 0 ? "default" : "pointer";
		if (node < 0)
			hideTooltip();
		else
			showTooltip(node, event.clientX, event.clientY);
		if (node !== hovered) {
			hovered = node;
			drawSoon();
		}
	}

	function leave() {
		hovered = -1;
		hideTooltip();
		drawSoon();
	}

	// A neighbour in the same row that is wide enough to be seen.
	function neighbour(node, step) {
		const row = rows[depth[node]];
		for (let i = findInRow(row, left[node]) + step; i >= 0 && i < row.length; i += step) {
			const [x0, x1] = edges(row[i]);
			if (left[row[i]] < left[zoomed] || left[row[i]] >= left[zoomed] + total[zoomed])
				break;
			if (x1 - x0 >= MIN_WIDTH)
				return row[i];
		}
		return node;
	}

	function heaviestChild(node) {
		const row = rows[depth[node] + 1];
		if (depth[node] < depth[zoomed]) {
			let below = zoomed;
			while (parent[below] !== node)
				below = parent[below];
			return below;
		}
		if (!row)
			return node;
		const child = row[findInRow(row, left[node])];
		return parent[child] === node ? child : node;
	}

	function moveTo(node) {
		const top = rowTop(depth[node]);
		current = node;
		if (top < 0)
			view.scrollTop += top;
		else if (top + ROW > viewHeight)
			view.scrollTop += top + ROW - viewHeight;
		const [x0] = edges(node), box = canvas.getBoundingClientRect();
		showTooltip(node, box.left + Math.max(0, x0), box.top + rowTop(depth[node]) + ROW / 2);
		$("status").textContent = `${frameName(frame[node])}: ${percent(total[node], total[0])}, self ${percent(self[node], total[0])}`;
		draw();
	}

	function forget() {
		current = -1;
		$("status").textContent = "";
		hideTooltip();
	}

	function onCanvasKey(event) {
		const node = current < 0 ? zoomed : current, isFirst = current < 0;
		const inward = isFlame ? "ArrowUp" : "ArrowDown", outward = isFlame ? "ArrowDown" : "ArrowUp";
		if (total[0] <= 0)
			return;
		switch (event.key) {
		case inward:
			moveTo(isFirst ? node : heaviestChild(node));
			break;
		case outward:
			moveTo(isFirst || !node ? node : parent[node]);
			break;
		case "ArrowLeft":
			moveTo(depth[node] < depth[zoomed] ? node : neighbour(node, -1));
			break;
		case "ArrowRight":
			moveTo(depth[node] < depth[zoomed] ? node : neighbour(node, 1));
			break;
		case "Home":
			moveTo(zoomed);
			break;
		case "Enter":
		case " ":
			timed(() => setZoom(node));
			moveTo(node);
			break;
		default:
			return;
		}
		event.preventDefault();
	}

	function onKey(event) {
		const isTyping = event.target === $("search");
		if (event.ctrlKey || event.metaKey || event.altKey || $("about-box").open)
			return;
		if (event.key === "Escape" && isTyping && $("search").value) {
			$("search").value = "";
			timed(() => setSearch(""));
		} else if (event.key === "Escape") {
			forget();
			timed(() => setZoom(0));
		} else if (event.key === "/" && !isTyping) {
			$("search").focus();
			$("search").select();
		} else if (event.key === "f" && !isTyping && event.target !== $("process")) {
			flip();
		} else {
			return;
		}
		event.preventDefault();
	}

	function flip() {
		isFlame = !isFlame;
		timed(() => setZoom(zoomed));
		showFlip();
	}

	function showFlip() {
		$("flip").textContent = isFlame ? "Icicle" : "Flame";
		$("flip").title = `Root at the ${isFlame ? "top" : "bottom"} (f)`;
	}

	// --- the rest of the page ------------------------------------------------------------------------------------

	function showLegend() {
		const items = [["Process", KIND.process], ["User", KIND.user], ["Kernel", KIND.kernel], ["No name", KIND.unnamed],
			["Truncated", KIND.truncated]];
		$("legend").replaceChildren(...items.map(([text, kind]) => {
			const item = element("li", text), swatch = document.createElement("i");
			swatch.style.background = kindColor(kind, kind === KIND.kernel ? "[kernel]" : "", "", darkQuery.matches);
			item.prepend(swatch);
			return item;
		}));
	}

	function showAbout() {
		const list = [];
		const add = (name, value) => list.push(element("dt", name), element("dd", value));
		if (data.start > 0)
			add("start", new Date(data.start / 1e6).toISOString().replace("T", " ").replace(/\.\d+Z/, " UTC"));
		if (data.seconds > 0)
			add("duration", seconds(data.seconds * 1e9));
		add("nodes", grouped.format(size - 1));
		add("processes", grouped.format(processes));
		for (const comment of data.comments) {
			const at = comment.indexOf(": ");
			add(at < 0 ? "" : comment.slice(0, at).replace(/^hostprof\./, ""), at < 0 ? comment : comment.slice(at + 2));
		}
		$("about-list").replaceChildren(...list);
		$("about-box").showModal();
	}

	function listen() {
		canvas.addEventListener("mousemove", hover);
		canvas.addEventListener("mouseleave", leave);
		canvas.addEventListener("click", (event) => {
			const node = nodeAt(event);
			if (node >= 0) {
				forget();
				timed(() => setZoom(node));
			}
		});
		canvas.addEventListener("keydown", onCanvasKey);
		canvas.addEventListener("blur", () => {
			forget();
			drawSoon();
		});
		document.addEventListener("keydown", onKey);
		view.addEventListener("scroll", () => {
			hideTooltip();
			drawSoon();
		});
		$("path").addEventListener("click", (event) => {
			const button = event.target.closest("button");
			if (button)
				timed(() => setZoom(Number(button.dataset.node)));
		});
		$("search").addEventListener("input", () => timed(() => setSearch($("search").value)));
		$("regex").addEventListener("click", () => {
			const pressed = $("regex").getAttribute("aria-pressed") === "true";
			$("regex").setAttribute("aria-pressed", String(!pressed));
			timed(() => setSearch($("search").value));
		});
		$("process").addEventListener("change", () => timed(() => setProcess($("process").value)));
		$("flip").addEventListener("click", flip);
		$("about").addEventListener("click", showAbout);
		darkQuery.addEventListener("change", () => {
			readTheme();
			showLegend();
			draw();
		});
		new ResizeObserver(resize).observe(view);
	}

	function start() {
		document.title = data.title;
		$("title").textContent = data.title;
		if (data.folded.nodes) {
			$("note").textContent = `${plural(data.folded.nodes, "frame")} in subtrees under ${data.folded.percent} % of the ` +
				"total are folded into “[small subtrees]” to keep this page light; the pprof file has them all.";
			$("note").hidden = false;
		}
		readTree();
		fillProcesses();
		readTheme();
		showLegend();
		showFlip();
		setProcess("");
		resize();
		listen();
	}

	start();

	// For tests.
	window.hostprof = {
		zoom: (node) => timed(() => setZoom(node)),
		search: (term) => {
			$("search").value = term;
			timed(() => setSearch(term));
		},
		nodes: size,
		get lastRenderMs() {
			return lastRenderMs;
		},
	};
})();
