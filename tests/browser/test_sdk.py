"""The SDK itself, from its one file for a script tag, without the page."""

from __future__ import annotations

from playwright.sync_api import Page

from firertc.suite import LocalSuite

from .blank import config
from .conftest import Run

CALLED = """
async ([config, code]) => {
  const client = new firertc.Client(config);
  const call = await client.comeWithCode(code);
  const heard = [];
  call.link.on("message", (body) => heard.push(body));
  call.link.send({ from: "script" });
  await call.link.flush();
  while (heard.length === 0) await new Promise((resolve) => setTimeout(resolve, 20));
  const path = await call.link.path();
  await client.close();
  return { heard, states: call.states, path: path.kind, operations: { ...client.operations } };
}
"""
REFUSED = """
async ([config, code]) => {
  const abort = new AbortController();
  const client = new firertc.Client(config);
  const outcomes = [];
  for (const wrong of [code, "x"]) outcomes.push(await codeOf(client.comeWithCode(wrong)));
  const call = await client.waitAtCode({ waitSeconds: 5 });
  outcomes.push(await codeOf(call.answered(0.2)));
  const waiting = codeOf(call.answered(60, abort.signal));
  abort.abort();
  outcomes.push(await waiting);
  await client.close();
  outcomes.push(await codeOf(call.link.opened()));
  const away = { ...config, functionsUrl: "http://127.0.0.1:9" };
  const joined = new firertc.Client(away).join({ signal: AbortSignal.timeout(400) });
  outcomes.push(await codeOf(joined));
  try { new firertc.Client({ project: "" }); } catch (error) { outcomes.push(error.code); }
  return outcomes;
}
"""


def test_a_call_from_a_script_tag(page: Page, suite: LocalSuite, firertc: Run) -> None:
    python = firertc("answer", "--chat", "--stay")
    code = python.wait_for("code")["code"]
    python.say("from python")
    called = page.evaluate(CALLED, [config(suite), code])
    assert python.wait_for("message")["body"] == {"from": "script"}
    assert called["heard"] == ["from python"]
    assert called["states"] == ["new", "connecting", "connected", "ended"]
    assert called["path"] in ("host", "prflx")
    # The offer is read, the answer written; the rest is for candidates that come late.
    assert called["operations"]["reads"] <= 3 and called["operations"]["writes"] <= 2
    assert python.exit_code() == 0


def test_every_promise_settles(page: Page, suite: LocalSuite) -> None:
    outcomes = page.evaluate(REFUSED, [config(suite), "abandon-ability-able-about"])
    assert outcomes == [
        *("code-unknown", "code-unknown", "no-answer", "cancelled", "path-unreachable"),
        *("cancelled", "bad-config"),
    ]


def test_a_client_that_is_closed_while_it_joins(page: Page, suite: LocalSuite) -> None:
    closed = """async (config) => {
      const client = new firertc.Client(config);
      const joining = codeOf(client.join());
      await client.close();
      const outcome = await joining;
      await client.join();
      await client.close();
      return outcome;
    }"""
    assert page.evaluate(closed, config(suite)) == "cancelled"
