# SPDX-License-Identifier: Apache-2.0
"""Works the flame graph page in a headless Chromium as a user does, with mouse and keys, over the DevTools protocol.

usage: flamegraph_browser.py CHROMIUM DIRECTORY         (machine.html, large.html, huge.html, hostile.html, empty.html)
       flamegraph_browser.py --shots CHROMIUM DIRECTORY  pictures of machine.html beside it, to be looked at
"""
import base64
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile

ANSWER_MS = 100
LIMIT_SECONDS = 240


class Browser:
    """DevTools messages end with a NUL, on descriptors 3 (to the browser) and 4 (from it)."""

    def __init__(self, program, home):
        to_browser, self.to = os.pipe()
        self.source, from_browser = os.pipe()

        def wire():
            # Neither may be 3 or 4 before it is put there.
            a, b = os.dup2(to_browser, 100), os.dup2(from_browser, 101)
            os.dup2(a, 3)
            os.dup2(b, 4)

        self.process = subprocess.Popen(
            [program, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
             "--disable-background-networking", "--hide-scrollbars=0", "--remote-debugging-pipe",
             f"--user-data-dir={home}", "about:blank"],
            close_fds=False, preexec_fn=wire, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, env={**os.environ, "HOME": home})
        os.close(to_browser)
        os.close(from_browser)
        self.buffer, self.events, self.last = b"", [], 0
        self.session = None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(domain + ".enable")
        self.size(1400, 900)

    def read(self):
        while b"\0" not in self.buffer:
            chunk = os.read(self.source, 1 << 20)
            if not chunk:
                raise RuntimeError("the browser is gone")
            self.buffer += chunk
        message, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(message)

    def call(self, method, **params):
        self.last += 1
        message = {"id": self.last, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        text = json.dumps(message).encode() + b"\0"
        while text:
            text = text[os.write(self.to, text):]
        while True:
            answer = self.read()
            if answer.get("id") == self.last:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]
            self.events.append(answer)

    def wait(self, method):
        while True:
            for i, event in enumerate(self.events):
                if event.get("method") == method:
                    return self.events.pop(i)
            self.events.append(self.read())

    def open(self, path, keep_events=False):
        if not keep_events:
            self.events.clear()
        self.call("Page.navigate", url=pathlib.Path(path).absolute().as_uri())
        self.wait("Page.loadEventFired")

    def run(self, script):
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(f"{script}: {answer['exceptionDetails']['exception'].get('description')}")
        return answer["result"].get("value")

    def size(self, width, height, ratio=1):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=ratio, mobile=False)

    def scheme(self, name):
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": name}])

    def mouse(self, kind, x, y):
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="none" if kind == "mouseMoved" else "left",
                  clickCount=0 if kind == "mouseMoved" else 1)

    def click(self, x, y):
        self.mouse("mouseMoved", x, y)
        self.mouse("mousePressed", x, y)
        self.mouse("mouseReleased", x, y)
        self.settle()

    def click_on(self, selector):
        box = self.run(f"(() => {{ const b = document.querySelector({json.dumps(selector)}).getBoundingClientRect();"
                       "return [b.x + b.width / 2, b.y + b.height / 2]; })()")
        self.click(*box)

    def key(self, key, text=None):
        codes = {"Enter": 13, "Escape": 27, "ArrowDown": 40, "ArrowUp": 38, "ArrowLeft": 37, "ArrowRight": 39}
        more = {"windowsVirtualKeyCode": codes[key]} if key in codes else {}
        if text:
            more["text"] = text
        self.call("Input.dispatchKeyEvent", type="keyDown", key=key, **more)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key, **{k: v for k, v in more.items() if k != "text"})
        self.settle()

    def type(self, text):
        for letter in text:
            self.key(letter, letter)

    def settle(self):
        """until what was asked for is on the screen"""
        self.run("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def text(self, selector):
        return self.run(f"document.querySelector({json.dumps(selector)}).textContent")

    def shot(self, path):
        self.settle()
        with open(path, "wb") as file:
            file.write(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))

    def close(self):
        try:
            self.session = None
            self.call("Browser.close")
            self.process.wait(10)
        except (RuntimeError, OSError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()


failed = False


def say(test, holds, why=""):
    global failed
    print("ok" if holds else "not ok", test, flush=True)
    if not holds:
        failed = True
        print(f"{test}: {why}", file=sys.stderr, flush=True)


def equal(test, wanted, got):
    say(test, wanted == got, f"wanted {wanted!r}, got {got!r}")


def canvas_at(browser, column, row):
    """a point of the window: share of the width, row of frames"""
    box = browser.run("(() => { const b = document.getElementById('canvas').getBoundingClientRect();"
                      "return [b.x, b.y, b.width]; })()")
    return box[0] + column * box[2], box[1] + 20 * row + 10


def complaints(browser):
    """exceptions, dialogs, and what the browser itself refused"""
    return [event["params"] for event in browser.events if event.get("method") in
            ("Runtime.exceptionThrown", "Page.javascriptDialogOpening", "Runtime.consoleAPICalled") or
            event.get("method") == "Log.entryAdded" and event["params"]["entry"]["level"] == "error"]


def requests(browser, path):
    own = pathlib.Path(path).absolute().as_uri()
    return [event["params"]["request"]["url"] for event in browser.events
            if event.get("method") == "Network.requestWillBeSent" and event["params"]["request"]["url"] != own]


def test_machine(browser, directory):
    path = f"{directory}/machine.html"
    browser.open(path)
    browser.settle()
    data = browser.run("JSON.parse(document.getElementById('data').textContent)")
    samples = sum(data["entries"][2::3])
    equal("page_title_is_set", "hostprof", browser.run("document.title"))
    say("page_total_is_in_cores", browser.text("#total-main") == f"{samples * data['period'] / 1e10:.2f} cores",
        browser.text("#total"))
    say("page_total_is_in_samples", f"{samples:,} samples" in browser.text("#total-more"), browser.text("#total"))

    # The first level is the process; the heaviest is leftmost.
    browser.click(*canvas_at(browser, 0.1, 1))
    equal("click_zooms_to_the_frame", "all›cc1", browser.text("#path"))
    browser.click(*canvas_at(browser, 0.5, 3))
    say("click_zooms_further", browser.text("#path").startswith("all›cc1›_start›"), browser.text("#path"))
    browser.click(*canvas_at(browser, 0.5, 1))
    equal("click_on_a_frame_above_zooms_out", "all›cc1", browser.text("#path"))
    browser.click(*canvas_at(browser, 0.5, 0))
    equal("click_on_the_root_resets", "all", browser.text("#path"))
    browser.click(*canvas_at(browser, 0.1, 2))
    browser.key("Escape")
    equal("escape_resets", "all", browser.text("#path"))
    browser.click(*canvas_at(browser, 0.1, 3))
    browser.click_on("#path button:nth-of-type(2)")
    equal("crumb_zooms_out", "all›cc1", browser.text("#path"))
    browser.key("Escape")

    browser.mouse("mouseMoved", *canvas_at(browser, 0.1, 3))
    browser.settle()
    tip = browser.text("#tooltip")
    say("tooltip_tells_name_module_and_figures", all(part in tip for part in (
        "__libc_start_call_main", "libc.so.6", "user code", "Total", "Self", "cores", "samples", "%")), tip)
    equal("tooltip_is_shown", False, browser.run("document.getElementById('tooltip').hidden"))
    browser.mouse("mouseMoved", 5, 5)
    browser.settle()
    equal("tooltip_goes_with_the_mouse", True, browser.run("document.getElementById('tooltip').hidden"))

    # Search: every sample of a process of this comm, each once.
    wanted = sum(n for p, n in zip(data["entries"][1::3], data["entries"][2::3])
                 if data["strings"][data["processes"][2 * p]] == "cc1")
    browser.key("/", "/")
    browser.type("cc1")
    equal("search_tells_the_matched_share", f"{100 * wanted / samples:.1f} %", browser.text("#matched"))
    browser.key("Escape")
    equal("escape_clears_the_search", "", browser.text("#matched"))
    browser.run("hostprof.search('CC1')")
    equal("search_ignores_case", f"{100 * wanted / samples:.1f} %", browser.text("#matched"))
    browser.run("hostprof.search('c+1')")
    equal("substring_is_no_expression", "0 %", browser.text("#matched"))
    browser.click_on("#regex")
    browser.run("hostprof.search('^c{2}1$')")
    equal("regular_expression_matches", f"{100 * wanted / samples:.1f} %", browser.text("#matched"))
    browser.run("hostprof.search('(')")
    equal("bad_expression_is_told", "not a regular expression", browser.text("#matched"))
    browser.run("hostprof.search('')")
    browser.click_on("#regex")

    # Process filter.
    options = browser.run("[...document.getElementById('process').options].map(o => [o.text, o.value])")
    processes = len(data["processes"]) // 2
    equal("filter_offers_all_processes", f"All processes ({processes})", options[0][0])
    comms = {data["strings"][c] for c in data["processes"][::2]}
    single = sum(1 for c in comms if sum(data["strings"][d] == c for d in data["processes"][::2]) == 1)
    equal("filter_offers_each_comm_and_each_process", 1 + processes + len(comms) - single, len(options))
    say("filter_begins_with_the_heaviest", options[1][0].startswith("cc1 (24) · "), options[1])
    choose = ("(value => {{ const s = document.getElementById('process'); s.value = value;"
              "s.dispatchEvent(new Event('change')); }})({})")
    browser.run(choose.format(json.dumps(options[1][1])))
    say("filter_by_comm_keeps_its_samples", f"{wanted:,} samples" in browser.text("#total-more"), browser.text("#total"))
    one = int(options[2][1][1:])
    count = sum(n for p, n in zip(data["entries"][1::3], data["entries"][2::3]) if p == one)
    browser.run(choose.format(json.dumps(options[2][1])))
    say("filter_by_process_keeps_its_samples", f"{count:,} sample" in browser.text("#total-more"), browser.text("#total"))
    browser.run(choose.format('""'))
    say("filter_is_undone", f"{samples:,} samples" in browser.text("#total-more"), browser.text("#total"))

    # Keys on the graph.
    browser.run("document.getElementById('canvas').focus()")
    for key in ("ArrowDown", "ArrowDown", "ArrowRight"):
        browser.key(key)
    status = browser.text("#status")
    say("keys_move_between_frames", status.startswith("postgres: ") or status.startswith("as: "), status)
    browser.key("ArrowLeft")
    browser.key("Enter")
    equal("enter_zooms", "all›cc1", browser.text("#path"))
    browser.key("ArrowUp")
    browser.key("Enter")
    equal("enter_on_the_root_resets", "all", browser.text("#path"))
    browser.key("f", "f")
    equal("f_turns_the_graph", "Icicle", browser.text("#flip"))
    rows = browser.run("Math.floor(document.getElementById('view').clientHeight / 20)")
    height = browser.run("document.getElementById('view').clientHeight")
    x, y = canvas_at(browser, 0.1, 0)
    browser.click(x, y - 10 + height - 30)
    say("turned_graph_has_the_root_below", browser.text("#path") == "all›cc1" and rows > 10, browser.text("#path"))
    browser.key("Escape")
    browser.key("f", "f")

    browser.click_on("#about")
    say("about_shows_the_comments", "build-7" in browser.text("#about-list"), browser.text("#about-list"))
    browser.key("Escape")

    # A narrow window, a fine screen, dark: the canvas follows.
    browser.size(700, 500, 2)
    browser.settle()
    equal("canvas_follows_window_and_resolution", True, browser.run(
        "(() => { const c = document.getElementById('canvas'), v = document.getElementById('view');"
        "return c.width === 2 * v.clientWidth && c.height === 2 * v.clientHeight; })()"))
    pixel = "[...document.getElementById('canvas').getContext('2d').getImageData(200, 50, 1, 1).data].join()"
    light = browser.run(pixel)
    browser.scheme("dark")
    browser.settle()
    say("colours_follow_the_scheme", browser.run(pixel) != light, light)
    browser.scheme("light")
    browser.size(1400, 900)
    equal("page_fetches_nothing", [], requests(browser, path))
    equal("page_throws_nothing", [], complaints(browser))


def test_speed(browser, directory):
    browser.open(f"{directory}/large.html")
    browser.settle()
    nodes = browser.run("hostprof.nodes")
    say("large_page_has_50000_nodes", nodes >= 50000, nodes)
    # From the call until the frame is painted: what the user waits for. The best of three rounds counts for each input,
    # as others may be using the machine; the worst of all inputs decides.
    timing = """(async () => {
        const painted = () => new Promise(done => requestAnimationFrame(() => setTimeout(done, 0)));
        const inputs = INPUTS;
        const took = inputs.map(() => Infinity), worked = inputs.map(() => Infinity);
        for (let round = 0; round < 3; round++) {
            for (const [i, input] of inputs.entries()) {
                await painted();
                const begin = performance.now();
                input();
                await painted();
                took[i] = Math.min(took[i], performance.now() - begin);
                worked[i] = Math.min(worked[i], hostprof.lastRenderMs);
            }
        }
        took.sort((a, b) => a - b);
        return { median: took[took.length >> 1], worst: took[took.length - 1], work: Math.max(...worked) };
    })()"""
    inputs = {
        "zoom": "[1, 0, 2, 1000, 0, 20000, 40000, 0, 3, 0].map(i => () => hostprof.zoom(i))",
        "search": "['m', 'method_1', 'method_12', 'widget', 'zzz', ''].map(t => () => hostprof.search(t))",
        "filter": "[1, 2, 0].map(i => () => { const s = document.getElementById('process');"
                  "s.selectedIndex = i; s.dispatchEvent(new Event('change')); })",
    }
    for name, actions in inputs.items():
        figures = browser.run(timing.replace("INPUTS", actions))
        print(f"{name}, {nodes} nodes: median {figures['median']:.1f} ms, worst {figures['worst']:.1f} ms, "
              f"of that script {figures['work']:.1f} ms", file=sys.stderr)
        say(f"{name}_of_50000_nodes_answers_within_{ANSWER_MS}_ms", figures["worst"] <= ANSWER_MS, figures)
    equal("large_page_throws_nothing", [], complaints(browser))


def test_hostile(browser, directory):
    path = f"{directory}/hostile.html"
    browser.open(path)
    browser.settle()
    data = browser.run("JSON.parse(document.getElementById('data').textContent)")
    texts = data["strings"]
    say("hostile_names_are_kept_as_text", "</script><script>alert(1)</script>" in texts and "{{data}}{{script}}" in texts, texts)
    equal("hostile_title_is_text", "</title><script>alert(5)</script>", browser.run("document.title"))
    shown = browser.run("[...document.getElementById('process').options].map(o => o.text).join()")
    say("hostile_name_cannot_turn_the_reading_direction", "\ufffdthgil-ot-thgir" in shown and "\u202e" not in shown, shown)
    for i in range(1, browser.run("hostprof.nodes"), 3):
        browser.run(f"hostprof.zoom({i})")
        browser.mouse("mouseMoved", *canvas_at(browser, 0.5, 1))
        browser.settle()
    browser.run("hostprof.search('<')")
    browser.click_on("#about")
    browser.key("Escape")
    browser.run("[...document.getElementById('process').options].forEach(o => { const s = document.getElementById('process');"
                "s.value = o.value; s.dispatchEvent(new Event('change')); })")
    equal("hostile_names_make_no_element", [2, 0], browser.run(
        "[document.scripts.length, document.querySelectorAll('img, iframe, object, embed, link').length]"))
    equal("hostile_page_runs_nothing_of_theirs", [], complaints(browser))
    equal("hostile_page_fetches_nothing", [], requests(browser, path))


def test_other(browser, directory):
    browser.open(f"{directory}/huge.html")
    browser.settle()
    note = browser.text("#note")
    say("huge_page_tells_what_is_folded", "small subtrees" in note and
        not browser.run("document.getElementById('note').hidden"), note)
    say("huge_page_is_bounded", 1000 < browser.run("hostprof.nodes") <= 200001, browser.run("hostprof.nodes"))
    browser.open(f"{directory}/empty.html")
    browser.settle()
    equal("empty_page_says_so", False, browser.run("document.getElementById('empty').hidden"))
    browser.run("hostprof.search('x'); hostprof.zoom(0)")
    browser.run("document.getElementById('canvas').focus()")
    browser.key("ArrowDown")
    browser.click(*canvas_at(browser, 0.5, 0))
    equal("empty_page_throws_nothing", [], complaints(browser))


def take_shots(browser, directory):
    browser.open(f"{directory}/machine.html")
    for scheme in ("light", "dark"):
        browser.scheme(scheme)
        browser.shot(f"{directory}/all-{scheme}.png")
        browser.mouse("mouseMoved", *canvas_at(browser, 0.2, 9))
        browser.shot(f"{directory}/tooltip-{scheme}.png")
        browser.mouse("mouseMoved", 2, 2)
        browser.run("hostprof.search('malloc|alloc|memset'); document.getElementById('regex').click()")
        browser.shot(f"{directory}/search-{scheme}.png")
        browser.run("document.getElementById('regex').click(); hostprof.search('')")
        browser.click(*canvas_at(browser, 0.1, 7))
        browser.shot(f"{directory}/zoom-{scheme}.png")
        browser.key("Escape")
        browser.key("f", "f")
        browser.shot(f"{directory}/flame-{scheme}.png")
        browser.key("f", "f")
    browser.click_on("#about")
    browser.shot(f"{directory}/about-dark.png")
    browser.open(f"{directory}/hostile.html")
    browser.shot(f"{directory}/hostile-dark.png")
    browser.open(f"{directory}/large.html")
    browser.shot(f"{directory}/large-dark.png")
    browser.size(420, 700, 2)
    browser.shot(f"{directory}/phone-dark.png")


def main():
    arguments = sys.argv[1:]
    shots = arguments[:1] == ["--shots"]
    program, directory = arguments[1:] if shots else arguments
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        browser = Browser(program, home)
        # A browser that hangs must not hang us.
        signal.signal(signal.SIGALRM, lambda *_: browser.process.kill())
        signal.alarm(LIMIT_SECONDS)
        try:
            if shots:
                take_shots(browser, directory)
            else:
                for test in (test_machine, test_speed, test_hostile, test_other):
                    try:
                        test(browser, directory)
                    except (RuntimeError, KeyError, IndexError, ValueError) as error:
                        say(test.__name__ + "_runs_to_its_end", False, error)
        finally:
            browser.close()
    return failed


sys.exit(main())
