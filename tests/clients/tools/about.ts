// A resource that never changes.
import { resource } from "toolwright";

export default resource({
  name: "about",
  description: "What this server is for.",
  uri: "docs://about",
  mimeType: "text/plain",
  read: () => "This server is for checks.",
});
