// JSON Schema (2020-12 and before), by @cfworker/json-schema, which interprets schemas instead of making code of them.
import { Validator } from "@cfworker/json-schema";

export function compile(schema, options = {}) {
  const { draft = "2020-12", schemas = [] } = options;
  const validator = new Validator(schema, draft, false);
  for (const other of schemas) validator.addSchema(other);
  return (value) => {
    const { valid, errors } = validator.validate(value);
    // An error of a keyword that holds others only says that they failed.
    const own = errors.filter((error) => !["properties", "items", "prefixItems", "$ref", "allOf"].includes(error.keyword));
    return {
      valid,
      errors: (own.length > 0 ? own : errors).map(({ instanceLocation, keyword, error }) => ({
        path: instanceLocation.slice(1),
        keyword,
        message: error,
      })),
    };
  };
}

export function validate(schema, value, options) {
  return compile(schema, options)(value);
}
