"""Every expression of the rules is evaluated by the matrix, every condition to both its values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .conftest import Stage
from .engine import Engine
from .test_matrix import MATRIX

Node = dict[str, Any]


def _walk(nodes: list[Node]) -> Iterator[Node]:
    for node in nodes:
        yield node
        yield from _walk(node.get("children", []))


def _outcomes(node: Node) -> set[str]:
    """What an expression came to: ``true``, ``false``, ``error``, ``value``; nothing if never."""
    outcomes = set()
    for seen in node.get("values", []):
        value = seen.get("value")
        if not value:  # skipped by a short circuit
            continue
        if "boolValue" in value:
            outcomes.add("true" if value["boolValue"] else "false")
        else:
            outcomes.add("error" if "undefined" in value else "value")
    return outcomes


def test_every_expression_is_evaluated_both_ways(engine: Engine, rules: str) -> None:
    """By the engine's own report, with the tutorial's switch off and on taken together."""
    stage = Stage(engine, rules, "coverage")
    for case in MATRIX:
        stage.play(case)
    shut = list(_walk(engine.coverage(stage.project)["report"]))
    opened = list(_walk(engine.coverage(stage.tutorials)["report"]))
    assert len(shut) == len(opened) > 1000

    unproven = []
    for node, twin in zip(shut, opened, strict=True):
        position = node["sourcePosition"]
        text = rules[position["currentOffset"] : position["endOffset"] + 1]
        outcomes = _outcomes(node) | _outcomes(twin)
        if not outcomes:
            unproven.append(f"line {position['line']}: never evaluated: {text}")
        elif outcomes & {"true", "false"} and "true" not in outcomes:
            unproven.append(f"line {position['line']}: never true: {text}")
        elif outcomes & {"true", "false"} and not outcomes & {"false", "error"}:
            unproven.append(f"line {position['line']}: never false: {text}")
    assert unproven == []
