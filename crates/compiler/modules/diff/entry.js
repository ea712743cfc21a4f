// Differences of texts, by diff.
import { applyPatch, createTwoFilesPatch, diffChars, diffLines, diffWordsWithSpace } from "diff";

const KINDS = { lines: diffLines, words: diffWordsWithSpace, characters: diffChars };

export function compare(before, after, by = "lines") {
  const diff = KINDS[by];
  if (diff === undefined) throw new TypeError(`texts are compared by lines, words or characters, not by ${by}`);
  return diff(String(before), String(after)).map(({ value, added, removed }) => ({
    kind: added ? "added" : removed ? "removed" : "same",
    text: value,
  }));
}

export function unified(before, after, options = {}) {
  const { from = "before", to = "after", context = 3 } = options;
  return createTwoFilesPatch(from, to, String(before), String(after), undefined, undefined, { context });
}

export function apply(text, patch) {
  const patched = applyPatch(String(text), patch);
  if (patched === false) throw new RangeError("the patch does not fit the text");
  return patched;
}
