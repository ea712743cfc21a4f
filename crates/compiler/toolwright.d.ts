/**
 * What a tool has beside JavaScript itself (ECMAScript 2025). There are no files, no processes, and nothing else to import.
 *
 * A module is run once when the tool is built, and every call begins from a copy of that: what the top level computes is computed
 * already, nothing of one call is seen by the next. Timers, randomness and digests work inside `run` only. `Date.now()` at the top level is the time
 * of the build.
 */

declare module "toolwright" {
  /**
   * Makes a tool: the module's default export.
   *
   * ```ts
   * import { tool } from "toolwright";
   * export default tool({
   *   name: "area",
   *   description: "The area of a rectangle.",
   *   input: { type: "object", properties: { width: { type: "number" }, height: { type: "number" } }, required: ["width", "height"] },
   *   run({ width, height }) {
   *     return { area: width * height };
   *   },
   * });
   * ```
   */
  export function tool<const Schema extends ObjectSchema>(definition: Definition<Schema>): Tool;

  /** Why a call fails, said on purpose: the model that called reads the message. Any other error works as well. Also a global. */
  export class ToolError extends Error {
    constructor(message?: string, options?: { cause?: unknown });
  }

  export interface Definition<Schema extends ObjectSchema = ObjectSchema> {
    /** What clients call it: letters, digits, `_` and `-`, 60 characters at most. */
    readonly name: string;
    /** What people see. */
    readonly title?: string;
    /** What the tool does and when to use it: a model chooses it by this. */
    readonly description: string;
    /** JSON Schema (2020-12) of the arguments. They are checked before `run` is called. */
    readonly input: Schema;
    /** JSON Schema of the result, where the tool promises one. The result is checked against it. */
    readonly output?: ObjectSchema;
    /** Hints for clients. */
    readonly annotations?: Annotations;
    /** Calls that show how the tool is used; they are tried when the tool is built. */
    readonly examples?: readonly Example[];
    /** Answers a call. What it returns is written as JSON; `undefined` as `null`. */
    run(input: Arguments<Schema>, ctx: Context): unknown;
  }

  /** What `tool` makes: the definition, checked and frozen. */
  export type Tool = Readonly<Definition<any>>;

  /** The second argument of `run`. */
  export interface Context {
    /** The environment value of that name: `undefined` where it is not set, or not granted to this tool. */
    env(name: string): string | undefined;
    /** Writes a line to the call's log, as `console.log` does. */
    log(...values: unknown[]): void;
    /** How far the call is: `done` of `total`, where that is known, and what it is doing. */
    progress(done: number, total?: number, message?: string): void;
  }

  export interface Annotations {
    readonly title?: string;
    /** Changes nothing outside. */
    readonly readOnlyHint?: boolean;
    /** May destroy something. */
    readonly destructiveHint?: boolean;
    /** The same call twice does no more than once. */
    readonly idempotentHint?: boolean;
    /** Reaches out into the world. */
    readonly openWorldHint?: boolean;
  }

  export interface Example {
    readonly input: { readonly [name: string]: unknown };
    readonly output?: unknown;
  }

  /** A JSON Schema, as plain data. */
  export interface Schema {
    readonly [keyword: string]: unknown;
  }

  export interface ObjectSchema extends Schema {
    readonly type: "object";
  }

  /** The type of the arguments that a schema lets in, as far as it is simple; `any` where it is not. */
  export type Arguments<S> = S extends { readonly properties: infer Properties }
    ? { [Name in keyof Properties as Name extends RequiredOf<S> ? Name : never]: Value<Properties[Name]> } & {
        [Name in keyof Properties as Name extends RequiredOf<S> ? never : Name]?: Value<Properties[Name]>;
      }
    : any;

  type RequiredOf<S> = S extends { readonly required: readonly (infer Name)[] } ? Name : never;

  type Value<S> = S extends { readonly enum: readonly (infer Choice)[] }
    ? Choice
    : S extends { readonly const: infer Only }
      ? Only
      : S extends { readonly type: "string" }
        ? string
        : S extends { readonly type: "number" | "integer" }
          ? number
          : S extends { readonly type: "boolean" }
            ? boolean
            : S extends { readonly type: "null" }
              ? null
              : S extends { readonly type: "array"; readonly items: infer Items }
                ? Value<Items>[]
                : S extends { readonly type: "array" }
                  ? any[]
                  : S extends { readonly type: "object" }
                    ? Arguments<S>
                    : any;
}

/** The same as the module's. */
declare const ToolError: typeof import("toolwright").ToolError;
type ToolError = import("toolwright").ToolError;

// The call's log.

/** Each call is one line of the log. */
declare const console: {
  debug(...values: unknown[]): void;
  log(...values: unknown[]): void;
  info(...values: unknown[]): void;
  warn(...values: unknown[]): void;
  error(...values: unknown[]): void;
  /** At level debug, with the frames above. */
  trace(...values: unknown[]): void;
  assert(condition: unknown, ...values: unknown[]): void;
  /** Rows as a table, in one line of the log. */
  table(rows: unknown, columns?: readonly string[]): void;
};

// Time.

