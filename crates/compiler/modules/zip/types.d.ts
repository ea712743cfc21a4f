declare module "toolwright:zip" {
  /** The files of a ZIP archive by name. One that unpacks to more than `bytesMax` (16 MiB) throws; `names` picks some. */
  export function unzip(bytes: Uint8Array, options?: { bytesMax?: number; names?: readonly string[] }): Record<string, Uint8Array>;
  /** What is in an archive, without unpacking it. */
  export function list(bytes: Uint8Array): { name: string; size: number; packedSize: number }[];
  /** An archive of files by name. */
  export function zip(files: Record<string, Uint8Array | string>, options?: { level?: Level }): Uint8Array;
  export function gzip(bytes: Uint8Array, options?: { level?: Level }): Uint8Array;
  export function gunzip(bytes: Uint8Array): Uint8Array;
  /** Without a header (RFC 1951). */
  export function deflate(bytes: Uint8Array, options?: { level?: Level }): Uint8Array;
  export function inflate(bytes: Uint8Array): Uint8Array;

  type Level = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9;
}
