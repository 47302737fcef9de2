"""What runs elsewhere: every action is pinned, and every command that is named is there."""

import json
import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
CONTAINER = ROOT / ".devcontainer" / "devcontainer.json"


def jobs(path: Path) -> dict:
    return yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"]


def steps(path: Path) -> list[dict]:
    return [step for job in jobs(path).values() for step in job["steps"]]


def targets() -> set[str]:
    """Of the Makefile, with the names in variables put in."""
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    text = text.replace("$(READY)", ".venv/ready")
    return set(re.findall(r"^([\w./-]+):(?!=)", text, re.MULTILINE))


def asked(command: str) -> list[str]:
    return re.findall(r"\bmake (?:[A-Z]\w*=\S+ )*([\w./-]+)", command)


def test_there_are_workflows_that_test_and_publish():
    assert {"test", "publish", "audit"} <= {path.stem for path in WORKFLOWS}
    ran = {target for step in steps(WORKFLOWS[0].with_name("test.yml"))
           for target in asked(step.get("run", ""))}  # fmt: skip
    assert {"lint", "test", "stored"} <= ran


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_every_action_is_pinned_by_its_commit_and_says_its_version(path):
    lines = re.findall(r"^.*\buses:.*$", path.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(lines) == sum("uses" in step for step in steps(path)) > 0
    for line in lines:
        assert re.search(r"uses: [\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$", line), line


def test_an_action_has_one_pin_everywhere():
    used = {step["uses"] for path in WORKFLOWS for step in steps(path) if "uses" in step}
    assert len(used) == len({one.split("@")[0] for one in used})


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_every_command_that_a_workflow_makes_is_a_target(path):
    found = [target for step in steps(path) for target in asked(step.get("run", ""))]
    assert found and set(found) <= targets()


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_may_read_alone_and_writes_pages_only_to_publish(path):
    assert yaml.safe_load(path.read_text(encoding="utf-8"))["permissions"] == {"contents": "read"}
    more = {name: job["permissions"] for name, job in jobs(path).items() if "permissions" in job}
    publishing = {"deploy": {"pages": "write", "id-token": "write"}}
    assert more == (publishing if path.stem == "publish" else {})
    checkouts = [one for one in steps(path) if one.get("uses", "").startswith("actions/checkout@")]
    assert all(one["with"]["persist-credentials"] is False for one in checkouts)


def test_the_tests_run_on_every_python_from_the_oldest_on():
    oldest = re.search(r'requires-python = ">=3\.(\d+)"', (ROOT / "pyproject.toml").read_text())[1]
    versions = jobs(ROOT / ".github/workflows/test.yml")["test"]["strategy"]["matrix"]["python"]
    first = int(oldest)
    assert versions == [f"3.{first + more}" for more in range(len(versions))] and len(versions) > 2


def test_the_container_is_made_from_the_lock():
    made = json.loads(CONTAINER.read_text(encoding="utf-8"))
    (target,) = asked(made["postCreateCommand"])
    assert target == ".venv/ready" and target in targets()
    assert {"chromium", "openjdk-17-jre-headless"} <= set(made["onCreateCommand"].split())