declare function setTimeout<Values extends unknown[]>(callback: (...values: Values) => void, delayMs?: number, ...values: Values): number;
declare function clearTimeout(id: number | undefined): void;
declare function setInterval<Values extends unknown[]>(callback: (...values: Values) => void, delayMs?: number, ...values: Values): number;
declare function clearInterval(id: number | undefined): void;
declare function queueMicrotask(callback: () => void): void;

/** Milliseconds since its first use in a call. */
declare const performance: { now(): number };

// Text and bytes.

/** To UTF-8. */
declare class TextEncoder {
  readonly encoding: "utf-8";
  encode(text?: string): Uint8Array<ArrayBuffer>;
  encodeInto(text: string, target: Uint8Array): { read: number; written: number };
}

/** From UTF-8, the only encoding there is. */
declare class TextDecoder {
  constructor(label?: string, options?: { fatal?: boolean; ignoreBOM?: boolean });
  readonly encoding: "utf-8";
  readonly fatal: boolean;
  readonly ignoreBOM: boolean;
  decode(input?: ArrayBufferLike | ArrayBufferView, options?: { stream?: boolean }): string;
}

/** Base64 of a text whose characters are bytes (U+0000 to U+00FF). */
declare function btoa(bytes: string): string;
declare function atob(base64: string): string;

declare function structuredClone<T>(value: T, options?: { transfer?: ArrayBuffer[] }): T;

// URLs.

/** https://url.spec.whatwg.org/#url-class */
declare class URL {
  constructor(url: string | URL, base?: string | URL);
  static parse(url: string | URL, base?: string | URL): URL | null;
  static canParse(url: string | URL, base?: string | URL): boolean;
  href: string;
  readonly origin: string;
  protocol: string;
  username: string;
  password: string;
  host: string;
  hostname: string;
  port: string;
  pathname: string;
  search: string;
  readonly searchParams: URLSearchParams;
  hash: string;
  toString(): string;
  toJSON(): string;
}

declare class URLSearchParams {
  constructor(init?: string | Record<string, string> | Iterable<readonly [string, string]> | URLSearchParams);
  readonly size: number;
  append(name: string, value: string): void;
  delete(name: string, value?: string): void;
  get(name: string): string | null;
  getAll(name: string): string[];
  has(name: string, value?: string): boolean;
  set(name: string, value: string): void;
  sort(): void;
  forEach(callback: (value: string, name: string, params: URLSearchParams) => void, self?: unknown): void;
  entries(): IterableIterator<[string, string]>;
  keys(): IterableIterator<string>;
  values(): IterableIterator<string>;
  [Symbol.iterator](): IterableIterator<[string, string]>;
  toString(): string;
}

// Events and cancellation.

declare class Event {
  constructor(type: string, options?: { bubbles?: boolean; cancelable?: boolean; composed?: boolean });
  static readonly NONE: 0;
  static readonly CAPTURING_PHASE: 1;
  static readonly AT_TARGET: 2;
  static readonly BUBBLING_PHASE: 3;
  readonly type: string;
  readonly target: EventTarget | null;
  readonly currentTarget: EventTarget | null;
  readonly eventPhase: number;
  readonly bubbles: boolean;
  readonly cancelable: boolean;
  readonly composed: boolean;
  readonly defaultPrevented: boolean;
  readonly isTrusted: boolean;
  readonly timeStamp: number;
  composedPath(): EventTarget[];
  preventDefault(): void;
  stopPropagation(): void;
  stopImmediatePropagation(): void;
}

type EventListener = ((event: Event) => void) | { handleEvent(event: Event): void };

declare class EventTarget {
  addEventListener(
    type: string,
    listener: EventListener | null,
    options?: boolean | { capture?: boolean; once?: boolean; passive?: boolean; signal?: AbortSignal },
  ): void;
  removeEventListener(type: string, listener: EventListener | null, options?: boolean | { capture?: boolean }): void;
  dispatchEvent(event: Event): boolean;
}

declare class AbortController {
  readonly signal: AbortSignal;
  abort(reason?: unknown): void;
}

declare class AbortSignal extends EventTarget {
  private constructor();
  static abort(reason?: unknown): AbortSignal;
  static timeout(delayMs: number): AbortSignal;
  static any(signals: Iterable<AbortSignal>): AbortSignal;
  readonly aborted: boolean;
  readonly reason: any;
  onabort: ((event: Event) => void) | null;
  throwIfAborted(): void;
}

declare class DOMException extends Error {
  constructor(message?: string, name?: string);
  readonly name: string;
  readonly message: string;
  readonly code: number;
}

// Randomness and digests.

/** https://www.w3.org/TR/webcrypto-2/, as far as it is here. */
declare const crypto: {
  /** Fills and gives back a typed array of integers, of 65536 bytes at most. */
  getRandomValues<T extends Int8Array | Uint8Array | Uint8ClampedArray | Int16Array | Uint16Array | Int32Array | Uint32Array | BigInt64Array | BigUint64Array>(
    array: T,
  ): T;
  randomUUID(): `${string}-${string}-${string}-${string}-${string}`;
  readonly subtle: {
    /** `SHA-1`, `SHA-256`, `SHA-384` or `SHA-512`. */
    digest(algorithm: string | { name: string }, data: ArrayBuffer | ArrayBufferView): Promise<ArrayBuffer>;
  };
};
