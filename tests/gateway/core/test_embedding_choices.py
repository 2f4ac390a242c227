from __future__ import annotations

from typing import Any

import pytest

from gateway.core.embedding_choices import sizes


@pytest.mark.parametrize(
    ("text", "found"),
    [("fixed", ()), ("32-1024", range(32, 1025)), ("4-4", range(4, 5)), ("512, 256,512", (256, 512)), ("64", (64,))],
)
def test_sizes_in_words(text: str, found: Any) -> None:
    assert sizes(text) == found


@pytest.mark.parametrize("text", ["", "any", "0-5", "9-5", "-5", "1-2-3", "4,", "0", "1.5"])
def test_sizes_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match='must be "fixed"'):
        sizes(text)
