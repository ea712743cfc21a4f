// Asks the person in front of the client, and then the client's model.
import { tool } from "toolwright";

export default tool({
  name: "consult",
  description: "Asks for a city, and the client's model about it.",
  input: { type: "object" },
  async run(_, ctx) {
    const { action, content } = await ctx.elicit({
      message: "Which city?",
      schema: { type: "object", properties: { city: { type: "string", title: "City" } }, required: ["city"] },
    });
    if (action !== "accept") return { action };
    const { content: said, model } = await ctx.sample({ messages: `What is ${content?.city} known for?`, maxTokens: 50 });
    const [first] = [said].flat();
    return { action, city: content?.city, said: first?.text, model };
  },
});
