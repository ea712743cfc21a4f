declare module "toolwright:json-schema" {
  /** Holds a value against a schema. */
  export function validate(schema: object | boolean, value: unknown, options?: Options): Result;
  /** The same in two steps, for many values of one schema. */
  export function compile(schema: object | boolean, options?: Options): (value: unknown) => Result;

  export interface Options {
    /** `2020-12` */
    draft?: "4" | "7" | "2019-09" | "2020-12";
    /** Schemas that `$ref` may name by their `$id`. */
    schemas?: readonly object[];
  }

  export interface Result {
    valid: boolean;
    /** `path` is a JSON Pointer into the value. */
    errors: { path: string; keyword: string; message: string }[];
  }
}
