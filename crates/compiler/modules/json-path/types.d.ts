declare module "toolwright:json-path" {
  /** The values that a JSONPath finds, such as `$.orders[?@.total > 100].id` (RFC 9535). */
  export function select(path: string, value: unknown): any[];
  /** The same, each with its normalized path. */
  export function nodes(path: string, value: unknown): { path: string; value: any }[];
  /** The value that a JSON Pointer names, such as `/orders/0/id` (RFC 6901); `undefined` where there is none. */
  export function pointer(path: string, value: unknown): any;
  /** A copy of the value with the operations of a JSON Patch applied (RFC 6902). One that cannot be applied throws. */
  export function patch(operations: readonly { op: string; path: string; from?: string; value?: unknown }[], value: unknown): any;
}
