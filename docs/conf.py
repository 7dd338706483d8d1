"""Settings of Sphinx; `python3 dev.py docs` builds these pages, with warnings as errors."""

from importlib.metadata import version as version_of
from typing import Any

project = "apbt-rs"
version = release = version_of("apbt-rs")  # its one place is Cargo.toml
html_title = f"apbt-rs {release}"
html_theme = "furo"
html_theme_options = {"light_css_variables": {"code-font-size": "75%"}}  # 98 letters in a line
html_copy_source = False
html_show_copyright = False

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
myst_heading_anchors = 3  # a link may name a heading of another page
suppress_warnings: list[str] = []

# Docstrings say in words what an argument takes ("table of shape (rows, columns)"): words are no
# references to classes, and annotations beside them would say it twice.
autodoc_typehints = "none"
autodoc_member_order = "bysource"
napoleon_google_docstring = False
napoleon_use_param = False
napoleon_use_rtype = False
napoleon_use_ivar = False
default_role = "code"
smartquotes = False  # what is quoted is mostly code

# Theirs are other sites, which a build without a network cannot look up.
nitpick_ignore_regex = [("py:.*", r"(numpy|polars)\..*")]

# Users do not make these themselves: what their constructors take is no part of the API.
_MADE_BY_OTHERS = {f"apbt_rs.{name}" for name in ("Evolution", "Generation", "Network", "Result")}


def _signature(
    app: Any, what: str, name: str, obj: Any, options: Any, signature: str | None, returns: Any
) -> tuple[str, str] | None:
    return ("", "") if name in _MADE_BY_OTHERS else None


def setup(app: Any) -> None:
    """Connect what changes the pages that docstrings make."""
    app.connect("autodoc-process-signature", _signature)
