// A prompt that a person fills in.
import { prompt } from "toolwright";

export default prompt({
  name: "greeting",
  description: "Asks for a greeting.",
  arguments: [{ name: "city", description: "Where", required: true }, { name: "tone" }],
  complete: {
    city: (value, { arguments: others }) =>
      others.tone === "cold" ? ["Oslo"] : ["Osaka", "Oslo"].filter((city) => city.startsWith(value)),
  },
  run: ({ city, tone = "warm" }, ctx) => [
    { role: "user", content: ctx.text(`Greet ${city} in a ${tone} tone.`) },
    { role: "assistant", content: ctx.resource({ uri: "docs://about", mimeType: "text/plain", text: "context" }) },
  ],
});
