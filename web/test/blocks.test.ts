import { Lexer } from "marked";
import { expect, test, vi } from "vitest";
import * as markdown from "../src/pages/chat/markdown";
import { type Blocks, NO_BLOCKS, parseBlocks } from "../src/pages/chat/blocks";

const TEXT = `# Title

Some **bold** text, a [link](https://example.com/path) and \`code\`
over two lines.

- one
- two

  with a second paragraph

- three

Setext
------

| a | b |
|---|---|
| 1 | 2 |

\`\`\`py
# no heading

print("**")
\`\`\`

> quote
> goes on

1. first
2. second
   - nested

5~6 and 7~8, <b>html</b> & so on.

Last words.`;

function stream(text: string, size: number): Blocks {
  let blocks = NO_BLOCKS;
  for (let end = size; end < text.length + size; end += size) blocks = parseBlocks(blocks, text.slice(0, end), true);
  return blocks;
}

test.each([1, 2, 3, 7, 20])("streaming by %i characters gives the blocks of the whole text", (size) => {
  expect(stream(TEXT, size).tokens).toEqual([...markdown.lex(TEXT)]);
});

test("an open mark is closed while it streams and left alone afterwards", () => {
  const types = (isStreaming: boolean) => {
    const [paragraph] = parseBlocks(NO_BLOCKS, "So **very", isStreaming).tokens;
    return paragraph && "tokens" in paragraph ? paragraph.tokens?.map((token) => token.type) : [];
  };
  expect(types(true)).toEqual(["text", "strong"]);
  expect(types(false)).toEqual(["text"]);
});

test("a text that does not go on from the one before is read anew", () => {
  const before = stream(TEXT, 20);
  expect(parseBlocks(before, "Something else.", true).tokens).toEqual([...markdown.lex("Something else.")]);
});

test("settled blocks are not read again", () => {
  const before = stream(TEXT.repeat(50), 5000);
  const lexer = vi.spyOn(Lexer.prototype, "lex");
  parseBlocks(before, `${before.text} more`, true);
  expect(lexer.mock.calls[0]?.[0].length).toBeLessThan(TEXT.length);
  lexer.mockRestore();
});
