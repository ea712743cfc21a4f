"""Counts words: a tool in Python, as a component with one exported function."""

# Imported here because `most_common` would import it when it is called, and then there are no files to import from.
import heapq  # noqa: F401
import re
from collections import Counter
from typing import List, Optional

import wit_world
from componentize_py_types import Err
from wit_world import Counted


class WitWorld(wit_world.WitWorld):
    def count_words(self, text: str, most: Optional[int]) -> List[Counted]:
        words = Counter(re.findall(r"\w+", text.casefold()))
        if not words:
            raise Err("the text has no words")
        return [Counted(word, count) for word, count in words.most_common(most)]
