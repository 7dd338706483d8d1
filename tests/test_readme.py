"""Law: every Python example of README.md runs, in order, in one namespace."""

import re
from pathlib import Path

import pytest

README = Path(__file__).parent.parent / "README.md"
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FENCE = re.compile(r"^\s*(?:```|~~~)\s*\{?py", re.MULTILINE | re.IGNORECASE)


def test_every_python_block_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = README.read_text(encoding="utf-8")
    blocks = list(BLOCK.finditer(text))
    assert blocks
    # An example fenced in another spelling would be skipped in silence.
    assert len(blocks) == len(FENCE.findall(text))

    monkeypatch.chdir(tmp_path)
    namespace: dict[str, object] = {"__name__": "readme"}
    for block in blocks:
        # The empty lines make a traceback name the README's own lines.
        source = "\n" * text.count("\n", 0, block.start(1)) + block[1]
        exec(compile(source, README, "exec"), namespace)  # noqa: S102
