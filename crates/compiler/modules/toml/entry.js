// TOML 1.0, by smol-toml.
export { parse, stringify } from "smol-toml";
