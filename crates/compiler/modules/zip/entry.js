// ZIP archives, gzip and deflate, by fflate.
import { deflateSync, gunzipSync, gzipSync, inflateSync, unzipSync, zipSync } from "fflate";

const MIB = 1024 * 1024;

// An archive says how large it becomes; what it says is checked before room is taken.
export function unzip(bytes, options = {}) {
  const { bytesMax = 16 * MIB, names } = options;
  const wanted = names === undefined ? undefined : new Set(names);
  let total = 0;
  return unzipSync(bytes, {
    filter(file) {
      if (wanted !== undefined && !wanted.has(file.name)) return false;
      total += file.originalSize;
      if (total > bytesMax) throw new RangeError(`the archive unpacks to more than ${bytesMax} bytes`);
      return true;
    },
  });
}

export function list(bytes) {
  const files = [];
  unzipSync(bytes, {
    filter({ name, size, originalSize }) {
      files.push({ name, size: originalSize, packedSize: size });
      return false;
    },
  });
  return files;
}

export function zip(files, options = {}) {
  const { level = 6 } = options;
  const encoder = new TextEncoder();
  const entries = Object.entries(files).map(([name, body]) => [name, typeof body === "string" ? encoder.encode(body) : body]);
  // A fixed time, so that the same files make the same archive.
  return zipSync(Object.fromEntries(entries), { level, mtime: new Date(1980, 0, 1) });
}

export function gzip(bytes, options = {}) {
  return gzipSync(bytes, { level: options.level ?? 6, mtime: 0 });
}

export function gunzip(bytes) {
  return gunzipSync(bytes);
}

export function deflate(bytes, options = {}) {
  return deflateSync(bytes, { level: options.level ?? 6 });
}

export function inflate(bytes) {
  return inflateSync(bytes);
}
