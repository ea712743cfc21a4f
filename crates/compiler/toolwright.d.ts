/**
 * What a tool has beside JavaScript itself (ECMAScript 2025). There are no files and no processes. Besides this module, the
 * library modules `toolwright:NAME` can be imported, and nothing else.
 *
 * A module is run once when the tool is built, and every call begins from a copy of that: what the top level computes is computed
 * already, nothing of one call is seen by the next. `fetch`, secrets, timers, randomness and digests work inside `run` only. `Date.now()` at the top level is the time
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

  /**
   * Makes a resource: something to read, at a URI, or at all URIs of a template. The module's default export.
   *
   * ```js
   * import { resource } from "toolwright";
   * export default resource({
   *   name: "station",
   *   description: "The latest report of a weather station.",
   *   uri: "weather://stations/{id}",
   *   mimeType: "text/plain",
   *   read({ id }, ctx, { uri }) {
   *     return `${uri}: station ${id} is fine`;
   *   },
   * });
   * ```
   */
  export function resource<const Uri extends string>(definition: ResourceDefinition<Uri>): Resource;

  /**
   * Makes a prompt: messages that a person begins with. The module's default export.
   *
   * ```js
   * import { prompt } from "toolwright";
   * export default prompt({
   *   name: "review",
   *   description: "Reviews code.",
   *   arguments: [{ name: "language", description: "Of the code", required: true }],
   *   complete: { language: (value) => ["Rust", "Ruby"].filter((name) => name.startsWith(value)) },
   *   run({ language }) {
   *     return `Review this ${language} code.`;
   *   },
   * });
   * ```
   */
  export function prompt<const List extends readonly PromptArgument[]>(definition: PromptDefinition<List>): Prompt;

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
    /** Pictures for it. */
    readonly icons?: readonly Icon[];
    /** Calls that show how the tool is used; they are tried when the tool is built. */
    readonly examples?: readonly Example[];
    /**
     * Answers a call. What it returns is written as JSON; `undefined` as `null`. Content (`ctx.text`, `ctx.image`, ..., one or a list of them, or
     * `ctx.content`) is shown as it is.
     */
    run(input: Arguments<Schema>, ctx: Context): unknown;
  }

  /** What `tool` makes: the definition, checked and frozen. */
  export type Tool = Readonly<Definition<any>>;

  export interface ResourceDefinition<Uri extends string = string> {
    /** What the platform calls it: letters, digits, `_` and `-`, 60 characters at most. */
    readonly name: string;
    /** What people see. */
    readonly title?: string;
    /** What the resource holds. */
    readonly description: string;
    /** An absolute URI, or a template with {names} (RFC 6570, level 1). */
    readonly uri: Uri;
    /** The media type of what `read` gives, where it says none itself. */
    readonly mimeType?: string;
    /** Bytes, where they are known. */
    readonly size?: number;
    /** Whom it is for. */
    readonly annotations?: ContentAnnotations;
    /** Pictures for it. */
    readonly icons?: readonly Icon[];
    /** Values for variables of the template that are being filled in. */
    readonly complete?: { readonly [Name in Variables<Uri>]?: Completer };
    /** Variables that show how it is read; they are tried when the resource is built. */
    readonly examples?: readonly Example[];
    /** Gives what is at a URI: a text, bytes, or parts of either kind. */
    read(variables: { [Name in Variables<Uri>]: string }, ctx: Context, at: { uri: string }): ResourceResult | Promise<ResourceResult>;
  }

  /** What `resource` makes: the definition, checked and frozen. */
  export type Resource = Readonly<ResourceDefinition<any>>;

  /** The {names} in a template. */
  export type Variables<Uri extends string> = string extends Uri ? string : Uri extends `${string}{${infer Name}}${infer Rest}` ? Name | Variables<Rest> : never;

  export type ResourceResult = ResourcePart | readonly ResourcePart[] | { contents: readonly ResourcePart[] };
  /** `uri` and `mimeType` are the resource's own where they are not given. */
  export type ResourcePart = string | Bytes | { uri?: string; mimeType?: string; text: string } | { uri?: string; mimeType?: string; blob: Bytes | string };

  export interface PromptArgument {
    /** Letters, digits and `_`. */
    readonly name: string;
    readonly title?: string;
    readonly description?: string;
    /** Whether it must be given. */
    readonly required?: boolean;
  }

  export interface PromptDefinition<List extends readonly PromptArgument[] = readonly PromptArgument[]> {
    /** What clients call it: letters, digits, `_` and `-`, 60 characters at most. */
    readonly name: string;
    /** What people see. */
    readonly title?: string;
    /** What the prompt is for. */
    readonly description: string;
    /** What a person fills in: texts. */
    readonly arguments?: List;
    /** Pictures for it. */
    readonly icons?: readonly Icon[];
    /** Values for arguments that are being filled in. */
    readonly complete?: { readonly [Name in List[number]["name"]]?: Completer };
    /** Arguments that show how it is used; they are tried when the prompt is built. */
    readonly examples?: readonly Example[];
    /** Gives the messages. A text, or content, is one message of the user's. */
    run(input: { [Argument in List[number] as Argument["name"]]: Argument extends { readonly required: true } ? string : string | undefined }, ctx: Context): PromptResult | Promise<PromptResult>;
  }

  /** What `prompt` makes: the definition, checked and frozen. */
  export type Prompt = Readonly<PromptDefinition<any>>;

  export type PromptResult = PromptMessage | readonly PromptMessage[] | { description?: string; messages: PromptMessage | readonly PromptMessage[] };
  export type PromptMessage = string | Content | { role: "user" | "assistant"; content: string | Content };

  /** Gives values that begin with what was typed so far: 100 at most are shown. */
  export type Completer = (value: string, context: { arguments: { [name: string]: string } }, ctx: Context) => Completion | Promise<Completion>;
  export type Completion = readonly string[] | { values: readonly string[]; total?: number; hasMore?: boolean };

  /** The second argument of `run` and `read`. */
  export interface Context {
    /** The environment value of that name: `undefined` where it is not set, or not granted to this tool. */
    env(name: string): string | undefined;
    /**
     * A placeholder for a secret. The tool never has the secret itself: it is put in where the placeholder stands in a header, in the query or
     * in the body of a request, on the way to a host that may have it. Where the grant `from_caller` names it, it is the one that the caller brought
     * with the header `X-Env-NAME`; it throws where there is none.
     */
    secret(name: string): string;
    /** A placeholder for a whole header `authorization`: `Basic`, with the secret as password. */
    basicAuth(user: string, name: string): string;
    /** The HMAC of the data with the secret as key. `SHA-1`, `SHA-256`, `SHA-384` or `SHA-512`. */
    hmac(algorithm: string | { name: string }, name: string, data: string | Bytes): Promise<Uint8Array<ArrayBuffer>>;
    /** Writes a line to the call's log, as `console.log` does; with `debug`, `info`, `warn` and `error` for the levels. */
    log: {
      (...values: unknown[]): void;
      debug(...values: unknown[]): void;
      info(...values: unknown[]): void;
      warn(...values: unknown[]): void;
      error(...values: unknown[]): void;
    };
    /** How far the call is: `done` of `total`, where that is known, and what it is doing. */
    progress(done: number, total?: number, message?: string): void;
    /**
     * Asks the person in front of the client to fill in a form. `decline` (they said no) and `cancel` (they went away from it) are answers, too.
     *
     * While the person thinks, the call's time stands still. Some clients are asked between two runs of the tool: it then runs again up to this
     * point, and everything that it was told on the way is told again, so that nothing is sent twice. So a question fails (a `ToolError`, which
     * can be caught) where the client cannot be asked, or does not answer in time; and what a call was told before a question is bounded to what can be kept.
     * A body of `fetch` is best read to its end before. `key` is what clients of 2026-07-28 know the question by: letters, digits, `_` and `-`; the
     * platform makes one where there is none.
     *
     * ```js
     * const { action, content } = await ctx.elicit({
     *   message: "Which city?",
     *   schema: { type: "object", properties: { city: { type: "string", title: "City" } }, required: ["city"] },
     * });
     * if (action !== "accept") return "Nothing was chosen.";
     * ```
     */
    elicit(question: { message: string; schema: FormSchema; key?: string }): Promise<Elicited>;
    /** Asks the person to visit a page (https), where they enter what the client must not see. The answer says whether they agreed to, not what came of it. */
    elicit(question: { message: string; url: string | URL; key?: string }): Promise<Elicited>;
    /** Asks the client's model. As `elicit`, it fails where the client cannot be asked. */
    sample(question: SampleQuestion): Promise<Sampled>;
    /** The folders that the client works on. As `elicit`, it fails where the client cannot be asked. */
    roots(question?: { key?: string }): Promise<Root[]>;
    /** Text to be shown. */
    text(text: string, annotations?: ContentAnnotations): Content;
    /** A picture: its bytes, or those in base64. */
    image(data: Bytes | string, mimeType: string, annotations?: ContentAnnotations): Content;
    /** Sound: its bytes, or those in base64. */
    audio(data: Bytes | string, mimeType: string, annotations?: ContentAnnotations): Content;
    /** A resource itself. */
    resource(contents: { uri: string; mimeType?: string } & ({ text: string } | { blob: Bytes | string }), annotations?: ContentAnnotations): Content;
    /** Where a resource is. */
    link(link: Link): Content;
    /** Content with a result for programs (which fits `output`), or of a call that has failed. */
    content(content: string | Content | readonly (string | Content)[], options?: { structured?: { readonly [name: string]: unknown }; isError?: boolean }): ContentAnswer;
  }

  /** A form: what MCP has of JSON Schema for it, so that any client can show it. 64 fields at most. */
  export interface FormSchema {
    readonly type: "object";
    readonly properties: { readonly [name: string]: FormField };
    readonly required?: readonly string[];
  }

  /** One field: a text, a number, a switch, one of several texts, or some of them. */
  export type FormField = { readonly title?: string; readonly description?: string } & (
    | { readonly type: "string"; readonly minLength?: number; readonly maxLength?: number; readonly format?: "email" | "uri" | "date" | "date-time"; readonly default?: string }
    | { readonly type: "string"; readonly enum: readonly string[]; readonly enumNames?: readonly string[]; readonly default?: string }
    | { readonly type: "string"; readonly oneOf: readonly { readonly const: string; readonly title: string }[]; readonly default?: string }
    | { readonly type: "number" | "integer"; readonly minimum?: number; readonly maximum?: number; readonly default?: number }
    | { readonly type: "boolean"; readonly default?: boolean }
    | {
        readonly type: "array";
        readonly items: { readonly type?: "string"; readonly enum: readonly string[] } | { readonly anyOf: readonly { readonly const: string; readonly title: string }[] };
        readonly minItems?: number;
        readonly maxItems?: number;
        readonly default?: readonly string[];
      }
  );

  /** `content` is there after `accept` of a form: its fields, as the schema has them. */
  export interface Elicited {
    readonly action: "accept" | "decline" | "cancel";
    readonly content?: { readonly [name: string]: string | number | boolean | readonly string[] };
  }

  export interface SampleQuestion {
    readonly key?: string;
    /** What is said to the model; a text is one message of the user's. */
    readonly messages: string | readonly { readonly role: "user" | "assistant"; readonly content: SampleContent | readonly SampleContent[] }[];
    /** How long the answer may be. */
    readonly maxTokens: number;
    readonly systemPrompt?: string;
    readonly temperature?: number;
    readonly stopSequences?: readonly string[];
    /** Which model: names as hints, and what matters, each from 0 to 1. */
    readonly modelPreferences?: { readonly hints?: readonly { readonly name?: string }[]; readonly costPriority?: number; readonly speedPriority?: number; readonly intelligencePriority?: number };
    readonly metadata?: { readonly [name: string]: unknown };
    /** Tools that the model may ask for; the answer's `content` then has blocks of the type `tool_use`. Few clients can. */
    readonly tools?: readonly { readonly name: string; readonly description?: string; readonly inputSchema: { readonly [name: string]: unknown } }[];
    readonly toolChoice?: { readonly mode?: "auto" | "required" | "none" };
  }

  /** A text, `ctx.text`, `ctx.image`, `ctx.audio`, or a block as MCP has it (`tool_use`, `tool_result`). */
  export type SampleContent = string | Content | { readonly type: "text" | "image" | "audio" | "tool_use" | "tool_result"; readonly [name: string]: unknown };

  export interface Sampled {
    readonly role: "user" | "assistant";
    /** A block as MCP has it, mostly { type: "text", text }, or a list of them. */
    readonly content: SampledBlock | readonly SampledBlock[];
    /** The model that answered. */
    readonly model: string;
    /** "endTurn", "stopSequence", "maxTokens", "toolUse", or another word of the client's. */
    readonly stopReason?: string;
  }

  export type SampledBlock = { readonly type: "text" | "image" | "audio" | "tool_use" | "tool_result"; readonly text?: string; readonly [name: string]: unknown };

  export interface Root {
    readonly uri: string;
    readonly name?: string;
  }

  export type Bytes = ArrayBuffer | ArrayBufferView | Blob;

  /** A piece of content, as `ctx.text` and the others make it. */
  export interface Content {
    readonly type: "text" | "image" | "audio" | "resource" | "resource_link";
    readonly annotations?: ContentAnnotations;
  }

  /** What `ctx.content` makes. */
  export interface ContentAnswer {
    readonly content: readonly Content[];
    readonly structuredContent?: { readonly [name: string]: unknown };
    readonly isError?: boolean;
  }

  export interface Link {
    readonly uri: string;
    readonly name: string;
    readonly title?: string;
    readonly description?: string;
    readonly mimeType?: string;
    /** Bytes. */
    readonly size?: number;
    readonly icons?: readonly Icon[];
    readonly annotations?: ContentAnnotations;
  }

  /** Whom content is for, and how much it matters. */
  export interface ContentAnnotations {
    readonly audience?: readonly ("user" | "assistant")[];
    /** From 0, which may be left out, to 1, which is needed. */
    readonly priority?: number;
    /** ISO 8601. */
    readonly lastModified?: string;
  }

  export interface Icon {
    /** A URL with https: or data:. */
    readonly src: string;
    readonly mimeType?: string;
    /** Like "48x48", or "any". */
    readonly sizes?: readonly string[];
    /** The background that it is made for. */
    readonly theme?: "light" | "dark";
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

/** https://w3c.github.io/FileAPI/#blob-section */
declare class Blob {
  constructor(parts?: Iterable<ArrayBufferLike | ArrayBufferView | Blob | string>, options?: { type?: string; endings?: "transparent" | "native" });
  readonly size: number;
  readonly type: string;
  slice(start?: number, end?: number, type?: string): Blob;
  text(): Promise<string>;
  arrayBuffer(): Promise<ArrayBuffer>;
  bytes(): Promise<Uint8Array<ArrayBuffer>>;
  stream(): ReadableStream<Uint8Array<ArrayBuffer>>;
}

/** A Blob with a name: a file of a form. There is no file system. */
declare class File extends Blob {
  constructor(
    parts: Iterable<ArrayBufferLike | ArrayBufferView | Blob | string>,
    name: string,
    options?: { type?: string; endings?: "transparent" | "native"; lastModified?: number },
  );
  readonly name: string;
  readonly lastModified: number;
}

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

// The network: hosts that were granted to the tool, and no others.

/**
 * Sends a request. Rejects with a TypeError that says why where there is no response: the host was not granted, cannot be reached, takes too long. A
 * response of any status resolves: look at `ok`.
 */
declare function fetch(input: string | URL | Request, init?: RequestInit): Promise<Response>;

interface RequestInit {
  /** `GET` where it is not given. */
  method?: string;
  headers?: HeadersInit;
  /** A form and a text bring their header content-type. A stream is read to its end before the request is sent. */
  body?: BodyInit | null;
  /** What a redirect does: it is followed, it is an error, or it is the response. */
  redirect?: "follow" | "error" | "manual";
  signal?: AbortSignal | null;
}

interface ResponseInit {
  status?: number;
  statusText?: string;
  headers?: HeadersInit;
}

type HeadersInit = Headers | Record<string, string> | Iterable<readonly [string, string]>;
type BodyInit = string | ArrayBufferLike | ArrayBufferView | Blob | FormData | URLSearchParams | ReadableStream<Uint8Array>;

declare class Headers {
  constructor(init?: HeadersInit);
  append(name: string, value: string): void;
  delete(name: string): void;
  get(name: string): string | null;
  getSetCookie(): string[];
  has(name: string): boolean;
  set(name: string, value: string): void;
  forEach(callback: (value: string, name: string, headers: Headers) => void, self?: unknown): void;
  entries(): IterableIterator<[string, string]>;
  keys(): IterableIterator<string>;
  values(): IterableIterator<string>;
  [Symbol.iterator](): IterableIterator<[string, string]>;
}

declare class Request {
  constructor(input: string | URL | Request, init?: RequestInit);
  readonly method: string;
  readonly url: string;
  readonly headers: Headers;
  readonly redirect: "follow" | "error" | "manual";
  readonly signal: AbortSignal;
  readonly body: ReadableStream<Uint8Array<ArrayBuffer>> | null;
  readonly bodyUsed: boolean;
  clone(): Request;
  arrayBuffer(): Promise<ArrayBuffer>;
  blob(): Promise<Blob>;
  bytes(): Promise<Uint8Array<ArrayBuffer>>;
  formData(): Promise<FormData>;
  json(): Promise<any>;
  text(): Promise<string>;
}

declare class Response {
  constructor(body?: BodyInit | null, init?: ResponseInit);
  static error(): Response;
  static json(data: unknown, init?: ResponseInit): Response;
  static redirect(url: string | URL, status?: number): Response;
  readonly type: "basic" | "default" | "error";
  readonly url: string;
  readonly redirected: boolean;
  readonly status: number;
  /** Whether the status is 200 to 299. */
  readonly ok: boolean;
  readonly statusText: string;
  readonly headers: Headers;
  /** Each piece is asked for when it is read. */
  readonly body: ReadableStream<Uint8Array<ArrayBuffer>> | null;
  readonly bodyUsed: boolean;
  clone(): Response;
  arrayBuffer(): Promise<ArrayBuffer>;
  blob(): Promise<Blob>;
  bytes(): Promise<Uint8Array<ArrayBuffer>>;
  formData(): Promise<FormData>;
  json(): Promise<any>;
  text(): Promise<string>;
}

/** A form. As a body it is `multipart/form-data`. */
declare class FormData {
  append(name: string, value: string | Blob, filename?: string): void;
  delete(name: string): void;
  get(name: string): File | string | null;
  getAll(name: string): (File | string)[];
  has(name: string): boolean;
  set(name: string, value: string | Blob, filename?: string): void;
  forEach(callback: (value: File | string, name: string, form: FormData) => void, self?: unknown): void;
  entries(): IterableIterator<[string, File | string]>;
  keys(): IterableIterator<string>;
  values(): IterableIterator<File | string>;
  [Symbol.iterator](): IterableIterator<[string, File | string]>;
}

// Streams: https://streams.spec.whatwg.org/, without byte streams.

interface QueuingStrategy<T> {
  highWaterMark?: number;
  size?(value: T): number;
}

declare class ReadableStream<T = any> {
  constructor(
    source?: {
      start?(controller: ReadableStreamDefaultController<T>): unknown;
      pull?(controller: ReadableStreamDefaultController<T>): unknown;
      cancel?(reason?: unknown): unknown;
    },
    strategy?: QueuingStrategy<T>,
  );
  static from<T>(iterable: Iterable<T> | AsyncIterable<T>): ReadableStream<T>;
  readonly locked: boolean;
  cancel(reason?: unknown): Promise<void>;
  getReader(): ReadableStreamDefaultReader<T>;
  tee(): [ReadableStream<T>, ReadableStream<T>];
  values(options?: { preventCancel?: boolean }): AsyncIterableIterator<T>;
  pipeTo(target: WritableStream<T>, options?: PipeOptions): Promise<void>;
  pipeThrough<Out>(transform: { readable: ReadableStream<Out>; writable: WritableStream<T> }, options?: PipeOptions): ReadableStream<Out>;
  [Symbol.asyncIterator](): AsyncIterableIterator<T>;
}

interface PipeOptions {
  preventClose?: boolean;
  preventAbort?: boolean;
  preventCancel?: boolean;
  signal?: AbortSignal;
}

declare class ReadableStreamDefaultReader<T = any> {
  constructor(stream: ReadableStream<T>);
  readonly closed: Promise<void>;
  read(): Promise<{ value: T; done: false } | { value: undefined; done: true }>;
  cancel(reason?: unknown): Promise<void>;
  releaseLock(): void;
}

declare class ReadableStreamDefaultController<T = any> {
  private constructor();
  readonly desiredSize: number | null;
  enqueue(value: T): void;
  close(): void;
  error(reason?: unknown): void;
}

declare class WritableStream<T = any> {
  constructor(
    sink?: {
      start?(controller: { error(reason?: unknown): void }): unknown;
      write?(value: T, controller: { error(reason?: unknown): void }): unknown;
      close?(): unknown;
      abort?(reason?: unknown): unknown;
    },
    strategy?: QueuingStrategy<T>,
  );
  readonly locked: boolean;
  abort(reason?: unknown): Promise<void>;
  close(): Promise<void>;
  getWriter(): WritableStreamDefaultWriter<T>;
}

declare class WritableStreamDefaultWriter<T = any> {
  constructor(stream: WritableStream<T>);
  readonly closed: Promise<void>;
  readonly desiredSize: number | null;
  readonly ready: Promise<void>;
  write(value: T): Promise<void>;
  close(): Promise<void>;
  abort(reason?: unknown): Promise<void>;
  releaseLock(): void;
}

interface TransformController<T> {
  readonly desiredSize: number | null;
  enqueue(value: T): void;
  error(reason?: unknown): void;
  terminate(): void;
}

declare class TransformStream<In = any, Out = any> {
  constructor(
    transformer?: {
      start?(controller: TransformController<Out>): unknown;
      transform?(value: In, controller: TransformController<Out>): unknown;
      flush?(controller: TransformController<Out>): unknown;
      cancel?(reason?: unknown): unknown;
    },
    writableStrategy?: QueuingStrategy<In>,
    readableStrategy?: QueuingStrategy<Out>,
  );
  readonly readable: ReadableStream<Out>;
  readonly writable: WritableStream<In>;
}

declare class TextDecoderStream {
  constructor(label?: string, options?: { fatal?: boolean; ignoreBOM?: boolean });
  readonly encoding: "utf-8";
  readonly fatal: boolean;
  readonly ignoreBOM: boolean;
  readonly readable: ReadableStream<string>;
  readonly writable: WritableStream<ArrayBufferLike | ArrayBufferView>;
}

declare class TextEncoderStream {
  readonly encoding: "utf-8";
  readonly readable: ReadableStream<Uint8Array<ArrayBuffer>>;
  readonly writable: WritableStream<string>;
}
