// Answers with every kind of content at once.
import { tool } from "toolwright";

const PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg==";

export default tool({
  name: "show",
  description: "Answers with every kind of content.",
  input: { type: "object", properties: { failing: { type: "boolean" } } },
  output: { type: "object", properties: { pieces: { type: "integer" } } },
  icons: [{ src: "https://example.com/show.png", mimeType: "image/png", sizes: ["48x48"] }],
  run: ({ failing = false }, ctx) =>
    ctx.content(
      [
        ctx.text("a text", { audience: ["user"], priority: 0.5 }),
        ctx.image(PNG, "image/png"),
        ctx.audio(new Uint8Array([1, 2, 3]), "audio/wav"),
        ctx.resource({ uri: "docs://inside", mimeType: "text/plain", text: "a resource" }),
        ctx.link({ uri: "docs://about", name: "about", title: "About" }),
      ],
      { structured: { pieces: 5 }, isError: failing },
    ),
});
