// JSON Web Tokens (RFC 7519) read without a key, by jwt-decode.
import { jwtDecode } from "jwt-decode";

export function decode(token) {
  return { header: jwtDecode(token, { header: true }), payload: jwtDecode(token) };
}
