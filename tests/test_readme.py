"""The README promises nothing that is not so."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def test_its_code_is_the_code_that_the_typing_tests_check_and_run() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    assert code.strip() == (ROOT / "tests" / "typing" / "north_star.py").read_text().strip()


def test_its_two_commands_are_targets_of_the_makefile() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"^make (\w+)", README, flags=re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), target


def test_every_page_it_links_to_is_there() -> None:
    for page in re.findall(r"\]\(([^)#]+)\)", README):
        assert page.startswith("https:") or (ROOT / page).is_file(), page
