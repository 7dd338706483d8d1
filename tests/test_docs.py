"""Law: what README.md and the pages of docs/ show is so.

A page's blocks run in order, in one namespace and in a folder of their own:

- `python`: runs;
- `text` right below a Python block: what that block prints;
- `console`: commands after `$` run, and print what stands below them;
- `sh`: commands for the reader's own files, of which the arguments are checked.

In what is printed, `...` stands for anything.
"""

import doctest
import re
import shlex
from pathlib import Path

import pytest

from apbt_rs import _cli

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(python|text|console|sh)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FENCE = re.compile(r"^\s*(?:```|~~~)\s*\{?(?:py|co|sh|ba)", re.MULTILINE | re.IGNORECASE)
WITHOUT_EXAMPLES = {"api.md", "claims.md", "kernels.md", "speed.md"}
LOOSELY = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_example_is_so(
    page: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = page.read_text(encoding="utf-8")
    blocks = list(BLOCK.finditer(text))
    assert blocks or page.name in WITHOUT_EXAMPLES
    # An example fenced in another spelling would be skipped in silence.
    assert sum(block[1] != "text" for block in blocks) == len(FENCE.findall(text))

    monkeypatch.chdir(tmp_path)
    namespace: dict[str, object] = {"__name__": "page"}
    printed = end = None
    for block in blocks:
        kind, source = block.groups()
        if kind == "python":
            # The empty lines make a traceback name the page's own lines.
            source = "\n" * text.count("\n", 0, block.start(2)) + source
            exec(compile(source, page, "exec"), namespace)  # noqa: S102
            printed = capsys.readouterr().out
        elif kind == "console":
            for command, output in re.findall(
                r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", source, re.MULTILINE
            ):
                assert _cli.main(_arguments(command)) == 0
                check(output, capsys.readouterr().out)
        elif kind == "sh":
            for command in source.splitlines():
                if command.startswith("apbt-rs "):
                    _cli.parser().parse_args(_arguments(command))
        elif printed is not None and not text[end : block.start()].strip():
            check(source, printed)
            printed = None
        end = block.end()


def check(wanted: str, printed: str) -> None:
    assert doctest.OutputChecker().check_output(wanted, printed, LOOSELY), printed


def _arguments(command: str) -> list[str]:
    name, *arguments = shlex.split(command, comments=True)
    assert name == "apbt-rs"
    return arguments
